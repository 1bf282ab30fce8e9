//! A firmware descriptor: QEMU's interchange format, as far as anything follows from it.

use ostler_base::json::json;
use ostler_base::{Arch, Error, Json, Result, Word, words};

words! {
    /// What the firmware offers the guest's system.
    pub Interface { Bios = "bios", OpenFirmware = "openfirmware", Uboot = "uboot", Uefi = "uefi" }
    /// How code and variables lie in flash memory.
    pub FlashMode {
        /// In a file each.
        Split = "split",
        /// In one file.
        Combined = "combined",
        /// There are no variables.
        Stateless = "stateless",
    }
    /// What it can do, or needs.
    pub Feature {
        AcpiS3 = "acpi-s3", AcpiS4 = "acpi-s4", AmdSev = "amd-sev", AmdSevEs = "amd-sev-es",
        AmdSevSnp = "amd-sev-snp", EnrolledKeys = "enrolled-keys", RequiresSmm = "requires-smm",
        SecureBoot = "secure-boot", VerboseDynamic = "verbose-dynamic", VerboseStatic = "verbose-static",
    }
}

/// A file that becomes flash memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlashFile {
    /// Its path.
    pub filename: String,
    /// Its format.
    pub format: String,
}

/// How the firmware gets into the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// As flash memory.
    Flash {
        /// How code and variables lie in it.
        mode: FlashMode,
        /// The code.
        executable: FlashFile,
        /// What variables begin as, where they are a file of their own.
        nvram_template: Option<FlashFile>,
    },
    /// Loaded like a kernel.
    Kernel(String),
    /// Loaded as a ROM.
    Memory(String),
}

/// A kind of machine that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The architecture.
    pub arch: Arch,
    /// Patterns of machine types, in which `*` stands for any text and `?` for one character.
    pub machines: Vec<String>,
}

/// One descriptor; description and tags are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// `interface-types`
    pub interfaces: Vec<Interface>,
    /// `mapping`
    pub mapping: Mapping,
    /// `targets`
    pub targets: Vec<Target>,
    /// `features`, without those that are not known.
    pub features: Vec<Feature>,
}

impl Descriptor {
    /// Reads a descriptor; `path` names it in errors.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let document: Json = text
            .parse()
            .map_err(|error| Error::internal(format!("unable to parse json file '{path}': {error}")))?;
        Ok(Descriptor {
            interfaces: interfaces(path, &document)?,
            mapping: Mapping::parse(path, &document)?,
            targets: array(&document, "targets", &format!("failed to get targets from '{path}'"))?
                .iter()
                .map(|target| Target::parse(path, target))
                .collect::<Result<_>>()?,
            features: array(&document, "features", &format!("failed to get features from '{path}'"))?
                .iter()
                .filter_map(|item| Feature::parse(item.as_str()?))
                .collect(),
        })
    }

    /// The descriptor as JSON.
    pub fn to_json(&self) -> Json {
        let targets: Vec<Json> = self
            .targets
            .iter()
            .map(|target| json!({ "architecture": target.arch.qemu_name(), "machines": target.machines }))
            .collect();
        json!({
            "interface-types": spelled(&self.interfaces),
            "mapping": self.mapping.to_json(),
            "targets": targets,
            "features": spelled(&self.features),
        })
    }

    /// Whether it has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether it is for a machine type, by its canonical name.
    pub fn fits(&self, arch: Arch, machine: &str) -> bool {
        let matches = |pattern: &String| matches(pattern.as_bytes(), machine.as_bytes());
        self.targets.iter().any(|target| target.arch == arch && target.machines.iter().any(matches))
    }
}

impl Mapping {
    fn parse(path: &str, document: &Json) -> Result<Self> {
        let missing = |what: &str| Error::internal(format!("{what} in '{path}'"));
        let mapping = document.get("mapping").ok_or_else(|| missing("missing mapping"))?;
        let device =
            mapping.get("device").and_then(Json::as_str).ok_or_else(|| missing("missing device type"))?;
        match device {
            "flash" => {
                let mode = match mapping.get("mode") {
                    None => FlashMode::Split,
                    Some(mode) => {
                        let word = mode
                            .as_str()
                            .ok_or_else(|| Error::internal("Firmware flash mode value was malformed"))?;
                        FlashMode::parse(word).ok_or_else(|| {
                            Error::internal(format!("Firmware flash mode value '{word}' unexpected"))
                        })?
                    }
                };
                let template = || FlashFile::parse(path, mapping, "nvram-template");
                Ok(Mapping::Flash {
                    mode,
                    executable: FlashFile::parse(path, mapping, "executable")?,
                    nvram_template: (mode == FlashMode::Split).then(template).transpose()?,
                })
            }
            "kernel" => Ok(Mapping::Kernel(text(path, mapping, "filename")?)),
            "memory" => Ok(Mapping::Memory(text(path, mapping, "filename")?)),
            _ => Err(missing("unknown device type")),
        }
    }

