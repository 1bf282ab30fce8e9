//! Where an image is.
//!
//! Owns: the types of disks, what each says in `<source>`. Never: what a server is told
//! ([`super::NetworkImage`]).

use ostler_base::{Error, OnOff, Result, YesNo, refuse, words};
use ostler_vocab::address::PciAddress;
use ostler_vocab::chardev::{Reconnect, SourceType};
use ostler_xml::{El, Element};

use super::network::NetworkImage;

words! {
    /// `type` of disks and images.
    pub ImageType {
        File = "file", Block = "block", Dir = "dir", Network = "network", Volume = "volume",
        Nvme = "nvme", VhostUser = "vhostuser", VhostVdpa = "vhostvdpa",
    }
    /// Format of an image.
    pub ImageFormat {
        None = "none", Raw = "raw", Dir = "dir", Bochs = "bochs", Cloop = "cloop", Dmg = "dmg",
        Iso = "iso", Vpc = "vpc", Vdi = "vdi", Fat = "fat", Vhd = "vhd", Ploop = "ploop", Cow = "cow",
        Qcow = "qcow", Qcow2 = "qcow2", Qed = "qed", Vmdk = "vmdk",
    }
    /// `<source protocol='…'>`
    pub Protocol {
        Nbd = "nbd", Rbd = "rbd", Sheepdog = "sheepdog", Gluster = "gluster", Iscsi = "iscsi",
        Http = "http", Https = "https", Ftp = "ftp", Ftps = "ftps", Tftp = "tftp", Ssh = "ssh",
        Vxhs = "vxhs", Nfs = "nfs",
    }
    /// `<host transport='…'>`
    pub Transport { Tcp = "tcp", Unix = "unix", Rdma = "rdma" }
    /// `startupPolicy`
    pub StartupPolicy { Mandatory = "mandatory", Requisite = "requisite", Optional = "optional" }
    /// `<source mode='…'>` of volumes.
    pub VolumeMode { Host = "host", Direct = "direct" }
}

/// What the content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file; none: an empty drive.
    File(Option<String>),
    /// A block device.
    Block(Option<String>),
    /// A directory that is shown as a FAT file system.
    Dir(Option<String>),
    /// A volume of a pool.
    Volume {
        /// `pool`
        pool: String,
        /// `volume`
        volume: String,
        /// `mode`
        mode: Option<VolumeMode>,
        /// What the pool says of it; unknown until a run.
        found: Option<Box<Place>>,
    },
    /// What a server has.
    Network(Box<NetworkImage>),
    /// An NVMe disk of the host.
    Nvme {
        /// `managed`
        managed: Option<YesNo>,
        /// `namespace`
        namespace: u64,
        /// `<address>`
        address: PciAddress,
    },
    /// Another process.
    VhostUser {
        /// Its socket.
        path: String,
        /// Whether it is called again.
        reconnect: Option<Reconnect>,
    },
    /// A vDPA device of the host.
    VhostVdpa(String),
}

impl Place {
    pub(super) fn parse(source: Option<&Element<'_>>, kind: ImageType) -> Result<Self> {
        let text =
            |name: &str| source.and_then(|s| s.attr(name)).filter(|p| !p.is_empty()).map(str::to_owned);
        let required = |name: &'static str| -> Result<String> {
            text(name).ok_or_else(|| Error::xml(format!("missing '{name}' attribute of a disk's source")))
        };
        Ok(match (kind, source) {
            (ImageType::File, _) => Place::File(text("file")),
            (ImageType::Block, _) => Place::Block(text("dev")),
            (ImageType::Dir, _) => Place::Dir(text("dir")),
            (ImageType::Volume, None) => Place::File(None),
            (ImageType::Volume, Some(source)) => Place::Volume {
                pool: source.require("pool")?.to_owned(),
                volume: source.require("volume")?.to_owned(),
                mode: source.word("mode")?,
                found: None,
            },
            (ImageType::Network, Some(source)) => Place::Network(Box::new(NetworkImage::parse(source)?)),
            (ImageType::Network, None) => Place::File(None),
            (ImageType::Nvme, Some(source)) => Place::Nvme {
                managed: source.yes_no("managed")?,
                namespace: source.number("namespace")?.ok_or_else(|| Error::xml("missing NVMe namespace"))?,
                address: nvme_address(source)?,
            },
            (ImageType::Nvme, None) => return Err(Error::xml("missing source of an NVMe disk")),
            (ImageType::VhostUser, Some(source)) => {
                let reconnect = Reconnect::parse(source)?;
                if source.attr("type") != Some(ostler_base::Word::as_str(SourceType::Unix)) {
                    refuse!(xml, "invalid source type of a vhost-user disk");
                }
                Place::VhostUser { path: required("path")?, reconnect }
            }
            (ImageType::VhostUser, None) => return Err(Error::xml("missing source of a vhost-user disk")),
            (ImageType::VhostVdpa, _) => Place::VhostVdpa(required("dev")?),
        })
    }

    /// Its `type`.
    pub fn kind(&self) -> ImageType {
        match self {
            Place::File(_) => ImageType::File,
            Place::Block(_) => ImageType::Block,
            Place::Dir(_) => ImageType::Dir,
            Place::Volume { .. } => ImageType::Volume,
            Place::Network(_) => ImageType::Network,
            Place::Nvme { .. } => ImageType::Nvme,
            Place::VhostUser { .. } => ImageType::VhostUser,
            Place::VhostVdpa(_) => ImageType::VhostVdpa,
        }
    }

    pub(super) fn format(&self, source: &mut El) {
        match self {
            Place::File(path) => source.set_opt("file", path.as_ref()),
            Place::Block(path) => source.set_opt("dev", path.as_ref()),
            Place::Dir(path) => source.set_opt("dir", path.as_ref()),
            Place::VhostVdpa(path) => source.set("dev", path),
            Place::Volume { pool, volume, mode, .. } => {
                source.set("pool", pool);
                source.set("volume", volume);
                source.set_opt("mode", *mode);
            }
            Place::Network(image) => image.format(source),
            Place::Nvme { managed, namespace, address } => {
                source.set("type", "pci");
                source.set_opt("managed", *managed);
                source.set("namespace", namespace);
                let place = El::new("address")
                    .attr("domain", format_args!("0x{:04x}", address.domain))
                    .attr("bus", format_args!("0x{:02x}", address.bus))
                    .attr("slot", format_args!("0x{:02x}", address.slot))
                    .attr("function", format_args!("0x{:x}", address.function));
                source.push(place);
            }
            Place::VhostUser { path, reconnect } => {
                source.set("type", SourceType::Unix);
                source.set("path", path);
                source.extend(reconnect.as_ref().map(Reconnect::format));
            }
        }
    }
}

fn nvme_address(source: &Element<'_>) -> Result<PciAddress> {
    let el = source.child("address").ok_or_else(|| Error::xml("missing address of an NVMe disk"))?;
    PciAddress::parse(&el)
}

/// Whether a word is on.
pub(crate) fn on(value: Option<OnOff>) -> Option<bool> {
    value.map(OnOff::is_true)
}
