//! Devices of the host.
//!
//! Owns: the document `<device>` and its capabilities, one file for each family of devices, and
//! the commands for mediated devices (`mdevctl`). Never: looks at a device.

mod fields;
pub mod mdev;
pub mod mdevctl;
pub mod net;
pub mod pci;
pub mod s390;
pub mod scsi;
pub mod system;
pub mod usb;
mod vpd;

use ostler_base::{Code, Error, Origin, Result, refuse, words};
use ostler_xml::{El, Element};

use crate::read::{Kind, Schema};
use crate::write::{WriteMode, open};
use fields::Fields;

pub use vpd::{Vpd, VpdField};

words! {
    /// `<capability type='…'>` (`virNodeDevCapType`, from 0, as far as devices have them)
    pub CapabilityType {
        System = "system", Pci = "pci", UsbDevice = "usb_device", Usb = "usb", Net = "net",
        ScsiHost = "scsi_host", ScsiTarget = "scsi_target", Scsi = "scsi", Storage = "storage",
        ScsiGeneric = "scsi_generic", Drm = "drm", Mdev = "mdev", Ccw = "ccw", Css = "css",
        Vdpa = "vdpa", ApCard = "ap_card", ApQueue = "ap_queue", ApMatrix = "ap_matrix",
        Ccwgroup = "ccwgroup"
    }

    /// `<type>` of a DRM node.
    pub DrmType { Primary = "primary", Control = "control", Render = "render" }
}

const KIND: Kind = Kind { label: "node_device_definition", root: "device", origin: Origin::Nodedev };

/// The name of a device that is to be made and has none yet.
const NEW_DEVICE: &str = "new device";

/// `<device>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDevice {
    /// Its name.
    pub name: String,
    /// Its directory in sysfs.
    pub path: Option<String>,
    /// Its file in `/dev`.
    pub devnode: Option<String>,
    /// Links to that file.
    pub devlinks: Vec<String>,
    /// The device it is on.
    pub parent: Option<String>,
    /// Other ways to say which device it is on, for a device to be made.
    pub parent_wwn: ParentWwn,
    /// Its driver in the kernel.
    pub driver: Option<String>,
    /// What it is; at least one.
    pub capabilities: Vec<Capability>,
}

/// `<parent wwnn='…' wwpn='…' fabric_wwn='…'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParentWwn {
    /// Node name; together with the port name.
    pub wwnn: Option<String>,
    /// Port name; together with the node name.
    pub wwpn: Option<String>,
    /// Fabric.
    pub fabric_wwn: Option<String>,
}

/// `<capability>`: what a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// The host itself.
    System(system::System),
    /// A PCI function.
    Pci(Box<pci::Pci>),
    /// A USB device.
    UsbDevice(usb::UsbDevice),
    /// An interface of a USB device.
    Usb(usb::UsbInterface),
    /// A network device.
    Net(net::Net),
    /// A SCSI host.
    ScsiHost(scsi::ScsiHost),
    /// A SCSI target.
    ScsiTarget(scsi::ScsiTarget),
    /// A SCSI unit.
    Scsi(scsi::ScsiUnit),
    /// A block device.
    Storage(Box<scsi::Storage>),
    /// A SCSI generic device: its file.
    ScsiGeneric(String),
    /// A node of a graphics card.
    Drm(DrmType),
    /// A mediated device.
    Mdev(mdev::Mdev),
    /// A channel device.
    Ccw(s390::Ccw),
    /// A subchannel.
    Css(s390::Css),
    /// A vDPA device: its file.
    Vdpa(String),
    /// A crypto adapter: its number.
    ApCard(u32),
    /// A domain of a crypto adapter.
    ApQueue {
        /// The adapter.
        adapter: u32,
        /// The domain.
        domain: u8,
    },
    /// The parent of mediated crypto devices.
    ApMatrix(Vec<mdev::MdevType>),
    /// Channel devices that work together.
    Ccwgroup(s390::Ccwgroup),
}

/// Whether a document describes a device that is there or one to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is there.
    Existing,
    /// It is to be made, so it need not have a name.
    Create,
}

impl NodeDevice {
    /// Reads a document.
    pub fn parse(text: &str, purpose: Purpose, schema: Schema) -> Result<Self> {
        KIND.read(text, schema, |el| NodeDevice::from_el(el, purpose))
    }

