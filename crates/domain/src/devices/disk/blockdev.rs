//! Block nodes of a disk: storage, format, and what is below.

use ostler_base::{Json, Result, Word, YesNo, refuse};
use ostler_plan::{Part, Props, Query};
use ostler_vocab::secret_lookup::SecretLookup;
use ostler_vocab::storage_encryption::{EncryptionEngine, EncryptionFormat, StorageEncryption};

use super::source::{Backing, Image, ImageFormat, ImageHost, NetworkImage, Place, Protocol, Transport, on};
use super::{CacheMode, Disk, DiskDevice};
use crate::devices::Build;

/// What a secret of an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretFor {
    /// Authentication.
    Auth,
    /// Decryption.
    Encryption,
}

/// The secrets of a chain, with how the host finds them.
pub(super) fn secrets(image: &Image) -> impl Iterator<Item = (SecretFor, String)> {
    image.chain().flat_map(|image| {
        let auth = image.auth.iter().map(|a| (SecretFor::Auth, lookup(&a.secret)));
        let keys = image.encryption.iter().flat_map(|e| &e.secrets);
        auth.chain(keys.map(|key| (SecretFor::Encryption, lookup(&key.lookup))))
    })
}

/// A secret as a question names it.
pub(super) fn lookup(secret: &SecretLookup) -> String {
    match secret {
        SecretLookup::Uuid(uuid) => format!("uuid:{uuid}"),
        SecretLookup::Usage(usage) => format!("usage:{usage}"),
    }
}

impl Disk {
    /// Adds the block nodes; the name of the topmost, unless there is no medium.
    pub(super) fn back(&self, build: &mut Build<'_>) -> Result<Option<String>> {
        if self.image.is_empty() || matches!(self.image.place, Place::VhostUser { .. }) {
            return Ok(None);
        }
        let chain: Vec<&Image> = self.image.chain().collect();
        let first = self.first_number(build);
        let mut below: Option<String> = None;
        for (depth, image) in chain.iter().enumerate().rev() {
            let number = first + depth;
            below = Some(self.nodes(image, depth, number, below, build)?);
        }
        let mut top = below.unwrap_or_default();
        if self.driver.copy_on_read.is_some_and(ostler_base::OnOff::is_true) && !self.readonly {
            let node = format!("libvirt-CoR-{}", self.target);
            let props = Props::new()
                .with("driver", "copy-on-read")
                .with("node-name", node.as_str())
                .with("file", top)
                .with("discard", "unmap");
            build.parts.push(Part::Blockdev(props));
            top = node;
        }
        Ok(Some(top))
    }

    /// Nodes are numbered from the last disk to the first.
    fn first_number(&self, build: &Build<'_>) -> usize {
        let disks = &build.draft.devices.disks;
        let after = disks.iter().rev().take_while(|d| d.target != self.target);
        let count = |disk: &Disk| match disk.image.place {
            Place::VhostUser { .. } => 0,
            _ => disk.image.chain().count(),
        };
        1 + after.map(count).sum::<usize>()
    }

    /// Storage and format of one image; the name of the upper node.
    fn nodes(
        &self,
        image: &Image,
        depth: usize,
        number: usize,
        below: Option<String>,
        build: &mut Build<'_>,
    ) -> Result<String> {
        let readonly = self.readonly || depth > 0;
        let storage = format!("libvirt-{number}-storage");
        let format = format!("libvirt-{number}-format");
        let keys = self.add_secrets(image, &storage, &format, build)?;
        let wants_format = needs_format(image);
        let mut props = image.place.props(self, &storage, image, build)?;
        if image.place.by_librbd(image) {
            props.set_opt("encrypt", image.encryption.as_ref().map(|e| librbd(e, &keys)));
        }
        let discard = self.driver.discard.filter(|_| depth == 0).map(|d| d.to_string());
        let cache = self.cache();
        let local = matches!(image.place, Place::File(_) | Place::Block(_));
        if local {
            props.set_opt("aio", self.driver.io.filter(|_| depth == 0).map(|io| io.to_string()));
        }
        props.set("node-name", storage.as_str());
        if wants_format {
            props.set("auto-read-only", true);
            props.set("discard", discard.clone().unwrap_or_else(|| "unmap".to_owned()));
        } else {
            props.set("read-only", readonly);
            props.set_opt("discard", discard.clone());
            self.zeroes(depth, &mut props);
        }
        props.set_opt("cache", cache.clone());
        build.parts.push(Part::Blockdev(props));
        if !wants_format {
            return Ok(storage);
        }
        let mut props = Props::new().with("node-name", format.as_str()).with("read-only", readonly);
        props.set_opt("discard", discard);
        self.zeroes(depth, &mut props);
        props.set_opt("cache", cache);
        format_props(image, &keys, &mut props);
        if depth == 0 {
            props.set_opt("discard-no-unref", on(self.driver.discard_no_unref));
        }
        props.set("file", storage);
        match (&image.backing, below) {
            (Backing::Image(_), Some(below)) => props.set("backing", below),
            (Backing::End, _) if can_have_backing(image) => props.set("backing", Json::Null),
            _ => {}
        }
        build.parts.push(Part::Blockdev(props));
        Ok(format)
    }

