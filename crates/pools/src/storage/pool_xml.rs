//! The document `<pool>`: reading and writing.
//!
//! Owns: its words, their order and their rules. Never: knows which kinds this host can run.

use ostler_base::{Code, Error, Origin, Result, Word, YesNo, refuse};
use ostler_vocab::storage_auth::{StorageAuth, initiator_to_el, parse_initiator};
use ostler_xml::{El, Element};

use super::adapter::Adapter;
use super::kinds::{KindRow, Part, PoolType, row};
use super::pool::{Options, Pool, RefreshAllocation, Source, SourceDevice, SourceHost, Target};
use super::{Permissions, clean_path};
use crate::ReadMode;
use crate::read::{self, Kind};
use crate::write::open;

const KIND: Kind = Kind { label: "storage_pool_definition", root: "pool", origin: Origin::Storage };
const SOURCE_KIND: Kind =
    Kind { label: "storage_source_specification", root: "source", origin: Origin::Storage };

/// Namespace of options for `mount`.
const FS_NAMESPACE: &str = "http://libvirt.org/schemas/storagepool/fs/1.0";
/// Namespace of options for RBD.
const RBD_NAMESPACE: &str = "http://libvirt.org/schemas/storagepool/rbd/1.0";

impl Pool {
    /// Reads a definition.
    pub fn parse(text: &str, mode: &ReadMode) -> Result<Self> {
        KIND.read(text, mode.schema, |el| Pool::from_el(el, mode))
    }

    fn from_el(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let kind: PoolType = el.require_word("type")?;
        let row = row(kind);
        let mut source = match el.child("source") {
            Some(source) => Source::parse(&source, row)?,
            None => Source { format: row.formats.map(|(_, default)| default), ..Source::default() },
        };
        let name = match (el.child_text("name"), &source.name) {
            (Some(name), _) => name,
            (None, Some(name)) if row.name != Part::No => name.clone(),
            _ => refuse!(xml, "missing pool source name element"),
        };
        if name.contains('/') {
            refuse!(xml, "name {name} cannot contain '/'");
        }
        let uuid = read::uuid(el, mode, || Error::xml("malformed uuid element"))?;
        let cow = match el.path("features/cow") {
            None => None,
            Some(_) if !matches!(kind, PoolType::Dir | PoolType::Fs) => {
                let words = "cow feature may only be used for 'fs' and 'dir' pools";
                return Err(Error::new(Code::NoSupport, Origin::Storage, words));
            }
            Some(cow) => cow.yes_no("state")?,
        };
        check_source(&source, row)?;
        if row.name != Part::No {
            source.name.get_or_insert_with(|| name.clone());
        }
        let target = if row.local { Some(parse_target(el, kind, &source)?) } else { None };
        if kind == PoolType::IscsiDirect && source.initiator.is_none() {
            refuse!(unsupported, "missing initiator IQN");
        }
        Ok(Pool {
            kind,
            name,
            uuid,
            capacity: 0,
            allocation: 0,
            available: 0,
            cow,
            source,
            target,
            refresh: parse_refresh(el)?,
            options: Options::parse(el, kind)?,
        })
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("pool").attr("type", self.kind);
        if !self.options.mount.is_empty() {
            el.set("xmlns:fs", FS_NAMESPACE);
        }
        if !self.options.rbd.is_empty() {
            el.set("xmlns:rbd", RBD_NAMESPACE);
        }
        el.push_text("name", Some(&self.name));
        el.push_text("uuid", Some(self.uuid));
        for (name, bytes) in
            [("capacity", self.capacity), ("allocation", self.allocation), ("available", self.available)]
        {
            let mut size = El::new(name).attr("unit", "bytes");
            size.text(bytes);
            el.push(size);
        }
        if let Some(cow) = self.cow {
            el.push(El::new("features").child(El::new("cow").attr("state", cow)));
        }
        el.push(self.source.to_el(row(self.kind)));
        if let Some(target) = &self.target {
            let mut child = El::new("target");
            child.push_text("path", Some(&target.path));
            child.extend(target.permissions.to_el());
            el.push(child);
        }
        if let Some(allocation) = self.refresh {
            el.push(El::new("refresh").child(El::new("volume").attr("allocation", allocation)));
        }
        self.options.write(&mut el);
        el.to_xml()
    }
}

impl Source {
    /// Reads a `<source>` alone, as it is given to look for pools.
    pub fn parse_alone(text: &str, kind: PoolType, schema: crate::Schema) -> Result<Self> {
        SOURCE_KIND.read(text, schema, |el| Source::parse(el, row(kind)))
    }

