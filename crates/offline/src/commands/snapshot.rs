//! Snapshots, checkpoints and backups.

use ostler_base::{Error, Result, Uuid};
use ostler_domain::moments::backup::Backup;
use ostler_domain::moments::checkpoint::{Checkpoint, CheckpointDisk, CheckpointMode, CheckpointWriteMode};
use ostler_domain::moments::snapshot::{Snapshot, SnapshotState, SnapshotWriteMode};
use ostler_domain::moments::{Complete, Source};
use ostler_domain::{Draft, ReadMode, Setting};

use crate::fake::{self, FixedEntropy};
use crate::recordings;
use crate::{Args, Kept};

const OPTIONS: &[&str] = &["replies", "caps-xml", "flag"];

/// Runs something with the way in which definitions of guests in documents are completed.
fn with_complete(
    args: &Args,
    kept: &mut Kept,
    run: impl FnOnce(Complete<'_>) -> Result<String>,
) -> Result<String> {
    let emulator = match args.option("replies") {
        Some(_) => Some(recordings::emulator(args, kept)?),
        None => None,
    };
    let host = fake::host(args)?;
    let config = fake::config(args);
    let setting = Setting::new(emulator.as_deref(), &host, &config, &FixedEntropy);
    run(&|draft: Draft| draft.complete(&setting))
}

fn source(args: &Args) -> Result<Source> {
    Ok(match (args.flag("internal"), args.flag("redefine")) {
        (true, _) => Source::Stored,
        (false, true) => Source::Redefined,
        (false, false) => Source::New { now: value(args, "time")?.unwrap_or_default() },
    })
}

fn value<T: std::str::FromStr>(args: &Args, key: &str) -> Result<Option<T>> {
    let Some(text) = args.flag_values(key).last() else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Error::invalid_arg(format!("invalid value '{text}' of flag {key}")))
}

/// `snapshot-xml SNAPSHOT.xml`
pub(super) fn snapshot(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(OPTIONS)?;
    args.only_flags(&[&["redefine", "internal", "uuid=", "time=", "running"], recordings::FLAGS].concat())?;
    let text = args.read_input(0)?;
    let uuid = args.flag_values("uuid").last().and_then(Uuid::parse);
    with_complete(args, kept, |complete| {
        let mut snapshot = Snapshot::parse(&text, source(args)?, false, complete)?;
        if args.flag("running") {
            snapshot.state = Some(SnapshotState::Running);
        }
        let stored = args.flag("internal");
        Ok(snapshot.to_xml(&SnapshotWriteMode { secure: true, stored, uuid }))
    })
}

/// `checkpoint-xml CHECKPOINT.xml`
pub(super) fn checkpoint(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(OPTIONS)?;
    let flags: &[&str] = &["redefine", "time=", "parent=", "vda-bitmap", "size="];
    args.only_flags(&[flags, recordings::FLAGS].concat())?;
    let text = args.read_input(0)?;
    with_complete(args, kept, |complete| {
        let mut checkpoint = Checkpoint::parse(&text, source(args)?, complete)?;
        if let Some(parent) = args.flag_values("parent").last() {
            checkpoint.moment.parent = Some(parent.to_owned());
        }
        if args.flag("vda-bitmap") {
            if checkpoint.disks.is_empty() {
                let name = "vda".to_owned();
                checkpoint.disks.push(CheckpointDisk {
                    name,
                    mode: CheckpointMode::Bitmap,
                    bitmap: None,
                    size: None,
                });
            }
            checkpoint.name_bitmaps();
        }
        if let Some(disk) = checkpoint.disks.first_mut() {
            disk.size = value(args, "size")?;
        }
        Ok(checkpoint.to_xml(&CheckpointWriteMode { secure: true, no_domain: false }))
    })
}

/// `backup-xml --flag suffix=S BACKUP.xml`
pub(super) fn backup(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["suffix=", "internal"])?;
    let text = args.read_input(0)?;
    let stored = args.flag("internal");
    let mut backup = if stored { Backup::parse_stored(&text)? } else { Backup::parse(&text)? };
    let suffix = args.flag_values("suffix").last().unwrap_or_default();
    let names = backup.disks.iter().map(|disk| disk.name.clone()).chain(["vdextradisk".to_owned()]);
    let domain = Draft::parse(&guest(names), &ReadMode::default())?;
    backup.align(&domain, suffix)?;
    Ok(backup.to_xml(stored))
}

/// A guest with these disks.
fn guest(names: impl Iterator<Item = String>) -> String {
    let disks: String = names
        .map(|name| {
            format!(
                "<disk type='file'><driver type='qcow2'/><source file='/fake/{name}.qcow2'/><target dev='{name}' bus='virtio'/></disk>"
            )
        })
        .collect();
    format!(
        "<domain type='qemu'><name>guest</name><memory>1</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices>{disks}</devices></domain>"
    )
}
