//! `<features>`: what the hypervisor offers.

mod hypervisors;

use ostler_base::{Error, OnOff, Result, Word, YesNo, refuse, scale::KIB, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

pub use hypervisors::{Enlightenment, EnlightenmentName, Hyperv, HypervMode, Kvm, KvmFeature};

words! {
    /// Features that are there or not.
    pub Presence { Acpi = "acpi", Pae = "pae", Viridian = "viridian", Privnet = "privnet" }
    /// Features with a `state`.
    pub Switched {
        Hap = "hap", Pvspinlock = "pvspinlock", Pmu = "pmu", Vmport = "vmport", Vmcoreinfo = "vmcoreinfo",
        Htm = "htm", NestedHv = "nested-hv", CcfAssist = "ccf-assist", Ras = "ras", Ps2 = "ps2",
    }
    /// Features with a `value`: how a flaw of the CPU is met, or how interrupts are delivered.
    pub Valued { Cfpc = "cfpc", Sbbc = "sbbc", Ibs = "ibs", Aia = "aia" }
    /// `<gic version='…'>`
    pub GicVersion { V2 = "2", V3 = "3", Host = "host" }
    /// `<ioapic driver='…'>`
    pub IoApic { Qemu = "qemu", Kvm = "kvm" }
    /// `<hpt resizing='…'>`
    pub HptResizing { Enabled = "enabled", Disabled = "disabled", Required = "required" }
    /// `<msrs unknown='…'>`
    pub UnknownMsrs { Ignore = "ignore", Fault = "fault" }
    /// `<cfpc value='…'>` and the like.
    pub FlawAnswer {
        Broken = "broken", Workaround = "workaround", Fixed = "fixed", FixedIbs = "fixed-ibs",
        FixedCcd = "fixed-ccd", FixedNa = "fixed-na",
    }
    /// `<aia value='…'>`
    pub Aia { None = "none", Aplic = "aplic", AplicImsic = "aplic-imsic" }
}

/// Hypervisor features.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// Those that are there.
    pub present: Vec<Presence>,
    /// `<apic eoi=…>`
    pub apic: Option<Option<OnOff>>,
    /// Those with a `state`.
    pub switched: Vec<(Switched, OnOff)>,
    /// Those with a `value`.
    pub valued: Vec<(Valued, String)>,
    /// `<hyperv>`
    pub hyperv: Option<Hyperv>,
    /// `<kvm>`
    pub kvm: Option<Kvm>,
    /// `<gic>`; the version may be open.
    pub gic: Option<Option<GicVersion>>,
    /// `<smm>`
    pub smm: Option<Smm>,
    /// `<ioapic driver=…>`
    pub ioapic: Option<IoApic>,
    /// `<hpt>`
    pub hpt: Option<Hpt>,
    /// `<msrs unknown=…>`
    pub msrs: Option<UnknownMsrs>,
    /// `<tcg><tb-cache>`, KiB.
    pub tcg_cache: Option<u64>,
    /// `<async-teardown enabled=…>`
    pub async_teardown: Option<YesNo>,
}

/// `<smm state=…><tseg>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smm {
    /// `state`
    pub state: OnOff,
    /// `<tseg>`, bytes; a whole number of MiB.
    pub tseg: Option<u64>,
}

/// `<hpt resizing=…><maxpagesize>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hpt {
    /// `resizing`
    pub resizing: Option<HptResizing>,
    /// `<maxpagesize>`, KiB.
    pub max_page_size: Option<u64>,
}

fn state(el: &Element<'_>) -> Result<OnOff> {
    Ok(el.on_off("state")?.unwrap_or(OnOff::On))
}

