//! Reading and writing `<cpu>`.
//!
//! Owns: the XML form of [`Cpu`] and what can be refused without knowing the architecture. Never:
//! touches `<numa>`: it is the child of a `<cpu>` too, but another reader's.

use ostler_base::{Arch, Code, Error, Origin, Result, Word};
use ostler_xml::{Document, El, Element, Number};

use super::definition::{
    Cache, Cpu, Fallback, Feature, Match, MaxPhysAddr, Mode, Policy, Side, Signature, Topology, Tsc,
};

/// What `check` can say instead of nothing.
const DEFAULT_CHECK: &str = "default";
/// Length of `vendor_id`, in bytes.
const VENDOR_ID_LENGTH: usize = 12;

impl Cpu {
    /// Reads a document whose root is `<cpu>`; one with `<arch>` is a host's.
    pub fn parse_document(text: &str) -> Result<Self> {
        Self::parse_any(Document::parse(text, "CPU_definition")?.root())
    }

    /// Reads a `<cpu>` element; one with `<arch>` is a host's.
    pub fn parse_any(element: Element<'_>) -> Result<Self> {
        check_name(element)?;
        if element.child("arch").is_none() {
            return Self::parse(element, Side::Guest);
        }
        if element.has_attr("match") {
            return Err(xml_error(
                "'arch' element cannot be used inside 'cpu' element with 'match' attribute'",
            ));
        }
        Self::parse(element, Side::Host)
    }

    /// Reads a `<cpu>` element of a guest or of a host.
    pub fn parse(element: Element<'_>, side: Side) -> Result<Self> {
        check_name(element)?;
        let mut cpu = match side {
            Side::Guest => Cpu::guest(),
            Side::Host => Cpu { side, mode: None, ..Cpu::guest() },
        };
        cpu.read_attributes(element)?;
        if side == Side::Host {
            cpu.arch = Some(read_arch(element)?);
            cpu.read_host_numbers(element)?;
        }
        cpu.read_model(element)?;
        if let Some(topology) = element.child("topology") {
            cpu.topology = Some(read_topology(topology)?);
        }
        cpu.read_features(element)?;
        cpu.cache = read_cache(element)?;
        cpu.max_phys_addr = element.child("maxphysaddr").map(read_max_phys_addr).transpose()?;
        Ok(cpu)
    }

    fn read_attributes(&mut self, element: Element<'_>) -> Result<()> {
        if let Some(word) = element.attr("mode") {
            if self.side == Side::Host {
                return Err(unsupported("Attribute mode is only allowed for guest CPU"));
            }
            let mode =
                Mode::parse(word).ok_or_else(|| unsupported(format!("Invalid mode attribute '{word}'")))?;
            self.mode = Some(mode);
        }
        self.migratable = element.on_off("migratable")?;
        if self.migratable.is_some() && !self.is_passthrough() {
            return Err(unsupported(
                "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode",
            ));
        }
        if self.side == Side::Guest {
            self.matching = element.word("match")?.unwrap_or(Match::Exact);
            self.check = match element.attr("check") {
                Some(DEFAULT_CHECK) => None,
                _ => element.word("check")?,
            };
            self.deprecated_features = element.on_off("deprecated_features")?;
        }
        Ok(())
    }

    fn read_host_numbers(&mut self, element: Element<'_>) -> Result<()> {
        if let Some(version) = element.child("microcode").and_then(|m| m.attr("version")) {
            let version = u32::read(version, 10).ok_or_else(|| unsupported("invalid microcode version"))?;
            self.microcode = Some(version).filter(|version| *version != 0);
        }
        if let Some(signature) = element.child("signature") {
            self.signature = Some(Signature {
                family: required_nonzero(signature, "family")?,
                model: signature.require_number("model")?,
                stepping: signature.require_number("stepping")?,
            });
        }
        let tsc = element.children("counter").find(|counter| counter.attr("name") == Some("tsc"));
        if let Some(tsc) = tsc {
            self.tsc =
                Some(Tsc { frequency: tsc.require_number("frequency")?, scaling: tsc.yes_no("scaling")? });
        }
        Ok(())
    }

    fn read_model(&mut self, element: Element<'_>) -> Result<()> {
        let model = element.child("model");
        self.model = model.map(|model| model.text()).filter(|name| !name.is_empty());
        if self.model.is_none() && self.side == Side::Host {
            return Err(xml_error("Missing CPU model name"));
        }
        if let Some(model) = model
            && self.side == Side::Guest
            && !self.is_passthrough()
        {
            if let Some(word) = model.attr("fallback").filter(|word| !word.is_empty()) {
                self.fallback =
                    Fallback::parse(word).ok_or_else(|| unsupported("Invalid fallback attribute"))?;
            }
            if let Some(id) = model.attr("vendor_id").filter(|id| !id.is_empty()) {
                if id.len() != VENDOR_ID_LENGTH {
                    return Err(xml_error(format!(
                        "vendor_id must be exactly {VENDOR_ID_LENGTH} characters long"
                    )));
                }
                if id.contains(',') {
                    return Err(xml_error("vendor id is invalid"));
                }
                self.vendor_id = Some(id.to_owned());
            }
        }
        self.vendor = element.child_text("vendor");
        if self.vendor.is_some() && self.model.is_none() {
            return Err(xml_error("CPU vendor specified without CPU model"));
        }
        Ok(())
    }