    fn from_el(el: &Element<'_>, purpose: Purpose) -> Result<Self> {
        let name = match (purpose, el.child_text("name")) {
            (Purpose::Create, _) => NEW_DEVICE.to_owned(),
            (Purpose::Existing, Some(name)) => name,
            (Purpose::Existing, None) => return Err(Error::new(Code::NoName, Origin::Nodedev, "")),
        };
        let mut device = NodeDevice {
            path: el.child_text("path"),
            devnode: None,
            devlinks: Vec::new(),
            parent: el.child_text("parent"),
            parent_wwn: ParentWwn::default(),
            driver: None,
            capabilities: Vec::new(),
            name,
        };
        for node in el.children("devnode") {
            match node.attr("type") {
                Some("dev") => device.devnode = Some(node.text()),
                Some("link") => device.devlinks.push(node.text()),
                Some(other) => return Err(node.invalid("type", other, "")),
                None => return Err(node.missing("type")),
            }
        }
        if let Some(parent) = el.child("parent") {
            device.parent_wwn = ParentWwn::parse(&parent)?;
        }
        // The driver is found, not given.
        el.path("driver/name");
        for capability in el.children("capability") {
            device.capabilities.push(Capability::parse(&capability, &device.name, purpose)?);
        }
        if device.capabilities.is_empty() {
            refuse!(internal, "no device capabilities for '{}'", device.name);
        }
        Ok(device)
    }

    /// Writes it. The inactive form has neither its place in sysfs nor its driver.
    pub fn to_xml(&self, mode: WriteMode) -> String {
        let live = mode == WriteMode::Live;
        let mut el = El::new("device");
        el.push_text("name", Some(&self.name));
        el.push_text("path", self.path.as_ref().filter(|_| live));
        let mut node = |kind: &str, path: &String| {
            let mut node = El::new("devnode").attr("type", kind);
            node.text(path);
            el.push(node);
        };
        self.devnode.iter().for_each(|path| node("dev", path));
        self.devlinks.iter().for_each(|path| node("link", path));
        el.push_text("parent", self.parent.as_ref());
        if let Some(driver) = self.driver.as_ref().filter(|_| live) {
            el.push(El::new("driver").child(El::with_text("name", driver)));
        }
        el.extend(self.capabilities.iter().map(|capability| capability.to_el(mode)));
        el.to_xml()
    }

    /// Its mediated device, if it is one.
    pub fn mdev(&self) -> Option<&mdev::Mdev> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::Mdev(mdev) => Some(mdev),
            _ => None,
        })
    }
}

impl ParentWwn {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let text = |name: &str| el.attr(name).filter(|t| !t.is_empty()).map(str::to_owned);
        let parent = ParentWwn { wwnn: text("wwnn"), wwpn: text("wwpn"), fabric_wwn: text("fabric_wwn") };
        match (&parent.wwnn, &parent.wwpn) {
            (Some(node), None) => {
                refuse!(xml, "when providing parent wwnn='{node}', the wwpn must also be provided")
            }
            (None, Some(port)) => {
                refuse!(xml, "when providing parent wwpn='{port}', the wwnn must also be provided")
            }
            _ => Ok(parent),
        }
    }
}

impl Capability {
    fn parse(el: &Element<'_>, device: &str, purpose: Purpose) -> Result<Self> {
        let kind: CapabilityType = el.require_word("type")?;
        let fields = Fields::new(*el, device, purpose);
        Ok(match kind {
            CapabilityType::System => Capability::System(system::System::parse(&fields)?),
            CapabilityType::Pci => Capability::Pci(Box::new(pci::Pci::parse(&fields)?)),
            CapabilityType::UsbDevice => Capability::UsbDevice(usb::UsbDevice::parse(&fields)?),
            CapabilityType::Usb => Capability::Usb(usb::UsbInterface::parse(&fields)?),
            CapabilityType::Net => Capability::Net(net::Net::parse(&fields)?),
            CapabilityType::ScsiHost => Capability::ScsiHost(scsi::ScsiHost::parse(&fields)?),
            CapabilityType::ScsiTarget => Capability::ScsiTarget(scsi::ScsiTarget::parse(&fields)?),
            CapabilityType::Scsi => Capability::Scsi(scsi::ScsiUnit::parse(&fields)?),
            CapabilityType::Storage => Capability::Storage(Box::new(scsi::Storage::parse(&fields)?)),
            // These two are shown, never read.
            CapabilityType::ScsiGeneric => return Err(fields.fault("unknown capability type '11' for")),
            CapabilityType::Drm => Capability::Drm(parse_drm(&fields)?),
            CapabilityType::Mdev => Capability::Mdev(mdev::Mdev::parse(&fields)?),
            CapabilityType::Ccw => Capability::Ccw(s390::Ccw::parse(&fields)?),
            CapabilityType::Css => Capability::Css(s390::Css::parse(&fields)?),
            CapabilityType::Vdpa => return Err(fields.fault("unknown capability type '17' for")),
            CapabilityType::ApCard => Capability::ApCard(s390::parse_adapter(&fields)?),
            CapabilityType::ApQueue => Capability::ApQueue {
                adapter: s390::parse_adapter(&fields)?,
                domain: s390::parse_domain(&fields)?,
            },
            CapabilityType::ApMatrix => Capability::ApMatrix(mdev::parse_types(el)?),
            CapabilityType::Ccwgroup => Capability::Ccwgroup(s390::Ccwgroup::parse(&fields)?),
        })
    }