    fn to_json(&self) -> Json {
        match self {
            Mapping::Flash { mode, executable, nvram_template } => {
                let mut mapping = json!({
                    "device": "flash",
                    "mode": mode.as_str(),
                    "executable": executable.to_json(),
                });
                if let (Some(template), Json::Object(mapping)) = (nvram_template, &mut mapping) {
                    mapping.insert("nvram-template".to_owned(), template.to_json());
                }
                mapping
            }
            Mapping::Kernel(filename) => json!({ "device": "kernel", "filename": filename }),
            Mapping::Memory(filename) => json!({ "device": "memory", "filename": filename }),
        }
    }
}

impl FlashFile {
    fn parse(path: &str, mapping: &Json, name: &str) -> Result<Self> {
        let file =
            mapping.get(name).ok_or_else(|| Error::internal(format!("missing '{name}' in '{path}'")))?;
        Ok(FlashFile { filename: text(path, file, "filename")?, format: text(path, file, "format")? })
    }

    fn to_json(&self) -> Json {
        json!({ "filename": self.filename, "format": self.format })
    }
}

impl Target {
    fn parse(path: &str, target: &Json) -> Result<Self> {
        let name = text(path, target, "architecture")?;
        let arch = Arch::from_qemu_name(&name)
            .ok_or_else(|| Error::internal(format!("unknown architecture '{name}'")))?;
        let machines = array(target, "machines", &format!("missing 'machines' in '{path}'"))?;
        Ok(Target { arch, machines: machines.iter().filter_map(Json::as_str).map(str::to_owned).collect() })
    }
}

fn interfaces(path: &str, document: &Json) -> Result<Vec<Interface>> {
    let list = array(document, "interface-types", &format!("failed to get interface-types from '{path}'"))?;
    list.iter()
        .map(|item| {
            let word = item.as_str().unwrap_or_default();
            Interface::parse(word).ok_or_else(|| Error::internal(format!("unknown interface type: '{word}'")))
        })
        .collect()
}

fn array<'j>(object: &'j Json, name: &str, missing: &str) -> Result<&'j [Json]> {
    let list = object.get(name).and_then(Json::as_array);
    list.map(Vec::as_slice).ok_or_else(|| Error::internal(missing))
}

fn text(path: &str, object: &Json, name: &str) -> Result<String> {
    let value = object.get(name).and_then(Json::as_str);
    value.map(str::to_owned).ok_or_else(|| Error::internal(format!("missing '{name}' in '{path}'")))
}

fn spelled<W: Word>(words: &[W]) -> Vec<&'static str> {
    words.iter().map(|word| word.as_str()).collect()
}

/// Whether a name matches a pattern. Time grows with the product of their lengths at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stood, and how much of the name it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(expected) if expected == byte || *expected == b'?' => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((place, until)) => {
                    *until += 1;
                    at = *place + 1;
                    from = *until;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("pc-q35-*", "pc-q35-9.0", true),
            ("pc-q35-*", "pc-i440fx-9.0", false),
            ("virt", "virt", true),
            ("virt", "virt-9.0", false),
            ("*-9.?", "a-b-9.0", true),
            ("*a*b*c", "xaybzbc", true),
            ("*a*b*c", "xaybzb", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn broken_descriptors_name_their_file() {
        for (text, expected) in [
            ("{}", "failed to get interface-types from 'f'"),
            (r#"{"interface-types": ["x"]}"#, "unknown interface type: 'x'"),
            (r#"{"interface-types": []}"#, "missing mapping in 'f'"),
            (r#"{"interface-types": [], "mapping": {"device": "memory"}}"#, "missing 'filename' in 'f'"),
            (
                r#"{"interface-types": [], "mapping": {"device": "memory", "filename": "a"}, "targets": [{}]}"#,
                "missing 'architecture' in 'f'",
            ),
        ] {
            assert_eq!(Descriptor::parse("f", text).unwrap_err().detail(), expected);
        }
    }
}
