//! The cookie: what one side of a move tells the other beside the guest itself.
//!
//! Owns: its form, and the checks that both sides speak of the same guest. Never: opens a socket.

use ostler_base::{Error, Result, Uuid, Word, YesNo, words};
use ostler_caps::cpu::{self, Cpu};
use ostler_xml::{Document, El, Element};

use super::Statistics;
use crate::devices::graphics::GraphicsType;
use crate::{Draft, ReadMode, WriteMode};

words! {
    /// What a cookie can be about; some have to be understood by the other side.
    pub CookieFeature {
        Graphics = "graphics", LockState = "lockstate", Persistent = "persistent", Network = "network",
        Nbd = "nbd", Statistics = "statistics", MemoryHotplug = "memory-hotplug",
        CpuHotplug = "cpu-hotplug", Cpu = "cpu", AllowReboot = "allowReboot",
        Capabilities = "capabilities", DirtyBitmaps = "block-dirty-bitmaps",
    }
}

/// A host that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
}

/// Where clients of a display have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieGraphics {
    /// The protocol.
    pub kind: GraphicsType,
    /// The port.
    pub port: i32,
    /// The address that is listened on.
    pub listen: Option<String>,
    /// The encrypted port.
    pub tls_port: i32,
    /// Subjects of the certificate, and whatever else is said of it: name and value.
    pub certificate: Vec<(String, String)>,
}

/// State of the lock manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockState {
    /// The lock manager.
    pub driver: String,
    /// Its words.
    pub leases: Option<String>,
}

/// What a switch keeps of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortData {
    /// Which of the guest's network cards.
    pub index: u32,
    /// The kind of port.
    pub kind: String,
    /// The switch's words.
    pub data: Option<String>,
}

/// The server that disks are copied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieNbd {
    /// Its port; `None` before it listens.
    pub port: Option<u16>,
    /// Disks by target, with their sizes in bytes.
    pub disks: Vec<(String, u64)>,
}

/// A dirty bitmap that moves along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Its name.
    pub name: String,
    /// Its name on the way.
    pub alias: String,
}

/// Dirty bitmaps of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskBitmaps {
    /// The disk's target.
    pub target: String,
    /// Its bitmaps.
    pub bitmaps: Vec<Bitmap>,
}

/// A cookie.
#[derive(Debug, Clone, PartialEq)]
pub struct Cookie {
    /// The guest's name.
    pub name: String,
    /// The guest's UUID.
    pub uuid: Uuid,
    /// Who wrote it.
    pub from: Side,
    /// What the reader has to understand.
    pub features: Vec<CookieFeature>,
    /// `<graphics>`
    pub graphics: Option<CookieGraphics>,
    /// `<lockstate>`
    pub lock_state: Option<LockState>,
    /// `<domain>`: the definition that the guest keeps.
    pub persistent: Option<Box<Draft>>,
    /// `<network>`
    pub network: Vec<PortData>,
    /// `<nbd>`
    pub nbd: Option<CookieNbd>,
    /// `<statistics>`
    pub statistics: Option<Statistics>,
    /// `<cpu>`
    pub cpu: Option<Cpu>,
    /// `<capabilities>`: QEMU's capabilities of migration, and whether they are on by themselves.
    pub capabilities: Vec<(String, YesNo)>,
    /// `<blockDirtyBitmaps>`
    pub bitmaps: Vec<DiskBitmaps>,
}

fn missing(what: &str) -> Error {
    Error::internal(format!("missing {what} in migration data"))
}

impl Cookie {
    /// What a host says of a guest that runs there, and what the other side has to understand.
    pub fn of(guest: &Draft, from: &Side, features: &[CookieFeature]) -> Self {
        let spice = guest.devices.graphics.iter().find(|g| g.kind == GraphicsType::Spice);
        Cookie {
            name: guest.name().to_owned(),
            uuid: guest.uuid(),
            from: from.clone(),
            features: features.to_vec(),
            graphics: spice.map(|spice| CookieGraphics {
                kind: spice.kind,
                port: spice.port,
                listen: spice.listens.first().and_then(|listen| listen.address.clone()),
                // Ports that are found and are not there have this number.
                tls_port: if spice.autoport && spice.tls_port == 0 { -1 } else { spice.tls_port },
                certificate: Vec::new(),
            }),
            lock_state: None,
            persistent: None,
            network: Vec::new(),
            nbd: None,
            statistics: None,
            cpu: guest.head.cpu.clone().filter(|cpu| !cpu.is_default()),
            capabilities: Vec::new(),
            bitmaps: Vec::new(),
        }
    }

