//! What a `<cpu>` element says, of a guest or of a host.
//!
//! Owns: the type and what is done to a definition without knowing its architecture. Never: reads
//! or writes XML (`xml.rs`), knows a model or a feature.

use ostler_base::{Arch, Code, Error, OnOff, Origin, Result, YesNo, words};

words! {
    /// `<cpu mode='…'>`
    pub Mode {
        Custom = "custom", HostModel = "host-model", HostPassthrough = "host-passthrough",
        Maximum = "maximum"
    }
    /// `<cpu match='…'>`
    pub Match { Minimum = "minimum", Exact = "exact", Strict = "strict" }
    /// `<cpu check='…'>`; absent, the hypervisor decides.
    pub Check { None = "none", Partial = "partial", Full = "full" }
    /// `<model fallback='…'>`: whether another model may stand for one that the emulator lacks.
    pub Fallback { Allow = "allow", Forbid = "forbid" }
    /// `<feature policy='…'>`
    pub Policy {
        Force = "force", Require = "require", Optional = "optional", Disable = "disable",
        Forbid = "forbid"
    }
    /// `<cache mode='…'>`
    pub CacheMode { Emulate = "emulate", Passthrough = "passthrough", Disable = "disable" }
    /// `<maxphysaddr mode='…'>`
    pub AddressMode { Emulate = "emulate", Passthrough = "passthrough" }
}

/// Whose CPU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// A CPU to be made for a guest: its features have policies.
    Guest,
    /// A CPU that a host has: its features are simply there.
    Host,
}

/// `<topology …/>`; no number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Sockets of the machine.
    pub sockets: u32,
    /// Dies of a socket.
    pub dies: u32,
    /// Clusters of a die.
    pub clusters: u32,
    /// Cores of a cluster.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
}

impl Topology {
    /// How many vCPUs it makes; `None` beyond 32 bits.
    pub fn vcpus(&self) -> Option<u32> {
        [self.dies, self.clusters, self.cores, self.threads]
            .into_iter()
            .try_fold(self.sockets, u32::checked_mul)
    }
}

/// `<signature …/>` of a host: what the CPU calls itself by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signature {
    /// Family, extended family included.
    pub family: u32,
    /// Model, extended model included.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
}

/// `<counter name='tsc' …/>` of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tsc {
    /// Ticks per second.
    pub frequency: u64,
    /// Whether a guest can be given another frequency.
    pub scaling: Option<YesNo>,
}

/// `<cache …/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// Level 1 to 3; absent for all.
    pub level: Option<u32>,
    /// What the guest sees of it.
    pub mode: CacheMode,
}

/// `<maxphysaddr …/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPhysAddr {
    /// Where the width comes from.
    pub mode: AddressMode,
    /// Width of an address in bits.
    pub bits: Option<u32>,
    /// Most bits that may be passed through.
    pub limit: Option<u32>,
}

/// `<feature …/>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The name of the feature.
    pub name: String,
    /// What is asked of it; `None` in the CPU of a host, where it is there.
    pub policy: Option<Policy>,
}

/// A CPU definition. Its `<numa>` child belongs to the reader of the NUMA topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Whose CPU it is.
    pub side: Side,
    /// `mode`; `None` in the CPU of a host.
    pub mode: Option<Mode>,
    /// `match`; only a guest's CPU of mode `custom` has a use for it.
    pub matching: Match,
    /// `check`
    pub check: Option<Check>,
    /// `migratable`, of modes `host-passthrough` and `maximum`.
    pub migratable: Option<OnOff>,
    /// `deprecated_features`
    pub deprecated_features: Option<OnOff>,
    /// `<arch>` of a host.
    pub arch: Option<Arch>,
    /// The name of the model.
    pub model: Option<String>,
    /// `<model fallback>`
    pub fallback: Fallback,
    /// `<model vendor_id>`: twelve characters that the guest sees as its vendor.
    pub vendor_id: Option<String>,
    /// `<vendor>`: of a guest, the vendor that the host's CPU must be of.
    pub vendor: Option<String>,
    /// `<microcode version>` of a host.
    pub microcode: Option<u32>,
    /// `<signature>` of a host.
    pub signature: Option<Signature>,
    /// `<counter name='tsc'>` of a host.
    pub tsc: Option<Tsc>,
    /// `<topology>`
    pub topology: Option<Topology>,
    /// `<cache>`
    pub cache: Option<Cache>,
    /// `<maxphysaddr>`
    pub max_phys_addr: Option<MaxPhysAddr>,
    /// The features, in the order written; no name twice.
    pub features: Vec<Feature>,
}

