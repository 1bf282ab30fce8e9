//! What only a run knows of images: the names of their nodes, of secrets and helpers in the emulator.
//!
//! Owns: `<privateData>` of disks and images in status documents, and how nodes are numbered. Never:
//! makes a node.

use ostler_base::{Error, Result, Word, YesNo, words};
use ostler_xml::{El, Element};

use super::{Device, Disk};
use crate::WriteMode;
use crate::blocks::{
    Backing, Image, ImageFormat, ImageType, NetworkImage, NodeNames, Place, Protocol, Surroundings,
    next_number,
};

words! {
    /// `<nodename type='…'>`
    pub NodeRole {
        Storage = "storage", Format = "format", SliceStorage = "slice-storage", CopyOnRead = "copyOnRead",
    }
    /// `<secret type='…'>` of a run.
    pub RunSecret {
        Auth = "auth", Encryption = "encryption", HttpCookie = "httpcookie", TlsKey = "tlskey",
    }
}

/// What a run knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRun {
    /// Nodes by what they are for.
    pub nodes: Vec<(NodeRole, String)>,
    /// The helper for persistent reservations.
    pub reservations: Option<String>,
    /// How the image above names this one.
    pub relative_path: Option<String>,
    /// Objects with secrets, by what these are for.
    pub secrets: Vec<(RunSecret, String)>,
    /// The object with certificates.
    pub tls: Option<String>,
    /// The set that the storage's descriptors are in.
    pub fdset: Option<u32>,
    /// Whether clients know the event of a threshold by the number of the image.
    pub threshold_by_index: bool,
    /// The process number's file and the socket of a helper that serves the image.
    pub nbdkit: Option<(String, String)>,
    /// Encryption of the connection was not asked for, but is the driver's default.
    pub tls_from_config: bool,
    /// What a volume of a pool turned out to be: type and path.
    pub volume: Option<(ImageType, String)>,
}

/// What a run knows of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskRun {
    /// The name of the front end in the emulator's object tree.
    pub qom_name: Option<String>,
    /// The node that copies what is read.
    pub copy_on_read: Option<String>,
}

impl ImageRun {
    /// The node for this purpose.
    pub fn node(&self, role: NodeRole) -> Option<&str> {
        self.nodes.iter().find(|(of, _)| *of == role).map(|(_, name)| name.as_str())
    }

    /// Reads what `<source>`, or an element like it, says of a run.
    pub(crate) fn parse(source: &Element<'_>) -> Result<Self> {
        let tls_from_config = source.number::<u32>("tlsFromConfig")?.unwrap_or(0) != 0;
        let mut run = ImageRun { tls_from_config, ..ImageRun::default() };
        if let Some(kind) = source.word::<ImageType>("actualType")? {
            let path = ["file", "dev", "dir"].into_iter().find_map(|name| source.attr(name));
            run.volume = Some((kind, path.unwrap_or_default().to_owned()));
        }
        let Some(private) = source.child("privateData") else { return Ok(run) };
        let named = |el: Element<'_>, name: &str| el.require(name).map(str::to_owned);
        for node in private.child("nodenames").iter().flat_map(|nodes| nodes.children("nodename")) {
            run.nodes.push((node.require_word("type")?, named(node, "name")?));
        }
        run.reservations = private.child("reservations").map(|el| named(el, "mgralias")).transpose()?;
        run.relative_path = private.child_text("relPath");
        if let Some(objects) = private.child("objects") {
            for secret in objects.children("secret") {
                run.secrets.push((secret.require_word("type")?, named(secret, "alias")?));
            }
            run.tls = objects.child("TLSx509").map(|el| named(el, "alias")).transpose()?;
        }
        run.fdset = private.path("fdsets/fdset").map(|el| el.require_number("id")).transpose()?;
        let index = private.child("thresholdEvent").map(|el| el.yes_no("indexUsed")).transpose()?.flatten();
        run.threshold_by_index = index.is_some_and(YesNo::is_true);
        run.nbdkit = private.child("nbdkit").map(|el| {
            let text = |name| el.child_text(name).unwrap_or_default();
            (text("pidfile"), text("socketfile"))
        });
        Ok(run)
    }

