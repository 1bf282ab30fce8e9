//! The map of x86 vendors, features and models.
//!
//! Owns: the table `data/x86.txt`, compiled in and read once; names and places. Never: decides
//! anything.

use std::collections::HashMap;
use std::sync::OnceLock;

use ostler_base::{IdSet, Word};

use super::data::{Place, Register};
use super::features::{FeatureSet, MAX_FEATURES};
use crate::cpu::definition::Signature;

const TABLE: &str = include_str!("../data/x86.txt");

/// `(our name, QEMU's name)` of switches of KVM that are no bits of the CPU's data.
const HYPERVISOR_NAMES: [(&str, &str); 2] =
    [("kvm_pv_eoi", "kvm-pv-eoi"), ("kvm_pv_unhalt", "kvm-pv-unhalt")];

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vendor {
    pub(super) name: &'static str,
    /// Twelve characters that leaf 0 spells.
    pub(super) id: &'static str,
}

/// A feature: one bit of the CPU's data.
#[derive(Debug, Clone)]
pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) place: Place,
    /// Bit of the place.
    pub(super) bit: u32,
}

/// A model.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) vendor: Option<Vendor>,
    pub(super) signatures: Vec<Pattern>,
    pub(super) features: FeatureSet,
    /// Features that came to the model later.
    pub(super) added: FeatureSet,
    /// Features that left the model later, in the order in which they are named.
    pub(super) removed: Vec<usize>,
    /// Whether it may stand for a decoded CPU in the definition of a host, of a guest.
    pub(super) decode_host: bool,
    pub(super) decode_guest: bool,
    /// Whether a partial check compares it with the host's CPU.
    pub(super) check_compat: bool,
    /// The versioned name of the same model.
    pub(super) canonical: Option<&'static str>,
}

/// Signatures that a model has.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) family: u32,
    pub(super) model: u32,
    /// Only these steppings.
    pub(super) steppings: Option<IdSet>,
}

impl Pattern {
    /// Whether a signature is one of these.
    pub(super) fn matches(&self, signature: Signature) -> bool {
        self.family == signature.family
            && self.model == signature.model
            && self.steppings.as_ref().is_none_or(|s| s.contains(signature.stepping))
    }

    /// The lowest of these.
    pub(super) fn lowest(&self) -> Signature {
        let stepping = self.steppings.as_ref().and_then(IdSet::first).unwrap_or_default();
        Signature { family: self.family, model: self.model, stepping }
    }
}

impl Model {
    /// Whether a CPU of that signature is of this model.
    pub(super) fn has_signature(&self, signature: Signature) -> bool {
        self.signatures.iter().any(|pattern| pattern.matches(signature))
    }
}

/// The map.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) vendors: Vec<Vendor>,
    pub(super) features: Vec<Feature>,
    /// Older first.
    pub(super) models: Vec<Model>,
    /// Features that bar migration.
    pub(super) unmigratable: FeatureSet,
    by_feature: HashMap<&'static str, usize>,
    by_model: HashMap<&'static str, usize>,
    /// Other names of a feature.
    by_alias: HashMap<&'static str, usize>,
    /// `(our name, QEMU's name)` of features that QEMU calls otherwise.
    qemu_names: Vec<(&'static str, &'static str)>,
}

