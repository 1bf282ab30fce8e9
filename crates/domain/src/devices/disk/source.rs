//! Where the content of a disk is: image, chain of images below it, their XML.
//!
//! Owns: `<source>` and `<backingStore>`. Never: the front end.

use ostler_base::{Error, OnOff, Result, YesNo, refuse, words};
use ostler_vocab::address::PciAddress;
use ostler_vocab::chardev::{Reconnect, SourceType};
use ostler_vocab::storage_auth::{StorageAuth, initiator_to_el, parse_initiator};
use ostler_vocab::storage_encryption::StorageEncryption;
use ostler_xml::{El, Element};

use super::run::ImageRun;

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

/// `<host>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHost {
    /// `transport`; TCP where absent.
    pub transport: Option<Transport>,
    /// `name`
    pub name: Option<String>,
    /// `port`
    pub port: Option<u32>,
    /// `socket`
    pub socket: Option<String>,
}

/// An image that a server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkImage {
    /// `protocol`
    pub protocol: Protocol,
    /// `name`
    pub name: Option<String>,
    /// `query`
    pub query: Option<String>,
    /// `tls`
    pub tls: Option<YesNo>,
    /// `tlsHostname`
    pub tls_hostname: Option<String>,
    /// `<host>`
    pub hosts: Vec<ImageHost>,
    /// `<snapshot name=…>`
    pub snapshot: Option<String>,
    /// `<config file=…>`
    pub config: Option<String>,
    /// `<initiator>`
    pub initiator: Option<String>,
    /// `<ssl verify=…>`
    pub ssl_verify: Option<YesNo>,
    /// `<cookie name=…>`: name and value.
    pub cookies: Vec<(String, String)>,
    /// `<readahead size=…>`
    pub readahead: Option<u64>,
    /// `<timeout seconds=…>`
    pub timeout: Option<u64>,
    /// `<reconnect delay=…>`
    pub reconnect_delay: Option<u32>,
    /// `<knownHosts path=…>`
    pub known_hosts: Option<String>,
    /// `<identity>`: attributes as they stand.
    pub identity: Vec<(&'static str, String)>,
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

/// What is below an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// Whatever the image says.
    Unknown,
    /// Nothing: the chain ends.
    End,
    /// An image.
    Image(Box<Image>),
}

/// An image with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `type` and `<source>`
    pub place: Place,
    /// Its format; raw where absent.
    pub format: Option<ImageFormat>,
    /// `index`
    pub index: Option<u32>,
    /// `startupPolicy`
    pub startup_policy: Option<StartupPolicy>,
    /// `<auth>`, and whether it stands in the source.
    pub auth: Option<StorageAuth>,
    /// Whether `<auth>` stands in the source and not beside it.
    pub auth_inside: bool,
    /// `<encryption>`
    pub encryption: Option<StorageEncryption>,
    /// Whether `<encryption>` stands in the source and not beside it.
    pub encryption_inside: bool,
    /// `<slices>`: offset and size in bytes.
    pub slice: Option<(u64, u64)>,
    /// `<reservations>`: managed, and the helper's socket.
    pub reservations: Option<(Option<YesNo>, Option<String>)>,
    /// `<metadata_cache><max_size>`, bytes.
    pub metadata_cache: Option<u64>,
    /// `<backingStore>`
    pub backing: Backing,
    /// What only a run knows.
    pub run: Option<Box<ImageRun>>,
}

impl Image {
    /// An image of which nothing is known but the place.
    pub(crate) fn new(place: Place) -> Self {
        Image {
            place,
            format: None,
            index: None,
            startup_policy: None,
            auth: None,
            auth_inside: false,
            encryption: None,
            encryption_inside: false,
            slice: None,
            reservations: None,
            metadata_cache: None,
            backing: Backing::Unknown,
            run: None,
        }
    }

    /// Reads type, source and what is below; `el` is a disk or a `<backingStore>`.
    pub(super) fn parse(el: &Element<'_>, kind: ImageType, format: Option<ImageFormat>) -> Result<Self> {
        let image = Image::from_source(el.child("source"), kind, format)?;
        Ok(Image { backing: Backing::parse(el)?, ..image })
    }

