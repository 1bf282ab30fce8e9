//! `<filesystem>`: folders of the host that the guest sees.

use ostler_base::{Error, Result, Word, YesNo, refuse, words};
use ostler_plan::{Chardev, ChardevBackend, Part, Props, Resource, ResourceKind, SocketAddress};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::machine::{self, VirtioBus};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<filesystem type='…'>`
    pub FilesystemType {
        Mount = "mount", Block = "block", File = "file", Template = "template", Ram = "ram", Bind = "bind",
    }
    /// `<driver type='…'>`
    pub FilesystemDriver { Path = "path", Handle = "handle", Virtiofs = "virtiofs", Mtp = "mtp" }
    /// `accessmode`
    pub AccessMode { Passthrough = "passthrough", Mapped = "mapped", Squash = "squash" }
    /// `multidevs`
    pub Multidevs { Remap = "remap", Forbid = "forbid", Warn = "warn" }
    /// `<driver wrpolicy='…'>`
    pub WritePolicy { Immediate = "immediate" }
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// `type`
    pub kind: FilesystemType,
    /// `model`
    pub model: Option<VirtioModel>,
    /// `accessmode`
    pub access: Option<AccessMode>,
    /// `multidevs`
    pub multidevs: Option<Multidevs>,
    /// `fmode`, octal.
    pub fmode: Option<u32>,
    /// `dmode`, octal.
    pub dmode: Option<u32>,
    /// `<driver type=…>`
    pub driver: Option<FilesystemDriver>,
    /// `<driver wrpolicy=…>`
    pub write_policy: Option<WritePolicy>,
    /// `<driver queue=…>`: entries of a queue.
    pub queue: Option<u32>,
    /// `<source dir=…>` or `<source socket=…>`, with its attribute's name.
    pub source: (&'static str, String),
    /// `<target dir=…>`: what the guest calls it.
    pub target: String,
    /// `<readonly/>`
    pub readonly: bool,
    /// `<binary>` and `<idmap>`: what the helper is told, kept as they stand.
    pub helper: Vec<(&'static str, String)>,
    /// `<idmap>`: which ids of the host the guest's are.
    pub id_map: Vec<IdMap>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

/// Attributes of the helper: path below `<binary>`, attribute.
const HELPER: &[(&str, &str)] = &[
    ("", "path"),
    ("", "xattr"),
    ("cache", "mode"),
    ("sandbox", "mode"),
    ("lock", "posix"),
    ("lock", "flock"),
    ("thread_pool", "size"),
    ("openfiles", "max"),
];

/// The attribute as a single key.
const HELPER_KEYS: &[&str] = &[
    "path",
    "xattr",
    "cache.mode",
    "sandbox.mode",
    "lock.posix",
    "lock.flock",
    "thread_pool.size",
    "openfiles.max",
];

fn parse_helper(el: &Element<'_>) -> Vec<(&'static str, String)> {
    let Some(binary) = el.child("binary") else { return Vec::new() };
    let of = |((child, attribute), key): (&(&str, &str), &&'static str)| {
        let element = if child.is_empty() { Some(binary) } else { binary.child(child) };
        Some((*key, element?.attr(attribute)?.to_owned()))
    };
    HELPER.iter().zip(HELPER_KEYS).filter_map(of).collect()
}

/// `<uid>` or `<gid>` of `<idmap>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// `uid` or `gid`.
    pub kind: &'static str,
    /// `start`: the first id in the guest.
    pub start: u32,
    /// `target`: what that is on the host.
    pub target: u32,
    /// `count`: how many.
    pub count: u32,
}

fn parse_id_map(el: &Element<'_>) -> Result<Vec<IdMap>> {
    let Some(map) = el.child("idmap") else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for kind in ["uid", "gid"] {
        for id in map.children(kind) {
            out.push(IdMap {
                kind,
                start: id.require_number("start")?,
                target: id.require_number("target")?,
                count: id.require_number("count")?,
            });
        }
    }
    out.sort_by_key(|map| (map.kind != "uid", map.start));
    Ok(out)
}