    fn read_features(&mut self, element: Element<'_>) -> Result<()> {
        for item in element.children("feature") {
            if self.is_default() {
                return Err(xml_error("Non-empty feature list specified without CPU model"));
            }
            let policy = match (self.side, item.attr("policy")) {
                (Side::Host, _) => None,
                (Side::Guest, None) => Some(Policy::Require),
                (Side::Guest, Some(word)) => {
                    Some(Policy::parse(word).ok_or_else(|| unsupported("Invalid CPU feature policy"))?)
                }
            };
            let name = item.attr("name").filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| xml_error("Invalid CPU feature name"))?;
            if self.feature(name).is_some() {
                return Err(xml_error(format!("CPU feature '{name}' specified more than once")));
            }
            self.features.push(Feature { name: name.to_owned(), policy });
        }
        Ok(())
    }

    /// Writes the `<cpu>` element; a `<numa>` child, if there is one, comes last in it. Without
    /// anything to say the element is bare, and is to be left out of a larger document.
    pub fn format(&self) -> El {
        let mut el = El::new("cpu");
        if let Some(mode) = self.mode.filter(|_| self.side == Side::Guest && !self.is_default()) {
            el.set("mode", mode);
            if mode == Mode::Custom {
                el.set("match", self.matching);
            }
            el.set_opt("check", self.check);
            if self.is_passthrough() {
                el.set_opt("migratable", self.migratable);
            }
            el.set_opt("deprecated_features", self.deprecated_features);
        }
        el.push_text("arch", self.arch.filter(|_| self.side == Side::Host));
        el.extend(self.format_children());
        el
    }

    /// The children of `<cpu>` without `<arch>`, for documents that have a frame of their own.
    pub fn format_children(&self) -> Vec<El> {
        let mut out = Vec::new();
        if !self.is_passthrough() {
            out.extend(self.format_model());
            out.extend(self.vendor.as_ref().map(|vendor| El::with_text("vendor", vendor)));
        }
        if self.side == Side::Host {
            out.extend(self.format_host_numbers());
        }
        out.extend(self.topology.map(|t| {
            El::new("topology")
                .attr("sockets", t.sockets)
                .attr("dies", t.dies)
                .attr("clusters", t.clusters)
                .attr("cores", t.cores)
                .attr("threads", t.threads)
        }));
        out.extend(self.cache.map(|c| El::new("cache").attr_opt("level", c.level).attr("mode", c.mode)));
        out.extend(self.max_phys_addr.map(|a| {
            El::new("maxphysaddr").attr("mode", a.mode).attr_opt("bits", a.bits).attr_opt("limit", a.limit)
        }));
        out.extend(self.features.iter().map(|feature| {
            let policy = feature.policy.filter(|_| self.side == Side::Guest);
            El::new("feature").attr_opt("policy", policy).attr("name", &feature.name)
        }));
        out
    }

    fn format_model(&self) -> Option<El> {
        if self.model.is_none() && self.vendor_id.is_none() {
            return None;
        }
        let mut el = El::new("model");
        if self.side == Side::Guest {
            el.set_opt("fallback", self.model.as_ref().map(|_| self.fallback));
            el.set_opt("vendor_id", self.vendor_id.as_ref());
        }
        if let Some(model) = &self.model {
            el.text(model);
        }
        Some(el)
    }

    fn format_host_numbers(&self) -> Vec<El> {
        let mut out = Vec::new();
        out.extend(self.microcode.map(|version| El::new("microcode").attr("version", version)));
        out.extend(self.signature.map(|s| {
            El::new("signature").attr("family", s.family).attr("model", s.model).attr("stepping", s.stepping)
        }));
        out.extend(self.tsc.map(|tsc| {
            El::new("counter")
                .attr("name", "tsc")
                .attr("frequency", tsc.frequency)
                .attr_opt("scaling", tsc.scaling)
        }));
        out
    }
}

fn check_name(element: Element<'_>) -> Result<()> {
    if element.name() == "cpu" {
        return Ok(());
    }
    Err(xml_error("XML does not contain expected 'cpu' element"))
}

fn read_arch(element: Element<'_>) -> Result<Arch> {
    let word = element.child_text("arch").ok_or_else(|| xml_error("Missing CPU architecture"))?;
    Arch::parse(&word).ok_or_else(|| unsupported(format!("Unknown architecture {word}")))
}

