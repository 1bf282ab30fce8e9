//! `argv` and `domxml`: domain definitions to command lines and to normal form.

use ostler_base::{Error, Json, Result};
use ostler_domain::{Draft, Outline, ReadMode, Setting, WriteMode, plans};
use ostler_plan::Numbering;

use crate::cards;
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

/// Runs something with the definition of a case, as it was read, and what it is made against.
pub(super) fn with_draft(
    args: &Args,
    kept: &mut Kept,
    run: impl FnOnce(Draft, &Setting<'_>) -> Result<String>,
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
    let incoming = incoming(args);
    let setting = Setting {
        host_model: host_model.as_ref(),
        incoming: incoming.as_deref(),
        ..Setting::new(emulator.as_deref(), &host, &config, &FixedEntropy)
    };
    let mode =
        ReadMode { live: args.flag("from=live"), strict: false, abi_update: args.flag("parse=abi-update") };
    run(Draft::parse(&text, &mode)?, &setting)
}

/// The normal form of a definition.
pub(crate) fn domxml(args: &Args, kept: &mut Kept) -> Result<String> {
    let mode = WriteMode { inactive: args.flag("to=inactive"), secure: true, migratable: false };
    with_draft(args, kept, |mut draft, setting| {
        if args.flag("generic") {
            draft.complete_common(setting)?;
            return Ok(draft.to_xml(&mode));
        }
        Ok(draft.complete(setting)?.to_xml(&mode))
    })
}

/// Environment, program and arguments of a start.
pub(crate) fn argv(args: &Args, kept: &mut Kept) -> Result<String> {
    if args.option("replies").is_none() {
        return Err(Error::invalid_arg("option --replies is missing"));
    }
    with_draft(args, kept, |draft, setting| {
        let mut domain = draft.complete(setting)?;
        cards::plug(&mut domain, args)?;
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

/// Where the state of an incoming guest comes from: standard input is a descriptor.
fn incoming(args: &Args) -> Option<String> {
    match args.flag_values("migrate-from").last()? {
        "stdio" => Some(format!("fd:{}", args.flag_values("migrate-fd").last().unwrap_or_default())),
        uri => Some(uri.to_owned()),
    }
}
