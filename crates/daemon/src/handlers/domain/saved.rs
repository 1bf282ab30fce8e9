//! Domains saved, brought back and dumped, and how far that is.
//!
//! Owns: those handlers and their flags. Never: opens a file.

use std::path::Path;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::domain::progress::Progress;
use ostler_engine::ops::dump::{Course, content};
use ostler_engine::ops::pump::Cache;
use ostler_engine::ops::save::Saving;
use ostler_engine::{Guest, Processors};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainAbortJobArgs, DomainAbortJobFlagsArgs, DomainCoreDumpArgs, DomainCoreDumpWithFormatArgs,
    DomainGetJobInfoArgs, DomainGetJobInfoRet, DomainGetJobStatsArgs, DomainGetJobStatsRet,
    DomainHasManagedSaveImageArgs, DomainHasManagedSaveImageRet, DomainManagedSaveArgs,
    DomainManagedSaveDefineXmlArgs, DomainManagedSaveGetXmlDescArgs, DomainManagedSaveGetXmlDescRet,
    DomainManagedSaveRemoveArgs, DomainSaveArgs, DomainSaveFlagsArgs, DomainSaveImageGetXmlDescRet,
    DomainSaveParamsArgs,
};
use ostler_rpc::programs::{TypedParam, TypedValue};

use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Host, handlers};
use crate::handlers::only_flags;
use crate::params::typed;
use crate::session::Session;

handlers! {
    act call::DomainSave;
    act call::DomainSaveFlags;
    act call::DomainSaveParams;
    act call::DomainRestore;
    act call::DomainRestoreFlags;
    act call::DomainRestoreParams;
    act call::DomainManagedSave;
    act call::DomainManagedSaveRemove;
    answer call::DomainHasManagedSaveImage;
    act call::DomainManagedSaveGetXmlDesc;
    act call::DomainManagedSaveDefineXml;
    act call::DomainSaveImageGetXmlDesc;
    act call::DomainSaveImageDefineXml;
    act call::DomainCoreDump;
    act call::DomainCoreDumpWithFormat;
    answer call::DomainGetJobInfo;
    answer call::DomainGetJobStats;
    answer call::DomainAbortJob;
    answer call::DomainAbortJobFlags;
}

names_domain! {
    DomainAbortJobArgs DomainAbortJobFlagsArgs DomainCoreDumpArgs DomainCoreDumpWithFormatArgs
    DomainGetJobInfoArgs DomainGetJobStatsArgs DomainHasManagedSaveImageArgs DomainManagedSaveArgs
    DomainManagedSaveDefineXmlArgs DomainManagedSaveGetXmlDescArgs DomainManagedSaveRemoveArgs
    DomainSaveArgs DomainSaveFlagsArgs DomainSaveParamsArgs
}

/// Of a saved domain: the host's cache is passed by.
const BYPASS_CACHE: u32 = 1;
/// Of a saved domain: it runs afterwards.
const RUNNING: u32 = 2;
/// Of a saved domain: it stands still afterwards.
const PAUSED: u32 = 4;
/// Of a saved domain that comes back: the variables of its firmware are made anew.
const RESET_NVRAM: u32 = 8;
/// Of a definition in a file: with secrets.
const SECURE: u32 = 1;

/// Of a dump: the domain is ended afterwards.
const DUMP_CRASH: u32 = 1;
/// Of a dump: the domain goes on meanwhile.
const DUMP_LIVE: u32 = 2;
/// Of a dump: the host's cache is passed by.
const DUMP_BYPASS_CACHE: u32 = 4;
/// Of a dump: the domain is reset afterwards.
const DUMP_RESET: u32 = 8;
/// Of a dump: memory only.
const DUMP_MEMORY_ONLY: u32 = 16;

/// Of figures: of the job that was completed last.
const STATS_COMPLETED: u32 = 1;
/// Of figures: they can be asked for again.
const STATS_KEEP: u32 = 2;

/// The number of a job whose end is not known beforehand.
const UNBOUNDED: i32 = 2;
/// The number of a job that is completed.
const COMPLETED: i32 = 3;

fn saving(flags: u32) -> Saving {
    let cache = if flags & BYPASS_CACHE != 0 { Cache::Bypass } else { Cache::Keep };
    Saving { cache, processors: processors(flags) }
}

fn processors(flags: u32) -> Option<Processors> {
    match flags & (RUNNING | PAUSED) {
        RUNNING => Some(Processors::Run),
        PAUSED => Some(Processors::Stay),
        _ => None,
    }
}

fn opposites(flags: u32, one: (u32, &str), other: (u32, &str)) -> Result<()> {
    if flags & one.0 == 0 || flags & other.0 == 0 {
        return Ok(());
    }
    let text = format!("Flags '{}' and '{}' are mutually exclusive", one.1, other.1);
    Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text))
}

