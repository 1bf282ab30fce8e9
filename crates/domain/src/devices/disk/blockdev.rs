//! Block nodes of a disk: its chain of images, filters above it, and the objects that they need.
//!
//! Owns: the order in which they are added, and the names. Never: the properties of a node.

use ostler_base::{OnOff, Result, YesNo};
use ostler_plan::{Part, Props, Query};
use ostler_vocab::secret_lookup::SecretLookup;

use super::{Disk, DiskBus, DiskDevice};
use crate::blocks::{
    Depth, Image, ImageFormat, NodeNames, PassedAccess, Place, Protocol, Surroundings, format_props, nbdkit,
    slice_props, storage_props,
};
use crate::devices::{Build, Device};
use crate::{Setting, StorageConfig};
use ostler_caps::emulator::Flag;

/// A secret as a question names it.
pub(crate) fn lookup(secret: &SecretLookup) -> String {
    match secret {
        SecretLookup::Uuid(uuid) => format!("uuid:{uuid}"),
        SecretLookup::Usage(usage) => format!("usage:{usage}"),
    }
}

/// What nbdkit can do.
fn nbdkit_query() -> Query {
    Query::ProgramFeatures("nbdkit".to_owned())
}

/// Asks for all that the nodes of a disk's images take.
pub(super) fn ask(image: &Image, config: &StorageConfig, out: &mut Vec<Query>) {
    for image in image.all() {
        out.extend(image.auth.iter().map(|auth| Query::Secret(lookup(&auth.secret))));
        let keys = image.encryption.iter().flat_map(|e| &e.secrets);
        out.extend(keys.map(|key| Query::Secret(lookup(&key.lookup))));
        out.extend(image.fd_group.iter().map(|group| Query::Passed(group.clone())));
        match image.actual() {
            Place::VhostVdpa(path) => out.push(Query::Passed(path.clone())),
            Place::Network(network) => {
                out.extend(network.cookie_header().map(Query::Seal));
                let tls = network.tls.map_or(config.nbd_tls.enabled, YesNo::is_true);
                let uuid = config.nbd_tls_secret.as_ref().filter(|_| tls);
                out.extend(uuid.map(|uuid| Query::Secret(format!("uuid:{uuid}"))));
                if config.use_nbdkit {
                    out.push(nbdkit_query());
                }
            }
            _ => {}
        }
    }
}

impl Disk {
    /// Whether there are block nodes for it.
    pub fn has_nodes(&self) -> bool {
        !matches!(self.image.place, Place::VhostUser { .. })
    }

    /// What the disk says of its topmost image.
    pub fn surroundings(&self) -> Surroundings {
        let driver = &self.driver;
        Surroundings {
            readonly: self.readonly,
            cache: driver.cache,
            io: driver.io,
            discard: driver.discard,
            discard_no_unref: driver.discard_no_unref.map(OnOff::is_true),
            detect_zeroes: driver.detect_zeroes,
            floppy: self.device == DiskDevice::Floppy,
            host_cdrom: false,
            layered: false,
            fd: None,
        }
    }

    /// The name of the node for copies on reading.
    pub fn copy_on_read_node(&self) -> Option<String> {
        let wanted = self.driver.copy_on_read.is_some_and(OnOff::is_true) && !self.readonly;
        wanted.then(|| format!("libvirt-CoR-{}", self.target))
    }

    /// The name of the topmost node, that the front end uses.
    pub fn top_node(&self) -> Option<String> {
        match (self.throttle_filters.last(), self.copy_on_read_node()) {
            (Some(filter), _) => Some(filter.node()),
            (None, Some(node)) => Some(node),
            (None, None) => self.image.top_node().map(str::to_owned),
        }
    }

    /// Adds the block nodes; the name of the topmost, unless there is no medium.
    pub(super) fn back(&self, build: &mut Build<'_>) -> Result<Option<String>> {
        if self.image.is_empty() || !self.has_nodes() {
            return Ok(None);
        }
        let mut around = self.surroundings();
        around.layered = !build.setting.has(Flag::BlockjobBackingMaskProtocol);
        around.host_cdrom = self.device == DiskDevice::Cdrom
            && self.image.format == Some(ImageFormat::Raw)
            && matches!(self.image.actual(), Place::Block(Some(path)) if build.facts.is_cdrom(path));
        let mut top = self.chain_nodes(&self.image, around, build)?;
        if let Some(node) = self.copy_on_read_node() {
            let props = Props::new()
                .with("driver", "copy-on-read")
                .with("node-name", node.as_str())
                .with("file", top)
                .with("discard", "unmap");
            build.parts.push(Part::Blockdev(props));
            top = node;
        }
        for filter in &self.throttle_filters {
            build.parts.push(Part::Blockdev(filter.props(&top)));
            top = filter.node();
        }
        Ok(Some(top))
    }

