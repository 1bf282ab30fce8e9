//! What an emulator says of a model's properties: the answer of `query-cpu-model-expansion`.
//!
//! Owns: the properties and how they become a CPU. Never: asks.

use ostler_base::{Arch, Error, Json, Result};

use super::definition::{Cpu, Policy, Signature};
use super::emulator::EmulatorModels;
use super::feature_from_qemu;
use super::x86::{self, CpuData};

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A feature, on or off.
    Boolean(bool),
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// A property of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// QEMU's name.
    pub name: String,
    /// Its value.
    pub value: PropertyValue,
    /// Whether a guest with it can migrate, where that is known.
    pub migratable: Option<bool>,
}

/// A model with its properties.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// The name of the model; the host's is `host`, or `base` with all it has.
    pub name: String,
    /// In the emulator's order.
    pub properties: Vec<Property>,
    /// Properties that the emulator advises against, in its order.
    pub deprecated: Vec<String>,
    /// Whether it is known of the properties which bar migration.
    pub migratability: bool,
}

impl Expansion {
    /// Reads what `query-cpu-model-expansion` returns. Properties that are neither booleans nor
    /// texts nor integers are left out.
    pub fn read(reply: &Json) -> Result<Self> {
        let missing = |what: &str| {
            Error::internal(format!("query-cpu-model-expansion reply data was missing '{what}'"))
        };
        let model = reply.get("model").ok_or_else(|| missing("model"))?;
        let name = model["name"].as_str().ok_or_else(|| missing("name"))?;
        let list = model["props"].as_object().ok_or_else(|| missing("props"))?;
        let properties = list.iter().filter_map(|(name, value)| {
            let value = match value {
                Json::Bool(on) => PropertyValue::Boolean(*on),
                Json::String(text) => PropertyValue::Text(text.clone()),
                Json::Number(number) => PropertyValue::Number(number.as_i64()?),
                _ => return None,
            };
            Some(Property { name: name.clone(), value, migratable: None })
        });
        let deprecated = reply["deprecated-props"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Expansion {
            name: name.to_owned(),
            properties: properties.collect(),
            deprecated: deprecated.iter().filter_map(|p| p.as_str().map(str::to_owned)).collect(),
            migratability: false,
        })
    }

    /// Adds what bars migration: `all` is a second expansion, made with the property `migratable`
    /// off.
    pub fn add_unmigratable(&mut self, all: &Expansion) {
        let on = |of: &Expansion, name: &str| {
            of.properties.iter().any(|p| p.name == name && p.value == PropertyValue::Boolean(true))
        };
        for property in &mut self.properties {
            if property.value == PropertyValue::Boolean(true) {
                property.migratable = Some(true);
            } else if property.value == PropertyValue::Boolean(false) && on(all, &property.name) {
                property.value = PropertyValue::Boolean(true);
                property.migratable = Some(false);
            }
        }
        self.migratability = true;
    }

    /// The data of an x86 CPU that has these properties; with `migratable` without those that bar
    /// migration.
    pub fn x86_data(&self, migratable: bool) -> Result<CpuData> {
        let mut data = CpuData::default();
        let mut signature = Signature::default();
        for property in &self.properties {
            match &property.value {
                PropertyValue::Boolean(true) if !(migratable && property.migratable == Some(false)) => {
                    data.add_feature(feature_from_qemu(Arch::X86_64, &property.name));
                }
                PropertyValue::Text(id) if property.name == "vendor" => data.set_vendor(id)?,
                PropertyValue::Number(number) => {
                    let part = match property.name.as_str() {
                        "family" => &mut signature.family,
                        "model" => &mut signature.model,
                        "stepping" => &mut signature.stepping,
                        _ => continue,
                    };
                    *part = u32::try_from(*number).unwrap_or_default();
                }
                _ => {}
            }
        }
        data.set_signature(signature);
        Ok(data)
    }

    /// Fills in model and features of a definition: the nearest of the emulator's models on x86,
    /// the expansion's own on s390. Whether there is such a thing on the architecture.
    pub fn fill_in(
        &self,
        arch: Arch,
        cpu: &mut Cpu,
        models: Option<&EmulatorModels>,
        migratable: bool,
    ) -> Result<bool> {
        if arch.is_x86() {
            x86::decode(cpu, &self.x86_data(migratable)?, models)?;
        } else if arch.is_s390() {
            self.fill_in_as_is(arch, cpu, migratable);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn fill_in_as_is(&self, arch: Arch, cpu: &mut Cpu, migratable: bool) {
        cpu.model = Some(self.name.clone());
        cpu.features.clear();
        for property in &self.properties {
            let PropertyValue::Boolean(on) = property.value else { continue };
            if migratable && property.migratable == Some(false) {
                continue;
            }
            let policy = if on { Policy::Require } else { Policy::Disable };
            cpu.set_feature(feature_from_qemu(arch, &property.name), Some(policy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    fn read(props: Json) -> Expansion {
        Expansion::read(&json!({"model": {"name": "base", "props": props}})).unwrap()
    }

    #[test]
    fn what_bars_migration() {
        let mut host = read(json!({"aes": true, "invtsc": false, "avx": false, "level": 13, "x": [1]}));
        host.add_unmigratable(&read(json!({"aes": true, "invtsc": true, "avx": false})));
        let marks: Vec<_> = host.properties.iter().map(|p| (p.name.as_str(), p.migratable)).collect();
        assert_eq!(marks, [("aes", Some(true)), ("invtsc", Some(false)), ("avx", None), ("level", None)]);
        let has = |migratable| host.x86_data(migratable).unwrap().has_feature("invtsc");
        assert_eq!((has(false), has(true)), (Ok(true), Ok(false)));
    }

    #[test]
    fn s390_as_it_is() {
        let mut cpu = Cpu::guest();
        let host = read(json!({"vx": true, "te": false}));
        assert_eq!(host.fill_in(Arch::S390x, &mut cpu, None, false), Ok(true));
        assert_eq!(cpu.model.as_deref(), Some("base"));
        assert_eq!(cpu.feature("te").unwrap().policy, Some(Policy::Disable));
        assert_eq!(host.fill_in(Arch::Aarch64, &mut cpu, None, false), Ok(false));
        assert!(Expansion::read(&json!({"model": {"name": "base"}})).is_err());
    }
}