    /// Reads what the other side wrote of a guest of ours; `own` is this host.
    pub fn parse(text: &str, guest: (&str, Uuid), own: &Side) -> Result<Self> {
        let document = Document::parse(text, "qemu_migration_cookie")?;
        let root = document.root();
        let name = root.child_text("name").ok_or_else(|| missing("name element"))?;
        if name != guest.0 {
            let detail = format!("Incoming cookie data had unexpected name {name} vs {}", guest.0);
            return Err(Error::internal(detail));
        }
        let uuid_of = |name: &str| {
            let text = root.child_text(name).ok_or_else(|| missing(&format!("{name} element")))?;
            Uuid::parse(&text).ok_or_else(|| Error::internal(format!("malformed {name} element")))
        };
        let uuid = uuid_of("uuid")?;
        if uuid != guest.1 {
            let detail = format!("Incoming cookie data had unexpected UUID {uuid} vs {}", guest.1);
            return Err(Error::internal(detail));
        }
        let from = Side {
            name: root.child_text("hostname").ok_or_else(|| missing("hostname element"))?,
            uuid: uuid_of("hostuuid")?,
        };
        if from.uuid == own.uuid {
            return Err(Error::internal(format!("Attempt to migrate guest to the same host {}", from.uuid)));
        }
        let feature = |el: Element<'_>| -> Result<CookieFeature> {
            let name =
                el.attr("name").ok_or_else(|| Error::internal("Missing feature name in migration cookie"))?;
            CookieFeature::parse(name)
                .ok_or_else(|| Error::internal(format!("Unknown migration cookie feature {name}")))
        };
        let persistent = root.child("domain");
        let mode = ReadMode::default();
        Ok(Cookie {
            name,
            uuid,
            from,
            features: root.children("feature").map(feature).collect::<Result<_>>()?,
            graphics: root.child("graphics").map(|el| CookieGraphics::parse(&el)).transpose()?,
            lock_state: root.child("lockstate").map(|el| LockState::parse(&el)).transpose()?,
            persistent: persistent.map(|el| Draft::from_element(&el, &mode).map(Box::new)).transpose()?,
            network: ports(&root)?,
            nbd: root.child("nbd").map(|el| CookieNbd::parse(&el)).transpose()?,
            statistics: root.child("statistics").map(|el| Statistics::parse(&el)).transpose()?,
            cpu: root.child("cpu").map(|el| Cpu::parse(el, cpu::Side::Guest)).transpose()?,
            capabilities: capabilities(&root)?,
            bitmaps: disk_bitmaps(&root)?,
        })
    }

    /// The document.
    pub fn to_xml(&self) -> String {
        let mut root = El::new("qemu-migration")
            .child(El::with_text("name", &self.name))
            .child(El::with_text("uuid", self.uuid))
            .child(El::with_text("hostname", &self.from.name))
            .child(El::with_text("hostuuid", self.from.uuid));
        root.extend(self.features.iter().map(|feature| El::new("feature").attr("name", feature)));
        root.extend(self.graphics.as_ref().map(CookieGraphics::to_el));
        root.extend(self.lock_state.as_ref().map(|lock| {
            let mut el = El::new("lockstate").attr("driver", &lock.driver);
            el.push_text("leases", lock.leases.as_ref());
            el
        }));
        let mode = WriteMode { inactive: true, secure: true, migratable: true };
        root.extend(self.persistent.as_ref().map(|draft| draft.to_element(&mode)));
        let mut network = El::new("network");
        network.extend(self.network.iter().map(|port| {
            let mut el = El::new("interface").attr("index", port.index).attr("vporttype", &port.kind);
            el.push_text("portdata", port.data.as_ref());
            el
        }));
        root.push_filled(network);
        root.extend(self.nbd.as_ref().map(|nbd| {
            let mut el = El::new("nbd").attr_opt("port", nbd.port);
            el.extend(
                nbd.disks
                    .iter()
                    .map(|(target, size)| El::new("disk").attr("target", target).attr("capacity", size)),
            );
            el
        }));
        root.extend(self.statistics.as_ref().map(Statistics::to_el));
        root.extend(self.cpu.as_ref().map(Cpu::format));
        let mut capabilities = El::new("capabilities");
        capabilities.extend(
            self.capabilities.iter().map(|(name, auto)| El::new("cap").attr("name", name).attr("auto", auto)),
        );
        root.push(capabilities);
        let mut bitmaps = El::new("blockDirtyBitmaps");
        bitmaps.extend(self.bitmaps.iter().map(|disk| {
            let mut el = El::new("disk").attr("target", &disk.target);
            el.extend(
                disk.bitmaps
                    .iter()
                    .map(|bitmap| El::new("bitmap").attr("name", &bitmap.name).attr("alias", &bitmap.alias)),
            );
            el
        }));
        root.push_filled(bitmaps);
        root.to_xml()
    }
}

