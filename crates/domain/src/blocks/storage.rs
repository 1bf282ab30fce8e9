//! The storage node: where an image's bytes are.
//!
//! Owns: the driver of each place and its properties. Never: a format.

use ostler_base::{Result, refuse};
use ostler_plan::Props;
use ostler_vocab::storage_encryption::{EncryptionEngine, StorageEncryption};

use super::naming::NodeNames;
use super::place::{ImageFormat, Place};
use super::{Image, Surroundings};

/// How much is said of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All that it takes to open it.
    Full,
    /// Only which one it is.
    Target,
}

impl Image {
    /// Whether the storage's own library decrypts.
    pub(crate) fn by_librbd(&self) -> bool {
        self.encryption.as_ref().is_some_and(|e| e.engine == Some(EncryptionEngine::Librbd))
    }

    /// The driver of the storage node and its properties, without its name.
    pub(crate) fn place_props(
        &self,
        names: &NodeNames,
        around: &Surroundings,
        depth: Depth,
    ) -> Result<Props> {
        let full = depth == Depth::Full;
        if let Some(socket) = names.served.as_deref().filter(|_| full) {
            let server = Props::new().with("type", "unix").with("path", socket);
            return Ok(Props::new().with("driver", "nbd").with("server", server));
        }
        Ok(match self.actual() {
            Place::File(path) => self.local("file", path.as_deref(), names, around, full),
            Place::Block(path) => {
                let driver = if around.host_cdrom { "host_cdrom" } else { "host_device" };
                self.local(driver, path.as_deref(), names, around, full)
            }
            Place::Dir(path) => {
                let writable = !around.readonly && self.format != Some(ImageFormat::Fat);
                Props::new()
                    .with("driver", "vvfat")
                    .with("dir", path.as_deref().unwrap_or_default())
                    .with("floppy", around.floppy)
                    .with_opt("rw", full.then_some(writable))
            }
            Place::Network(network) => {
                let mut props = network.props(self, names, depth)?;
                if self.by_librbd() && full {
                    props.set_opt("encrypt", self.encryption.as_ref().map(|e| librbd(e, &names.keys)));
                }
                props
            }
            Place::Nvme { namespace, address, .. } => Props::new()
                .with("driver", "nvme")
                .with("device", address.to_string())
                .with("namespace", *namespace),
            Place::VhostVdpa(path) => Props::new()
                .with("driver", "virtio-blk-vhost-vdpa")
                .with("path", names.fd_set.as_deref().unwrap_or(path)),
            Place::VhostUser { .. } => {
                refuse!(internal, "unable to create blockdev props for vhostuser disk type")
            }
            Place::Volume { volume, pool, .. } => {
                refuse!(internal, "where volume '{volume}' of pool '{pool}' lies is not known")
            }
        })
    }

    fn local(
        &self,
        driver: &str,
        path: Option<&str>,
        names: &NodeNames,
        around: &Surroundings,
        full: bool,
    ) -> Props {
        let path = match names.fd_set.as_deref().filter(|_| full) {
            Some(set) => set,
            None => path.unwrap_or_default(),
        };
        let props = Props::new().with("driver", driver).with("filename", path);
        if !full {
            return props;
        }
        props
            .with_opt("aio", around.io.map(|io| io.to_string()))
            .with_opt("pr-manager", names.reservations.as_deref())
    }
}

/// Encryption that the library of RBD does; keys of lower layers are nested.
fn librbd(encryption: &StorageEncryption, keys: &[String]) -> Props {
    let of = |key: &String| {
        Props::new().with("format", encryption.format.to_string()).with("key-secret", key.as_str())
    };
    let mut layers = keys.iter().rev().map(of);
    let deepest = layers.next().unwrap_or_default();
    layers.fold(deepest, |below, layer| layer.with("parent", below))
}
