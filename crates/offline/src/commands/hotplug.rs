//! Devices that come, change and go while a guest runs: the commands of suite `hotplug`.

use ostler_base::json::json;
use ostler_base::{Error, IdSet, Json, Result};
use ostler_caps::replies::vcpus::{Vcpu, combine, read_running, read_units};
use ostler_domain::plans::attach::Candidate;
use ostler_domain::plans::detach::{Detach, next_set};
use ostler_domain::plans::update::Update;
use ostler_domain::plans::vcpus::{self, Wish};
use ostler_domain::{Domain, Draft, ReadMode, Setting, WriteMode};

use crate::args::read;
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
    let setting = Setting::new(Some(&emulator), &host, &config, &FixedEntropy);
    let mode = ReadMode { live: true, ..ReadMode::default() };
    let xml = sequence["domain"].as_str().unwrap_or_default();
    let mut domain = Draft::parse(xml, &mode)?.complete(&setting)?.with_id(Some(ID)).with_aliases();
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
            let facts = fake::answer(update.ask(setting), args)?;
            let plan = update.plan(setting, &facts, 0)?;
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
    let facts = fake::answer(candidate.ask(setting), args)?;
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

/// `hotplug-vcpu [--print live|conf] --count N | --vcpus SET --state on|off --monitor FILE DOMAIN.xml`
pub(super) fn vcpus(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["replies", "caps-xml", "fakehost", "flag", "print", "count", "vcpus", "state", "monitor"])?;
    args.only_flags(recordings::FLAGS)?;
    let emulator = recordings::emulator(args, kept)?;
    let host = fake::host(args)?;
    let config = fake::config(args);
    let setting = Setting::new(Some(&emulator), &host, &config, &FixedEntropy);
    let text = args.read_input(0)?;
    let stored = Draft::parse(&text, &ReadMode::default())?.complete(&setting)?;
    let mut guest = stored.with_id(Some(ID)).with_aliases();
    let wish = wish(args)?;
    let mut script = Script::new(conversation(&read(args.required("monitor")?)?)?);
    let known = ask(&guest, &mut script)?;
    guest = vcpus::learnt(&guest, &known);
    for step in vcpus::live(&known, &wish)? {
        script.send(step.command.name)?;
        let known = ask(&guest, &mut script)?;
        guest = vcpus::learnt(&guest, &known);
    }
    let mode = WriteMode { secure: true, ..WriteMode::default() };
    match args.option("print") {
        Some("conf") => {
            let mut draft = stored.into_draft();
            vcpus::stored(&mut draft, &wish, true)?;
            Ok(draft.to_xml(&WriteMode { inactive: true, ..mode }))
        }
        _ => Ok(guest.to_xml(&mode)),
    }
}

fn wish(args: &Args) -> Result<Wish> {
    match (args.option("count"), args.option("vcpus")) {
        (Some(count), None) => {
            let count = count.parse();
            Ok(Wish::Count(count.map_err(|_| Error::invalid_arg("the count is no number"))?))
        }
        (None, Some(set)) => {
            let ids = IdSet::parse(set).ok_or_else(|| Error::invalid_arg(format!("'{set}' is no set")))?;
            Ok(Wish::Each(ids, args.required("state")? == "on"))
        }
        _ => Err(Error::invalid_arg("either --count or --vcpus is needed")),
    }
}

fn ask(guest: &Domain, script: &mut Script) -> Result<Vec<Vcpu>> {
    let units = read_units(&script.send("query-hotpluggable-cpus")?)?;
    let running = read_running(&script.send("query-cpus-fast")?)?;
    Ok(combine(guest.head.vcpus.maximum, &units, &running))
}

/// Commands and replies in turn.
fn conversation(text: &str) -> Result<Vec<Line>> {
    let documents: Vec<Json> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid_arg(format!("the conversation is no JSON: {error}")))?;
    let line = |pair: &[Json]| match pair {
        [command, reply] => Some(Line {
            command: command["execute"].as_str()?.to_owned(),
            gone: Vec::new(),
            reply: reply.clone(),
        }),
        _ => None,
    };
    let lines = documents.chunks(2).map(line).collect::<Option<_>>();
    lines.ok_or_else(|| Error::invalid_arg("the conversation has a command without a reply"))
}