    fn is_empty(&self) -> bool {
        *self == ImageRun::default()
    }

    /// Adds `<privateData>` to `<source>`, or to an element like it.
    pub(crate) fn write(&self, source: &mut El) {
        let mut private = El::new("privateData");
        private.push_filled(nodenames(&self.nodes));
        private.extend(self.reservations.iter().map(|id| El::new("reservations").attr("mgralias", id)));
        private.push_text("relPath", self.relative_path.as_ref());
        let mut objects = El::new("objects");
        for role in [RunSecret::Auth, RunSecret::Encryption, RunSecret::HttpCookie, RunSecret::TlsKey] {
            let of = self.secrets.iter().filter(|(of, _)| *of == role);
            objects.extend(of.map(|(role, alias)| El::new("secret").attr("type", role).attr("alias", alias)));
        }
        objects.extend(self.tls.iter().map(|alias| El::new("TLSx509").attr("alias", alias)));
        private.push_filled(objects);
        private.extend(self.fdset.map(|id| {
            El::new("fdsets").child(El::new("fdset").attr("type", NodeRole::Storage).attr("id", id))
        }));
        if self.threshold_by_index {
            private.push(El::new("thresholdEvent").attr("indexUsed", YesNo::Yes));
        }
        private.extend(self.nbdkit.iter().map(|(pid, socket)| {
            El::new("nbdkit").child(El::with_text("pidfile", pid)).child(El::with_text("socketfile", socket))
        }));
        source.push_filled(private);
    }
}

fn nodenames(nodes: &[(NodeRole, String)]) -> El {
    let mut el = El::new("nodenames");
    el.extend(nodes.iter().map(|(role, name)| El::new("nodename").attr("type", role).attr("name", name)));
    el
}

impl Image {
    /// Reads what a run knows of this image and of those below it; `el` holds `<source>`.
    pub fn read_run(&mut self, el: &Element<'_>) -> Result<()> {
        if let Some(source) = el.child("source") {
            let run = ImageRun::parse(&source)?;
            self.run = Some(Box::new(run)).filter(|run| !run.is_empty());
            if let (Some(store), Some(el)) = (&mut self.data_store, source.child("dataStore")) {
                store.read_run(&el)?;
            }
        }
        match (&mut self.backing, el.child("backingStore")) {
            (Backing::Image(below), Some(el)) => below.read_run(&el),
            _ => Ok(()),
        }
    }

    /// Adds what a run knows of this image and of those below it; `el` holds `<source>`.
    pub(crate) fn write_run(&self, el: &mut El) {
        if let Some(source) = el.child_mut("source") {
            if let (Some(store), Some(el)) = (&self.data_store, source.child_mut("dataStore")) {
                store.write_run(el);
            }
            if matches!(self.place, Place::Network(_)) {
                let known = self.run.as_ref().is_some_and(|run| run.tls_from_config);
                source.set("tlsFromConfig", u8::from(known));
            }
            if let Some(run) = &self.run {
                if let Some((kind, path)) = &run.volume {
                    source.set("actualType", kind);
                    let name = match kind {
                        ImageType::Block => "dev",
                        ImageType::Dir => "dir",
                        _ => "file",
                    };
                    source.set(name, path);
                }
                run.write(source);
            }
        }
        if let (Backing::Image(below), Some(el)) = (&self.backing, el.child_mut("backingStore")) {
            below.write_run(el);
        }
    }

    /// Names the nodes of an image that has none yet, by its number.
    fn name_nodes(&mut self, number: u32, around: &Surroundings, sets: &mut u32) {
        let names = NodeNames::numbered(number);
        let format = self.needs_format(around);
        let sliced = self.slice.is_some() && !self.is_raw();
        let passed = self.fd_group.is_some() || matches!(self.place, Place::VhostVdpa(_));
        let tls = match self.actual() {
            Place::Network(network) => network.tls.is_some_and(YesNo::is_true),
            _ => false,
        };
        let (auth, keys) = (self.auth.is_some(), self.encryption.as_ref().map_or(0, |e| e.secrets.len()));
        let run = self.run.get_or_insert_default();
        if !run.nodes.is_empty() {
            return;
        }
        self.index = Some(number);
        if passed {
            run.fdset = Some(*sets);
            *sets = sets.saturating_add(1);
        }
        if auth {
            run.secrets.push((RunSecret::Auth, names.auth_id()));
        }
        run.secrets.extend((0..keys).map(|nth| (RunSecret::Encryption, names.key_id(format, nth))));
        run.tls = tls.then(|| names.tls_id());
        run.nodes.push((NodeRole::Storage, names.storage));
        if format {
            run.nodes.push((NodeRole::Format, names.format));
        }
        if sliced {
            run.nodes.push((NodeRole::SliceStorage, names.slice));
        }
    }
}

