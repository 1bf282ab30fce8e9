//! What a CPU says of itself: the answers of CPUID and model specific registers.
//!
//! Owns: the data and its XML form. Never: runs CPUID, knows a model.

use std::collections::BTreeMap;

use ostler_base::{Arch, Code, Error, Json, Origin, Result, Word, words};
use ostler_xml::{Document, El, Element};

use super::features::FeatureSet;
use super::map::{Map, Vendor};
use crate::cpu::definition::Signature;

words! {
    /// A register that CPUID answers in.
    pub(crate) Register { Eax = "eax", Ebx = "ebx", Ecx = "ecx", Edx = "edx" }
}

/// Where a feature's bit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// A register of a leaf and sub leaf.
    Cpuid { leaf: u32, subleaf: u32, register: Register },
    /// A model specific register by its index.
    Msr(u32),
}

/// Bits that a hypervisor shows its guest: the names of Hyper-V's enlightenments and KVM's own,
/// with the leaf, the register and the mask.
const HYPERVISOR_BITS: [(&str, u32, Register, u32); 18] = [
    ("kvm_pv_unhalt", 0x4000_0001, Register::Eax, 0x80),
    ("hv-runtime", 0x4000_0003, Register::Eax, 0x1),
    ("hv-synic", 0x4000_0003, Register::Eax, 0x4),
    ("hv-stimer", 0x4000_0003, Register::Eax, 0x8),
    ("hv-relaxed", 0x4000_0003, Register::Eax, 0x20),
    ("hv-vapic", 0x4000_0003, Register::Eax, 0x30),
    ("hv-vpindex", 0x4000_0003, Register::Eax, 0x40),
    ("hv-reset", 0x4000_0003, Register::Eax, 0x80),
    ("hv-frequencies", 0x4000_0003, Register::Eax, 0x800),
    ("hv-reenlightenment", 0x4000_0003, Register::Eax, 0x2000),
    ("hv-xmm_input", 0x4000_0003, Register::Edx, 0x10),
    ("hv-tlbflush-ext", 0x4000_0003, Register::Edx, 0x4000),
    ("hv-stimer-direct", 0x4000_0003, Register::Edx, 0x8_0000),
    ("hv-tlbflush", 0x4000_0004, Register::Eax, 0x4),
    ("hv-avic", 0x4000_0004, Register::Eax, 0x200),
    ("hv-ipi", 0x4000_0004, Register::Eax, 0x400),
    ("hv-evmcs", 0x4000_0004, Register::Eax, 0x4000),
    ("hv-emsr_bitmap", 0x4000_000a, Register::Eax, 0x8_0000),
];

/// The data of one CPU. What is 0 is the same as what is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuData {
    /// By leaf and sub leaf: EAX, EBX, ECX, EDX.
    leaves: BTreeMap<(u32, u32), [u32; 4]>,
    msrs: BTreeMap<u32, u64>,
}

impl CpuData {
    /// Reads the property `feature-words` of a vCPU, or `filtered-features`: what it asked for and
    /// was refused.
    pub fn from_feature_words(words: &Json) -> Result<Self> {
        let bad = |what: &str| Error::internal(format!("{what} in CPU data"));
        let mut data = CpuData::default();
        for word in words.as_array().ok_or_else(|| bad("invalid array"))? {
            let number = |key: &str| word[key].as_u64().and_then(|n| u32::try_from(n).ok());
            let name = word["cpuid-register"].as_str().ok_or_else(|| bad("missing cpuid-register"))?;
            let register = Register::parse(&name.to_ascii_lowercase())
                .ok_or_else(|| Error::internal(format!("unknown CPU register '{name}'")))?;
            let leaf = number("cpuid-input-eax").ok_or_else(|| bad("missing or invalid cpuid-input-eax"))?;
            let mut registers = [0; 4];
            registers[register.index()] =
                number("features").ok_or_else(|| bad("missing or invalid features"))?;
            data.add_cpuid(leaf, number("cpuid-input-ecx").unwrap_or(0), registers);
        }
        Ok(data)
    }

    /// Adds the bits that CPUID answered; `registers` are EAX, EBX, ECX, EDX.
    pub fn add_cpuid(&mut self, leaf: u32, subleaf: u32, registers: [u32; 4]) {
        if registers == [0; 4] {
            return;
        }
        let item = self.leaves.entry((leaf, subleaf)).or_default();
        for (to, from) in item.iter_mut().zip(registers) {
            *to |= from;
        }
    }

    /// Adds the bits of a model specific register.
    pub fn add_msr(&mut self, index: u32, value: u64) {
        if value != 0 {
            *self.msrs.entry(index).or_default() |= value;
        }
    }