    fn zeroes(&self, depth: usize, props: &mut Props) {
        if depth == 0 {
            props.set_opt("detect-zeroes", self.driver.detect_zeroes.map(|mode| mode.to_string()));
        }
    }

    fn cache(&self) -> Option<Props> {
        self.driver.cache.map(|mode| {
            let direct = matches!(mode, CacheMode::None | CacheMode::Directsync);
            Props::new().with("direct", direct).with("no-flush", mode == CacheMode::Unsafe)
        })
    }

    /// Adds the secrets of one image; identifiers of the keys.
    fn add_secrets(
        &self,
        image: &Image,
        storage: &str,
        format: &str,
        build: &mut Build<'_>,
    ) -> Result<Vec<String>> {
        if let Some(auth) = &image.auth {
            build.add_secret(&format!("{storage}-auth-secret0"), &lookup(&auth.secret))?;
        }
        let node = if image.place.by_librbd(image) { storage } else { format };
        let mut keys = Vec::new();
        for (nth, secret) in image.encryption.iter().flat_map(|e| &e.secrets).enumerate() {
            let id = format!("{node}-encryption-secret{nth}");
            build.add_secret(&id, &lookup(&secret.lookup))?;
            keys.push(id);
        }
        Ok(keys)
    }
}

/// Whether a node for the format stands above the one of the storage.
pub(super) fn needs_format(image: &Image) -> bool {
    let raw = matches!(image.format, None | Some(ImageFormat::Raw | ImageFormat::Fat));
    let encrypted = image.encryption.is_some() && !image.place.by_librbd(image);
    !raw || encrypted || image.slice.is_some() || matches!(image.place, Place::Dir(_))
}

fn can_have_backing(image: &Image) -> bool {
    matches!(
        image.format,
        Some(
            ImageFormat::Qcow | ImageFormat::Qcow2 | ImageFormat::Qed | ImageFormat::Vmdk | ImageFormat::Cow
        )
    )
}

fn format_props(image: &Image, keys: &[String], props: &mut Props) {
    let key = keys.first().map(String::as_str);
    let encryption = image.encryption.as_ref().filter(|_| !image.place.by_librbd(image));
    let raw = matches!(image.format, None | Some(ImageFormat::Raw | ImageFormat::Fat));
    match (raw, encryption) {
        (true, Some(_)) => {
            props.set("driver", "luks");
            props.set_opt("key-secret", key);
        }
        (true, None) => props.set("driver", "raw"),
        (false, _) => props.set("driver", image.format.map(Word::as_str).unwrap_or_default()),
    }
    if let (false, Some(encryption)) = (raw, encryption) {
        let kind = match encryption.format {
            EncryptionFormat::Qcow | EncryptionFormat::Default => "aes",
            _ => "luks",
        };
        props.set("encrypt", Props::new().with("format", kind).with_opt("key-secret", key));
    }
    if let Some((offset, size)) = image.slice
        && raw
    {
        props.set("offset", offset);
        props.set("size", size);
    }
    props.set_opt("cache-size", image.metadata_cache);
}

