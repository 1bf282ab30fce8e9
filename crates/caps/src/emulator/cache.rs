//! The capability cache: what is known of an emulator, as the reference's `<qemuCaps>` document.
//!
//! Owns: the document, both ways. Never: decides whether a cached file is still true, which its
//! stamps are for.

use ostler_base::{Arch, Error, Result, Word, YesNo};
use ostler_xml::{Document, El, Element};

use super::types::{
    Accelerator, CpuDefinition, CpuModelInfo, CpuProperty, CpuValue, Gic, Machine, Sev, Sgx, SgxSection,
    Usable,
};
use super::{Emulator, Flag};
use crate::cpu::CpuData;

/// What a cache file was made from; it is stale once one of these differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamps {
    /// Change time of the emulator's binary, in seconds since the epoch.
    pub emulator_ctime: u64,
    /// Modification time of the directory of the emulator's modules, likewise; `None` where there
    /// is no such directory.
    pub modules_mtime: Option<u64>,
    /// Change time of the daemon's binary, in seconds since the epoch.
    pub own_ctime: u64,
    /// Version of the daemon, `major * 1000000 + minor * 1000 + micro`.
    pub own_version: u64,
    /// What the host's CPU calls itself; with KVM only, as the next two.
    pub host_cpu: Option<String>,
    /// The kernel's version.
    pub kernel_version: Option<String>,
    /// What the kernel lets guests have of an x86 CPU.
    pub cpu_data: Option<CpuData>,
}

/// The document for an emulator.
pub fn write(emulator: &Emulator, stamps: &Stamps) -> String {
    let mut root = El::new("qemuCaps");
    root.push_text("emulator", Some(&emulator.path));
    root.push_text("qemuctime", Some(stamps.emulator_ctime));
    root.push_text("qemumoddirmtime", stamps.modules_mtime);
    root.push_text("selfctime", Some(stamps.own_ctime));
    root.push_text("selfvers", Some(stamps.own_version));
    root.extend(emulator.flags.iter().map(|flag| El::new("flag").attr("name", flag.name())));
    root.push_text("version", Some(emulator.version));
    root.push_text("microcodeVersion", Some(emulator.microcode));
    root.push_text("hostCPUSignature", stamps.host_cpu.as_ref());
    root.push_text("package", Some(&emulator.package));
    root.push_text("kernelVersion", stamps.kernel_version.as_ref());
    root.extend(stamps.cpu_data.iter().map(CpuData::format));
    root.push_text("arch", Some(emulator.arch));
    for (_, accelerator) in Accelerator::WORDS {
        let with = emulator.with(*accelerator);
        root.extend(with.host_cpu.iter().map(|model| host_cpu_el(*accelerator, model)));
        root.extend(with.cpus.iter().flatten().map(|cpu| cpu_el(*accelerator, cpu)));
        root.extend(with.machines.iter().map(|machine| machine_el(*accelerator, machine)));
    }
    root.extend(emulator.gic.iter().map(gic_el));
    root.extend(emulator.sev.iter().map(sev_el));
    root.extend(emulator.sgx.iter().map(|sgx| sgx_el(sgx).attr("supported", "yes")));
    if let Some(enlightenments) = &emulator.enlightenments {
        let mut el = El::new("hypervCapabilities").attr("supported", "yes");
        el.extend(enlightenments.iter().map(|e| El::new("cap").attr("name", e)));
        root.push(el);
    }
    root.to_xml()
}

fn yes_no(value: bool) -> YesNo {
    YesNo::from(value)
}

fn only_yes(value: bool) -> Option<YesNo> {
    value.then_some(YesNo::Yes)
}

fn host_cpu_el(accelerator: Accelerator, model: &CpuModelInfo) -> El {
    let mut el = El::new("hostCPU")
        .attr("type", accelerator)
        .attr("model", &model.name)
        .attr("migratability", yes_no(model.migratability));
    for property in &model.properties {
        let (kind, value) = match &property.value {
            CpuValue::Boolean(on) => ("boolean", on.to_string()),
            CpuValue::String(text) => ("string", text.clone()),
            CpuValue::Number(number) => ("number", number.to_string()),
        };
        el.push(
            El::new("property")
                .attr("name", &property.name)
                .attr("type", kind)
                .attr("value", value)
                .attr_opt("migratable", property.migratable.map(yes_no)),
        );
    }
    if let Some(deprecated) = &model.deprecated {
        let mut list = El::new("deprecatedFeatures");
        list.extend(deprecated.iter().map(|name| El::new("property").attr("name", name)));
        el.push(list);
    }
    el
}