    fn parse(el: &Element<'_>, row: &KindRow) -> Result<Self> {
        let text = |path: &str, name: &str| {
            el.path(path).and_then(|e| e.attr(name)).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let name = el.child_text("name");
        if name.is_none() && row.kind == PoolType::Rbd {
            refuse!(xml, "element 'name' is mandatory for RBD pool");
        }
        let format = parse_format(text("format", "type"), row)?;
        let hosts = el.children("host").map(|host| SourceHost::parse(&host)).collect::<Result<_>>()?;
        let initiator = parse_initiator(el);
        let devices = el.children("device").map(|d| SourceDevice::parse(&d)).collect::<Result<_>>()?;
        let mut dir = text("dir", "path").map(|dir| clean_path(&dir));
        if row.kind == PoolType::Gluster {
            dir.get_or_insert_with(|| "/".to_owned());
        }
        let adapter = match el.child("adapter") {
            Some(adapter) => Adapter::parse(&adapter)?,
            None => None,
        };
        let auth = el.child("auth").map(|auth| StorageAuth::parse(&auth)).transpose()?;
        if auth.as_ref().is_some_and(|auth| auth.kind.is_none()) {
            refuse!(unsupported, "storage pool missing auth type");
        }
        let protocol_ver = text("protocol", "ver");
        if let Some(version) = &protocol_ver {
            check_protocol(version, format.unwrap_or_default(), row)?;
        }
        Ok(Source {
            hosts,
            devices,
            dir,
            adapter,
            name,
            initiator,
            format,
            auth,
            protocol_ver,
            vendor: text("vendor", "name"),
            product: text("product", "name"),
        })
    }

    /// Writes it: the parts that have a meaning in pools of the kind.
    fn to_el(&self, row: &KindRow) -> El {
        let mut el = El::new("source");
        if row.host != Part::No {
            el.extend(self.hosts.iter().map(SourceHost::to_el));
        }
        if row.device != Part::No {
            el.extend(self.devices.iter().map(SourceDevice::to_el));
        }
        if row.dir != Part::No {
            el.extend(self.dir.as_ref().map(|dir| El::new("dir").attr("path", dir)));
        }
        if row.adapter != Part::No {
            el.extend(self.adapter.as_ref().map(Adapter::to_el));
        }
        if row.name != Part::No {
            el.push_text("name", self.name.as_ref());
        }
        if row.initiator != Part::No {
            el.extend(self.initiator.as_deref().map(initiator_to_el));
        }
        el.extend(self.format.map(|format| El::new("format").attr("type", format)));
        el.extend(self.auth.as_ref().map(StorageAuth::to_el));
        el.extend(self.protocol_ver.as_ref().map(|ver| El::new("protocol").attr("ver", ver)));
        el.extend(self.vendor.as_ref().map(|name| El::new("vendor").attr("name", name)));
        el.extend(self.product.as_ref().map(|name| El::new("product").attr("name", name)));
        open(el)
    }

    /// `<sources>` with what was found when pools were looked for.
    pub fn list_to_xml(kind: PoolType, sources: &[Source]) -> String {
        let mut el = El::new("sources");
        el.extend(sources.iter().map(|source| source.to_el(row(kind))));
        open(el).to_xml()
    }
}

fn parse_format(word: Option<String>, row: &KindRow) -> Result<Option<&'static str>> {
    match (row.formats, word) {
        (None, _) => Ok(None),
        (Some((_, default)), None) => Ok(Some(default)),
        (Some((known, _)), Some(word)) => match known.iter().find(|known| **known == word) {
            Some(known) => Ok(Some(known)),
            None => refuse!(unsupported, "unknown pool format type {word}"),
        },
    }
}

fn check_protocol(version: &str, format: &str, row: &KindRow) -> Result<()> {
    if row.kind == PoolType::Netfs && !matches!(format, "auto" | "nfs") {
        refuse!(unsupported, "storage pool protocol ver unsupported for pool type '{format}'");
    }
    if version.contains(',') {
        let words = format!("storage pool protocol ver '{version}' must not contain ','");
        return Err(Error::new(Code::XmlDetail, Origin::Storage, words));
    }
    Ok(())
}