/// Encryption that the library of RBD does; keys of lower layers are nested.
fn librbd(encryption: &StorageEncryption, keys: &[String]) -> Props {
    let of = |key: &String| {
        Props::new().with("format", encryption.format.as_str()).with("key-secret", key.as_str())
    };
    let mut layers = keys.iter().rev().map(of);
    let deepest = layers.next().unwrap_or_default();
    layers.fold(deepest, |below, layer| layer.with("parent", below))
}

impl Place {
    /// Whether the storage's own library decrypts.
    fn by_librbd(&self, image: &Image) -> bool {
        image.encryption.as_ref().is_some_and(|e| e.engine == Some(EncryptionEngine::Librbd))
    }

    /// The properties of the storage's node.
    fn props(&self, disk: &Disk, storage: &str, image: &Image, build: &Build<'_>) -> Result<Props> {
        Ok(match self {
            Place::Block(path) => {
                let path = path.as_deref().unwrap_or_default();
                let host_cdrom = disk.device == DiskDevice::Cdrom
                    && image.format == Some(ImageFormat::Raw)
                    && build.facts.is_cdrom(path);
                let driver = if host_cdrom { "host_cdrom" } else { "host_device" };
                Props::new().with("driver", driver).with("filename", path)
            }
            Place::File(path) => {
                Props::new().with("driver", "file").with("filename", path.as_deref().unwrap_or_default())
            }
            Place::Dir(path) => Props::new()
                .with("driver", "vvfat")
                .with("dir", path.as_deref().unwrap_or_default())
                .with("floppy", disk.device == DiskDevice::Floppy)
                .with("rw", !disk.readonly && image.format != Some(ImageFormat::Fat)),
            Place::Network(network) => network.props(storage, image)?,
            Place::Nvme { namespace, address, .. } => Props::new()
                .with("driver", "nvme")
                .with("device", address.to_string())
                .with("namespace", *namespace),
            Place::VhostVdpa(_) | Place::VhostUser { .. } | Place::Volume { .. } => {
                refuse!(unsupported, "disks of type '{}' are not supported yet", self.kind())
            }
        })
    }
}

impl NetworkImage {
    fn props(&self, storage: &str, image: &Image) -> Result<Props> {
        let name = self.name.as_deref().unwrap_or_default();
        let auth = image.auth.as_ref();
        let secret = auth.map(|_| format!("{storage}-auth-secret0"));
        let user = auth.map(|a| a.username.as_str());
        Ok(match self.protocol {
            Protocol::Nbd => Props::new()
                .with("driver", "nbd")
                .with_opt("server", self.hosts.first().map(socket_address))
                .with_opt("export", self.name.as_deref())
                .with_opt("reconnect-delay", self.reconnect_delay),
            Protocol::Rbd => self.rbd(name, user, secret),
            Protocol::Gluster => self.gluster(name),
            Protocol::Iscsi => self.iscsi(name, user, secret)?,
            Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp => {
                self.curl(name, user, secret)
            }
            Protocol::Ssh => Props::new()
                .with("driver", "ssh")
                .with("path", name)
                .with_opt("server", self.hosts.first().map(inet))
                .with_opt("user", self.identity("username").or(user)),
            Protocol::Nfs => Props::new()
                .with("driver", "nfs")
                .with_opt(
                    "server",
                    self.hosts.first().map(|h| {
                        Props::new().with("host", h.name.as_deref().unwrap_or_default()).with("type", "inet")
                    }),
                )
                .with("path", name)
                .with_opt("user", self.identity("user").and_then(number))
                .with_opt("group", self.identity("group").and_then(number)),
            Protocol::Vxhs | Protocol::Sheepdog => {
                refuse!(
                    unsupported,
                    "'{}' protocol is no longer supported by any hypervisor driver",
                    self.protocol
                )
            }
        })
    }

