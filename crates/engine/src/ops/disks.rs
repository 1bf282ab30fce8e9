//! Disks of a guest: how large they are, how much the guest may read and write, what is in them.
//!
//! Owns: which disk is meant, and what the emulator is told of it. Never: changes what a disk is
//! made of.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, Origin, Result, refuse};
use ostler_domain::devices::Device;
use ostler_domain::devices::disk::{Disk, IoTune};
use ostler_domain::{Domain, Draft};

use super::targets::Targets;
use crate::domain::guest::not_running;
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::events::What;
use crate::files;
use crate::params::{Param, Value};

/// The most that is read of an image or of memory at once, bytes.
const PEEK: u32 = 4 << 20;

/// Limits of disks in the order in which clients get them, with the emulator's members.
const LIMITS: [(&str, &str); 19] = [
    ("total_bytes_sec", "bps"),
    ("read_bytes_sec", "bps_rd"),
    ("write_bytes_sec", "bps_wr"),
    ("total_iops_sec", "iops"),
    ("read_iops_sec", "iops_rd"),
    ("write_iops_sec", "iops_wr"),
    ("total_bytes_sec_max", "bps_max"),
    ("read_bytes_sec_max", "bps_rd_max"),
    ("write_bytes_sec_max", "bps_wr_max"),
    ("total_iops_sec_max", "iops_max"),
    ("read_iops_sec_max", "iops_rd_max"),
    ("write_iops_sec_max", "iops_wr_max"),
    ("size_iops_sec", "iops_size"),
    ("total_bytes_sec_max_length", "bps_max_length"),
    ("read_bytes_sec_max_length", "bps_rd_max_length"),
    ("write_bytes_sec_max_length", "bps_wr_max_length"),
    ("total_iops_sec_max_length", "iops_max_length"),
    ("read_iops_sec_max_length", "iops_rd_max_length"),
    ("write_iops_sec_max_length", "iops_wr_max_length"),
];

/// Where the name of the group stands among the limits.
const GROUP_AT: usize = 13;

/// The disk that a client names by its place in the guest or by its image.
fn named<'d>(draft: &'d Draft, name: &str) -> Option<&'d Disk> {
    let disks = &draft.devices.disks;
    let by_target = disks.iter().find(|disk| disk.target == name);
    by_target.or_else(|| disks.iter().find(|disk| !name.is_empty() && disk.image.path() == Some(name)))
}

fn of_config(name: &str) -> Error {
    Error::invalid_arg(format!("disk '{name}' was not found in the domain config"))
}

fn of_domain(name: &str) -> Error {
    Error::invalid_arg(format!("disk '{name}' not found in domain"))
}

/// What a limit excludes: `total_bytes_sec` and `read_bytes_sec` are of one kind.
fn kind(name: &str) -> &str {
    name.split_once('_').map_or(name, |(_, kind)| kind)
}

/// Puts the limits that a client gives over those there are. Those of a kind that is given go.
fn merged(old: &IoTune, params: &[Param]) -> Result<IoTune> {
    let mut tune = old.clone();
    for (name, _) in LIMITS {
        if params.iter().any(|param| kind(&param.name) == kind(name)) {
            tune.set(name, 0);
        }
    }
    for param in params {
        let taken = match &param.value {
            Value::Ullong(number) => tune.set(&param.name, *number),
            Value::String(group) if param.name == "group_name" => {
                tune.group = Some(group.clone()).filter(|group| !group.is_empty());
                true
            }
            _ => false,
        };
        if !taken {
            let text = format!("parameter '{}' not supported", param.name);
            return Err(Error::new(Code::ArgumentUnsupported, Origin::None, text));
        }
    }
    for kind in ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"] {
        let set = |direction: &str| tune.get(&format!("{direction}_{kind}")) != 0;
        if set("total") && (set("read") || set("write")) {
            refuse!(invalid_arg, "total and read/write of {kind} cannot be set at the same time");
        }
    }
    Ok(tune)
}

/// Limits, with the name of their group among them.
fn listed(value: impl Fn(&str, &str) -> u64, group: String) -> Vec<Param> {
    let mut out: Vec<Param> =
        LIMITS.iter().map(|(name, member)| Param::new(*name, value(name, member))).collect();
    out.insert(GROUP_AT, Param::new("group_name", group));
    out
}

