//! `<shmem>`: memory that guests share, as a PCI card.

use ostler_base::{Error, OnOff, Result, refuse, scale::KIB, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Chardev, ChardevBackend, Part, Props, Resource, ResourceKind, SocketAddress};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<model type='…'>`
    pub ShmemModel { Ivshmem = "ivshmem", Plain = "ivshmem-plain", Doorbell = "ivshmem-doorbell" }
    /// `role`
    pub ShmemRole { Master = "master", Peer = "peer" }
}

/// `<msi vectors= ioeventfd=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msi {
    /// `vectors`
    pub vectors: Option<u32>,
    /// `ioeventfd`
    pub ioeventfd: Option<OnOff>,
}

/// Memory that guests share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shmem {
    /// `name`
    pub name: String,
    /// `role`
    pub role: Option<ShmemRole>,
    /// `<model type=…>`
    pub model: ShmemModel,
    /// `<size>`, bytes; 0 where the server decides.
    pub size: u64,
    /// `<server path=…>`
    pub server: Option<Option<String>>,
    /// `<msi>`
    pub msi: Option<Msi>,
    info: Info,
}

const MIB: u64 = KIB * 1024;

impl Kind for Shmem {
    const ELEMENT: &'static str = "shmem";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(name) = el.attr("name").filter(|name| !name.is_empty()) else {
            refuse!(xml, "shmem element must contain 'name' attribute");
        };
        let model = el.child("model");
        let server = el.child("server").map(|server| server.attr("path").map(str::to_owned));
        let msi = match el.child("msi") {
            Some(_) if server.is_none() => refuse!(xml, "msi option is only supported with a server"),
            Some(msi) => Some(Msi { vectors: msi.number("vectors")?, ioeventfd: msi.on_off("ioeventfd")? }),
            None => None,
        };
        Ok(Shmem {
            name: name.to_owned(),
            role: el.word("role")?,
            model: model.map(|m| m.word("type")).transpose()?.flatten().unwrap_or(ShmemModel::Ivshmem),
            size: el.child("size").map(|size| size.size(1, u64::MAX / 2)).transpose()?.unwrap_or(0),
            server,
            msi,
            info: Info::default(),
        })
    }
}

impl Shmem {
    fn socket(&self) -> String {
        let said = self.server.as_ref().and_then(Option::as_ref);
        said.cloned().unwrap_or_else(|| format!("/var/lib/libvirt/shmem-{}-sock", self.name))
    }

    fn backend(&self, build: &mut Build<'_>) -> (&'static str, String) {
        let alias = self.info.alias();
        if self.model == ShmemModel::Doorbell {
            let id = format!("char{alias}");
            let socket = ChardevBackend::Socket {
                address: SocketAddress::Unix(self.socket()),
                server: None,
                telnet: false,
                tls_creds: None,
                reconnect: None,
                reconnect_ms: false,
            };
            build.parts.push(Part::Chardev(Chardev::new(id.as_str(), socket)));
            return ("chardev", id);
        }
        let id = format!("shmmem-{alias}");
        let object = Props::new()
            .with("qom-type", "memory-backend-file")
            .with("id", id.as_str())
            .with("mem-path", format!("/dev/shm/{}", self.name))
            .with("size", self.size)
            .with("share", true);
        build.parts.push(Part::Object(object));
        ("memdev", id)
    }
}

impl Device for Shmem {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("shmem").attr("name", &self.name).attr_opt("role", self.role);
        el.push(El::new("model").attr("type", self.model));
        if self.size != 0 {
            el.push(El::with_text("size", self.size / MIB).attr("unit", "M"));
        }
        el.extend(self.server.as_ref().map(|path| El::new("server").attr_opt("path", path.as_ref())));
        el.extend(
            self.msi.as_ref().map(|msi| {
                El::new("msi").attr_opt("vectors", msi.vectors).attr_opt("ioeventfd", msi.ioeventfd)
            }),
        );
        el
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let model = self.model;
        if model != ShmemModel::Doorbell && self.size == 0 {
            self.size = 4 * MIB;
        }
        match (model, &self.server) {
            (ShmemModel::Ivshmem, _) => {}
            (ShmemModel::Doorbell, None) => {
                refuse!(unsupported, "shmem model '{model}' is supported only with server option enabled")
            }
            (ShmemModel::Plain, Some(_)) => {
                refuse!(unsupported, "shmem model '{model}' is supported only with server option disabled")
            }
            (ShmemModel::Plain, None) => {}
            (ShmemModel::Doorbell, Some(_)) => {
                if self.size != 0 {
                    refuse!(unsupported, "shmem model '{model}' does not support size setting");
                }
                let msi = self.msi.get_or_insert(Msi { vectors: None, ioeventfd: None });
                msi.ioeventfd.get_or_insert(OnOff::On);
            }
        }
        Ok(())
    }

    fn validate(&self, _draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if self.name.contains('/') {
            refuse!(xml, "shmem name cannot include '/' character");
        }
        if matches!(self.name.as_str(), "." | "..") {
            refuse!(xml, "shmem name cannot be equal to '{}'", self.name);
        }
        if self.size != 0 && (self.size < MIB || !self.size.is_power_of_two()) {
            refuse!(xml, "shmem size must be a power of 2 and at least 1 MiB (1024 KiB)");
        }
        let flag = match self.model {
            ShmemModel::Ivshmem => refuse!(unsupported, "ivshmem device is no longer supported"),
            ShmemModel::Plain => Flag::IvshmemPlain,
            ShmemModel::Doorbell => Flag::IvshmemDoorbell,
        };
        if setting.emulator.is_some() && !setting.has(flag) {
            refuse!(unsupported, "shmem model '{}' is not supported by this QEMU binary", self.model);
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        Slot::Pci
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("shmem{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if !matches!(self.info.address, Some(Address::Pci(_))) {
            return Err(Error::unsupported(
                "only 'pci' addresses are supported for the shared memory device",
            ));
        }
        let (property, backend) = self.backend(build);
        let mut props = Props::new().with("driver", self.model.to_string()).with("id", self.info.alias());
        props.set(property, backend);
        if self.model == ShmemModel::Plain {
            props.set_opt("master", self.role.map(|role| role == ShmemRole::Master));
        }
        if let Some(msi) = &self.msi {
            props.set_opt("vectors", msi.vectors.filter(|vectors| *vectors != 0));
            props.set_opt("ioeventfd", msi.ioeventfd.map(OnOff::is_true));
        }
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        out.push(match self.model {
            ShmemModel::Doorbell => Resource::new(self.socket(), ResourceKind::Socket).writable().shared(),
            _ => Resource::new(format!("/dev/shm/{}", self.name), ResourceKind::Output).writable().shared(),
        });
    }
}