    /// Adds the nodes of an image and of all below it, from the bottom; the name of the topmost.
    fn chain_nodes(&self, image: &Image, around: Surroundings, build: &mut Build<'_>) -> Result<String> {
        let below = match image.below() {
            Some(below) => {
                Some(self.chain_nodes(below, Surroundings { host_cdrom: false, ..around.below() }, build)?)
            }
            None => None,
        };
        let data = match image.data_store.as_deref() {
            Some(store) => Some(image_nodes(store, around.of_data(), None, None, build)?),
            None => None,
        };
        image_nodes(image, around, below.as_deref(), data.as_deref(), build)
    }
}

/// What is older than block nodes.
impl Disk {
    /// Adds the one option that makes an SD card.
    pub(super) fn legacy_drive(&self, build: &mut Build<'_>) -> Result<()> {
        let mut names = NodeNames::of(&self.image);
        add_objects(&self.image, &mut names, true, build)?;
        let around = self.surroundings();
        let mut props = Props::new();
        match self.image.actual() {
            Place::File(Some(path)) | Place::Block(Some(path)) => props.set("file", path.as_str()),
            _ => props.set("file", self.image.place_props(&names, &around, Depth::Full)?),
        }
        props.set("format", self.image.format.unwrap_or(ImageFormat::Raw).to_string());
        props.set("if", "sd");
        props.set_opt("index", super::target_index(&self.target));
        if self.readonly {
            props.set("readonly", true);
        }
        props.set_opt("cache", around.cache.map(|mode| mode.to_string()));
        build.parts.push(Part::options("-drive", None, props));
        Ok(())
    }

    /// Before the first disk: the controller of floppies, where the machine has none of its own,
    /// and which floppy is booted.
    pub(super) fn floppy_controller(&self, build: &mut Build<'_>) {
        let disks = &build.draft.devices.disks;
        let floppies: Vec<&Disk> = disks.iter().filter(|disk| disk.bus == Some(DiskBus::Fdc)).collect();
        if floppies.is_empty() || disks.first().is_none_or(|first| first.target != self.target) {
            return;
        }
        let boot = floppies.into_iter().filter_map(|disk| {
            let letter = if disk.drive().unit == 0 { 'A' } else { 'B' };
            Some((format!("bootindex{letter}"), disk.info().boot_index?))
        });
        let boot: Vec<(String, u32)> = boot.collect();
        if crate::machine::of(&build.draft.head.os).builtin_ide() {
            let parts =
                boot.iter().map(|(name, index)| Part::plain("-global", format!("isa-fdc.{name}={index}")));
            build.parts.extend(parts);
        } else {
            let mut props = Props::new().with("driver", "isa-fdc");
            boot.iter().for_each(|(name, index)| props.set(name, *index));
            build.parts.push(Part::Device(props));
        }
    }
}

/// Adds the nodes of one image; the name of the topmost.
fn image_nodes(
    image: &Image,
    around: Surroundings,
    below: Option<&str>,
    data: Option<&str>,
    build: &mut Build<'_>,
) -> Result<String> {
    let mut names = NodeNames::of(image);
    let fd = add_fds(image, &mut names, build)?;
    let around = Surroundings { fd, ..around };
    let format = image.needs_format(&around);
    add_objects(image, &mut names, format, build)?;
    build.parts.push(Part::Blockdev(storage_props(image, &names, &around, format)?));
    let mut top = names.storage.clone();
    if let Some(props) = slice_props(image, &names) {
        build.parts.push(Part::Blockdev(props));
        top.clone_from(&names.slice);
    }
    if format {
        let props = format_props(image, &names, &around, &top, below, data)?;
        build.parts.push(Part::Blockdev(props));
        top = names.format;
    }
    Ok(top)
}

/// Passes descriptors that a client handed in; what they allow.
fn add_fds(image: &Image, names: &mut NodeNames, build: &mut Build<'_>) -> Result<Option<PassedAccess>> {
    let (group, suffix) = match (image.actual(), &image.fd_group) {
        (Place::VhostVdpa(path), _) => (path, false),
        (_, Some(group)) => (group, true),
        (_, None) => return Ok(None),
    };
    let passed = build.facts.passed(group)?.clone();
    let set = image.run.as_ref().and_then(|run| run.fdset).unwrap_or_default();
    for (nth, number) in passed.numbers.iter().enumerate() {
        let opaque =
            if suffix { format!("{}{nth}", names.storage) } else { format!("{}-vdpa", names.storage) };
        build.add_client_fd(group, nth, *number, set, &opaque);
    }
    names.fd_set = Some(format!("/dev/fdset/{set}"));
    Ok(suffix.then_some(PassedAccess { single: passed.numbers.len() == 1, writable: passed.writable }))
}

