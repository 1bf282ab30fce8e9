//! Names: of block nodes, and of the objects that they need.
//!
//! Owns: how a name follows from the number of an image. Never: decides which nodes there are.

use super::Image;
use crate::Draft;
use crate::devices::disk::{Disk, NodeRole};

/// The names of one image in the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeNames {
    /// The node that reads and writes bytes.
    pub storage: String,
    /// The node that knows the format above it.
    pub format: String,
    /// The node that shows a part of the storage.
    pub slice: String,
    /// The password for the server.
    pub auth: Option<String>,
    /// The keys of encryption, in order.
    pub keys: Vec<String>,
    /// The cookies for the server.
    pub cookies: Option<String>,
    /// The credentials for an encrypted connection.
    pub tls: Option<String>,
    /// The helper for persistent reservations.
    pub reservations: Option<String>,
    /// The socket of the process that serves the image in the server's place.
    pub served: Option<String>,
    /// The path under which descriptors that were passed are found.
    pub fd_set: Option<String>,
}

impl NodeNames {
    /// Those of the image with this number.
    pub fn numbered(number: u32) -> Self {
        Self::plain(
            format!("libvirt-{number}-storage"),
            format!("libvirt-{number}-format"),
            format!("libvirt-{number}-slice-sto"),
        )
    }

    fn plain(storage: String, format: String, slice: String) -> Self {
        NodeNames {
            storage,
            format,
            slice,
            auth: None,
            keys: Vec::new(),
            cookies: None,
            tls: None,
            reservations: None,
            served: None,
            fd_set: None,
        }
    }

    /// Those of an image: what a status document says, or else what follows from its number.
    pub fn of(image: &Image) -> Self {
        let mut names = Self::numbered(image.index.unwrap_or_default());
        let Some(known) = &image.run else { return names };
        names.fd_set = known.fdset.map(|set| format!("/dev/fdset/{set}"));
        for (name, role) in [
            (&mut names.storage, NodeRole::Storage),
            (&mut names.format, NodeRole::Format),
            (&mut names.slice, NodeRole::SliceStorage),
        ] {
            if let Some(known) = known.node(role) {
                known.clone_into(name);
            }
        }
        names.tls.clone_from(&known.tls);
        names.reservations.clone_from(&known.reservations);
        names
    }

    /// The secret for the server of the image's storage node.
    pub fn auth_id(&self) -> String {
        format!("{}-auth-secret0", self.storage)
    }

    /// The secret with one of the keys, named after the topmost node.
    pub fn key_id(&self, with_format: bool, nth: usize) -> String {
        format!("{}-encryption-secret{nth}", if with_format { &self.format } else { &self.storage })
    }

    /// The secret with the cookies of the image's storage node.
    pub fn cookies_id(&self) -> String {
        format!("{}-httpcookie-secret0", self.storage)
    }

    /// The credentials for the connection of the image's storage node.
    pub fn tls_id(&self) -> String {
        format!("obj{}_tls0", self.storage)
    }
}

/// The number after the greatest that an image or filter of the guest has.
pub fn next_number(disks: &[Disk]) -> u32 {
    let images = disks.iter().flat_map(|disk| disk.image.all().filter_map(|image| image.index));
    let mirrors = disks.iter().filter_map(|disk| disk.mirror.as_ref());
    let mirrors = mirrors.flat_map(|mirror| mirror.image.all().filter_map(|image| image.index));
    let filters = disks.iter().flat_map(|disk| disk.throttle_filters.iter().filter_map(|f| f.number));
    images.chain(mirrors).chain(filters).max().map_or(1, |number| number.saturating_add(1))
}

/// How many sets of descriptors disks have.
pub(crate) fn fd_sets(draft: &Draft) -> u32 {
    let images = draft.devices.disks.iter().flat_map(|disk| disk.image.all());
    let sets = images.filter_map(|image| image.run.as_ref()?.fdset);
    sets.max().map_or(0, |set| set.saturating_add(1))
}
