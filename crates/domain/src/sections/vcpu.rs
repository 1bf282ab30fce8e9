//! `<vcpu>` and `<vcpus>`: how many virtual CPUs, which of them are there at boot, and on which host
//! CPUs they may run.

use ostler_base::{Error, IdSet, Result, YesNo, refuse, words};
use ostler_caps::cpu::Topology;
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use crate::Setting;

words! {
    /// `<vcpu placement='…'>`
    pub Placement { Static = "static", Auto = "auto" }
}

/// Virtual CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcpus {
    /// Most of them; 1 to what the machine type allows.
    pub maximum: u32,
    /// How many are there at boot; 1 to `maximum`.
    pub current: u32,
    /// `placement`
    pub placement: Placement,
    /// `cpuset`: host CPUs they may run on; absent: any.
    pub cpuset: Option<IdSet>,
    /// `<vcpus>`: every single one, by id; empty where the first `current` are meant.
    pub each: Vec<Vcpu>,
}

/// `<vcpu id= enabled= hotpluggable= order=>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vcpu {
    /// `enabled`: whether it is there.
    pub enabled: bool,
    /// `hotpluggable`: whether it can be taken out.
    pub hotpluggable: bool,
    /// `order`: when it is plugged, among those that are.
    pub order: Option<u32>,
}

/// The most vCPUs that a document may ask for.
const MOST: u32 = 65_535;

impl Vcpus {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let el = root.child("vcpu");
        let text = el.map(|el| el.text()).unwrap_or_default();
        let maximum: u32 = match text.trim() {
            "" => 1,
            text => text.parse().map_err(|_| Error::xml("maximum vcpus count must be an integer"))?,
        };
        let current = el.map(|el| el.number("current")).transpose()?.flatten().unwrap_or(maximum);
        if current == 0 || maximum == 0 {
            refuse!(xml, "number of vCPUs must be greater than 0");
        }
        if maximum > MOST {
            refuse!(xml, "number of vCPUs must not be greater than {MOST}");
        }
        if current > maximum {
            refuse!(unsupported, "maximum vCPU count must not be less than current vCPU count");
        }
        let said = el.map(|el| el.word("placement")).transpose()?.flatten();
        let placement = said.unwrap_or(Placement::Static);
        let cpuset = el.and_then(|el| el.attr("cpuset")).filter(|_| placement != Placement::Auto);
        let cpuset = cpuset.map(cpus).transpose()?;
        let each = match root.child("vcpus") {
            Some(list) => each(&list, maximum)?,
            None => Vec::new(),
        };
        let enabled = each.iter().filter(|vcpu| vcpu.enabled).count();
        let current = if each.is_empty() { current } else { u32::try_from(enabled).unwrap_or(MOST) };
        Ok(Vcpus { maximum, current, placement, cpuset, each })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::with_text("vcpu", self.maximum).attr("placement", self.placement);
        el.set_opt("cpuset", self.cpuset.as_ref());
        el.set_opt("current", (self.current != self.maximum).then_some(self.current));
        root.push(el);
        let mut list = El::new("vcpus");
        list.extend(self.each.iter().enumerate().map(|(id, vcpu)| {
            El::new("vcpu")
                .attr("id", id)
                .attr("enabled", YesNo::from(vcpu.enabled))
                .attr("hotpluggable", YesNo::from(vcpu.hotpluggable))
                .attr_opt("order", vcpu.order)
        }));
        root.push_filled(list);
    }

    /// vCPU 0 is there first and stays; those that stay come before those that can be taken out.
    pub(crate) fn validate(&self) -> Result<()> {
        let Some(first) = self.each.first() else { return Ok(()) };
        if self.each.iter().any(|vcpu| !vcpu.enabled && !vcpu.hotpluggable) {
            refuse!(unsupported, "non-hotpluggable vcpus must be online");
        }
        if !first.enabled {
            refuse!(unsupported, "vcpu 0 can't be offline");
        }
        if first.hotpluggable {
            refuse!(unsupported, "vcpu0 can't be hotpluggable");
        }
        if first.order.is_some_and(|order| order != 1) {
            refuse!(unsupported, "vcpu0 must be enabled first");
        }
        for pair in self.each.windows(2) {
            let (before, vcpu) = (pair[0], pair[1]);
            if vcpu.enabled && vcpu.order.is_some() != first.order.is_some() {
                refuse!(unsupported, "all vcpus must have either set or unset order");
            }
            if !vcpu.hotpluggable && before.hotpluggable {
                refuse!(
                    unsupported,
                    "online non-hotpluggable vcpus need to be ordered prior to hotpluggable vcpus"
                );
            }
            if !vcpu.hotpluggable && before.order > vcpu.order {
                refuse!(unsupported, "online non-hotpluggable vcpus must be ordered in ascending order");
            }
        }
        Ok(())
    }

    /// `-smp`: without a topology every vCPU is a socket. vCPUs that can be taken out are plugged
    /// before the guest runs.
    pub(crate) fn part(&self, topology: Option<&Topology>, setting: &Setting<'_>) -> Result<Part> {
        let boots = match self.each.as_slice() {
            [] => self.current,
            each => {
                u32::try_from(each.iter().filter(|v| v.enabled && !v.hotpluggable).count()).unwrap_or(MOST)
            }
        };
        let mut smp = Props::new().with("cpus", boots);
        if boots != self.maximum {
            smp.set("maxcpus", self.maximum);
        }
        smp.set("sockets", topology.map_or(self.maximum, |t| t.sockets));
        if let Some(topology) = topology {
            for (flag, name, number, parent) in [
                (Flag::SmpDies, "dies", topology.dies, "die per socket"),
                (Flag::SmpClusters, "clusters", topology.clusters, "cluster per die"),
            ] {
                if setting.has(flag) {
                    smp.set(name, number);
                } else if number != 1 {
                    refuse!(unsupported, "Only 1 {parent} is supported");
                }
            }
        }
        smp.set("cores", topology.map_or(1, |t| t.cores));
        smp.set("threads", topology.map_or(1, |t| t.threads));
        Ok(Part::options("-smp", Some("cpus"), smp))
    }
}

fn cpus(text: &str) -> Result<IdSet> {
    let Some(set) = IdSet::parse(text) else {
        return Err(Error::invalid_arg(format!("Failed to parse bitmap '{text}'")));
    };
    if set.is_empty() {
        refuse!(unsupported, "Invalid value of 'cpuset': {text}");
    }
    Ok(set)
}

/// Every single vCPU.
fn each(list: &Element<'_>, maximum: u32) -> Result<Vec<Vcpu>> {
    let mut out: Vec<Option<Vcpu>> = vec![None; maximum as usize];
    for el in list.children("vcpu") {
        let Some(id) = el.number::<u32>("id")? else { refuse!(xml, "missing or invalid vcpu id") };
        let Some(place) = out.get_mut(id as usize) else {
            refuse!(xml, "vcpu id '{id}' is out of range of maximum vcpu count");
        };
        let enabled = el.yes_no("enabled")?.ok_or_else(|| el.missing("enabled"))?.is_true();
        let hotpluggable = el.yes_no("hotpluggable")?.map_or(!enabled, YesNo::is_true);
        *place = Some(Vcpu { enabled, hotpluggable, order: el.nonzero("order")? });
    }
    let absent = Vcpu { enabled: false, hotpluggable: true, order: None };
    Ok(out.into_iter().map(|vcpu| vcpu.unwrap_or(absent)).collect())
}