impl CookieGraphics {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let word = el.attr("type").ok_or_else(|| missing("type attribute"))?;
        let kind = GraphicsType::parse(word)
            .ok_or_else(|| Error::internal(format!("unknown graphics type {word}")))?;
        let port = |name: &str| -> Result<i32> {
            let text = el.attr(name).ok_or_else(|| missing(&format!("{name} attribute")))?;
            text.parse().map_err(|_| Error::internal(format!("malformed {name} attribute in migration data")))
        };
        let info = |cert: Element<'_>| -> Result<(String, String)> {
            Ok((cert.require("info")?.to_owned(), cert.require("value")?.to_owned()))
        };
        Ok(CookieGraphics {
            kind,
            port: port("port")?,
            listen: el.attr("listen").map(str::to_owned),
            tls_port: if kind == GraphicsType::Spice { port("tlsPort")? } else { 0 },
            certificate: el.children("cert").map(info).collect::<Result<_>>()?,
        })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("graphics")
            .attr("type", self.kind)
            .attr("port", self.port)
            .attr_opt("listen", self.listen.as_ref());
        if self.kind == GraphicsType::Spice {
            el.set("tlsPort", self.tls_port);
        }
        el.extend(
            self.certificate
                .iter()
                .map(|(info, value)| El::new("cert").attr("info", info).attr("value", value)),
        );
        el
    }
}

impl LockState {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let driver = el
            .attr("driver")
            .ok_or_else(|| Error::internal("Missing lock driver name in migration cookie"))?;
        Ok(LockState { driver: driver.to_owned(), leases: el.child_text("leases") })
    }
}

impl CookieNbd {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let disk = |disk: Element<'_>| -> Result<(String, u64)> {
            Ok((disk.require("target")?.to_owned(), disk.require_number("capacity")?))
        };
        Ok(CookieNbd {
            port: el.number("port")?,
            disks: el.children("disk").map(disk).collect::<Result<_>>()?,
        })
    }
}

fn ports(root: &Element<'_>) -> Result<Vec<PortData>> {
    let port = |el: Element<'_>| -> Result<PortData> {
        Ok(PortData {
            index: el.require_number("index")?,
            kind: el.require("vporttype")?.to_owned(),
            data: el.child_text("portdata"),
        })
    };
    root.child("network").into_iter().flat_map(|el| el.children("interface")).map(port).collect()
}

fn capabilities(root: &Element<'_>) -> Result<Vec<(String, YesNo)>> {
    let capability = |el: Element<'_>| -> Result<(String, YesNo)> {
        let name = el.attr("name").ok_or_else(|| Error::internal("missing migration capability name"))?;
        Ok((name.to_owned(), el.yes_no("auto")?.unwrap_or(YesNo::No)))
    };
    root.child("capabilities").into_iter().flat_map(|el| el.children("cap")).map(capability).collect()
}

fn disk_bitmaps(root: &Element<'_>) -> Result<Vec<DiskBitmaps>> {
    let bitmap = |el: Element<'_>| -> Result<Bitmap> {
        Ok(Bitmap { name: el.require("name")?.to_owned(), alias: el.require("alias")?.to_owned() })
    };
    let disk = |el: Element<'_>| -> Result<DiskBitmaps> {
        Ok(DiskBitmaps {
            target: el.require("target")?.to_owned(),
            bitmaps: el.children("bitmap").map(bitmap).collect::<Result<_>>()?,
        })
    };
    root.child("blockDirtyBitmaps").into_iter().flat_map(|el| el.children("disk")).map(disk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "dcf47dbd-46d1-4d5b-b442-262a806a333a";
    const OTHER: &str = "8b3f4dc4-6a8e-5f9b-94a5-4c35babd8d95";

    fn read(text: &str, own: &str) -> Result<Cookie> {
        let own = Side { name: "here".into(), uuid: Uuid::parse(own).unwrap() };
        Cookie::parse(text, ("a", Uuid::parse(UUID).unwrap()), &own)
    }

    #[test]
    fn both_sides_must_mean_the_same_guest() {
        let text = |name: &str, more: &str| {
            format!(
                "<qemu-migration><name>{name}</name><uuid>{UUID}</uuid><hostname>h</hostname>\
                 <hostuuid>{OTHER}</hostuuid>{more}</qemu-migration>"
            )
        };
        let cookie = read(&text("a", "<feature name='cpu-hotplug'/>"), UUID).unwrap();
        assert_eq!(cookie.features, [CookieFeature::CpuHotplug]);
        for (text, own, expected) in [
            (text("b", ""), UUID, "Incoming cookie data had unexpected name b vs a".to_owned()),
            (text("a", ""), OTHER, format!("Attempt to migrate guest to the same host {OTHER}")),
            (text("a", "<feature name='x'/>"), UUID, "Unknown migration cookie feature x".to_owned()),
            ("<qemu-migration/>".to_owned(), UUID, "missing name element in migration data".to_owned()),
        ] {
            assert_eq!(read(&text, own).unwrap_err().detail(), expected);
        }
    }

    #[test]
    fn bitmaps_move_along() {
        let inner = "<capabilities>\n  </capabilities>";
        let bitmaps = "<blockDirtyBitmaps>\n    <disk target='vda'>\n      <bitmap name='b' alias='x'/>\n    </disk>\n  </blockDirtyBitmaps>";
        let text = format!(
            "<qemu-migration><name>a</name><uuid>{UUID}</uuid><hostname>h</hostname>\
             <hostuuid>{OTHER}</hostuuid>{inner}{bitmaps}</qemu-migration>"
        );
        let cookie = read(&text, UUID).unwrap();
        assert!(cookie.to_xml().contains(bitmaps), "{}", cookie.to_xml());
    }
}
