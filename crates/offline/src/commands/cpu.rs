//! CPU models: the commands of suite `cpu`.

use ostler_base::{Arch, Error, Json, Result, Word};
use ostler_caps::cpu::{self, Comparison, Cpu, CpuData, Fallback, Limits, Policy, Side, properties, x86};
use ostler_caps::emulator::{CpuDefinition, Usable, decode};
use ostler_xml::Document;
use serde_json::Deserializer;

use crate::args::read;
use crate::{Args, Kept};

/// CPUID data and the conversations in this suite are of this architecture.
const ARCH: Arch = Arch::X86_64;

/// `cpu-decode --host CPUID.xml` or `--guest [--models-from QMP.json] CPUID.xml`.
pub(crate) fn decode(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["host", "guest", "models-from"])?;
    let models = args.option("models-from").map(definitions).transpose()?;
    let (mut cpu, path) = match (args.option("host"), args.option("guest")) {
        (Some(path), None) => (Cpu::host(ARCH), path),
        (None, Some("")) => (decoded_guest(), args.input(0)?),
        (None, Some(path)) => (decoded_guest(), path),
        _ => return Err(Error::invalid_arg("one of --host and --guest must be given")),
    };
    x86::decode(&mut cpu, &CpuData::parse_document(&read(path)?)?, models.as_deref())?;
    Ok(cpu.format().to_xml())
}

/// `cpu-signature CPUID.xml` or `--qmp QMP.json`.
pub(crate) fn signature(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["qmp"])?;
    let data = match args.option("qmp") {
        Some(path) => properties::x86_data(&expansion(path)?, false)?,
        None => CpuData::parse_document(&args.read_input(0)?)?,
    };
    let signature = data.signature();
    let line = |name: &str, number: u32| format!("{:<9}{number:>4} (0x{number:02x})\n", format!("{name}:"));
    Ok(format!(
        "{:06x}\n{}{}{}",
        signature.to_bits(),
        line("family", signature.family),
        line("model", signature.model),
        line("stepping", signature.stepping)
    ))
}

/// `cpu-from-qmp [--flag query-cpu-definitions] QMP.json`.
pub(crate) fn from_qmp(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["query-cpu-definitions"])?;
    let path = args.input(0)?;
    let models = args.flag("query-cpu-definitions").then(|| definitions(path)).transpose()?;
    let mut cpu = decoded_guest();
    properties::fill_in(ARCH, &mut cpu, &expansion(path)?, models.as_deref(), false)?;
    Ok(cpu.format().to_xml())
}

/// `cpu-compare --host HOST.xml CPU.xml`.
pub(crate) fn compare(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["host"])?;
    let (arch, host) = host(args)?;
    let cpu = Cpu::parse_document(&args.read_input(0)?)?;
    let word = match cpu::compare(arch, Some(&host), &cpu)? {
        Comparison::Incompatible(_) => "incompatible",
        Comparison::Identical => "identical",
        Comparison::Superset => "superset",
    };
    Ok(format!("{word}\n"))
}

/// `cpu-update --host HOST.xml CPU.xml`.
pub(crate) fn update(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["host"])?;
    let (arch, host) = host(args)?;
    let mut cpu = Cpu::parse_document(&args.read_input(0)?)?;
    cpu::update(arch, &mut cpu, Some(&cpu::migratable(arch, &host)?), Policy::Disable)?;
    Ok(cpu.format().to_xml())
}

/// `cpu-guest --host HOST.xml [--models A,B] CPU.xml`.
pub(crate) fn guest(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["host", "models"])?;
    let (arch, host) = host(args)?;
    let models = args.option("models").map(|names| names.split(',').map(named).collect::<Vec<_>>());
    let mut cpu = Cpu::parse_document(&args.read_input(0)?)?;
    cpu::convert_legacy(arch, &mut cpu)?;
    cpu::compare(arch, Some(&host), &cpu)?.required()?;
    cpu::update(arch, &mut cpu, Some(&host), Policy::Disable)?;
    cpu::translate(arch, &mut cpu, models.as_deref())?;
    Ok(cpu.format().to_xml())
}

