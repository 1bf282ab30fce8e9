//! Devices that come, change and go while a guest runs: the commands of suite `hotplug`.

use ostler_base::json::json;
use ostler_base::{Error, Json, Result};
use ostler_domain::plans::attach::Candidate;
use ostler_domain::plans::detach::{Detach, next_set};
use ostler_domain::plans::update::Update;
use ostler_domain::{Domain, Draft, ReadMode, Setting, WriteMode};

use crate::fake::{self, FixedEntropy};
use crate::script::{Line, Script};
use crate::{Args, Kept, recordings};

/// The id of the guest that runs.
const ID: i32 = 7;

/// `hotplug --replies F --fakehost DIR SEQUENCE.json`: what becomes of a guest step by step.
pub(super) fn hotplug(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["replies", "caps-xml", "fakehost", "flag"])?;
    args.only_flags(recordings::FLAGS)?;
    let text = args.read_input(0)?;
    let sequence: Json =
        text.parse().map_err(|error| Error::invalid_arg(format!("the sequence is no JSON: {error}")))?;
    let emulator = match sequence["strip_machine_aliases"].as_bool() {
        Some(true) => recordings::emulator(&args.with_flag("strip-machine-aliases"), kept)?,
        _ => recordings::emulator(args, kept)?,
    };
    let host = fake::host(args)?;
    let mut config = fake::config(args);
    config.graphics.spice.tls.enabled |= sequence["spice_tls"].as_bool().unwrap_or_default();
    let setting = Setting {
        emulator: Some(&emulator),
        host: &host,
        config: &config,
        entropy: &FixedEntropy,
        host_model: None,
    };
    let mode = ReadMode { live: true, ..ReadMode::default() };
    let xml = sequence["domain"].as_str().unwrap_or_default();
    let mut domain = Draft::parse(xml, &mode)?.resume(&setting)?.with_id(Some(ID));
    let mut results = Vec::new();
    for step in sequence["steps"].as_array().into_iter().flatten() {
        let mut script = Script::new(lines(step));
        let done = one(&domain, step, &setting, args, &mut script);
        let (ok, error) = match done {
            Ok(after) => {
                domain = after;
                (true, Json::Null)
            }
            Err(error) => (false, Json::from(error.to_string())),
        };
        let xml = domain.to_xml(&WriteMode { secure: true, ..WriteMode::default() });
        results.push(json!({ "ok": ok, "error": error, "xml": xml, "commands": script.sent }));
    }
    Ok(Json::from(results).to_string() + "\n")
}

fn lines(step: &Json) -> Vec<Line> {
    let gone = |event: &Json| {
        let deleted = event["event"] == "DEVICE_DELETED";
        event["data"]["device"].as_str().filter(|_| deleted).map(str::to_owned)
    };
    let line = |line: &Json| Line {
        command: line["command"].as_str().unwrap_or_default().to_owned(),
        gone: line["events"].as_array().into_iter().flatten().filter_map(gone).collect(),
        reply: line["reply"].clone(),
    };
    step["monitor"].as_array().into_iter().flatten().map(line).collect()
}

fn one(
    guest: &Domain,
    step: &Json,
    setting: &Setting<'_>,
    args: &Args,
    script: &mut Script,
) -> Result<Domain> {
    let device = step["device"].as_str().unwrap_or_default();
    match step["op"].as_str() {
        Some("attach") => attach(guest, device, setting, args, script),
        Some("detach") => detach(guest, device, setting, script),
        Some("update") => {
            let update = Update::new(guest, device, setting)?;
            let facts = fake::answer(update.ask(), args);
            let plan = update.plan(setting, &facts)?;
            script.run(&plan.commands)?;
            Ok(plan.domain)
        }
        other => Err(Error::invalid_arg(format!("unknown step {other:?}"))),
    }
}

fn attach(
    guest: &Domain,
    device: &str,
    setting: &Setting<'_>,
    args: &Args,
    script: &mut Script,
) -> Result<Domain> {
    let candidate = Candidate::new(guest, device, setting)?;
    let facts = fake::answer(candidate.ask(), args);
    let mut plan = candidate.plan(setting, &facts, 0)?;
    if plan.uses_sets {
        let sets = script.send("query-fdsets")?;
        plan = candidate.plan(setting, &facts, next_set(&sets))?;
    }
    let replies = script.run(&plan.commands)?;
    Ok(plan.learnt(&replies))
}

fn detach(guest: &Domain, device: &str, setting: &Setting<'_>, script: &mut Script) -> Result<Domain> {
    let plan = Detach::described(guest, device, setting)?;
    if let Some(unplug) = &plan.unplug {
        script.send(unplug.name)?;
        if !script.gone.contains(&plan.alias) {
            return Err(Error::operation_failed(format!("the guest keeps device '{}'", plan.alias)));
        }
    }
    script.run(&plan.commands)?;
    if plan.labels.is_some() {
        let sets = script.send("query-fdsets")?;
        script.run(&plan.release(&sets))?;
    }
    Ok(plan.domain)
}