/// Numbers a chain of images that is about to be added to a run, from this number on, and names its
/// nodes; images that have a number keep it.
pub fn name_chain(image: &mut Image, first: u32, around: &Surroundings) {
    let (mut number, mut around) = (first, *around);
    image.for_each(&mut |image| {
        if image.index.is_none() {
            image.name_nodes(number, &around, &mut 0);
            number = number.saturating_add(1);
        }
        around = around.below();
    });
}

/// Numbers what has no number yet: the images of all disks and the filters above them, from the
/// last disk to the first, each chain from its top; and names their nodes.
pub(crate) fn name_nodes(disks: &mut [Disk], layered: bool) {
    let first = next_number(disks);
    name_nodes_from(disks, first, layered);
}

/// The same for disks beside others; the first number is this one.
pub(crate) fn name_nodes_from(disks: &mut [Disk], mut number: u32, layered: bool) {
    let mut sets = 0;
    for disk in disks.iter_mut().rev() {
        let name = disk.qom_name();
        disk.run.qom_name.get_or_insert(name);
        if disk.image.is_empty() || !disk.has_nodes() {
            number += u32::from(disk.image.is_empty());
            continue;
        }
        disk.run.copy_on_read = disk.copy_on_read_node();
        let mut around = Surroundings { layered, ..disk.surroundings() };
        disk.image.for_each(&mut |image| {
            if image.index.is_none() {
                image.name_nodes(number, &around, &mut sets);
                number = number.saturating_add(1);
            }
            around = around.below();
        });
        for filter in &mut disk.throttle_filters {
            if filter.number.is_none() {
                filter.number = Some(number);
                number = number.saturating_add(1);
            }
        }
    }
}

impl Disk {
    /// Whether one of its images is this node.
    pub fn has_node(&self, name: &str) -> bool {
        let runs = self.image.chain().filter_map(|image| image.run.as_ref());
        runs.flat_map(|run| &run.nodes).any(|(_, node)| node == name)
    }

    /// The numbers of its images.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.image.all().filter_map(|image| image.index)
    }

    pub(super) fn read_run(&mut self, el: &Element<'_>) -> Result<()> {
        self.image.read_run(el)?;
        if let (Some(mirror), Some(el)) = (&mut self.mirror, el.child("mirror")) {
            mirror.image.read_run(&el)?;
        }
        let Some(private) = el.child("privateData") else { return Ok(()) };
        self.run.qom_name = private.child("qom").and_then(|qom| qom.attr("name")).map(str::to_owned);
        let nodes = private.child("nodenames");
        let copy = nodes.iter().flat_map(|nodes| nodes.children("nodename"));
        let copy = copy.filter(|node| node.attr("type") == Some(NodeRole::CopyOnRead.as_str())).last();
        self.run.copy_on_read = copy.and_then(|node| node.attr("name")).map(str::to_owned);
        Ok(())
    }

    pub(super) fn write_run(&self, el: &mut El) {
        self.image.write_run(el);
        if let (Some(mirror), Some(el)) = (&self.mirror, el.child_mut("mirror")) {
            mirror.image.write_run(el);
        }
        let mut private = El::new("privateData");
        private.extend(self.run.qom_name.iter().map(|name| El::new("qom").attr("name", name)));
        let copy = self.run.copy_on_read.iter().map(|name| (NodeRole::CopyOnRead, name.clone()));
        private.push_filled(nodenames(&copy.collect::<Vec<_>>()));
        el.push_filled(private);
        let mut placement = El::new("diskSecretsPlacement");
        let outside = [
            ("auth", self.image.auth.is_some() && !self.image.auth_inside),
            ("enc", self.image.encryption.is_some() && !self.image.encryption_inside),
        ];
        for (name, _) in outside.into_iter().filter(|(_, outside)| *outside) {
            placement.set(name, true);
        }
        el.push_filled(placement);
    }

    /// Fills in the names that emulators of the time before names were kept have given to the
    /// secrets of a disk.
    pub(crate) fn restore_run(&mut self) {
        let Some(alias) = self.info().alias.clone() else { return };
        let mut run = self.image.run.take().unwrap_or_default();
        let has = |run: &ImageRun, role| run.secrets.iter().any(|(of, _)| *of == role);
        let network = match &self.image.place {
            Place::Network(network) => Some(&**network),
            _ => None,
        };
        let secret_auth =
            |network: &&NetworkImage| matches!(network.protocol, Protocol::Iscsi | Protocol::Rbd);
        if self.image.auth.is_some() && network.filter(secret_auth).is_some() && !has(&run, RunSecret::Auth) {
            run.secrets.push((RunSecret::Auth, format!("{alias}-secret0")));
        }
        let luks = |format: &str| format == "luks";
        let encrypted = self.image.encryption.as_ref();
        if encrypted.is_some_and(|encryption| luks(encryption.format.as_str()))
            && !has(&run, RunSecret::Encryption)
        {
            run.secrets.push((RunSecret::Encryption, format!("{alias}-luks-secret0")));
        }
        if network.is_some_and(|network| network.tls.is_some_and(YesNo::is_true)) && run.tls.is_none() {
            run.tls = Some(format!("obj{alias}_tls0"));
        }
        self.image.run = Some(run).filter(|run| !run.is_empty());
    }
}

