//! `<job>`: the operation that goes on, so that whoever comes next can end it or take it back.

use ostler_base::{Error, Result, words};
use ostler_xml::{El, Element};

use crate::devices::disk::{Image, image_from_run, image_to_run};

words! {
    /// `<job async='…'>`: operations that take long.
    pub AsyncJob {
        None = "none", MigrationOut = "migration out", MigrationIn = "migration in", Save = "save",
        Dump = "dump", Snapshot = "snapshot", Start = "start", Backup = "backup",
    }
}

/// `<disk>` in `<job>`: whether a disk is moved, and to where.
#[derive(Debug, Clone, PartialEq)]
pub struct MigratingDisk {
    /// The disk's name.
    pub dev: String,
    /// Whether it is moved.
    pub migrating: bool,
    /// The server that its content goes to.
    pub target: Option<Image>,
}

/// `<job>`
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// `type`: a short operation, `none` mostly.
    pub kind: String,
    /// `async`
    pub long: AsyncJob,
    /// `phase`, in words of the operation.
    pub phase: Option<String>,
    /// `flags` of the call.
    pub flags: u64,
    /// `asyncStarted`: milliseconds since the epoch; 0 where that is not known.
    pub started: u64,
    /// Disks, in the order of the definition.
    pub disks: Vec<MigratingDisk>,
    /// Temporary bitmaps: name and node.
    pub bitmaps: Vec<(String, String)>,
    /// Parameters of migration as they were before: name and value.
    pub parameters: Vec<(String, String)>,
}

/// A hexadecimal attribute.
pub(super) fn hex(el: &Element<'_>, name: &str) -> Result<Option<u64>> {
    let Some(text) = el.attr(name) else { return Ok(None) };
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let value = u64::from_str_radix(digits, 16);
    value.map(Some).map_err(|_| el.fault(format!("invalid value '{text}' of attribute '{name}'")))
}

impl JobRecord {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let word = el.attr("async").unwrap_or("none");
        let long = <AsyncJob as ostler_base::Word>::parse(word)
            .ok_or_else(|| Error::internal(format!("Unknown async job type {word}")))?;
        let disk = |disk: Element<'_>| -> Result<MigratingDisk> {
            Ok(MigratingDisk {
                dev: disk.require("dev")?.to_owned(),
                migrating: disk.attr("migrating") == Some("yes"),
                target: disk.child("migrationSource").map(|el| image_from_run(&el)).transpose()?,
            })
        };
        let pairs = |list: &str, item: &str, value: &str| -> Result<Vec<(String, String)>> {
            let items = el.child(list);
            let items = items.iter().flat_map(|el| el.children(item));
            let pair = |el: Element<'_>| {
                Ok((el.require("name")?.to_owned(), el.attr(value).unwrap_or_default().to_owned()))
            };
            items.map(pair).collect()
        };
        Ok(JobRecord {
            kind: el.attr("type").unwrap_or("none").to_owned(),
            long,
            phase: el.attr("phase").map(str::to_owned),
            flags: hex(el, "flags")?.unwrap_or(0),
            started: el.number("asyncStarted")?.unwrap_or(0),
            disks: el.children("disk").map(disk).collect::<Result<_>>()?,
            bitmaps: pairs("tempBlockDirtyBitmaps", "bitmap", "nodename")?,
            parameters: pairs("migParams", "param", "value")?,
        })
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("job")
            .attr("type", &self.kind)
            .attr("async", self.long)
            .attr_opt("phase", self.phase.as_ref());
        if self.long != AsyncJob::None {
            el.set("flags", format_args!("{:#x}", self.flags));
            el.set("asyncStarted", self.started);
        }
        el.extend(self.disks.iter().map(|disk| {
            let mut el = El::new("disk")
                .attr("dev", &disk.dev)
                .attr("migrating", if disk.migrating { "yes" } else { "no" });
            el.extend(disk.target.iter().map(|image| image_to_run("migrationSource", image, false)));
            el
        }));
        let pairs =
            |list: &'static str, item: &'static str, value: &'static str, all: &[(String, String)]| {
                let mut el = El::new(list);
                el.extend(all.iter().map(|(name, of)| El::new(item).attr("name", name).attr(value, of)));
                el
            };
        el.push_filled(pairs("tempBlockDirtyBitmaps", "bitmap", "nodename", &self.bitmaps));
        el.push_filled(pairs("migParams", "param", "value", &self.parameters));
        el
    }
}