/// How the emulator calls the front end of a disk.
fn front(disk: &Disk) -> &str {
    disk.run.qom_name.as_deref().unwrap_or_else(|| disk.info().alias())
}

impl Engine {
    fn live_domain(guest: &Guest) -> Result<Arc<crate::domain::Shown>> {
        guest.view().live.clone().ok_or_else(not_running)
    }

    async fn ask(&self, guest: &Arc<Guest>, command: &str, arguments: Option<Json>) -> Result<Json> {
        let answer = guest.link()?.monitor.command(command, arguments).await;
        answer.map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Makes a disk of a running guest so large, bytes.
    pub async fn resize_disk(&self, guest: &Arc<Guest>, name: &str, bytes: u64) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockResize").await?;
        let live = Self::live_domain(guest)?;
        let disk = named(live.domain(), name).ok_or_else(|| of_config(name))?;
        let Some(node) = disk.image.top_node() else {
            refuse!(operation_invalid, "disk '{name}' does not currently have a source assigned");
        };
        // Images that are not raw are made of whole sectors.
        let bytes = if disk.image.is_raw() { bytes } else { bytes.div_ceil(512).saturating_mul(512) };
        let arguments = json!({"node-name": node, "size": bytes});
        self.ask(guest, "block_resize", Some(arguments)).await.map(drop)
    }

    /// The limits of a disk.
    pub async fn disk_limits(&self, guest: &Arc<Guest>, name: &str, flags: u32) -> Result<Vec<Param>> {
        let view = guest.view();
        let shown = view.asked(flags, &self.setting(None))?;
        if !Targets::of(flags, &view)?.live {
            let disk = named(shown.domain(), name).ok_or_else(|| of_config(name))?;
            let group = disk.iotune.group.clone().unwrap_or_default();
            return Ok(listed(|name, _| disk.iotune.get(name), group));
        }
        let _pass = guest.gate.enter(Job::Query, "remoteDispatchDomainGetBlockIoTune").await?;
        let live = Self::live_domain(guest)?;
        let disk = named(live.domain(), name).ok_or_else(|| of_domain(name))?;
        let answer = self.ask(guest, "query-block", None).await?;
        let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let inserted = all
            .iter()
            .find(|device| device.get("qdev").and_then(Json::as_str) == Some(front(disk)))
            .and_then(|device| device.get("inserted"));
        let Some(inserted) = inserted else {
            refuse!(internal, "cannot find throttling info for device '{}'", front(disk));
        };
        let group = inserted.get("group").and_then(Json::as_str).unwrap_or_default().to_owned();
        let number = |member: &str| inserted.get(member).and_then(Json::as_u64).unwrap_or_default();
        Ok(listed(|_, member| number(member), group))
    }