fn read_topology(element: Element<'_>) -> Result<Topology> {
    Ok(Topology {
        sockets: required_nonzero(element, "sockets")?,
        dies: element.nonzero("dies")?.unwrap_or(1),
        clusters: element.nonzero("clusters")?.unwrap_or(1),
        cores: required_nonzero(element, "cores")?,
        threads: required_nonzero(element, "threads")?,
    })
}

fn read_cache(element: Element<'_>) -> Result<Option<Cache>> {
    let mut caches = element.children("cache");
    let Some(cache) = caches.next() else { return Ok(None) };
    if caches.next().is_some() {
        return Err(xml_error("at most one CPU cache element may be specified"));
    }
    let level = nonnegative(cache, "level")?;
    if level.is_some_and(|level| !(1..=3).contains(&level)) {
        return Err(xml_error("invalid CPU cache level, must be in range [1,3]"));
    }
    Ok(Some(Cache { level, mode: cache.require_word("mode")? }))
}

fn read_max_phys_addr(element: Element<'_>) -> Result<MaxPhysAddr> {
    let mode = element.require_word("mode")?;
    let bits = nonnegative(element, "bits")?;
    let limit = element.nonzero("limit")?;
    if limit.is_some() && mode != super::definition::AddressMode::Passthrough {
        return Err(unsupported("attribute 'limit' is only supported for maxphysaddr mode 'passthrough'"));
    }
    Ok(MaxPhysAddr { mode, bits, limit })
}

fn required_nonzero(element: Element<'_>, name: &str) -> Result<u32> {
    element.nonzero(name)?.ok_or_else(|| element.missing(name))
}

/// An integer whose sign is told apart in errors.
fn nonnegative(element: Element<'_>, name: &str) -> Result<Option<u32>> {
    let number = element.number::<i32>(name)?;
    let sign = |n: i32| {
        u32::try_from(n).map_err(|_| element.invalid(name, &n.to_string(), " Expected non-negative value"))
    };
    number.map(sign).transpose()
}

fn xml_error(words: impl Into<String>) -> Error {
    Error::new(Code::XmlError, Origin::Cpu, words)
}

fn unsupported(words: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, Origin::Cpu, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn unchanged(text: &str) {
        let written = Cpu::parse_document(text).unwrap().format().to_xml();
        assert_eq!(written, text);
    }

    #[track_caller]
    fn refused(text: &str, words: &str) {
        assert_eq!(Cpu::parse_document(text).unwrap_err().to_string(), words);
    }

    #[test]
    fn documents_come_out_unchanged() {
        unchanged(
            "<cpu mode='custom' match='minimum' check='partial'>
  <model fallback='forbid' vendor_id='KVMKVMKVMKVM'>Haswell</model>
  <vendor>Intel</vendor>
  <topology sockets='2' dies='1' clusters='1' cores='4' threads='2'/>
  <cache level='3' mode='emulate'/>
  <maxphysaddr mode='passthrough' limit='40'/>
  <feature policy='force' name='vmx'/>
</cpu>
",
        );
        unchanged("<cpu mode='host-passthrough' check='none' migratable='off'/>\n");
        unchanged("<cpu mode='host-model' deprecated_features='off'/>\n");
        unchanged(
            "<cpu>
  <arch>x86_64</arch>
  <model>Haswell</model>
  <microcode version='12'/>
  <signature family='6' model='60' stepping='3'/>
  <counter name='tsc' frequency='2999999000' scaling='no'/>
  <maxphysaddr mode='emulate' bits='46'/>
  <feature name='vmx'/>
</cpu>
",
        );
        assert!(Cpu::parse_document("<cpu mode='custom' match='exact'/>").unwrap().format().is_bare());
    }

    #[test]
    fn bad_documents_are_refused() {
        refused("<x/>", "XML error: XML does not contain expected 'cpu' element");
        refused("<cpu mode='x'/>", "unsupported configuration: Invalid mode attribute 'x'");
        refused(
            "<cpu><feature name='a'/></cpu>",
            "XML error: Non-empty feature list specified without CPU model",
        );
        refused(
            "<cpu><model>a</model><feature name='a'/><feature name='a'/></cpu>",
            "XML error: CPU feature 'a' specified more than once",
        );
        refused(
            "<cpu><cache level='4' mode='disable'/></cpu>",
            "XML error: invalid CPU cache level, must be in range [1,3]",
        );
        refused(
            "<cpu><model vendor_id='a'/></cpu>",
            "XML error: vendor_id must be exactly 12 characters long",
        );
        refused(
            "<cpu><arch>z80</arch><model>a</model></cpu>",
            "unsupported configuration: Unknown architecture z80",
        );
        refused(
            "<cpu><topology sockets='1' cores='0' threads='1'/></cpu>",
            "XML error: Invalid value for attribute 'cores' in element 'topology': Zero is not permitted",
        );
    }
}
