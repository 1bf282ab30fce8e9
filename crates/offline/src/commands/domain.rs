//! `argv` and `domxml`: domain definitions to command lines and to normal form.

use ostler_base::{Error, Json, Result};
use ostler_domain::{Domain, Draft, Outline, ReadMode, Setting, WriteMode, plans};
use ostler_plan::Numbering;

use crate::fake::{self, FixedEntropy};
use crate::recordings;
use crate::{Args, Kept, host_cpu};

const OPTIONS: &[&str] = &["replies", "caps-xml", "fakehost", "flag"];
const FLAGS: &[&str] = &[
    "parse=",
    "from=",
    "to=",
    "generic",
    "conf:",
    "env:",
    "swtpm=",
    "host-arch=",
    "host-cpu=",
    "migrate-from=",
    "migrate-fd=",
    "fd-group=",
    "vdpa-fd=",
    "nbdkit-cap=",
];

/// Runs something with the definition of a case and what it is made against.
fn with_domain(
    args: &Args,
    kept: &mut Kept,
    run: impl FnOnce(Domain, &Setting<'_>) -> Result<String>,
) -> Result<String> {
    args.only(OPTIONS)?;
    args.only_flags(&[FLAGS, recordings::FLAGS].concat())?;
    let emulator = match args.option("replies") {
        Some(_) => Some(recordings::emulator(args, kept)?),
        None => None,
    };
    let host = fake::host(args)?;
    let config = fake::config(args);
    let text = args.read_input(0)?;
    let host_model = match (emulator.as_deref(), Outline::read(&text)) {
        (Some(emulator), Ok(outline)) => {
            host_cpu::model_of(args, emulator, outline.kind.accelerator(), host.arch)?
        }
        _ => None,
    };
    let setting = Setting {
        host_model: host_model.as_ref(),
        ..Setting::new(emulator.as_deref(), &host, &config, &FixedEntropy)
    };
    let mode =
        ReadMode { live: args.flag("from=live"), strict: false, abi_update: args.flag("parse=abi-update") };
    let domain = Draft::parse(&text, &mode)?.complete(&setting)?;
    run(domain, &setting)
}

/// The normal form of a definition.
pub(crate) fn domxml(args: &Args, kept: &mut Kept) -> Result<String> {
    let mode = WriteMode { inactive: args.flag("to=inactive"), secure: true, migratable: false };
    with_domain(args, kept, |domain, _| Ok(domain.to_xml(&mode)))
}

/// Environment, program and arguments of a start.
pub(crate) fn argv(args: &Args, kept: &mut Kept) -> Result<String> {
    if args.option("replies").is_none() {
        return Err(Error::invalid_arg("option --replies is missing"));
    }
    with_domain(args, kept, |domain, setting| {
        let domain = plans::start::settle(&domain, &fake::answer(plans::start::ask_first(&domain), args)?)?;
        let facts = fake::answer(plans::start::ask(&domain, setting), args)?;
        let numbering = Numbering::Fixed(fake::fd_number);
        let (_, launch) = plans::start::plan(&domain, setting, &facts, numbering)?;
        if let Some(fault) = ostler_plan::check(&launch).first() {
            return Err(Error::internal(format!("the plan is not sound: {fault}")));
        }
        let vector = launch.vector();
        if vector.iter().any(|argument| argument.contains('\n')) {
            return Ok(Json::from(vector).to_string());
        }
        Ok(vector.join("\n") + "\n")
    })
}
