//! The host: what can be changed of its memory, and sending it to sleep.
//!
//! Owns: those handlers. Never: touches a guest.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ostler_base::{Code, Error, Origin, Result};
use ostler_host::node::page_size;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::{TypedParam, TypedValue};
use ostler_rpc::xdr::List;
use tracing::warn;

use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Answer, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::NodeSetMemoryParameters;
    act call::NodeAllocPages;
    answer call::NodeSuspendForDuration;
}

fn system(what: impl Display, error: &io::Error) -> Error {
    let words = error.to_string();
    let words = words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words);
    Error::system(format!("{what}: {words}")).from_origin(Origin::None)
}

/// The parameters of merging equal pages that can be set, and their files.
const SETTABLE: &[(&str, &str)] = &[
    ("shm_pages_to_scan", "pages_to_scan"),
    ("shm_sleep_millisecs", "sleep_millisecs"),
    ("shm_merge_across_nodes", "merge_across_nodes"),
];

/// The file of a parameter, and what to write to it.
fn setting(param: &TypedParam) -> Result<(&'static str, u32)> {
    let TypedParam { field, value } = param;
    let wrong = |code, text| Err(Error::new(code, Origin::None, text));
    let Some((_, file)) = SETTABLE.iter().find(|(name, _)| name == field) else {
        return wrong(Code::ArgumentUnsupported, format!("parameter '{field}' not supported"));
    };
    let TypedValue::Uint(number) = value else {
        return wrong(Code::InvalidArg, format!("invalid type for parameter '{field}', expected 'uint'"));
    };
    Ok((file, *number))
}

impl Answer<call::NodeSetMemoryParameters> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeSetMemoryParametersArgs,
    ) -> Result<()> {
        let List(params) = args.params;
        if params.is_empty() {
            let text = "params in virNodeSetMemoryParameters must not be NULL";
            return Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text));
        }
        only_flags(args.flags, 0, "virHostMemSetParameters", Origin::None)?;
        let sysfs = &self.known.sysfs;
        let mut settings = Vec::new();
        for param in &params {
            let (file, number) = setting(param)?;
            let path = format!("kernel/mm/ksm/{file}");
            if !sysfs.has(&path) {
                let text = format!("Parameter '{}' is not supported by this kernel", param.field);
                return Err(Error::operation_invalid(text).from_origin(Origin::None));
            }
            settings.push((path, number, &param.field));
        }
        for (path, number, name) in settings {
            let written = sysfs.write(&path, &number.to_string());
            written.map_err(|error| system(format_args!("failed to set {name}"), &error))?;
        }
        Ok(())
    }
}

/// Of pages: their number becomes this; otherwise it grows by this.
const SET: u32 = 1;

impl Daemon {
    /// Makes so many huge pages of a size in KiB, or so many more. Whether there was anything to do.
    fn change_pages(&self, cell: Option<u32>, size: u32, count: u64, set: bool) -> Result<()> {
        let failed = |text: String| Err(Error::operation_failed(text).from_origin(Origin::None));
        if u64::from(size) == page_size() / 1024 {
            let text = "system pages pool can't be modified";
            return Err(Error::operation_unsupported(text).from_origin(Origin::None));
        }
        let sysfs = &self.known.sysfs;
        let Some(have) = sysfs.all_pages(cell, size.into()) else {
            let whose = cell.map_or_else(String::new, |cell| format!(" on node {cell}"));
            return failed(format!("page size {size} is not available{whose}"));
        };
        let wanted = if set { count } else { have.saturating_add(count) };
        if wanted == have {
            return Ok(());
        }
        let asked = sysfs.set_pages(cell, size.into(), wanted);
        asked.map_err(|error| system("Unable to set the number of huge pages", &error))?;
        match sysfs.all_pages(cell, size.into()) {
            Some(got) if got < wanted => {
                failed(format!("Unable to allocate {wanted} pages. Allocated only {got}"))
            }
            _ => Ok(()),
        }
    }
}