fn cpu_el(accelerator: Accelerator, cpu: &CpuDefinition) -> El {
    let usable = Some(cpu.usable).filter(|usable| *usable != Usable::Unknown);
    let mut el = El::new("cpu")
        .attr("type", accelerator)
        .attr("name", &cpu.name)
        .attr_opt("typename", cpu.type_name.as_ref())
        .attr_opt("usable", usable)
        .attr_opt("deprecated", only_yes(cpu.deprecated));
    el.extend(cpu.blockers.iter().map(|name| El::new("blocker").attr("name", name)));
    el
}

fn machine_el(accelerator: Accelerator, machine: &Machine) -> El {
    El::new("machine")
        .attr("type", accelerator)
        .attr("name", &machine.name)
        .attr_opt("alias", machine.alias.as_ref())
        .attr_opt("hotplugCpus", only_yes(machine.hotplug_cpus))
        .attr("maxCpus", machine.max_cpus)
        .attr_opt("default", only_yes(machine.is_default))
        .attr_opt("defaultCPU", machine.default_cpu.as_ref())
        .attr_opt("numaMemSupported", only_yes(machine.numa_mem_supported))
        .attr_opt("defaultRAMid", machine.default_ram_id.as_ref())
        .attr_opt("deprecated", only_yes(machine.deprecated))
        .attr_opt("acpi", machine.acpi.map(yes_no))
}

fn gic_el(gic: &Gic) -> El {
    El::new("gic")
        .attr("version", gic.version)
        .attr("kernel", yes_no(gic.kernel))
        .attr("emulated", yes_no(gic.emulated))
}

fn sev_el(sev: &Sev) -> El {
    let mut el = El::new("sev");
    el.push_text("cbitpos", Some(sev.cbitpos));
    el.push_text("reducedPhysBits", Some(sev.reduced_phys_bits));
    el.push_text("pdh", Some(&sev.pdh));
    el.push_text("certChain", Some(&sev.cert_chain));
    el.push_text("cpu0Id", sev.cpu0_id.as_ref());
    el
}

/// `<sgx>` without its attribute; the domain capabilities have the same.
pub(crate) fn sgx_el(sgx: &Sgx) -> El {
    let mut el = El::new("sgx");
    el.push_text("flc", Some(yes_no(sgx.flc)));
    el.push_text("sgx1", Some(yes_no(sgx.sgx1)));
    el.push_text("sgx2", Some(yes_no(sgx.sgx2)));
    el.push(El::with_text("section_size", sgx.section_size).attr("unit", "KiB"));
    if !sgx.sections.is_empty() {
        let mut sections = El::new("sections");
        sections.extend(
            sgx.sections
                .iter()
                .map(|s| El::new("section").attr("node", s.node).attr("size", s.size).attr("unit", "KiB")),
        );
        el.push(sections);
    }
    el
}

/// Reads a document back. Flags that are not known make it unusable: it is of another version.
pub fn read(text: &str) -> Result<(Emulator, Stamps)> {
    let document = Document::parse(text, "qemu_caps")?;
    let root = document.root();
    if root.name() != "qemuCaps" {
        return Err(broken("the root element"));
    }
    let stamps = read_stamps(&root)?;
    let mut emulator = Emulator::unknown(root.child_text("emulator").unwrap_or_default());
    for el in root.children("flag") {
        let name = el.require("name")?;
        emulator.flags.insert(Flag::parse(name).ok_or_else(|| broken(&format!("flag '{name}'")))?);
    }
    let small = |name| number(&root, name).and_then(|n| u32::try_from(n).map_err(|_| broken(name)));
    emulator.version = small("version")?;
    emulator.microcode = small("microcodeVersion")?;
    emulator.package = root.child_text("package").unwrap_or_default();
    let arch = root.child_text("arch").and_then(|name| Arch::parse(&name));
    emulator.arch = arch.ok_or_else(|| broken("arch"))?;
    read_accelerated(&root, &mut emulator)?;
    for el in root.children("gic") {
        let yes = |name| Ok::<bool, Error>(el.yes_no(name)?.is_some_and(YesNo::is_true));
        let version = el.require_number("version")?;
        emulator.gic.push(Gic { version, kernel: yes("kernel")?, emulated: yes("emulated")? });
    }
    emulator.sev = root.child("sev").map(|el| read_sev(&el)).transpose()?;
    emulator.sgx = root.child("sgx").filter(is_supported).map(|el| read_sgx(&el)).transpose()?;
    if let Some(el) = root.child("hypervCapabilities").filter(is_supported) {
        let all = el.children("cap").map(|cap| cap.require_word("name")).collect::<Result<_>>()?;
        emulator.enlightenments = Some(all);
    }
    Ok((emulator, stamps))
}

fn read_stamps(root: &Element<'_>) -> Result<Stamps> {
    let directory = root.child("qemumoddirmtime").map(|_| number(root, "qemumoddirmtime"));
    Ok(Stamps {
        emulator_ctime: number(root, "qemuctime")?,
        modules_mtime: directory.transpose()?,
        own_ctime: number(root, "selfctime")?,
        own_version: number(root, "selfvers")?,
        host_cpu: root.child_text("hostCPUSignature"),
        kernel_version: root.child_text("kernelVersion"),
        cpu_data: root.child("cpudata").map(CpuData::parse).transpose()?,
    })
}

