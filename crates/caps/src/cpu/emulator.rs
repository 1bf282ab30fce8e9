//! The models that an emulator can make, as it tells them itself.
//!
//! Owns: the reading of `query-cpu-definitions` and the translation of names between QEMU and the
//! map. Never: asks.

use ostler_base::{Arch, Error, Json, Result};

use super::{canonical_model, feature_from_qemu, models, vendor_of_model};

/// Whether a model runs on this host with this accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usable {
    /// It does.
    Yes,
    /// It does not; the blockers say why.
    No,
    /// The emulator does not say.
    Unknown,
}

/// A model of an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmulatorModel {
    /// The name, as definitions write it.
    pub name: String,
    /// The type of its QOM object, where the emulator tells it.
    pub type_name: Option<String>,
    /// Whether it runs here.
    pub usable: Usable,
    /// Features of it that cannot be had here, by the map's names.
    pub blockers: Vec<String>,
    /// Whether the emulator advises against it.
    pub deprecated: bool,
    /// The vendor whose CPU it imitates.
    pub vendor: Option<&'static str>,
    /// The versioned name of the same model.
    pub canonical: Option<&'static str>,
}

/// The models of an emulator with one accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmulatorModels {
    /// In the emulator's order.
    pub models: Vec<EmulatorModel>,
}

impl EmulatorModels {
    /// Reads what `query-cpu-definitions` returns.
    pub fn read(arch: Arch, reply: &Json) -> Result<Self> {
        let list = reply
            .as_array()
            .ok_or_else(|| Error::internal("query-cpu-definitions reply data was not an array"))?;
        Ok(EmulatorModels { models: list.iter().map(|item| read(arch, item)).collect::<Result<_>>()? })
    }

    /// Models of which nothing is known but the name.
    pub fn named<'n>(arch: Arch, names: impl IntoIterator<Item = &'n str>) -> Self {
        let models = names.into_iter().map(|name| EmulatorModel {
            name: name.to_owned(),
            type_name: None,
            usable: Usable::Unknown,
            blockers: Vec::new(),
            deprecated: false,
            vendor: vendor_of_model(arch, name),
            canonical: canonical_model(arch, name),
        });
        EmulatorModels { models: models.collect() }
    }

    /// The model of a name.
    pub fn get(&self, name: &str) -> Option<&EmulatorModel> {
        self.models.iter().find(|model| model.name == name)
    }
}

fn read(arch: Arch, item: &Json) -> Result<EmulatorModel> {
    let name = item["name"]
        .as_str()
        .ok_or_else(|| Error::internal("query-cpu-definitions reply data was missing 'name'"))?;
    let name = known_spelling(arch, name);
    let blockers: Option<Vec<String>> = item["unavailable-features"].as_array().map(|list| {
        list.iter().filter_map(Json::as_str).map(|b| feature_from_qemu(arch, b).to_owned()).collect()
    });
    Ok(EmulatorModel {
        type_name: item["typename"].as_str().map(str::to_owned),
        usable: match &blockers {
            None => Usable::Unknown,
            Some(list) if list.is_empty() => Usable::Yes,
            Some(_) => Usable::No,
        },
        blockers: blockers.unwrap_or_default(),
        deprecated: item["deprecated"].as_bool().unwrap_or(false),
        vendor: vendor_of_model(arch, &name),
        canonical: canonical_model(arch, &name),
        name,
    })
}

/// The spelling that definitions use: QEMU for POWER writes in lower case since 2.11.
fn known_spelling(arch: Arch, name: &str) -> String {
    let known = || models(arch).into_iter().find(|known| known.eq_ignore_ascii_case(name));
    match arch.is_ppc64() {
        true => known().unwrap_or(name).to_owned(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn definitions() {
        let read = EmulatorModels::read(
            Arch::X86_64,
            &json!([
                {"name": "Haswell", "typename": "Haswell-x86_64-cpu", "unavailable-features": ["lahf-lm", "pni"]},
                {"name": "486", "unavailable-features": [], "deprecated": true},
                {"name": "max"},
            ]),
        )
        .unwrap();
        let haswell = read.get("Haswell").unwrap();
        assert_eq!(haswell.blockers, ["lahf_lm", "pni"]);
        assert_eq!((haswell.vendor, haswell.canonical), (Some("Intel"), Some("Haswell-v1")));
        assert_eq!(haswell.usable, Usable::No);
        let old = read.get("486").unwrap();
        assert!(old.deprecated && old.usable == Usable::Yes);
        assert_eq!(read.get("max").unwrap().usable, Usable::Unknown);

        let power =
            EmulatorModels::read(Arch::Ppc64, &json!([{"name": "power8"}, {"name": "970_v2.2"}])).unwrap();
        assert_eq!(power.models[0].name, "POWER8");
        assert_eq!(power.models[1].name, "970_v2.2");
        assert!(EmulatorModels::read(Arch::Ppc64, &json!([{}])).is_err());
    }
}