impl Filesystem {
    fn is_mtp(&self) -> bool {
        self.driver == Some(FilesystemDriver::Mtp)
    }

    /// A folder that the guest sees as a media player on USB.
    fn mtp(&self, build: &mut Build<'_>) -> Result<()> {
        let mut props = Props::new()
            .with("driver", "usb-mtp")
            .with("id", self.info.alias())
            .with("rootdir", self.source.1.as_str())
            .with("desc", self.target.as_str())
            .with("readonly", self.readonly);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn is_virtiofs(&self) -> bool {
        self.driver == Some(FilesystemDriver::Virtiofs)
    }

    fn format_helper(&self) -> El {
        let said = |key: &str| self.helper.iter().find(|(k, _)| *k == key).map(|(_, value)| value);
        let mut binary = El::new("binary").attr_opt("path", said("path")).attr_opt("xattr", said("xattr"));
        for (child, attributes) in [
            ("cache", &["mode"][..]),
            ("sandbox", &["mode"]),
            ("lock", &["posix", "flock"]),
            ("thread_pool", &["size"]),
            ("openfiles", &["max"]),
        ] {
            let mut el = El::new(child);
            for attribute in attributes {
                el.set_opt(*attribute, said(&format!("{child}.{attribute}")));
            }
            binary.push_filled(el);
        }
        binary
    }

    fn virtiofs(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let chardev = format!("chr-vu-{alias}");
        let draft = build.draft;
        let dir = build.setting.config.run_dir(draft.head.identity.id, draft.name());
        let path = match &self.source {
            ("socket", path) => path.clone(),
            _ => format!("{dir}/{alias}-fs.sock"),
        };
        let socket = ChardevBackend::Socket {
            address: SocketAddress::Unix(path),
            server: None,
            telnet: false,
            tls_creds: None,
            reconnect: None,
            reconnect_ms: false,
        };
        build.parts.push(Part::Chardev(Chardev::new(chardev.as_str(), socket)));
        let model = self.model.unwrap_or(VirtioModel::Plain);
        let mut props = Props::new().with("driver", model.driver("vhost-user-fs", &self.info)?);
        self.virtio.props(&mut props);
        props.set("id", alias);
        props.set("chardev", chardev);
        props.set_opt("queue-size", self.queue);
        props.set("tag", self.target.as_str());
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}

impl Kind for Filesystem {
    const ELEMENT: &'static str = "filesystem";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let driver = el.child("driver");
        let (source, target) = (el.child("source"), el.child("target"));
        let place = ["dir", "socket"]
            .into_iter()
            .find_map(|name| Some((name, source?.attr(name)?.to_owned())))
            .ok_or_else(|| Error::xml("missing source information for filesystem"))?;
        let mode = |name: &str| el.number_in::<u32>(name, 8);
        Ok(Filesystem {
            kind: el.word("type")?.unwrap_or(FilesystemType::Mount),
            model: el.word("model")?,
            access: el.word("accessmode")?,
            multidevs: match el.attr("multidevs") {
                Some("default") => None,
                _ => el.word("multidevs")?,
            },
            fmode: mode("fmode")?,
            dmode: mode("dmode")?,
            driver: driver.map(|d| d.word("type")).transpose()?.flatten(),
            write_policy: driver.map(|d| d.word("wrpolicy")).transpose()?.flatten(),
            queue: driver.map(|d| d.number("queue")).transpose()?.flatten(),
            source: place,
            target: target
                .and_then(|t| t.attr("dir"))
                .map(str::to_owned)
                .ok_or_else(|| Error::xml("missing target information for filesystem"))?,
            readonly: el.child("readonly").is_some(),
            helper: parse_helper(el),
            id_map: parse_id_map(el)?,
            virtio: VirtioOptions::parse(driver)?,
            info: Info::default(),
        })
    }
}

impl Device for Filesystem {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let octal = |mode: u32| format!("{mode:04o}");
        let mut el = El::new("filesystem")
            .attr("type", self.kind)
            .attr_opt("accessmode", self.access.filter(|_| self.source.0 == "dir"))
            .attr_opt("model", self.model)
            .attr_opt("multidevs", self.multidevs)
            .attr_opt("fmode", self.fmode.map(octal))
            .attr_opt("dmode", self.dmode.map(octal));
        let mut driver = El::new("driver")
            .attr_opt("type", self.driver)
            .attr_opt("wrpolicy", self.write_policy)
            .attr_opt("queue", self.queue);
        self.virtio.write(&mut driver);
        el.push_filled(driver);
        if self.is_virtiofs() {
            el.push_filled(self.format_helper());
            let mut map = El::new("idmap");
            map.extend(self.id_map.iter().map(|id| {
                El::new(id.kind).attr("start", id.start).attr("target", id.target).attr("count", id.count)
            }));
            el.push_filled(map);
        }
        el.push(El::new("source").attr(self.source.0, &self.source.1));
        el.push(El::new("target").attr("dir", &self.target));
        if self.readonly {
            el.push(El::new("readonly"));
        }
        el
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.access.get_or_insert(AccessMode::Passthrough);
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if self.kind != FilesystemType::Mount {
            refuse!(unsupported, "only supports mount filesystem type");
        }
        if self.is_virtiofs() && self.multidevs.is_some() {
            refuse!(unsupported, "virtiofs is not supported with multidevs");
        }
        let on_pci = match self.info.address {
            Some(Address::Pci(_)) => true,
            None => machine::of(&draft.head.os).virtio_bus() == VirtioBus::Pci,
            Some(_) => false,
        };
        if self.is_virtiofs() && self.info.boot.is_some() && !on_pci {
            refuse!(unsupported, "setting virtiofs boot order is supported only with PCI bus");
        }
        let mapped = self.access == Some(AccessMode::Mapped);
        if (self.fmode.is_some() || self.dmode.is_some()) && !mapped {
            refuse!(xml, "fmode and dmode must be used with accessmode=mapped");
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.is_mtp() { Slot::None } else { self.model.unwrap_or(VirtioModel::Plain).slot() }
    }