    fn identity(&self, name: &str) -> Option<&str> {
        self.identity.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    fn rbd(&self, name: &str, user: Option<&str>, secret: Option<String>) -> Props {
        let (pool, image) = name.split_once('/').unwrap_or((name, ""));
        let servers: Vec<Json> = self
            .hosts
            .iter()
            .map(|host| {
                let port = host.port.unwrap_or(6789).to_string();
                Props::new().with("host", host.name.as_deref().unwrap_or_default()).with("port", port).into()
            })
            .collect();
        let mut props = Props::new().with("driver", "rbd").with("pool", pool);
        match image.split_once('/') {
            Some((space, image)) => {
                props.set("namespace", space);
                props.set("image", image);
            }
            None => props.set("image", image),
        }
        props.set_opt("snapshot", self.snapshot.as_deref());
        props.set_opt("conf", self.config.as_deref());
        props.set_opt("server", Some(servers).filter(|s| !s.is_empty()));
        props.set_opt("user", user);
        if secret.is_some() {
            props.set("auth-client-required", vec![Json::from("cephx"), Json::from("none")]);
        }
        props.with_opt("key-secret", secret)
    }

    fn gluster(&self, name: &str) -> Props {
        let (volume, path) = name.split_once('/').unwrap_or((name, ""));
        let servers: Vec<Json> = self.hosts.iter().map(|host| socket_address(host).into()).collect();
        Props::new()
            .with("driver", "gluster")
            .with("volume", volume)
            .with("path", path)
            .with("server", servers)
    }

    fn iscsi(&self, name: &str, user: Option<&str>, secret: Option<String>) -> Result<Props> {
        let Some(host) = self.hosts.first() else { refuse!(internal, "iSCSI disks need a host") };
        let (target, lun) = name.rsplit_once('/').unwrap_or((name, "0"));
        let Ok(lun) = lun.parse::<u32>() else { refuse!(internal, "invalid name '{name}' for iSCSI disk") };
        let address = host.name.as_deref().unwrap_or_default();
        let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        Ok(Props::new()
            .with("driver", "iscsi")
            .with("portal", format!("{address}:{}", host.port.unwrap_or(3260)))
            .with("target", target)
            .with("lun", lun)
            .with("transport", "tcp")
            .with_opt("user", user)
            .with_opt("password-secret", secret)
            .with_opt("initiator-name", self.initiator.as_deref()))
    }

    fn curl(&self, name: &str, user: Option<&str>, secret: Option<String>) -> Props {
        let host = self.hosts.first();
        let address = host.and_then(|h| h.name.as_deref()).unwrap_or_default();
        let port = host.and_then(|h| h.port).map(|port| format!(":{port}")).unwrap_or_default();
        let query = self.query.as_ref().map(|q| format!("?{q}")).unwrap_or_default();
        let path = name.strip_prefix('/').unwrap_or(name);
        Props::new()
            .with("driver", self.protocol.as_str())
            .with("url", format!("{}://{address}{port}/{path}{query}", self.protocol))
            .with_opt("username", user)
            .with_opt("password-secret", secret)
            .with_opt("sslverify", self.ssl_verify.map(YesNo::is_true))
            .with_opt("readahead", self.readahead)
            .with_opt("timeout", self.timeout)
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim_start_matches('+').parse().ok()
}

fn inet(host: &ImageHost) -> Props {
    Props::new()
        .with("host", host.name.as_deref().unwrap_or_default())
        .with("port", host.port.unwrap_or(0).to_string())
}

fn socket_address(host: &ImageHost) -> Props {
    match host.transport {
        Some(Transport::Unix) => {
            Props::new().with("type", "unix").with("path", host.socket.as_deref().unwrap_or_default())
        }
        _ => {
            let mut props = Props::new().with("type", "inet");
            props.extend(inet(host));
            props
        }
    }
}

/// What images that are no disk's need of a node.
impl Image {
    /// The properties of the node of the storage alone, without its name; secrets are added.
    pub(crate) fn storage_props(&self, storage: &str, build: &mut Build<'_>) -> Result<Props> {
        if let Some(auth) = &self.auth {
            build.add_secret(&format!("{storage}-auth-secret0"), &lookup(&auth.secret))?;
        }
        match &self.place {
            Place::File(path) => {
                Ok(Props::new().with("driver", "file").with("filename", path.as_deref().unwrap_or_default()))
            }
            Place::Block(path) => Ok(Props::new()
                .with("driver", "host_device")
                .with("filename", path.as_deref().unwrap_or_default())),
            Place::Network(network) => network.props(storage, self),
            other => refuse!(unsupported, "an image of type '{}' cannot be used here", other.kind()),
        }
    }

    /// Asks for the secrets it needs.
    pub(crate) fn ask_secrets(&self, out: &mut Vec<Query>) {
        out.extend(secrets(self).map(|(_, lookup)| Query::Secret(lookup)));
    }
}