/// `cpu-baseline --arch ARCH [--flag expanded|migratable] FILE...`.
pub(crate) fn baseline(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["arch", "flag"])?;
    args.only_flags(&["expanded", "migratable"])?;
    let arch = arch(args)?;
    let mut cpus = Vec::new();
    for path in args.inputs() {
        let text = read(path)?;
        let document = Document::parse(&text, "CPU_definition")?;
        let root = document.root();
        if root.name() == "cpu" {
            cpus.push(Cpu::parse_any(root)?);
        } else {
            cpus.extend(root.children("cpu").map(Cpu::parse_any).collect::<Result<Vec<_>>>()?);
        }
    }
    let limits = Limits { migratable: args.flag("migratable"), ..Limits::default() };
    let mut baseline = cpu::baseline(arch, &cpus, limits)?;
    if args.flag("expanded") {
        cpu::expand(arch, &mut baseline)?;
    }
    Ok(baseline.format().to_xml())
}

/// `cpu-has-feature --host HOST.xml FEATURE`.
pub(crate) fn has_feature(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["host"])?;
    let (arch, host) = host(args)?;
    let word = if cpu::has_feature(arch, &host, args.input(0)?)? { "yes" } else { "no" };
    Ok(format!("{word}\n"))
}

/// `cpu-validate-features --arch ARCH CPU.xml`.
pub(crate) fn validate_features(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["arch"])?;
    let cpu = Cpu::parse_document(&args.read_input(0)?)?;
    cpu::validate_features(arch(args)?, &cpu)?;
    Ok(String::new())
}

/// A guest's CPU that a decoded model fills in.
fn decoded_guest() -> Cpu {
    Cpu { fallback: Fallback::Forbid, ..Cpu::guest() }
}

/// A model of which nothing is known but its name.
fn named(name: &str) -> CpuDefinition {
    CpuDefinition {
        name: name.to_owned(),
        type_name: None,
        usable: Usable::Unknown,
        blockers: Vec::new(),
        deprecated: false,
    }
}

/// The CPU of `--host`, and its architecture.
fn host(args: &Args) -> Result<(Arch, Cpu)> {
    let text = read(args.required("host")?)?;
    let host = Cpu::parse(Document::parse(&text, "CPU_definition")?.root(), Side::Host)?;
    let arch = host.arch.ok_or_else(|| Error::invalid_arg("the host has no architecture"))?;
    Ok((arch, host))
}

fn arch(args: &Args) -> Result<Arch> {
    let name = args.required("arch")?;
    Arch::parse(name).ok_or_else(|| Error::invalid_arg(format!("unknown architecture '{name}'")))
}

/// The expansion of model `host` in a file: its first reply.
fn expansion(path: &str) -> Result<ostler_caps::emulator::CpuModelInfo> {
    decode::model_expansion(&replies(path)?[0])
        .ok_or_else(|| Error::invalid_arg(format!("'{path}' begins with no model expansion")))
}

/// The models in a file: its second reply.
fn definitions(path: &str) -> Result<Vec<CpuDefinition>> {
    let replies = replies(path)?;
    let definitions =
        replies.get(1).ok_or_else(|| Error::invalid_arg(format!("'{path}' has no CPU definitions")))?;
    Ok(decode::cpu_definitions(definitions, ARCH))
}

/// What the replies in a file return; there is at least one.
fn replies(path: &str) -> Result<Vec<Json>> {
    let text = read(path)?;
    let replies: Result<Vec<Json>, _> = Deserializer::from_str(&text).into_iter::<Json>().collect();
    let mut replies = replies.map_err(|e| Error::invalid_arg(format!("'{path}' is no JSON: {e}")))?;
    if replies.is_empty() {
        return Err(Error::invalid_arg(format!("'{path}' has no replies")));
    }
    Ok(replies.iter_mut().map(|reply| reply["return"].take()).collect())
}