fn check_source(source: &Source, row: &KindRow) -> Result<()> {
    if row.host == Part::Must && source.hosts.is_empty() {
        refuse!(xml, "missing storage pool source host name");
    }
    if row.dir == Part::Must && source.dir.is_none() {
        refuse!(xml, "missing storage pool source path");
    }
    if row.adapter == Part::Must && source.adapter.is_none() {
        refuse!(xml, "missing storage pool source adapter");
    }
    if row.device == Part::Must && source.devices.is_empty() {
        refuse!(xml, "missing storage pool source device name");
    }
    Ok(())
}

/// Volume groups and ZFS pools appear where the system puts them, whatever the document says.
fn parse_target(el: &Element<'_>, kind: PoolType, source: &Source) -> Result<Target> {
    let name = source.name.as_deref().unwrap_or_default();
    let target = el.child("target");
    let path = match kind {
        PoolType::Logical => format!("/dev/{name}"),
        PoolType::Zfs => format!("/dev/zvol/{name}"),
        _ => match target.and_then(|target| target.child_text("path")) {
            Some(path) => clean_path(&path),
            None => refuse!(xml, "missing storage pool target path"),
        },
    };
    let permissions = target.map(|target| Permissions::parse_below(&target)).transpose()?;
    Ok(Target { path, permissions: permissions.unwrap_or_default() })
}

fn parse_refresh(el: &Element<'_>) -> Result<Option<RefreshAllocation>> {
    let Some(refresh) = el.child("refresh") else { return Ok(None) };
    match refresh.child("volume").and_then(|v| v.attr("allocation")).filter(|word| !word.is_empty()) {
        None => Ok(None),
        Some(word) => match RefreshAllocation::parse(word) {
            Some(allocation) => Ok(Some(allocation)),
            None => refuse!(unsupported, "unknown storage pool volume refresh allocation type {word}"),
        },
    }
}

impl SourceHost {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(name) = el.attr("name") else {
            refuse!(xml, "missing storage pool host name");
        };
        Ok(SourceHost { name: name.to_owned(), port: el.number::<u16>("port")?.filter(|port| *port > 0) })
    }

    fn to_el(&self) -> El {
        El::new("host").attr("name", &self.name).attr_opt("port", self.port)
    }
}

impl SourceDevice {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(path) = el.attr("path") else {
            refuse!(xml, "missing storage pool source device path");
        };
        let part_separator = el.yes_no("part_separator")?;
        Ok(SourceDevice { path: path.to_owned(), part_separator, free_extents: Vec::new() })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("device")
            .attr("path", &self.path)
            .attr_opt("part_separator", self.part_separator.map(YesNo::as_str));
        el.extend(
            self.free_extents
                .iter()
                .map(|(start, end)| El::new("freeExtent").attr("start", start).attr("end", end)),
        );
        el
    }
}

impl Options {
    fn parse(el: &Element<'_>, kind: PoolType) -> Result<Self> {
        let mut options = Options::default();
        match kind {
            PoolType::Fs | PoolType::Netfs => {
                for option in named(el, FS_NAMESPACE, "mount_opts") {
                    match option.attr("name") {
                        Some(name) => options.mount.push(name.to_owned()),
                        None => refuse!(xml, "no fs mount option name specified"),
                    }
                }
            }
            PoolType::Rbd => {
                for option in named(el, RBD_NAMESPACE, "config_opts") {
                    let given = |name: &str, what: &str| match option.attr(name) {
                        None => Err(Error::xml(format!("no rbd option {what} specified"))),
                        Some("") => Err(Error::xml(format!("empty rbd option {what} specified"))),
                        Some(text) => Ok(text),
                    };
                    let name = given("name", "name")?;
                    let value =
                        given("value", "value").map_err(|e| e.with_suffix(&format!(" for name '{name}'")))?;
                    options.rbd.push((name.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
        Ok(options)
    }

    fn write(&self, el: &mut El) {
        if !self.mount.is_empty() {
            let mut options = El::new("fs:mount_opts");
            options.extend(self.mount.iter().map(|name| El::new("fs:option").attr("name", name)));
            el.push(options);
        }
        if !self.rbd.is_empty() {
            let mut options = El::new("rbd:config_opts");
            options.extend(
                self.rbd
                    .iter()
                    .map(|(name, value)| El::new("rbd:option").attr("name", name).attr("value", value)),
            );
            el.push(options);
        }
    }
}

fn named<'a>(el: &Element<'a>, namespace: &str, set: &str) -> Vec<Element<'a>> {
    el.foreign(namespace)
        .filter(|child| child.name() == set)
        .flat_map(|set| set.children("option").collect::<Vec<_>>())
        .collect()
}