    /// Limits how much a guest may read and write.
    pub async fn limit_disk(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        params: &[Param],
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetBlockIoTune").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        let change = |draft: &mut Draft| {
            let target = named(draft, name).ok_or_else(|| of_config(name))?.target.clone();
            let disk = draft.devices.disks.iter_mut().find(|disk| disk.target == target);
            let disk = disk.ok_or_else(|| of_config(name))?;
            disk.iotune = merged(&disk.iotune, params)?;
            Ok(())
        };
        if targets.config {
            self.drafted(guest, change).await?;
        }
        if targets.live {
            let live = Self::live_domain(guest)?;
            let disk = named(live.domain(), name).ok_or_else(|| of_domain(name))?;
            if disk.image.is_empty() {
                refuse!(operation_invalid, "disk '{}' has no media", disk.target);
            }
            let tune = merged(&disk.iotune, params)?;
            let mut arguments = json!({"id": front(disk)});
            for (key, value) in tune.arguments().to_json().as_object().into_iter().flatten() {
                arguments[key] = value.clone();
            }
            self.ask(guest, "block_set_io_throttle", Some(arguments)).await?;
        }
        self.edit(guest, targets, change).await?;
        if targets.live {
            let disk = named(Self::live_domain(guest)?.domain(), name).map(|disk| disk.target.clone());
            let mut told = vec![Param::new("blkdeviotune.disk", disk.unwrap_or_default())];
            told.extend(params.iter().map(|param| Param {
                name: format!("blkdeviotune.{}", param.name),
                value: param.value.clone(),
            }));
            self.tell(&guest.view(), What::Tunable(told));
        }
        Ok(())
    }

    /// Asks to be told when more than so many bytes of an image's file are in use; 0: not any more.
    pub async fn set_block_threshold(&self, guest: &Arc<Guest>, name: &str, bytes: u64) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetBlockThreshold").await?;
        let live = Self::live_domain(guest)?;
        let missing = || Error::invalid_arg(format!("failed to find disk '{name}'"));
        let disk = live.domain().devices.disks.iter().find(|disk| disk.target == name);
        let disk = disk.ok_or_else(missing)?;
        let run = disk.image.run.as_ref();
        let node = run.and_then(|run| run.node(ostler_domain::devices::disk::NodeRole::Storage));
        let Some(node) = node else {
            refuse!(operation_unsupported, "threshold currently can't be set for block device '{name}'");
        };
        let arguments = json!({"node-name": node, "write-threshold": bytes});
        self.ask(guest, "block-set-write-threshold", Some(arguments)).await.map(drop)
    }

    /// Reads what stands in a disk's image file.
    pub async fn peek_disk(&self, guest: &Arc<Guest>, name: &str, offset: u64, size: u32) -> Result<Vec<u8>> {
        let shown = guest.view().current(&self.setting(None))?;
        let disk = named(shown.domain(), name).ok_or_else(|| of_domain(name))?;
        let Some(path) = disk.image.local_path().map(std::path::PathBuf::from) else {
            refuse!(invalid_arg, "disk '{name}' does not currently have a source assigned");
        };
        if size > PEEK {
            refuse!(invalid_arg, "size must not exceed {PEEK} bytes");
        }
        blocking(move || {
            let failed = |error: std::io::Error| files::failed("cannot read", &path, &error);
            let file = File::open(&path).map_err(failed)?;
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact_at(&mut bytes, offset).map_err(failed)?;
            Ok(bytes)
        })
        .await
    }

    /// Reads the memory of a running guest, by virtual addresses of its first processor or by
    /// physical ones.
    pub async fn peek_memory(
        &self,
        guest: &Arc<Guest>,
        address: u64,
        size: u32,
        physical: bool,
    ) -> Result<Vec<u8>> {
        let _pass = guest.gate.enter(Job::Query, "remoteDispatchDomainMemoryPeek").await?;
        let live = Self::live_domain(guest)?;
        if size > PEEK {
            refuse!(invalid_arg, "size must not exceed {PEEK} bytes");
        }
        let path = peek_file(self, live.domain());
        let command = if physical { "pmemsave" } else { "memsave" };
        let arguments = json!({"val": address, "size": size, "filename": path.to_string_lossy()});
        let saved = self.ask(guest, command, Some(arguments)).await;
        let read = blocking(move || {
            let bytes = std::fs::read(&path).map_err(|error| files::failed("cannot read", &path, &error));
            files::remove(&path)?;
            bytes
        })
        .await;
        saved?;
        read
    }
}

/// A file in the run's own directory, where the emulator may write.
fn peek_file(engine: &Engine, domain: &Domain) -> std::path::PathBuf {
    std::path::PathBuf::from(engine.config().run_dir(domain.id(), domain.name())).join("peek")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_given_is_given_whole() {
        let mut old = IoTune::default();
        old.set("read_bytes_sec", 5);
        old.set("read_iops_sec", 7);
        let tune = merged(&old, &[Param::new("total_bytes_sec", 9u64)]).unwrap();
        assert_eq!(
            (tune.get("total_bytes_sec"), tune.get("read_bytes_sec"), tune.get("read_iops_sec")),
            (9, 0, 7)
        );
        let both = [Param::new("total_bytes_sec", 9u64), Param::new("read_bytes_sec", 1u64)];
        assert_eq!(
            merged(&old, &both).unwrap_err().detail(),
            "total and read/write of bytes_sec cannot be set at the same time"
        );
        assert!(merged(&old, &[Param::new("nothing", 1u64)]).is_err());
        assert_eq!(listed(|_, _| 0, String::new())[GROUP_AT].name, "group_name");
    }
}
