//! `<vcpu>`: how many virtual CPUs, and on which host CPUs they may run.

use ostler_base::{Error, IdSet, Result, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::cpu::Topology;

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
}

impl Vcpus {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("vcpu") else {
            return Ok(Vcpus { maximum: 1, current: 1, placement: Placement::Static, cpuset: None });
        };
        let text = el.text();
        let maximum = if text.trim().is_empty() {
            1
        } else {
            text.trim().parse().map_err(|_| Error::xml("maximum vcpus must be an integer"))?
        };
        let current = el.number("current")?.unwrap_or(maximum);
        if current == 0 || maximum == 0 {
            return Err(Error::xml("number of vCPUs must be greater than 0"));
        }
        if current > maximum {
            let detail = format!("maxvcpus must not be less than current vcpus ({maximum} < {current})");
            return Err(Error::internal(detail).from_origin(ostler_base::Origin::Domain));
        }
        let cpuset = match el.attr("cpuset") {
            Some(text) => Some(
                IdSet::parse(text)
                    .ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{text}'")))?,
            ),
            None => None,
        };
        Ok(Vcpus { maximum, current, placement: el.word("placement")?.unwrap_or(Placement::Static), cpuset })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::with_text("vcpu", self.maximum).attr("placement", self.placement);
        el.set_opt("cpuset", self.cpuset.as_ref());
        el.set_opt("current", (self.current != self.maximum).then_some(self.current));
        root.push(el);
    }

    /// `-smp`: without a topology every vCPU is a socket.
    pub(crate) fn parts(&self, topology: Option<&Topology>, out: &mut Vec<Part>) {
        let mut smp = Props::new().with("cpus", self.current);
        if self.current != self.maximum {
            smp.set("maxcpus", self.maximum);
        }
        let sockets = topology.map_or(self.maximum, |t| t.sockets);
        smp.set("sockets", sockets);
        if let Some(topology) = topology {
            smp.set_opt("dies", (topology.dies > 1).then_some(topology.dies));
        }
        smp.set("cores", topology.map_or(1, |t| t.cores));
        smp.set("threads", topology.map_or(1, |t| t.threads));
        out.push(Part::options("-smp", Some("cpus"), smp));
    }
}