impl Map {
    /// The map that is compiled in.
    pub(super) fn get() -> &'static Map {
        static MAP: OnceLock<Map> = OnceLock::new();
        MAP.get_or_init(|| Reader::default().read(TABLE))
    }

    /// The feature of a name, by its place.
    pub(super) fn feature(&self, name: &str) -> Option<usize> {
        self.by_feature.get(name).copied()
    }

    /// The name of a feature.
    pub(super) fn name(&self, feature: usize) -> &'static str {
        self.features.get(feature).map_or("", |feature| feature.name)
    }

    /// The feature that has a name or another, as QEMU or Linux know it.
    pub(super) fn feature_also_named(&self, name: &str) -> Option<usize> {
        self.feature(name).or_else(|| self.by_alias.get(name).copied())
    }

    /// The feature that QEMU calls so.
    pub(super) fn feature_in_qemu(&self, name: &str) -> Option<usize> {
        self.feature(self.our_name(name).unwrap_or(name))
    }

    /// Our name of a feature that QEMU calls otherwise.
    pub(super) fn our_name(&self, name: &str) -> Option<&'static str> {
        let mut names = self.qemu_names.iter().chain(&HYPERVISOR_NAMES);
        names.find(|(_, theirs)| *theirs == name).map(|(ours, _)| *ours)
    }

    /// QEMU's name of a feature that it calls otherwise.
    pub(super) fn qemu_name(&self, name: &str) -> Option<&'static str> {
        let mut names = self.qemu_names.iter().chain(&HYPERVISOR_NAMES);
        names.find(|(ours, _)| *ours == name).map(|(_, theirs)| *theirs)
    }

    /// The model of a name.
    pub(super) fn model(&self, name: &str) -> Option<&Model> {
        self.by_model.get(name).and_then(|model| self.models.get(*model))
    }

    /// The vendor of a name.
    pub(super) fn vendor(&self, name: &str) -> Option<Vendor> {
        self.vendors.iter().copied().find(|vendor| vendor.name == name)
    }

    /// The names of features, in the map's order.
    pub(super) fn names_of(&self, set: FeatureSet) -> Vec<&'static str> {
        set.iter().map(|feature| self.name(feature)).collect()
    }

    /// The same, for a message.
    pub(super) fn names(&self, set: FeatureSet) -> String {
        self.names_of(set).join(", ")
    }
}

/// What stands in the table is ours: a line that cannot be read is left out, and a test reads the
/// table with nothing left out.
#[derive(Default)]
struct Reader {
    map: Map,
    place: Option<Place>,
    unread: Vec<&'static str>,
}

impl Reader {
    fn read(self, table: &'static str) -> Map {
        self.read_all(table).map
    }