    fn is_virtio(&self) -> bool {
        !self.is_mtp()
    }

    fn usb_turn(&self) -> Option<u8> {
        self.is_mtp().then_some(9)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("fs{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        match self.driver {
            Some(FilesystemDriver::Virtiofs) => return self.virtiofs(build),
            Some(FilesystemDriver::Mtp) => return self.mtp(build),
            _ => {}
        }
        let alias = self.info.alias();
        let fsdev = format!("fsdev-{alias}");
        let handle = self.driver == Some(FilesystemDriver::Handle);
        let mut props = Props::new().with("fsdriver", if handle { "handle" } else { "local" });
        if !handle {
            let security = match self.access {
                Some(AccessMode::Squash) => "none",
                Some(mode) => mode.as_str(),
                None => AccessMode::Passthrough.as_str(),
            };
            props.set("security_model", security);
        }
        props.set_opt("multidevs", self.multidevs.map(|m| m.to_string()));
        props.set_opt("fmode", self.fmode.map(|mode| format!("{mode:04o}")));
        props.set_opt("dmode", self.dmode.map(|mode| format!("{mode:04o}")));
        props.set_opt("writeout", self.write_policy.map(|p| p.to_string()));
        props.set("id", fsdev.as_str());
        props.set("path", self.source.1.as_str());
        if self.readonly {
            props.set("readonly", YesNo::Yes.is_true());
        }
        build.parts.push(Part::options("-fsdev", Some("fsdriver"), props));
        let model = self.model.unwrap_or(VirtioModel::Plain);
        let mut props = Props::new().with("driver", model.driver("virtio-9p", &self.info)?);
        self.virtio.props(&mut props);
        props.set("id", alias);
        props.set("fsdev", fsdev);
        props.set("mount_tag", self.target.as_str());
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        let kind = if self.source.0 == "dir" { ResourceKind::Directory } else { ResourceKind::Socket };
        let resource = Resource::new(&self.source.1, kind).shared();
        out.push(if self.readonly { resource } else { resource.writable() });
    }
}