    /// Reads what `<source>`, or an element like it, says.
    pub(crate) fn from_source(
        source: Option<Element<'_>>,
        kind: ImageType,
        format: Option<ImageFormat>,
    ) -> Result<Self> {
        let inside = |name: &str| source.and_then(|s| s.child(name));
        let (auth, encryption) = (inside("auth"), inside("encryption"));
        let slice = match inside("slices").and_then(|s| s.child("slice")) {
            Some(slice) => Some((slice.require_number("offset")?, slice.require_number("size")?)),
            None => None,
        };
        let reservations = match inside("reservations") {
            Some(r) => Some((
                r.yes_no("managed")?,
                r.child("source").and_then(|s| s.attr("path")).map(str::to_owned),
            )),
            None => None,
        };
        Ok(Image {
            format,
            index: source.map(|s| s.number("index")).transpose()?.flatten(),
            startup_policy: source.map(|s| s.word("startupPolicy")).transpose()?.flatten(),
            auth: auth.map(|a| StorageAuth::parse(&a)).transpose()?,
            auth_inside: auth.is_some(),
            encryption: encryption.map(|e| StorageEncryption::parse(&e)).transpose()?,
            encryption_inside: encryption.is_some(),
            slice,
            reservations,
            ..Image::new(Place::parse(source.as_ref(), kind)?)
        })
    }

    /// Whether there is no medium.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.place, Place::File(None) | Place::Block(None) | Place::Dir(None))
    }

    /// The path, of images that have one on this host.
    pub fn path(&self) -> Option<&str> {
        match &self.place {
            Place::File(path) | Place::Block(path) | Place::Dir(path) => path.as_deref(),
            Place::VhostVdpa(path) | Place::VhostUser { path, .. } => Some(path),
            Place::Network(image) => image.name.as_deref(),
            Place::Volume { .. } | Place::Nvme { .. } => None,
        }
    }

    /// This image and those below it, from the top.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Image> {
        std::iter::successors(Some(self), |image| match &image.backing {
            Backing::Image(below) => Some(below),
            Backing::Unknown | Backing::End => None,
        })
    }

    /// `<source>`, unless it would say nothing.
    pub(super) fn format_source(&self, el: &mut El) {
        el.push_filled(self.source_el("source"));
    }

    /// `<source>`, or an element like it.
    pub(crate) fn source_el(&self, name: &'static str) -> El {
        let mut source = El::new(name);
        source.set_opt("startupPolicy", self.startup_policy);
        self.place.format(&mut source);
        source.set_opt("index", self.index);
        if let Some((offset, size)) = self.slice {
            let slice = El::new("slice").attr("type", "storage").attr("offset", offset).attr("size", size);
            source.push(El::new("slices").child(slice));
        }
        source.extend(self.auth.as_ref().filter(|_| self.auth_inside).map(StorageAuth::to_el));
        source.extend(
            self.encryption.as_ref().filter(|_| self.encryption_inside).map(StorageEncryption::to_el),
        );
        if let Some((managed, path)) = &self.reservations {
            let mut reservations = El::new("reservations").attr_opt("managed", *managed);
            reservations.extend(path.as_ref().map(|path| {
                El::new("source").attr("type", "unix").attr("path", path).attr("mode", "client")
            }));
            source.push(reservations);
        }
        source
    }
}

impl Backing {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(below) = el.child("backingStore") else { return Ok(Backing::Unknown) };
        let Some(kind) = below.word("type")? else { return Ok(Backing::End) };
        let format = match below.child("format") {
            Some(format) => format.word("type")?,
            None => return Err(Error::xml("missing disk backing store format")),
        };
        let mut image = Image::parse(&below, kind, format)?;
        image.index = below.number("index")?.or(image.index);
        Ok(Backing::Image(Box::new(image)))
    }

    pub(super) fn format(&self, el: &mut El) {
        match self {
            Backing::Unknown => {}
            Backing::End => el.push(El::new("backingStore")),
            Backing::Image(image) => {
                let mut below =
                    El::new("backingStore").attr("type", image.place.kind()).attr_opt("index", image.index);
                below.extend(image.format.map(|format| El::new("format").attr("type", format)));
                let mut plain = image.clone();
                plain.index = None;
                plain.format_source(&mut below);
                image.backing.format(&mut below);
                el.push(below);
            }
        }
    }
}