impl Cpu {
    /// A guest's CPU of mode `custom` and match `exact` without a model: what `<cpu/>` means.
    pub fn guest() -> Self {
        Cpu { mode: Some(Mode::Custom), ..Cpu::empty(Side::Guest) }
    }

    /// A host's CPU without a model.
    pub fn host(arch: Arch) -> Self {
        Cpu { arch: Some(arch), ..Cpu::empty(Side::Host) }
    }

    fn empty(side: Side) -> Self {
        Cpu {
            side,
            mode: None,
            matching: Match::Exact,
            check: None,
            migratable: None,
            deprecated_features: None,
            arch: None,
            model: None,
            fallback: Fallback::Allow,
            vendor_id: None,
            vendor: None,
            microcode: None,
            signature: None,
            tsc: None,
            topology: None,
            cache: None,
            max_phys_addr: None,
            features: Vec::new(),
        }
    }

    /// Whether the guest gets the host's CPU or all that the emulator can do.
    pub fn is_passthrough(&self) -> bool {
        matches!(self.mode, Some(Mode::HostPassthrough | Mode::Maximum))
    }

    /// Whether it is a guest's CPU of mode `custom` without a model: only topology and the like.
    pub fn is_default(&self) -> bool {
        self.mode == Some(Mode::Custom) && self.model.is_none()
    }

    /// The feature of a name.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Gives a feature a policy, adding it where it is missing. In a host's CPU it is just there.
    pub fn set_feature(&mut self, name: &str, policy: Option<Policy>) {
        let policy = policy.filter(|_| self.side == Side::Guest);
        match self.features.iter_mut().find(|feature| feature.name == name) {
            Some(feature) => feature.policy = policy,
            None => self.features.push(Feature { name: name.to_owned(), policy }),
        }
    }

    /// Adds a feature that the definition does not name yet.
    pub fn add_feature_if_missing(&mut self, name: &str, policy: Policy) {
        if self.feature(name).is_none() {
            self.set_feature(name, Some(policy));
        }
    }

    /// The same definition without model, vendor, microcode and features.
    pub fn without_model(&self) -> Self {
        Cpu {
            model: None,
            vendor: None,
            vendor_id: None,
            microcode: None,
            features: Vec::new(),
            ..self.clone()
        }
    }

    /// Takes model, vendor, microcode and features over from another definition. Going from a host
    /// to a guest a feature that is there becomes one that is required; the other way policies go.
    pub fn copy_model(&mut self, other: &Cpu) {
        self.model.clone_from(&other.model);
        self.vendor.clone_from(&other.vendor);
        self.vendor_id.clone_from(&other.vendor_id);
        self.microcode = other.microcode;
        self.features.clone_from(&other.features);
        if self.side == other.side {
            return;
        }
        for feature in &mut self.features {
            feature.policy = match self.side {
                Side::Host => None,
                Side::Guest => feature.policy.or(Some(Policy::Require)),
            };
        }
    }

    /// The same, but keeps its own vendor.
    pub(super) fn copy_model_keeping_vendor(&mut self, other: &Cpu) {
        let (vendor, vendor_id) = (self.vendor.take(), self.vendor_id.take());
        self.copy_model(other);
        self.vendor = vendor;
        self.vendor_id = vendor_id;
    }