fn broken(what: &str) -> Error {
    Error::internal(format!("malformed {what} in QEMU capabilities cache"))
}

fn number(root: &Element<'_>, name: &str) -> Result<u64> {
    root.child_text(name).and_then(|text| text.trim().parse().ok()).ok_or_else(|| broken(name))
}

fn is_supported(el: &Element<'_>) -> bool {
    el.attr("supported") == Some("yes")
}

fn is_yes(el: &Element<'_>, name: &str) -> Result<bool> {
    Ok(el.yes_no(name)?.is_some_and(YesNo::is_true))
}

fn read_accelerated(root: &Element<'_>, emulator: &mut Emulator) -> Result<()> {
    for el in root.children("hostCPU") {
        let at: Accelerator = el.require_word("type")?;
        emulator.accelerators[at as usize].host_cpu = Some(read_host_cpu(&el)?);
    }
    for el in root.children("cpu") {
        let at: Accelerator = el.require_word("type")?;
        let blockers = el.children("blocker").map(|b| Ok(b.require("name")?.to_owned()));
        let cpu = CpuDefinition {
            name: el.require("name")?.to_owned(),
            type_name: el.attr("typename").map(str::to_owned),
            usable: el.word("usable")?.unwrap_or(Usable::Unknown),
            blockers: blockers.collect::<Result<_>>()?,
            deprecated: is_yes(&el, "deprecated")?,
        };
        emulator.accelerators[at as usize].cpus.get_or_insert_default().push(cpu);
    }
    for el in root.children("machine") {
        let at: Accelerator = el.require_word("type")?;
        emulator.accelerators[at as usize].machines.push(Machine {
            name: el.require("name")?.to_owned(),
            alias: el.attr("alias").map(str::to_owned),
            max_cpus: el.require_number("maxCpus")?,
            hotplug_cpus: is_yes(&el, "hotplugCpus")?,
            is_default: is_yes(&el, "default")?,
            default_cpu: el.attr("defaultCPU").map(str::to_owned),
            numa_mem_supported: is_yes(&el, "numaMemSupported")?,
            default_ram_id: el.attr("defaultRAMid").map(str::to_owned),
            deprecated: is_yes(&el, "deprecated")?,
            acpi: el.yes_no("acpi")?.map(YesNo::is_true),
        });
    }
    Ok(())
}

fn read_host_cpu(el: &Element<'_>) -> Result<CpuModelInfo> {
    let property = |el: Element<'_>| {
        let text = el.require("value")?;
        let value = match el.require("type")? {
            "boolean" => text.parse().map(CpuValue::Boolean).ok(),
            "number" => text.parse().map(CpuValue::Number).ok(),
            "string" => Some(CpuValue::String(text.to_owned())),
            _ => None,
        };
        Ok(CpuProperty {
            name: el.require("name")?.to_owned(),
            value: value.ok_or_else(|| broken("CPU property"))?,
            migratable: el.yes_no("migratable")?.map(YesNo::is_true),
        })
    };
    let deprecated = el.child("deprecatedFeatures").map(|list| {
        list.children("property").map(|p| Ok(p.require("name")?.to_owned())).collect::<Result<Vec<_>>>()
    });
    Ok(CpuModelInfo {
        name: el.require("model")?.to_owned(),
        properties: el.children("property").map(property).collect::<Result<_>>()?,
        migratability: is_yes(el, "migratability")?,
        deprecated: deprecated.transpose()?,
    })
}

fn read_sev(el: &Element<'_>) -> Result<Sev> {
    let text = |name| el.child_text(name).ok_or_else(|| broken(name));
    let small = |name| number(el, name).and_then(|n| u32::try_from(n).map_err(|_| broken(name)));
    Ok(Sev {
        cbitpos: small("cbitpos")?,
        reduced_phys_bits: small("reducedPhysBits")?,
        pdh: text("pdh")?,
        cert_chain: text("certChain")?,
        cpu0_id: el.child_text("cpu0Id"),
    })
}

fn read_sgx(el: &Element<'_>) -> Result<Sgx> {
    let yes = |name| match el.child_text(name).as_deref() {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        _ => Err(broken(name)),
    };
    let section = |el: Element<'_>| {
        Ok(SgxSection { node: el.require_number("node")?, size: el.require_number("size")? })
    };
    let sections = match el.child("sections") {
        Some(list) => list.children("section").map(section).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let section_size = number(el, "section_size")?;
    Ok(Sgx { flc: yes("flc")?, sgx1: yes("sgx1")?, sgx2: yes("sgx2")?, section_size, sections })
}