impl Act<call::NodeAllocPages> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeAllocPagesArgs,
    ) -> Result<wire::NodeAllocPagesRet> {
        let wrong = |what: &str| {
            let text = format!("{what} in virNodeAllocPages must not be zero");
            Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text))
        };
        let (List(sizes), List(counts)) = (args.page_sizes, args.page_counts);
        if sizes.len() != counts.len() {
            let text = "each page size needs a number of pages";
            return Err(Error::new(Code::Rpc, Origin::Rpc, text));
        }
        if sizes.is_empty() {
            return wrong("npages");
        }
        if args.cell_count == 0 {
            return wrong("cellCount");
        }
        only_flags(args.flags, SET, "qemuNodeAllocPages", Origin::Qemu)?;
        let last = i32::try_from(self.last_cell()).unwrap_or(i32::MAX);
        if args.start_cell > last {
            let text = format!("start cell {} out of range (0-{last})", args.start_cell);
            return Err(Error::internal(text).from_origin(Origin::None));
        }
        // The kernel may take long to find so much room.
        let done = tokio::task::spawn_blocking(move || {
            let cells = (args.start_cell..=last).take(usize::try_from(args.cell_count).unwrap_or(usize::MAX));
            let mut ret = 0_i32;
            for cell in cells {
                for (size, count) in sizes.iter().zip(&counts) {
                    let cell = u32::try_from(cell).ok();
                    self.change_pages(cell, *size, *count, args.flags & SET != 0)?;
                    ret = ret.saturating_add(1);
                }
            }
            Ok(wire::NodeAllocPagesRet { ret })
        });
        done.await.map_err(|error| Error::internal(format!("cannot change pages: {error}")))?
    }
}

/// How the host sleeps: the words for it, what the kernel calls it, and how it is to keep its state.
const SLEEPS: &[(&str, &str, Option<&str>)] = &[
    ("Suspend-to-RAM", "mem", None),
    ("Suspend-to-Disk", "disk", Some("platform")),
    ("Hybrid-Suspend", "disk", Some("suspend")),
];

/// The shortest sleep, in seconds.
const SLEEP_MIN: u64 = 60;

/// How long clients have to hear that the host is about to sleep.
const SLEEP_DELAY: Duration = Duration::from_secs(10);

const WAKE_ALARM: &str = "class/rtc/rtc0/wakealarm";

impl Answer<call::NodeSuspendForDuration> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeSuspendForDurationArgs,
    ) -> Result<()> {
        only_flags(args.flags, 0, "virNodeSuspend", Origin::None)?;
        let wrong = |code, text: String| Error::new(code, Origin::None, text);
        let way = usize::try_from(args.target).ok().and_then(|target| SLEEPS.get(target));
        let Some((words, state, keep)) = way else {
            return Err(wrong(Code::InvalidArg, format!("Invalid suspend target {}", args.target)));
        };
        let sysfs = self.known.sysfs.clone();
        let offers = |path: &str, word: &str| {
            let text = sysfs.text(path).unwrap_or_default();
            text.split_whitespace().any(|one| one.trim_matches(['[', ']']) == word)
        };
        if !offers("power/state", state) || keep.is_some_and(|keep| !offers("power/disk", keep)) {
            return Err(wrong(Code::ArgumentUnsupported, (*words).to_owned()));
        }
        if args.duration < SLEEP_MIN {
            return Err(wrong(Code::InvalidArg, "Suspend duration is too short".to_owned()));
        }
        let alarm = sysfs
            .write(WAKE_ALARM, "0")
            .and_then(|()| sysfs.write(WAKE_ALARM, &format!("+{}", args.duration)));
        alarm.map_err(|error| system("cannot set the alarm that ends the sleep", &error))?;
        tokio::spawn(async move {
            tokio::time::sleep(SLEEP_DELAY).await;
            let slept = tokio::task::spawn_blocking(move || {
                keep.map_or(Ok(()), |keep| sysfs.write("power/disk", keep))?;
                sysfs.write("power/state", state)
            });
            if let Ok(Err(error)) = slept.await {
                warn!("the host does not sleep: {error}");
            }
        });
        Ok(())
    }
}