    /// Refuses a guest whose CPU is not the same as this one, the source of a migration or the
    /// state before an update.
    pub fn check_equal(&self, target: &Cpu) -> Result<()> {
        let differ = |what: &str, target: String, source: String| {
            Err(mismatch(format!("Target CPU {what} {target} does not match source {source}")))
        };
        macro_rules! same {
            ($what:literal, $field:ident) => {
                if self.$field != target.$field {
                    return differ($what, shown(target.$field), shown(self.$field));
                }
            };
        }
        if self.side != target.side {
            return differ("type", target.side.name(), self.side.name());
        }
        same!("mode", mode);
        same!("check", check);
        same!("arch", arch);
        for (what, target, source) in [
            ("model", &target.model, &self.model),
            ("vendor", &target.vendor, &self.vendor),
            ("vendor id", &target.vendor_id, &self.vendor_id),
        ] {
            if target != source {
                return differ(what, shown(target.as_ref()), shown(source.as_ref()));
            }
        }
        self.check_equal_topology(target)?;
        if self.max_phys_addr.map(|a| (a.mode, a.bits)) != target.max_phys_addr.map(|a| (a.mode, a.bits)) {
            return Err(mismatch("Target CPU maxphysaddr does not match source"));
        }
        let (target_count, count) = (target.features.len(), self.features.len());
        if target_count != count {
            return differ("feature count", target_count.to_string(), count.to_string());
        }
        for (target, source) in target.features.iter().zip(&self.features) {
            if target.name != source.name {
                return differ("feature", target.name.clone(), source.name.clone());
            }
            if target.policy != source.policy {
                return differ("feature policy", shown(target.policy), shown(source.policy));
            }
        }
        if self.cache != target.cache {
            return Err(mismatch("Target CPU cache does not match source"));
        }
        Ok(())
    }

    fn check_equal_topology(&self, target: &Cpu) -> Result<()> {
        type Field = (&'static str, fn(&Topology) -> u32);
        const FIELDS: [Field; 5] = [
            ("sockets", |t| t.sockets),
            ("dies", |t| t.dies),
            ("clusters", |t| t.clusters),
            ("cores", |t| t.cores),
            ("threads", |t| t.threads),
        ];
        for (what, number) in FIELDS {
            let of = |cpu: &Cpu| cpu.topology.as_ref().map_or(0, number);
            let (target, source) = (of(target), of(self));
            if target != source {
                return Err(mismatch(format!("Target CPU {what} {target} does not match source {source}")));
            }
        }
        Ok(())
    }
}

impl Side {
    fn name(self) -> String {
        match self {
            Side::Guest => "guest".to_owned(),
            Side::Host => "host".to_owned(),
        }
    }
}

fn shown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "<null>".to_owned(), |value| value.to_string())
}

fn mismatch(words: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, Origin::Cpu, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_updated_in_place() {
        let mut cpu = Cpu::guest();
        cpu.set_feature("a", Some(Policy::Require));
        cpu.add_feature_if_missing("a", Policy::Disable);
        cpu.add_feature_if_missing("b", Policy::Disable);
        cpu.set_feature("a", Some(Policy::Forbid));
        let policies: Vec<_> = cpu.features.iter().map(|f| (f.name.as_str(), f.policy)).collect();
        assert_eq!(policies, [("a", Some(Policy::Forbid)), ("b", Some(Policy::Disable))]);

        let mut host = Cpu::host(Arch::X86_64);
        host.set_feature("a", Some(Policy::Require));
        assert_eq!(host.features[0].policy, None);
        cpu.copy_model(&host);
        assert_eq!(cpu.features[0].policy, Some(Policy::Require));
    }

    #[test]
    fn equality_says_what_differs() {
        let cpu = Cpu { model: Some("a".to_owned()), ..Cpu::guest() };
        assert_eq!(cpu.check_equal(&cpu), Ok(()));
        let other = Cpu { model: None, ..cpu.clone() };
        assert_eq!(
            cpu.check_equal(&other).unwrap_err().to_string(),
            "unsupported configuration: Target CPU model <null> does not match source a"
        );
        let topology = Topology { sockets: 1, dies: 1, clusters: 1, cores: 2, threads: 1 };
        assert_eq!(topology.vcpus(), Some(2));
        assert_eq!(Topology { cores: u32::MAX, threads: 2, ..topology }.vcpus(), None);
        let other = Cpu { topology: Some(topology), ..cpu.clone() };
        assert_eq!(
            cpu.check_equal(&other).unwrap_err().detail(),
            "Target CPU sockets 1 does not match source 0"
        );
    }
}