    /// Adds a feature of the map or of a hypervisor; whether the name is known.
    pub fn add_feature(&mut self, name: &str) -> bool {
        if let Some(feature) = Map::get().feature(name) {
            self.add(&Map::get().features[feature].place, Map::get().features[feature].bit);
            return true;
        }
        match HYPERVISOR_BITS.iter().find(|(known, ..)| *known == name) {
            Some((_, leaf, register, mask)) => {
                let mut registers = [0; 4];
                registers[register.index()] = *mask;
                self.add_cpuid(*leaf, 0, registers);
                true
            }
            None => false,
        }
    }

    fn add(&mut self, place: &Place, bit: u32) {
        match place {
            Place::Cpuid { leaf, subleaf, register } => {
                let mut registers = [0; 4];
                registers[register.index()] = 1 << bit;
                self.add_cpuid(*leaf, *subleaf, registers);
            }
            Place::Msr(index) => self.add_msr(*index, 1 << bit),
        }
    }

    /// Whether it has a feature of the map or of a hypervisor; a name that neither knows is an
    /// error.
    pub fn has_feature(&self, name: &str) -> Result<bool> {
        if let Some(feature) = Map::get().feature(name) {
            let feature = &Map::get().features[feature];
            return Ok(self.has(&feature.place, feature.bit));
        }
        let Some((_, leaf, register, mask)) = HYPERVISOR_BITS.iter().find(|(known, ..)| *known == name)
        else {
            return Err(Error::new(Code::InternalError, Origin::Cpu, format!("unknown CPU feature {name}")));
        };
        Ok(self.register(*leaf, 0, *register) & mask == *mask)
    }

    fn has(&self, place: &Place, bit: u32) -> bool {
        match place {
            Place::Cpuid { leaf, subleaf, register } => {
                self.register(*leaf, *subleaf, *register) >> bit & 1 == 1
            }
            Place::Msr(index) => self.msrs.get(index).copied().unwrap_or_default() >> bit & 1 == 1,
        }
    }

    fn register(&self, leaf: u32, subleaf: u32, register: Register) -> u32 {
        self.leaves.get(&(leaf, subleaf)).map_or(0, |registers| registers[register.index()])
    }

    /// The features of the map that it has.
    pub(super) fn features(&self) -> FeatureSet {
        let features = Map::get().features.iter().enumerate();
        features.filter(|(_, f)| self.has(&f.place, f.bit)).map(|(at, _)| at).collect()
    }

    /// Sets the vendor: twelve characters that leaf 0 spells.
    pub fn set_vendor(&mut self, id: &str) -> Result<()> {
        let part = |at: usize| id.as_bytes().get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (Some(ebx), Some(edx), Some(ecx), 12) = (part(0), part(4), part(8), id.len()) else {
            return Err(Error::new(
                Code::InternalError,
                Origin::Cpu,
                format!("Invalid CPU vendor string '{id}'"),
            ));
        };
        self.add_cpuid(0, 0, [0, ebx, ecx, edx]);
        Ok(())
    }

    /// The vendor, if the map has it.
    pub(super) fn vendor(&self) -> Option<Vendor> {
        let spelled =
            [Register::Ebx, Register::Edx, Register::Ecx].map(|r| self.register(0, 0, r).to_le_bytes());
        Map::get().vendors.iter().copied().find(|vendor| vendor.id.as_bytes() == spelled.concat())
    }

    /// Sets what leaf 1 says of family, model and stepping.
    pub fn set_signature(&mut self, signature: Signature) {
        self.add_cpuid(1, 0, [signature.to_bits(), 0, 0, 0]);
    }

    /// What leaf 1 says of family, model and stepping; all 0 where there is no leaf 1.
    pub fn signature(&self) -> Signature {
        Signature::from_bits(self.register(1, 0, Register::Eax))
    }

    /// Reads a document whose root is `<cpudata>`.
    pub fn parse_document(text: &str) -> Result<Self> {
        Self::parse(Document::parse(text, "CPU data")?.root())
    }

    /// Reads a `<cpudata>` element.
    pub fn parse(element: Element<'_>) -> Result<Self> {
        let internal = |words: String| Error::new(Code::InternalError, Origin::Cpu, words);
        match element.attr("arch") {
            None => return Err(internal("missing CPU data architecture".to_owned())),
            Some(arch) if arch != "x86" && Arch::parse(arch).is_none_or(|arch| !arch.is_x86()) => {
                return Err(Error::new(
                    Code::NoSupport,
                    Origin::Cpu,
                    format!("cannot parse {arch} CPU data"),
                ));
            }
            Some(_) => {}
        }
        let mut data = CpuData::default();
        for (at, item) in element.elements().enumerate() {
            let number = |name| Ok::<_, Error>(item.number_in(name, 0)?.unwrap_or(0));
            if item.name() == "cpuid" {
                item.require("eax_in").map_err(|_| internal(format!("Invalid cpuid[{at}]")))?;
                let registers = [number("eax")?, number("ebx")?, number("ecx")?, number("edx")?];
                data.add_cpuid(number("eax_in")?, number("ecx_in")?, registers);
            } else if item.name() == "msr" {
                for name in ["index", "eax", "edx"] {
                    item.require(name).map_err(|_| internal(format!("Invalid msr[{at}]")))?;
                }
                let value = u64::from(number("edx")?) << 32 | u64::from(number("eax")?);
                data.add_msr(number("index")?, value);
            }
        }
        if element.elements().next().is_none() {
            return Err(internal("no x86 CPU data found".to_owned()));
        }
        Ok(data)
    }