impl Features {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("features") else { return Ok(Self::default()) };
        refuse_unknown(&el, "unexpected feature", |name| KNOWN.contains(&name), "'")?;
        let mut switched = Vec::new();
        for (name, feature) in Switched::WORDS {
            if let Some(child) = el.child(name) {
                let optional = [
                    Switched::Hap,
                    Switched::Pvspinlock,
                    Switched::Pmu,
                    Switched::Vmport,
                    Switched::Vmcoreinfo,
                ];
                let state = if optional.contains(feature) {
                    state(&child)?
                } else {
                    child.on_off("state")?.ok_or_else(|| child.missing("state"))?
                };
                switched.push((*feature, state));
            }
        }
        let mut valued = Vec::new();
        for (name, feature) in Valued::WORDS {
            if let Some(child) = el.child(name) {
                let value = match feature {
                    Valued::Aia => child.require_word::<Aia>("value")?.to_string(),
                    _ => child.require_word::<FlawAnswer>("value")?.to_string(),
                };
                valued.push((*feature, value));
            }
        }
        Ok(Features {
            present: Presence::WORDS
                .iter()
                .filter(|(name, _)| el.child(name).is_some())
                .map(|(_, f)| *f)
                .collect(),
            apic: el.child("apic").map(|a| a.on_off("eoi")).transpose()?,
            switched,
            valued,
            hyperv: el.child("hyperv").map(|h| Hyperv::parse(&h)).transpose()?,
            kvm: el.child("kvm").map(|k| Kvm::parse(&k)).transpose()?,
            gic: el.child("gic").map(|g| g.word("version")).transpose()?,
            smm: el.child("smm").map(|s| Smm::parse(&s)).transpose()?,
            ioapic: el.child("ioapic").map(|i| i.require_word("driver")).transpose()?,
            hpt: el.child("hpt").map(|h| Hpt::parse(&h)).transpose()?,
            msrs: el.child("msrs").map(|m| m.require_word("unknown")).transpose()?,
            tcg_cache: el.path("tcg/tb-cache").map(|c| kib(&c)).transpose()?,
            async_teardown: el
                .child("async-teardown")
                .map(|a| a.yes_no("enabled").map(|value| value.unwrap_or(YesNo::Yes)))
                .transpose()?,
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("features");
        let there = |feature: Presence| self.present.contains(&feature).then(|| El::new(feature.as_str()));
        let switch = |feature: Switched| {
            self.switched(feature).map(|state| El::new(feature.as_str()).attr("state", state))
        };
        let value = |feature: Valued| {
            let found = self.valued.iter().find(|(f, _)| *f == feature);
            found.map(|(_, value)| El::new(feature.as_str()).attr("value", value))
        };
        el.extend(there(Presence::Acpi));
        el.extend(self.apic.map(|eoi| El::new("apic").attr_opt("eoi", eoi)));
        el.extend(there(Presence::Pae));
        el.extend(switch(Switched::Hap));
        el.extend(there(Presence::Viridian));
        el.extend(there(Presence::Privnet));
        el.extend(self.hyperv.as_ref().map(Hyperv::format));
        el.extend(self.kvm.as_ref().map(Kvm::format));
        el.extend(switch(Switched::Pvspinlock));
        el.extend(switch(Switched::Pmu));
        el.extend(switch(Switched::Vmport));
        el.extend(self.gic.map(|version| El::new("gic").attr_opt("version", version)));
        el.extend(self.smm.as_ref().map(Smm::format));
        el.extend(self.ioapic.map(|driver| El::new("ioapic").attr("driver", driver)));
        el.extend(self.hpt.as_ref().map(Hpt::format));
        for feature in [Switched::Vmcoreinfo, Switched::Htm, Switched::NestedHv] {
            el.extend(switch(feature));
        }
        el.extend(self.msrs.map(|unknown| El::new("msrs").attr("unknown", unknown)));
        el.extend(switch(Switched::CcfAssist));
        for feature in [Valued::Cfpc, Valued::Sbbc, Valued::Ibs] {
            el.extend(value(feature));
        }
        el.extend(
            self.tcg_cache
                .map(|size| El::new("tcg").child(El::with_text("tb-cache", size).attr("unit", "KiB"))),
        );
        el.extend(self.async_teardown.map(|value| El::new("async-teardown").attr("enabled", value)));
        el.extend(switch(Switched::Ras));
        el.extend(switch(Switched::Ps2));
        el.extend(value(Valued::Aia));
        root.push_filled(el);
    }

    /// The state of a feature, where the definition says one.
    pub fn switched(&self, feature: Switched) -> Option<OnOff> {
        self.switched.iter().find(|(f, _)| *f == feature).map(|(_, state)| *state)
    }

    /// Whether the guest has ACPI.
    pub fn acpi(&self) -> bool {
        self.present.contains(&Presence::Acpi)
    }

    /// Takes ACPI out.
    pub(crate) fn remove_acpi(&mut self) {
        self.present.retain(|feature| *feature != Presence::Acpi);
    }

    /// Properties of `-machine`.
    pub(crate) fn machine_props(&self, props: &mut Props) {
        let on = |feature| self.switched(feature).map(OnOff::is_true);
        props.set_opt("vmport", on(Switched::Vmport));
        props.set_opt("smm", self.smm.as_ref().map(|smm| smm.state.is_true()));
        props.set_opt(
            "kernel_irqchip",
            self.ioapic.map(|driver| match driver {
                IoApic::Qemu => "split",
                IoApic::Kvm => "on",
            }),
        );
        props.set_opt("gic-version", self.gic.flatten().map(|version| version.to_string()));
        if let Some(hpt) = &self.hpt {
            props.set_opt("resize-hpt", hpt.resizing.map(|word| word.to_string()));
            props.set_opt("cap-hpt-max-page-size", hpt.max_page_size.map(|size| format!("{size}k")));
        }
        props.set_opt("cap-htm", on(Switched::Htm));
        props.set_opt("cap-nested-hv", on(Switched::NestedHv));
        props.set_opt("cap-ccf-assist", on(Switched::CcfAssist));
        for (feature, value) in &self.valued {
            let name = if *feature == Valued::Aia { "aia".to_owned() } else { format!("cap-{feature}") };
            props.set(&name, value.as_str());
        }
        props.set_opt("ras", on(Switched::Ras));
        props.set_opt("i8042", on(Switched::Ps2));
    }

    /// Properties of `-accel` besides the name.
    pub(crate) fn accel_props(&self, props: &mut Props) {
        let ring = self.kvm.as_ref().and_then(|kvm| kvm.dirty_ring);
        props
            .set_opt("dirty-ring-size", ring.filter(|(state, _)| state.is_true()).and_then(|(_, size)| size));
        props.set_opt("tb-size", self.tcg_cache.map(|size| size.div_ceil(1024)));
    }

    /// Words of `-cpu` after the model and its features.
    pub(crate) fn cpu_words(&self, out: &mut Vec<String>) {
        if let Some(eoi) = self.apic.flatten() {
            out.push(format!("kvm-pv-eoi={eoi}"));
        }
        if let Some(state) = self.switched(Switched::Pvspinlock) {
            out.push(format!("kvm-pv-unhalt={state}"));
        }
        if let Some(hyperv) = &self.hyperv {
            hyperv.cpu_words(out);
        }
        if let Some(kvm) = &self.kvm {
            kvm.cpu_words(out);
        }
    }

    /// Words of `-cpu` after those.
    pub(crate) fn cpu_words_last(&self, out: &mut Vec<String>) {
        if let Some(state) = self.switched(Switched::Pmu) {
            out.push(format!("pmu={state}"));
        }
    }

    /// What the board is told besides `-machine`.
    pub(crate) fn board_parts(&self, out: &mut Vec<Part>) {
        if let Some(tseg) = self.smm.as_ref().and_then(|smm| smm.tseg) {
            out.push(Part::plain("-global", format!("mch.extended-tseg-mbytes={}", tseg >> 20)));
        }
    }

    /// Devices and options that features are.
    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        if self.switched(Switched::Vmcoreinfo) == Some(OnOff::On) {
            out.push(Part::Device(Props::new().with("driver", "vmcoreinfo")));
        }
        if let Some(enabled) = self.async_teardown {
            let state = if enabled.is_true() { "on" } else { "off" };
            out.push(Part::plain("-run-with", format!("async-teardown={state}")));
        }
    }
}