impl Place {
    fn parse(source: Option<&Element<'_>>, kind: ImageType) -> Result<Self> {
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
            },
            (ImageType::Network, Some(source)) => Place::Network(Box::new(NetworkImage::parse(source)?)),
            (ImageType::Network, None) => return Err(Error::xml("missing source of a network disk")),
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
    pub(crate) fn kind(&self) -> ImageType {
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

    fn format(&self, source: &mut El) {
        match self {
            Place::File(path) => source.set_opt("file", path.as_ref()),
            Place::Block(path) => source.set_opt("dev", path.as_ref()),
            Place::Dir(path) => source.set_opt("dir", path.as_ref()),
            Place::VhostVdpa(path) => source.set("dev", path),
            Place::Volume { pool, volume, mode } => {
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

/// Attributes of `<identity>`, of NFS and SSH.
const IDENTITY: &[&str] = &["user", "group", "username", "keyfile", "agentsock"];

impl NetworkImage {
    fn parse(source: &Element<'_>) -> Result<Self> {
        let child = |name: &str, attribute: &str| {
            source.child(name).and_then(|c| c.attr(attribute)).map(str::to_owned)
        };
        let number = |name: &str, attribute: &str| -> Result<Option<u64>> {
            source.child(name).map(|c| c.number(attribute)).transpose().map(Option::flatten)
        };
        let protocol = match source.attr("protocol") {
            Some(_) => source.require_word("protocol")?,
            None => return Err(Error::xml("missing network source protocol type")),
        };
        let host = |h: Element<'_>| -> Result<ImageHost> {
            Ok(ImageHost {
                transport: h.word("transport")?,
                name: h.attr("name").map(str::to_owned),
                port: h.number("port")?,
                socket: h.attr("socket").map(str::to_owned),
            })
        };
        let cookies = source.child("cookies");
        let cookie =
            |c: Element<'_>| -> Result<(String, String)> { Ok((c.require("name")?.to_owned(), c.text())) };
        let identity = source.child("identity");
        Ok(NetworkImage {
            protocol,
            name: source.attr("name").map(str::to_owned),
            query: source.attr("query").map(str::to_owned),
            tls: source.yes_no("tls")?,
            tls_hostname: source.attr("tlsHostname").map(str::to_owned),
            hosts: source.children("host").map(host).collect::<Result<_>>()?,
            snapshot: child("snapshot", "name"),
            config: child("config", "file"),
            initiator: parse_initiator(source),
            ssl_verify: source.child("ssl").map(|s| s.yes_no("verify")).transpose()?.flatten(),
            cookies: cookies
                .into_iter()
                .flat_map(|c| c.children("cookie"))
                .map(cookie)
                .collect::<Result<_>>()?,
            readahead: number("readahead", "size")?,
            timeout: number("timeout", "seconds")?,
            reconnect_delay: source.child("reconnect").map(|r| r.number("delay")).transpose()?.flatten(),
            known_hosts: child("knownHosts", "path"),
            identity: IDENTITY
                .iter()
                .filter_map(|name| Some((*name, identity?.attr(name)?.to_owned())))
                .collect(),
        })
    }

    fn format(&self, source: &mut El) {
        source.set("protocol", self.protocol);
        source.set_opt("name", self.name.as_ref());
        source.set_opt("query", self.query.as_ref());
        source.set_opt("tls", self.tls);
        source.set_opt("tlsHostname", self.tls_hostname.as_ref());
        source.extend(self.hosts.iter().map(|host| {
            El::new("host")
                .attr_opt("transport", host.transport.filter(|t| *t != Transport::Tcp))
                .attr_opt("name", host.name.as_ref())
                .attr_opt("port", host.port)
                .attr_opt("socket", host.socket.as_ref())
        }));
        source.extend(self.snapshot.as_ref().map(|name| El::new("snapshot").attr("name", name)));
        source.extend(self.config.as_ref().map(|file| El::new("config").attr("file", file)));
        source.extend(self.initiator.as_ref().map(|iqn| initiator_to_el(iqn)));
        source.extend(self.ssl_verify.map(|verify| El::new("ssl").attr("verify", verify)));
        if !self.cookies.is_empty() {
            let mut cookies = El::new("cookies");
            cookies.extend(
                self.cookies.iter().map(|(name, value)| El::with_text("cookie", value).attr("name", name)),
            );
            source.push(cookies);
        }
        source.extend(self.readahead.map(|size| El::new("readahead").attr("size", size)));
        source.extend(self.timeout.map(|seconds| El::new("timeout").attr("seconds", seconds)));
        source.extend(self.known_hosts.as_ref().map(|path| El::new("knownHosts").attr("path", path)));
        let mut identity = El::new("identity");
        for (name, value) in &self.identity {
            identity.set(*name, value);
        }
        source.push_filled(identity);
        source.extend(self.reconnect_delay.map(|delay| El::new("reconnect").attr("delay", delay)));
    }

    /// Fills in the ports that protocols have.
    pub(super) fn fill_ports(&mut self) {
        let port = match self.protocol {
            Protocol::Http => 80,
            Protocol::Https => 443,
            Protocol::Ftp => 21,
            Protocol::Ftps => 990,
            Protocol::Tftp => 69,
            Protocol::Sheepdog => 7000,
            Protocol::Nbd => 10_809,
            Protocol::Ssh => 22,
            Protocol::Iscsi => 3260,
            Protocol::Gluster => 24_007,
            Protocol::Vxhs => 9999,
            Protocol::Nfs => 2049,
            Protocol::Rbd => return,
        };
        for host in &mut self.hosts {
            if !matches!(host.transport, Some(Transport::Unix)) {
                host.port.get_or_insert(port);
            }
        }
    }
}

/// Whether a word is on.
pub(super) fn on(value: Option<OnOff>) -> Option<bool> {
    value.map(OnOff::is_true)
}