    /// Its word.
    pub fn kind(&self) -> CapabilityType {
        match self {
            Capability::System(_) => CapabilityType::System,
            Capability::Pci(_) => CapabilityType::Pci,
            Capability::UsbDevice(_) => CapabilityType::UsbDevice,
            Capability::Usb(_) => CapabilityType::Usb,
            Capability::Net(_) => CapabilityType::Net,
            Capability::ScsiHost(_) => CapabilityType::ScsiHost,
            Capability::ScsiTarget(_) => CapabilityType::ScsiTarget,
            Capability::Scsi(_) => CapabilityType::Scsi,
            Capability::Storage(_) => CapabilityType::Storage,
            Capability::ScsiGeneric(_) => CapabilityType::ScsiGeneric,
            Capability::Drm(_) => CapabilityType::Drm,
            Capability::Mdev(_) => CapabilityType::Mdev,
            Capability::Ccw(_) => CapabilityType::Ccw,
            Capability::Css(_) => CapabilityType::Css,
            Capability::Vdpa(_) => CapabilityType::Vdpa,
            Capability::ApCard(_) => CapabilityType::ApCard,
            Capability::ApQueue { .. } => CapabilityType::ApQueue,
            Capability::ApMatrix(_) => CapabilityType::ApMatrix,
            Capability::Ccwgroup(_) => CapabilityType::Ccwgroup,
        }
    }

    fn to_el(&self, mode: WriteMode) -> El {
        let mut el = El::new("capability").attr("type", self.kind());
        match self {
            Capability::System(system) => system.write(&mut el),
            Capability::Pci(pci) => pci.write(&mut el),
            Capability::UsbDevice(usb) => usb.write(&mut el),
            Capability::Usb(usb) => usb.write(&mut el),
            Capability::Net(net) => net.write(&mut el),
            Capability::ScsiHost(host) => host.write(&mut el),
            Capability::ScsiTarget(target) => target.write(&mut el),
            Capability::Scsi(unit) => unit.write(&mut el),
            Capability::Storage(storage) => storage.write(&mut el),
            Capability::ScsiGeneric(path) => el.push_text("char", Some(path)),
            Capability::Drm(kind) => el.push_text("type", Some(kind)),
            Capability::Mdev(mdev) => mdev.write(&mut el, mode),
            Capability::Ccw(ccw) => ccw.write(&mut el),
            Capability::Css(css) => css.write(&mut el),
            Capability::Vdpa(path) => el.push_text("chardev", Some(path)),
            Capability::ApCard(adapter) => s390::write_ap(&mut el, *adapter, None),
            Capability::ApQueue { adapter, domain } => s390::write_ap(&mut el, *adapter, Some(*domain)),
            Capability::ApMatrix(types) => mdev::write_types(&mut el, types),
            Capability::Ccwgroup(group) => group.write(&mut el),
        }
        open(el)
    }
}

fn parse_drm(fields: &Fields<'_>) -> Result<DrmType> {
    use ostler_base::Word;
    let word = fields.text("type").unwrap_or_else(|| "(null)".to_owned());
    DrmType::parse(&word).ok_or_else(|| fields.unsupported(&format!("unknown drm type '{word}' for")))
}