/// Every child of `<features>`.
const KNOWN: &[&str] = &[
    "acpi",
    "apic",
    "pae",
    "hap",
    "viridian",
    "privnet",
    "hyperv",
    "kvm",
    "pvspinlock",
    "capabilities",
    "pmu",
    "vmport",
    "gic",
    "smm",
    "ioapic",
    "hpt",
    "vmcoreinfo",
    "htm",
    "nested-hv",
    "msrs",
    "ccf-assist",
    "xen",
    "cfpc",
    "sbbc",
    "ibs",
    "tcg",
    "async-teardown",
    "ras",
    "ps2",
    "aia",
];

/// Refuses a child that is none of those known.
fn refuse_unknown(el: &Element<'_>, what: &str, known: impl Fn(&str) -> bool, quote: &str) -> Result<()> {
    match el.elements().find(|child| !known(child.name())) {
        Some(child) => refuse!(unsupported, "{what} {quote}{}{quote}", child.name()),
        None => Ok(()),
    }
}

fn kib(el: &Element<'_>) -> Result<u64> {
    Ok(el.size(KIB, u64::MAX / 2)?.div_ceil(KIB))
}

impl Smm {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let tseg = match el.child("tseg") {
            Some(tseg) => Some(tseg.size(1 << 20, u64::MAX)?),
            None => None,
        };
        if tseg.is_some_and(|bytes| !bytes.is_multiple_of(1 << 20)) {
            return Err(Error::unsupported("SMM TSEG size must be divisible by 1 MiB"));
        }
        Ok(Smm { state: state(el)?, tseg: tseg.filter(|bytes| *bytes != 0) })
    }

    fn format(&self) -> El {
        let mut el = El::new("smm").attr("state", self.state);
        el.extend(self.tseg.map(|bytes| {
            let (size, unit) = pretty(bytes);
            El::with_text("tseg", size).attr("unit", unit)
        }));
        el
    }
}

impl Hpt {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Hpt {
            resizing: el.word("resizing")?,
            max_page_size: el.child("maxpagesize").map(|size| kib(&size)).transpose()?,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("hpt").attr_opt("resizing", self.resizing);
        el.extend(self.max_page_size.map(|size| El::with_text("maxpagesize", size).attr("unit", "KiB")));
        el
    }
}

/// A size in the largest unit that divides it.
fn pretty(bytes: u64) -> (u64, &'static str) {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let found = units.into_iter().find(|(shift, _)| bytes >> shift != 0 && bytes.is_multiple_of(1 << shift));
    found.map_or((bytes, "B"), |(shift, unit)| (bytes >> shift, unit))
}