impl Disk {
    /// The name of its front end in the emulator's object tree, as the emulator knows it.
    pub(crate) fn qom_name(&self) -> String {
        let alias = self.info().alias();
        let backend = if self.is_virtio() { "/virtio-backend" } else { "" };
        format!("/machine/peripheral/{alias}{backend}")
    }
}

/// Reads an image of a status document: `type`, `format`, `<source>`, and what is below it.
pub(crate) fn image_from_run(el: &Element<'_>) -> Result<Image> {
    let kind: ImageType = el.require_word("type")?;
    let format: ImageFormat =
        el.word("format")?.ok_or_else(|| Error::xml("missing storage source format"))?;
    let mut image = Image::parse(el, kind, Some(format))?;
    image.read_run(el)?;
    Ok(image)
}

/// Writes an image for a status document; `chain` with what is below it.
pub(crate) fn image_to_run(name: &'static str, image: &Image, chain: bool) -> El {
    let mut el = El::new(name).attr("type", image.place.kind()).attr_opt("format", image.format);
    let mode = WriteMode::default();
    image.format_source(&mut el, &mode);
    if chain {
        image.backing.format(&mut el, &mode);
    }
    image.write_run(&mut el);
    el
}

#[cfg(test)]
mod tests {
    use crate::{Draft, ReadMode};

    const DOMAIN: &str = "<domain type='qemu' id='1'><name>a</name><memory>1</memory><os><type>hvm</type></os>\
        <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a' index='3'>\
        <privateData><nodenames><nodename type='storage' name='s'/></nodenames><objects><secret type='auth' \
        alias='x'/></objects></privateData></source><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>\
        <privateData><qom name='/q'/></privateData></disk></devices></domain>";

    #[test]
    fn kept_in_status_documents_only() {
        let draft = Draft::parse(DOMAIN, &ReadMode { live: true, ..ReadMode::default() }).unwrap();
        let disk = &draft.devices.disks[0];
        assert_eq!(disk.image.run.as_ref().unwrap().node(super::NodeRole::Storage), Some("s"));
        assert_eq!(disk.run.qom_name.as_deref(), Some("/q"));
        let status = draft.to_run_element().to_xml();
        assert!(status.contains("<secret type='auth' alias='x'/>") && status.contains("<qom name='/q'/>"));
        assert!(!draft.to_xml(&crate::WriteMode::default()).contains("privateData"));
        let foreign = Draft::parse(DOMAIN, &ReadMode::default()).unwrap();
        assert_eq!(foreign.devices.disks[0].image.run, None);
    }
}