/// Adds the secrets, credentials and helpers of one image.
fn add_objects(image: &Image, names: &mut NodeNames, format: bool, build: &mut Build<'_>) -> Result<()> {
    let config = &build.setting.config.storage;
    if config.use_nbdkit && nbdkit_features(build)?.serve(image) {
        let dir = build.setting.config.run_dir(build.draft.head.identity.id, build.draft.name());
        names.served = Some(format!("{dir}/nbdkit-{}.socket", names.storage));
        return Ok(());
    }
    if let Some(auth) = &image.auth {
        let id = names.auth_id();
        build.add_secret(&id, &lookup(&auth.secret))?;
        names.auth = Some(id);
    }
    for (nth, secret) in image.encryption.iter().flat_map(|e| &e.secrets).enumerate() {
        let id = names.key_id(format, nth);
        build.add_secret(&id, &lookup(&secret.lookup))?;
        names.keys.push(id);
    }
    if let Some((managed, path)) = &image.reservations {
        names.reservations = Some(add_reservations(managed.is_some_and(YesNo::is_true), path, names, build));
    }
    if let Place::Network(network) = image.actual() {
        if network.protocol == Protocol::Nbd && network.tls.map_or(config.nbd_tls.enabled, YesNo::is_true) {
            names.tls = Some(add_credentials(names, build)?);
        }
        if let Some(text) = network.cookie_header() {
            let id = names.cookies_id();
            build.add_sealed(&id, &text)?;
            names.cookies = Some(id);
        }
    }
    Ok(())
}

fn nbdkit_features(build: &Build<'_>) -> Result<nbdkit::Features> {
    let words = build.facts.words(&nbdkit_query())?;
    Ok(nbdkit::Features::of(words.iter().map(String::as_str)))
}

/// The helper for persistent reservations: one for the guest, or one that somebody else runs.
fn add_reservations(
    managed: bool,
    path: &Option<String>,
    names: &NodeNames,
    build: &mut Build<'_>,
) -> String {
    let (id, path) = if managed {
        let dir = build.setting.config.run_dir(build.draft.head.identity.id, build.draft.name());
        ("pr-helper0".to_owned(), format!("{dir}/pr-helper0.sock"))
    } else {
        (format!("pr-helper-{}", names.storage), path.clone().unwrap_or_default())
    };
    if !build.parts.iter().any(|part| part.id() == Some(&id)) {
        let helper =
            Props::new().with("qom-type", "pr-manager-helper").with("id", id.as_str()).with("path", path);
        build.parts.push(Part::Object(helper));
    }
    id
}

/// The credentials of an encrypted connection to a server of network block devices.
fn add_credentials(names: &NodeNames, build: &mut Build<'_>) -> Result<String> {
    let id = names.tls_id();
    let config = &build.setting.config.storage;
    let secret = match &config.nbd_tls_secret {
        Some(uuid) => {
            let secret = format!("{id}-secret0");
            build.add_secret(&secret, &format!("uuid:{uuid}"))?;
            Some(secret)
        }
        None => None,
    };
    let credentials = Props::new()
        .with("qom-type", "tls-creds-x509")
        .with("id", id.as_str())
        .with("dir", config.nbd_tls.cert_dir.as_str())
        .with("endpoint", "client")
        .with("verify-peer", true)
        .with_opt("passwordid", secret);
    build.parts.push(Part::Object(credentials));
    Ok(id)
}

/// What images that are no disk's need of a node.
impl Image {
    /// The properties of the node of the storage alone, without its name; secrets are added.
    pub(crate) fn storage_props(&self, storage: &str, build: &mut Build<'_>) -> Result<Props> {
        let mut names = NodeNames { storage: storage.to_owned(), ..NodeNames::of(self) };
        add_objects(self, &mut names, false, build)?;
        self.place_props(&names, &Surroundings::default(), Depth::Full)
    }

    /// Asks for the secrets it needs.
    pub(crate) fn ask_secrets(&self, setting: &Setting<'_>, out: &mut Vec<Query>) {
        ask(self, &setting.config.storage, out);
    }
}
