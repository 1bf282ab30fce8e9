//! Replies of a monitor: the commands of suite `monitor`.

use std::fmt::Write;

use ostler_base::{Error, Json, Result};
use ostler_caps::cpu::CpuData;
use ostler_caps::emulator::{Question, Recording, Reply};
use ostler_caps::replies::jobs;
use ostler_caps::replies::vcpus::{Vcpu, combine, read_running, read_units};
use ostler_caps::schema::Schema;

use crate::args::read;
use crate::{Args, Kept};

/// `qmp-cpu-info --max-vcpus N --query-hotpluggable-cpus FILE --query-cpus-fast FILE`.
pub(crate) fn cpu_info(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["max-vcpus", "query-hotpluggable-cpus", "query-cpus-fast"])?;
    let most = args.required("max-vcpus")?;
    let most = most.parse().map_err(|_| Error::invalid_arg(format!("'{most}' is no number")))?;
    let units = match args.option("query-hotpluggable-cpus") {
        Some(path) => read_units(&reply(path)?)?,
        None => Vec::new(),
    };
    let running = read_running(&reply(args.required("query-cpus-fast")?)?)?;
    let blocks =
        combine(most, &units, &running).iter().enumerate().map(|(at, vcpu)| block(at, vcpu)).collect();
    Ok(blocks)
}

fn block(at: usize, vcpu: &Vcpu) -> String {
    let yes_no = |truth| if truth { "yes" } else { "no" };
    let mut out = format!("[vcpu libvirt-id='{at}']\n");
    let mut line = |text: String| {
        let _ = writeln!(out, "    {text}");
    };
    line(format!("online={}", yes_no(vcpu.online)));
    line(format!("hotpluggable={}", yes_no(vcpu.hotpluggable)));
    for (name, number) in
        [("thread-id", vcpu.thread_id), ("enable-id", vcpu.order), ("query-cpus-id", vcpu.index)]
    {
        if let Some(number) = number {
            line(format!("{name}='{number}'"));
        }
    }
    if let Some(unit) = &vcpu.unit {
        line(format!("type='{}'", unit.driver));
        for (name, text) in [("alias", unit.alias()), ("qom_path", unit.qom_path.as_deref())] {
            if let Some(text) = text {
                line(format!("{name}='{text}'"));
            }
        }
        let place = unit.place;
        let places = [
            ("socket", place.socket),
            ("die", place.die),
            ("cluster_id", place.cluster),
            ("core", place.core),
            ("thread", place.thread),
            ("vcpus", Some(unit.vcpus)),
        ];
        let places = places.iter().filter_map(|(name, number)| Some(format!(" {name}='{}'", (*number)?)));
        line(format!("topology:{}", places.collect::<String>()));
    }
    if vcpu.halted {
        line("halted".to_owned());
    }
    out
}

/// `qmp-cpu-data FILE`: the feature words of a vCPU.
pub(crate) fn cpu_data(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(CpuData::from_feature_words(&reply(args.input(0)?)?)?.format().to_xml())
}

/// `qmp-jobs FILE`.
pub(crate) fn jobs(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&[])?;
    let blocks = jobs::read(&reply(args.input(0)?)?)?.into_iter().map(|job| {
        let error = job.error.as_deref().unwrap_or("<null>");
        format!("[job]\nid={}\ntype={}\nstatus={}\nerror={error}\n", job.id, job.kind, job.status)
    });
    Ok(blocks.collect::<Vec<_>>().join("\n"))
}

/// `qapi-query --replies FILE QUERY`.
pub(crate) fn qapi_query(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["replies"])?;
    let word = if schema(args)?.has(args.input(0)?) { "yes" } else { "no" };
    Ok(format!("{word}\n"))
}

/// `qapi-validate --replies FILE PATH JSON`.
pub(crate) fn qapi_validate(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["replies"])?;
    let value: Json = serde_json::from_str(args.input(1)?)
        .map_err(|e| Error::invalid_arg(format!("the value is no JSON: {e}")))?;
    schema(args)?.validate(args.input(0)?, &value)?;
    Ok(String::new())
}

/// The schema in a recording.
fn schema(args: &Args) -> Result<Schema> {
    let path = args.required("replies")?;
    let recording = Recording::read(&read(path)?)?;
    match recording.reply(0, &Question { command: "query-qmp-schema", arguments: None }) {
        Reply::Return(schema) => Schema::read(schema),
        Reply::Error(_) => Err(Error::invalid_arg(format!("'{path}' has no schema"))),
    }
}

/// What the reply in a file returns.
fn reply(path: &str) -> Result<Json> {
    let mut reply: Json = serde_json::from_str(&read(path)?)
        .map_err(|e| Error::invalid_arg(format!("'{path}' is no JSON: {e}")))?;
    Ok(reply["return"].take())
}
