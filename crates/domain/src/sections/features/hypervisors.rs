//! `<hyperv>` and `<kvm>`: enlightenments and other ways in which a hypervisor shows itself.

use ostler_base::{OnOff, Result, Word, words};
use ostler_xml::{El, Element};

use super::{refuse_unknown, state};

words! {
    /// `<hyperv mode='…'>`
    pub HypervMode { Custom = "custom", Passthrough = "passthrough", HostModel = "host-model" }
    /// A child of `<hyperv>`.
    pub EnlightenmentName {
        Relaxed = "relaxed", Vapic = "vapic", Spinlocks = "spinlocks", Vpindex = "vpindex", Runtime = "runtime",
        Synic = "synic", Stimer = "stimer", Reset = "reset", VendorId = "vendor_id",
        Frequencies = "frequencies", Reenlightenment = "reenlightenment", Tlbflush = "tlbflush", Ipi = "ipi",
        Evmcs = "evmcs", Avic = "avic", EmsrBitmap = "emsr_bitmap", XmmInput = "xmm_input",
    }
    /// A child of `<kvm>` that has a state only.
    pub KvmFeature {
        Hidden = "hidden", HintDedicated = "hint-dedicated", PollControl = "poll-control", PvIpi = "pv-ipi",
    }
}

/// `<hyperv>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hyperv {
    /// `mode`
    pub mode: HypervMode,
    /// Its children, in the order of the list.
    pub enlightenments: Vec<Enlightenment>,
}

/// One enlightenment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enlightenment {
    /// Which.
    pub name: EnlightenmentName,
    /// `state`
    pub state: OnOff,
    /// `retries` of spinlocks, at least 4095.
    pub retries: Option<u32>,
    /// `value` of the vendor, at most 12 characters.
    pub vendor: Option<String>,
    /// `<direct state=…>` of timers and TLB flushes.
    pub direct: Option<OnOff>,
    /// `<extended state=…>` of TLB flushes.
    pub extended: Option<OnOff>,
}

impl Hyperv {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let known = |name: &str| EnlightenmentName::parse(name).is_some();
        refuse_unknown(el, "unsupported HyperV Enlightenment feature:", known, "")?;
        let mut enlightenments = Vec::new();
        for (word, name) in EnlightenmentName::WORDS {
            if let Some(child) = el.child(word) {
                enlightenments.push(Enlightenment::parse(*name, &child)?);
            }
        }
        Ok(Hyperv { mode: el.word("mode")?.unwrap_or(HypervMode::Custom), enlightenments })
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("hyperv").attr("mode", self.mode);
        el.extend(self.enlightenments.iter().map(Enlightenment::format));
        el
    }

    pub(super) fn cpu_words(&self, out: &mut Vec<String>) {
        if self.mode == HypervMode::Passthrough {
            out.push("hv-passthrough=on".to_owned());
        }
        for one in self.enlightenments.iter().filter(|e| e.state.is_true()) {
            let name = one.name.as_str().replace('_', "-");
            match one.name {
                EnlightenmentName::Spinlocks => {
                    out.extend(one.retries.map(|retries| format!("hv-spinlocks=0x{retries:x}")));
                }
                EnlightenmentName::VendorId => {
                    out.extend(one.vendor.as_ref().map(|vendor| format!("hv-vendor-id={vendor}")));
                }
                _ => out.push(format!("hv-{name}=on")),
            }
            if one.direct == Some(OnOff::On) {
                out.push(format!("hv-{name}-direct=on"));
            }
            if one.extended == Some(OnOff::On) {
                out.push(format!("hv-{name}-ext=on"));
            }
        }
    }
}

impl Enlightenment {
    fn parse(name: EnlightenmentName, el: &Element<'_>) -> Result<Self> {
        let state = el.on_off("state")?.ok_or_else(|| el.missing("state"))?;
        let on = state.is_true();
        let retries = match name {
            EnlightenmentName::Spinlocks if on => {
                let retries = el.require_number::<u32>("retries")?;
                if retries < 0xfff {
                    return Err(el.fault("HyperV spinlock retry count must be at least 4095"));
                }
                Some(retries)
            }
            _ => None,
        };
        let vendor = match name {
            EnlightenmentName::VendorId if on => Some(vendor(el)?),
            _ => None,
        };
        let child = |name: &str| -> Result<Option<OnOff>> {
            el.child(name).filter(|_| on).map(|c| c.on_off("state")).transpose().map(Option::flatten)
        };
        Ok(Enlightenment {
            name,
            state,
            retries,
            vendor,
            direct: child("direct")?,
            extended: child("extended")?,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new(self.name.as_str())
            .attr("state", self.state)
            .attr_opt("retries", self.retries)
            .attr_opt("value", self.vendor.as_ref());
        el.extend(self.direct.map(|state| El::new("direct").attr("state", state)));
        el.extend(self.extended.map(|state| El::new("extended").attr("state", state)));
        el
    }
}

fn vendor(el: &Element<'_>) -> Result<String> {
    let value = el
        .attr("value")
        .ok_or_else(|| el.fault("missing 'value' attribute for HyperV feature 'vendor_id'"))?;
    if value.len() > 12 {
        return Err(el.fault("HyperV vendor_id value must not be more than 12 characters."));
    }
    if value.contains(',') {
        return Err(el.fault("HyperV vendor_id value is invalid"));
    }
    Ok(value.to_owned())
}

/// `<kvm>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kvm {
    /// Children that have a state only, in the order of the list.
    pub features: Vec<(KvmFeature, OnOff)>,
    /// `<dirty-ring state= size=>`: entries, a power of 2 from 1024 to 65536.
    pub dirty_ring: Option<(OnOff, Option<u32>)>,
}

impl Kvm {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let known = |name: &str| KvmFeature::parse(name).is_some() || name == "dirty-ring";
        refuse_unknown(el, "unsupported KVM feature:", known, "")?;
        let mut features = Vec::new();
        for (word, feature) in KvmFeature::WORDS {
            if let Some(child) = el.child(word) {
                let state = child.on_off("state")?.ok_or_else(|| child.missing("state"))?;
                features.push((*feature, state));
            }
        }
        let dirty_ring = match el.child("dirty-ring") {
            Some(ring) => {
                let state = state(&ring)?;
                let size = if state.is_true() { Some(ring.require_number::<u32>("size")?) } else { None };
                if size.is_some_and(|s| !s.is_power_of_two() || !(1024..=65_536).contains(&s)) {
                    return Err(ring.fault("dirty ring must be power of 2 and ranges [1024, 65536]"));
                }
                Some((state, size))
            }
            None => None,
        };
        Ok(Kvm { features, dirty_ring })
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("kvm");
        el.extend(
            self.features.iter().map(|(feature, state)| El::new(feature.as_str()).attr("state", state)),
        );
        el.extend(
            self.dirty_ring
                .map(|(state, size)| El::new("dirty-ring").attr("state", state).attr_opt("size", size)),
        );
        el
    }

    pub(super) fn cpu_words(&self, out: &mut Vec<String>) {
        for (feature, state) in &self.features {
            match (feature, state) {
                (KvmFeature::Hidden, OnOff::On) => out.push("kvm=off".to_owned()),
                (KvmFeature::HintDedicated, OnOff::On) => out.push("kvm-hint-dedicated=on".to_owned()),
                (KvmFeature::PollControl, OnOff::On) => out.push("kvm-poll-control=on".to_owned()),
                (KvmFeature::PvIpi, OnOff::Off) => out.push("kvm-pv-ipi=off".to_owned()),
                _ => {}
            }
        }
    }
}