fn save_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    only_flags(flags, known, function, Origin::Qemu)?;
    opposites(flags, (RUNNING, "VIR_DOMAIN_SAVE_RUNNING"), (PAUSED, "VIR_DOMAIN_SAVE_PAUSED"))
}

act!(DomainSave, |daemon, guest, args| {
    daemon.engine.save(guest, Path::new(&args.to), None, saving(0)).await
});

act!(DomainSaveFlags, |daemon, guest, args| {
    save_flags(args.flags, BYPASS_CACHE | RUNNING | PAUSED, "qemuDomainSaveFlags")?;
    let definition = args.dxml.as_deref();
    daemon.engine.save(guest, Path::new(&args.to), definition, saving(args.flags)).await
});

/// Where a domain is saved to or brought back from, and the definition that goes with it.
#[derive(Default)]
struct Place {
    file: Option<String>,
    definition: Option<String>,
}

impl Place {
    fn of(params: impl IntoIterator<Item = TypedParam>) -> Result<Self> {
        let mut place = Place::default();
        for TypedParam { field, value } in params {
            let slot = match field.as_str() {
                "file" => &mut place.file,
                "dxml" => &mut place.definition,
                _ => {
                    let text = format!("parameter '{field}' not supported");
                    return Err(Error::new(Code::ArgumentUnsupported, Origin::None, text));
                }
            };
            let TypedValue::String(text) = value else {
                let text = format!("invalid type for parameter '{field}', expected 'string'");
                return Err(Error::new(Code::InvalidArg, Origin::None, text));
            };
            *slot = Some(text);
        }
        Ok(place)
    }
}

act!(DomainSaveParams, |daemon, guest, args| {
    save_flags(args.flags, BYPASS_CACHE | RUNNING | PAUSED, "qemuDomainSaveParams")?;
    let place = Place::of(args.params)?;
    let (saving, definition) = (saving(args.flags), place.definition.as_deref());
    match &place.file {
        Some(file) => daemon.engine.save(guest, Path::new(file), definition, saving).await,
        None if definition.is_some() => {
            Err(Error::invalid_arg("cannot change XML of a managed save image while it is made"))
        }
        None => daemon.engine.managed_save(guest, saving).await,
    }
});

impl Daemon {
    async fn restore(&self, file: &str, definition: Option<&str>, flags: u32) -> Result<()> {
        let file = Path::new(file);
        if flags & RESET_NVRAM != 0 {
            let saved = self.engine.saved_definition(file, true).await?;
            let definition = definition.unwrap_or(&saved);
            self.engine.reset_variables_in(definition, ostler_engine::Strictness::Lenient).await?;
        }
        self.engine.restore(file, definition, saving(flags)).await.map(drop)
    }
}

/// A handler about a file of the host.
macro_rules! of_file {
    ($procedure:ident, |$daemon:ident, $args:ident| $body:expr) => {
        impl Act<call::$procedure> for Daemon {
            type On = Host;

            async fn act(
                self: Arc<Self>,
                _session: Arc<Session>,
                _on: Allowed<Host>,
                $args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
            ) -> Result<<call::$procedure as ostler_rpc::table::Procedure>::Ret> {
                let $daemon = self;
                $body
            }
        }
    };
}

of_file!(DomainRestore, |daemon, args| daemon.restore(&args.from, None, 0).await);

of_file!(DomainRestoreFlags, |daemon, args| {
    save_flags(args.flags, BYPASS_CACHE | RUNNING | PAUSED | RESET_NVRAM, "qemuDomainRestoreFlags")?;
    daemon.restore(&args.from, args.dxml.as_deref(), args.flags).await
});

of_file!(DomainRestoreParams, |daemon, args| {
    save_flags(args.flags, BYPASS_CACHE | RUNNING | PAUSED | RESET_NVRAM, "qemuDomainRestoreParams")?;
    let place = Place::of(args.params)?;
    let Some(file) = place.file else {
        return Err(Error::invalid_arg("missing path to restore from"));
    };
    daemon.restore(&file, place.definition.as_deref(), args.flags).await
});

act!(DomainManagedSave, |daemon, guest, args| {
    save_flags(args.flags, BYPASS_CACHE | RUNNING | PAUSED, "qemuDomainManagedSave")?;
    daemon.engine.managed_save(guest, saving(args.flags)).await
});

act!(DomainManagedSaveRemove, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainManagedSaveRemove", Origin::Qemu)?;
    daemon.engine.remove_managed_save(guest).await
});

answer!(DomainHasManagedSaveImage, |_daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainHasManagedSaveImage", Origin::Qemu)?;
    Ok(DomainHasManagedSaveImageRet { result: guest.view().managed_save.into() })
});

/// The file that a domain's next start takes.
fn managed(daemon: &Daemon, guest: &Guest) -> Result<std::path::PathBuf> {
    let view = guest.view();
    if !view.managed_save {
        return Err(Error::operation_invalid("domain does not have managed save image"));
    }
    Ok(daemon.engine.paths().managed_save(&view.name))
}