    /// The `<cpudata>` element.
    pub fn format(&self) -> El {
        let mut el = El::new("cpudata").attr("arch", "x86");
        el.extend(self.leaves.iter().map(|((leaf, subleaf), registers)| {
            let mut el = El::new("cpuid").attr("eax_in", bits(*leaf)).attr("ecx_in", bits(*subleaf));
            for ((name, _), value) in Register::WORDS.iter().zip(registers) {
                el.set(*name, bits(*value));
            }
            el
        }));
        el.extend(self.msrs.iter().map(|(index, value)| {
            let half = |shift: u32| format!("{:#010x}", value >> shift & 0xffff_ffff);
            El::new("msr").attr("index", format!("{index:#x}")).attr("eax", half(0)).attr("edx", half(32))
        }));
        el
    }
}

fn bits(value: u32) -> String {
    format!("{value:#010x}")
}

impl Signature {
    /// From EAX of leaf 1. Bits: 0-3 stepping, 4-7 model, 8-11 family, 16-19 upper model, 20-27
    /// additional family.
    pub fn from_bits(eax: u32) -> Self {
        let part = |shift: u32, mask: u32| eax >> shift & mask;
        Signature {
            family: part(20, 0xff) + part(8, 0xf),
            model: part(16, 0xf) << 4 | part(4, 0xf),
            stepping: part(0, 0xf),
        }
    }

    /// As EAX of leaf 1 has it.
    pub fn to_bits(self) -> u32 {
        let extra = self.family.saturating_sub(0xf) & 0xff;
        let family = self.family.min(0xf);
        extra << 20
            | (self.model >> 4 & 0xf) << 16
            | family << 8
            | (self.model & 0xf) << 4
            | self.stepping & 0xf
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn signatures() {
        let epyc = Signature { family: 23, model: 1, stepping: 2 };
        assert_eq!(epyc.to_bits(), 0x0080_0f12);
        assert_eq!(Signature::from_bits(0x0080_0f12), epyc);
        let skylake = Signature { family: 6, model: 94, stepping: 3 };
        assert_eq!(skylake.to_bits(), 0x000506e3);
        assert_eq!(Signature::from_bits(0x000506e3), skylake);
    }

    #[test]
    fn vendor_and_features() {
        let mut data = CpuData::default();
        data.set_vendor("AuthenticAMD").unwrap();
        assert_eq!(data.vendor().map(|v| v.name), Some("AMD"));
        assert!(data.set_vendor("x").is_err());
        assert!(
            data.add_feature("sse4.1") && data.add_feature("vmx-invvpid") && data.add_feature("hv-vapic")
        );
        assert!(!data.add_feature("nothing"));
        assert_eq!(Map::get().names(data.features()), "sse4.1, vmx-invvpid");
        assert_eq!(data.has_feature("hv-vapic"), Ok(true));
        assert_eq!(data.has_feature("hv-relaxed"), Ok(true));
        assert_eq!(data.has_feature("lm"), Ok(false));
        assert!(data.has_feature("nothing").is_err());
    }

    #[test]
    fn feature_words() {
        let words = json!([
            {"cpuid-register": "ECX", "cpuid-input-eax": 1, "features": 32},
            {"cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 0},
        ]);
        let data = CpuData::from_feature_words(&words).unwrap();
        assert_eq!(data.has_feature("vmx"), Ok(true));
        assert_eq!(data.leaves.len(), 1);
        assert!(CpuData::from_feature_words(&json!([{"cpuid-register": "XYZ"}])).is_err());
    }

    #[test]
    fn documents() {
        let text = "<cpudata arch='x86'>
  <cpuid eax_in='0x00000001' ecx_in='0x00000000' eax='0x00000001' ebx='0x00000000' ecx='0x00000020' edx='0x00000000'/>
  <msr index='0x10a' eax='0x00000001' edx='0x00000002'/>
</cpudata>
";
        let data = CpuData::parse_document(text).unwrap();
        assert_eq!(data.format().to_xml(), text);
        assert!(CpuData::parse_document("<cpudata/>").is_err());
        assert!(CpuData::parse_document("<cpudata arch='arm'><cpuid eax_in='1'/></cpudata>").is_err());
    }
}