    fn read_all(mut self, table: &'static str) -> Self {
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if self.line(line).is_none() {
                self.unread.push(line);
            }
        }
        self
    }

    fn line(&mut self, line: &'static str) -> Option<()> {
        let (word, rest) = line.trim_start().split_once(' ')?;
        let mut words = rest.split(' ');
        match word {
            "vendor" if line.starts_with(' ') => {
                let vendor = self.map.vendor(rest)?;
                self.last()?.vendor = Some(vendor);
            }
            "vendor" => self.map.vendors.push(Vendor { name: words.next()?, id: words.next()? }),
            "cpuid" => {
                let (leaf, subleaf) = (hex(words.next()?)?, hex(words.next()?)?);
                self.place = Some(Place::Cpuid { leaf, subleaf, register: Register::parse(words.next()?)? });
            }
            "msr" => self.place = Some(Place::Msr(hex(rest)?)),
            "model" => {
                self.map.by_model.insert(rest, self.map.models.len());
                self.map.models.push(Model { name: rest, ..Model::default() });
            }
            bit if bit.bytes().all(|b| b.is_ascii_digit()) => self.feature(bit.parse().ok()?, words)?,
            word => self.about_model(word, rest)?,
        }
        Some(())
    }

    fn feature(&mut self, bit: u32, mut words: impl Iterator<Item = &'static str>) -> Option<()> {
        let (at, name) = (self.map.features.len(), words.next()?);
        if at >= MAX_FEATURES {
            return None;
        }
        let feature = Feature { name, place: self.place?, bit };
        for word in words {
            if word == "!" {
                self.map.unmigratable.insert(at);
                continue;
            }
            let alias = word.strip_prefix(['=', '~'])?;
            self.map.by_alias.insert(alias, at);
            if word.starts_with('=') {
                self.map.qemu_names.push((name, alias));
            }
        }
        self.map.by_feature.insert(name, at);
        self.map.features.push(feature);
        Some(())
    }

    fn about_model(&mut self, word: &str, rest: &'static str) -> Option<()> {
        if word == "version-of" {
            return self.version_of(rest);
        }
        let set = || -> Option<FeatureSet> { rest.split(' ').map(|name| self.map.feature(name)).collect() };
        match word {
            "decode" => {
                let model = self.last()?;
                model.decode_host = rest.split(' ').any(|side| side == "host");
                model.decode_guest = rest.split(' ').any(|side| side == "guest");
            }
            "check" => self.last()?.check_compat = rest == "compat",
            "signature" => {
                let patterns: Option<Vec<_>> = rest.split(' ').map(pattern).collect();
                self.last()?.signatures.extend(patterns?);
            }
            "base" => {
                let base = self.map.model(rest)?;
                let (features, added) = (base.features, base.added);
                let model = self.last()?;
                (model.features, model.added) = (features, added);
            }
            "+" => {
                let set = set()?;
                let model = self.last()?;
                model.features = model.features | set;
            }
            "-" => {
                let set = set()?;
                let model = self.last()?;
                model.features = model.features - set;
            }
            "added" => {
                let set = set()?;
                let model = self.last()?;
                model.added = model.added | set;
            }
            "removed" => {
                let list: Option<Vec<_>> = rest.split(' ').map(|name| self.map.feature(name)).collect();
                let list = list?;
                self.last()?.removed.extend(list);
            }
            _ => return None,
        }
        Some(())
    }

    fn version_of(&mut self, older: &str) -> Option<()> {
        let version = self.last()?.name;
        let at = *self.map.by_model.get(older)?;
        let older = self.map.models.get_mut(at)?;
        older.canonical = Some(version);
        let (vendor, signatures, features) = (older.vendor, older.signatures.clone(), older.features);
        let model = self.last()?;
        model.vendor = vendor;
        model.signatures = signatures;
        model.features = features;
        Some(())
    }

    fn last(&mut self) -> Option<&mut Model> {
        self.map.models.last_mut()
    }
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// `FAMILY/MODEL[/STEPPINGS]`
fn pattern(text: &str) -> Option<Pattern> {
    let mut parts = text.split('/');
    let (family, model) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let steppings = match parts.next() {
        Some(steppings) => Some(IdSet::parse(steppings)?),
        None => None,
    };
    Some(Pattern { family, model, steppings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        let reader = Reader::default().read_all(TABLE);
        assert_eq!(reader.unread, [""; 0]);
        let map = reader.map;
        assert_eq!((map.vendors.len(), map.features.len(), map.models.len()), (3, 364, 150));
        assert_eq!(map.by_feature.len(), map.features.len());
        assert_eq!(map.by_model.len(), map.models.len());
        assert_eq!(map.names(map.unmigratable), "xsaves, invtsc");
    }

    #[test]
    fn every_feature_has_a_bit_of_its_own() {
        let map = Map::get();
        let mut places: Vec<_> = map.features.iter().map(|f| (f.place, f.bit)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), map.features.len());
        let widest = |f: &Feature| if matches!(f.place, Place::Msr(_)) { 64 } else { 32 };
        assert!(map.features.iter().all(|f| f.bit < widest(f)));
    }

    #[test]
    fn other_names() {
        let map = Map::get();
        assert_eq!(map.qemu_name("pclmuldq"), Some("pclmulqdq"));
        assert_eq!(map.our_name("kvm-pv-eoi"), Some("kvm_pv_eoi"));
        assert_eq!((map.qemu_name("sse4.1"), map.our_name("sse4-1")), (None, None));
        assert_eq!(map.feature_also_named("sse4-1"), map.feature("sse4.1"));
    }

    #[test]
    fn a_version_is_the_model_under_a_fixed_name() {
        let map = Map::get();
        let (model, version) = (map.model("Haswell").unwrap(), map.model("Haswell-v1").unwrap());
        assert_eq!(model.canonical, Some("Haswell-v1"));
        assert_eq!((model.features, model.vendor), (version.features, version.vendor));
        assert!(model.decode_guest && !version.decode_guest && version.decode_host);
        assert!(model.features.contains(map.feature("rtm").unwrap()));
        assert!(!model.features.contains(map.feature("vmx-ept").unwrap()));
        assert!(model.added.contains(map.feature("vmx-ept").unwrap()));
    }
}