act!(DomainManagedSaveGetXmlDesc, |daemon, guest, args| {
    only_flags(args.flags, SECURE, "qemuDomainManagedSaveGetXMLDesc", Origin::Qemu)?;
    let file = managed(&daemon, guest)?;
    let xml = daemon.engine.saved_definition(&file, args.flags & SECURE != 0).await?;
    Ok(DomainManagedSaveGetXmlDescRet { xml })
});

act!(DomainManagedSaveDefineXml, |daemon, guest, args| {
    save_flags(args.flags, RUNNING | PAUSED, "qemuDomainManagedSaveDefineXML")?;
    let file = managed(&daemon, guest)?;
    let definition = args.dxml.unwrap_or_default();
    daemon.engine.change_saved(&file, &definition, processors(args.flags)).await
});

of_file!(DomainSaveImageGetXmlDesc, |daemon, args| {
    only_flags(args.flags, SECURE, "qemuDomainSaveImageGetXMLDesc", Origin::Qemu)?;
    let secure = args.flags & SECURE != 0;
    let xml = daemon.engine.saved_definition(Path::new(&args.file), secure).await?;
    Ok(DomainSaveImageGetXmlDescRet { xml })
});

of_file!(DomainSaveImageDefineXml, |daemon, args| {
    save_flags(args.flags, RUNNING | PAUSED, "qemuDomainSaveImageDefineXML")?;
    daemon.engine.change_saved(Path::new(&args.file), &args.dxml, processors(args.flags)).await
});

impl Daemon {
    async fn dump(&self, guest: &Arc<Guest>, to: &str, format: u32, flags: u32) -> Result<()> {
        let known = DUMP_CRASH | DUMP_LIVE | DUMP_BYPASS_CACHE | DUMP_RESET | DUMP_MEMORY_ONLY;
        only_flags(flags, known, "qemuDomainCoreDumpWithFormat", Origin::Qemu)?;
        let (crash, live, reset) =
            ((DUMP_CRASH, "VIR_DUMP_CRASH"), (DUMP_LIVE, "VIR_DUMP_LIVE"), (DUMP_RESET, "VIR_DUMP_RESET"));
        opposites(flags, crash, live)?;
        opposites(flags, crash, reset)?;
        opposites(flags, live, reset)?;
        let set = |flag: u32| flags & flag != 0;
        let content = content(format, set(DUMP_MEMORY_ONLY))?;
        let course = Course { live: set(DUMP_LIVE), crash: set(DUMP_CRASH), reset: set(DUMP_RESET) };
        let cache = if set(DUMP_BYPASS_CACHE) { Cache::Bypass } else { Cache::Keep };
        self.engine.dump(guest, Path::new(to), content, course, cache).await
    }
}

act!(DomainCoreDump, |daemon, guest, args| daemon.dump(guest, &args.to, 0, args.flags).await);

act!(DomainCoreDumpWithFormat, |daemon, guest, args| {
    daemon.dump(guest, &args.to, args.dumpformat, args.flags).await
});

answer!(DomainGetJobInfo, |_daemon, guest, _args| {
    guest.link()?;
    let progress = guest.jobs.running();
    let figure = |of: fn(&Progress) -> u64| progress.as_ref().map(of).unwrap_or_default();
    let (total, processed) = (figure(|progress| progress.total), figure(|progress| progress.processed));
    let remaining = figure(|progress| progress.remaining);
    let milliseconds =
        |progress: &Progress| u64::try_from(progress.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(DomainGetJobInfoRet {
        kind: if progress.is_some() { UNBOUNDED } else { 0 },
        time_elapsed: figure(milliseconds),
        time_remaining: 0,
        data_total: total,
        data_processed: processed,
        data_remaining: remaining,
        mem_total: total,
        mem_processed: processed,
        mem_remaining: remaining,
        file_total: 0,
        file_processed: 0,
        file_remaining: 0,
    })
});

answer!(DomainGetJobStats, |_daemon, guest, args| {
    only_flags(args.flags, STATS_COMPLETED | STATS_KEEP, "qemuDomainGetJobStats", Origin::Qemu)?;
    let (progress, kind) = if args.flags & STATS_COMPLETED != 0 {
        (guest.jobs.completed(args.flags & STATS_KEEP == 0), COMPLETED)
    } else {
        guest.link()?;
        (guest.jobs.running(), UNBOUNDED)
    };
    let kind = if progress.is_some() { kind } else { 0 };
    let params = progress.map(|progress| progress.params()).unwrap_or_default();
    Ok(DomainGetJobStatsRet { kind, params: params.into_iter().map(typed).collect() })
});

answer!(DomainAbortJob, |_daemon, guest, _args| {
    guest.link()?;
    guest.jobs.cancel()
});

answer!(DomainAbortJobFlags, |_daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainAbortJobFlags", Origin::Qemu)?;
    guest.link()?;
    guest.jobs.cancel()
});
