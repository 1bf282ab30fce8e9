//! SCSI hosts, targets and units, and block devices.

use ostler_base::Result;
use ostler_xml::El;

use super::{Fields, Purpose};

/// `<capability type='scsi_host'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScsiHost {
    /// Its number; absent for one that is to be made.
    pub host: Option<u32>,
    /// Which one of its PCI function.
    pub unique_id: Option<u32>,
    /// Whether it is a Fibre Channel port.
    pub fc_host: Option<FcHost>,
    /// Whether it can have virtual ports.
    pub vport_ops: Option<VportOps>,
}

/// `<capability type='fc_host'>`; names of a port that is to be made may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcHost {
    /// Node name.
    pub wwnn: Option<String>,
    /// Port name.
    pub wwpn: Option<String>,
    /// Fabric.
    pub fabric_wwn: Option<String>,
}

/// `<capability type='vport_ops'>`: known from the host, not from documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VportOps {
    /// How many virtual ports there can be.
    pub max_vports: u32,
    /// How many there are.
    pub vports: u32,
}

/// `<capability type='scsi_target'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScsiTarget {
    /// Its name.
    pub name: String,
    /// The remote port it is on: its name, and its world wide name as it is written.
    pub fc_remote_port: Option<(String, String)>,
}

/// `<capability type='scsi'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScsiUnit {
    /// Number of the host.
    pub host: u32,
    /// Number of the bus.
    pub bus: u32,
    /// Number of the target.
    pub target: u32,
    /// Number of the unit.
    pub lun: u32,
    /// What it is.
    pub kind: Option<String>,
}

/// `<capability type='storage'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its file.
    pub block: String,
    /// The bus it is on.
    pub bus: Option<String>,
    /// What it is.
    pub drive_type: Option<String>,
    /// What it is called.
    pub model: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its size in bytes; of a removable medium in [`Removable`].
    pub size: u64,
    /// What it holds now, where the medium can be taken out.
    pub removable: Option<Removable>,
    /// Whether it can be plugged and unplugged.
    pub hotpluggable: bool,
    /// Bytes in a block; known from the host, not from documents.
    pub logical_block_size: u64,
    /// Its size in blocks; known from the host, not from documents.
    pub num_blocks: u64,
}

/// `<capability type='removable'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removable {
    /// Whether there is a medium in it.
    pub media_available: bool,
    /// Its size in bytes.
    pub media_size: u64,
    /// Its label.
    pub media_label: Option<String>,
}

impl ScsiHost {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let host = match fields.purpose {
            Purpose::Existing => Some(fields.required("host", 0, "SCSI host ID")?),
            Purpose::Create => None,
        };
        let mut scsi = ScsiHost {
            host,
            unique_id: fields.number("unique_id", 0, "unique_id")?,
            fc_host: None,
            vport_ops: None,
        };
        for child in fields.el.children("capability") {
            match child.attr("type") {
                None => return Err(fields.fault("missing SCSI host capability type for")),
                Some("vport_ops") => scsi.vport_ops = Some(VportOps::default()),
                Some("fc_host") => scsi.fc_host = Some(FcHost::parse(&fields.within(child))?),
                Some(other) => {
                    return Err(fields.fault(&format!("unknown SCSI host capability type '{other}' for")));
                }
            }
        }
        Ok(scsi)
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("host", self.host);
        el.push_text("unique_id", self.unique_id);
        if let Some(port) = &self.fc_host {
            let mut child = El::new("capability").attr("type", "fc_host");
            child.push_text("wwnn", port.wwnn.as_ref());
            child.push_text("wwpn", port.wwpn.as_ref());
            child.push_text("fabric_wwn", port.fabric_wwn.as_ref());
            el.push(child);
        }
        if let Some(ports) = &self.vport_ops {
            let mut child = El::new("capability").attr("type", "vport_ops");
            child.push_text("max_vports", Some(ports.max_vports));
            child.push_text("vports", Some(ports.vports));
            el.push(child);
        }
    }
}

impl FcHost {
    fn parse(fields: &Fields<'_>) -> Result<Self> {
        let name = |element: &str, what: &str| match (fields.text(element), fields.purpose) {
            (None, Purpose::Existing) => {
                let fault = fields.fault(&format!("no {what} supplied for"));
                Err(fault.with_suffix(", and auto-generation failed"))
            }
            (text, _) => Ok(text),
        };
        Ok(FcHost {
            wwnn: name("wwnn", "WWNN")?,
            wwpn: name("wwpn", "WWPN")?,
            fabric_wwn: fields.text("fabric_wwn"),
        })
    }
}

impl ScsiTarget {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let name = fields.text("target").ok_or_else(|| fields.fault("no target name supplied for"))?;
        let mut target = ScsiTarget { name, fc_remote_port: None };
        for child in fields.el.children("capability") {
            match child.attr("type") {
                None => return Err(fields.fault("missing type for SCSI target capability for")),
                Some("fc_remote_port") => {
                    let fields = fields.within(child);
                    let port = fields.text("rport");
                    let port = port.ok_or_else(|| fields.fault("missing rport name for"))?;
                    let name = fields.text("wwpn");
                    let name = name.ok_or_else(|| fields.fault("missing wwpn identifier for"))?;
                    target.fc_remote_port = Some((port, name));
                }
                Some(other) => {
                    return Err(fields.fault(&format!("unknown SCSI target capability type '{other}' for")));
                }
            }
        }
        Ok(target)
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("target", Some(&self.name));
        if let Some((port, name)) = &self.fc_remote_port {
            let mut child = El::new("capability").attr("type", "fc_remote_port");
            child.push_text("rport", Some(port));
            child.push_text("wwpn", Some(name));
            el.push(child);
        }
    }
}

impl ScsiUnit {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        Ok(ScsiUnit {
            host: fields.required("host", 0, "SCSI host ID")?,
            bus: fields.required("bus", 0, "SCSI bus ID")?,
            target: fields.required("target", 0, "SCSI target ID")?,
            lun: fields.required("lun", 0, "SCSI LUN ID")?,
            kind: fields.text("type"),
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("host", Some(self.host));
        el.push_text("bus", Some(self.bus));
        el.push_text("target", Some(self.target));
        el.push_text("lun", Some(self.lun));
        el.push_text("type", self.kind.as_ref());
    }
}

impl Storage {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let block = fields.text("block");
        let mut storage = Storage {
            block: block.ok_or_else(|| fields.fault("no block device path supplied for"))?,
            bus: fields.text("bus"),
            drive_type: fields.text("drive_type"),
            model: fields.text("model"),
            vendor: fields.text("vendor"),
            serial: fields.text("serial"),
            size: 0,
            removable: None,
            hotpluggable: false,
            logical_block_size: 0,
            num_blocks: 0,
        };
        for child in fields.el.children("capability") {
            match child.attr("type") {
                Some("hotpluggable") => storage.hotpluggable = true,
                Some("removable") => {
                    storage.removable = Some(Removable::parse(&fields.within(child))?);
                }
                Some(other) => {
                    return Err(fields.fault(&format!("unknown storage capability type '{other}' for")));
                }
                None => return Err(fields.fault("missing storage capability type for")),
            }
        }
        if storage.removable.is_none() {
            storage.size = fields.size("size", "size")?;
        }
        // Known from the host, not from the document.
        fields.el.child("logical_block_size");
        fields.el.child("num_blocks");
        Ok(storage)
    }

    /// Says how big its blocks are, as the host knows it; the number of blocks follows.
    pub fn set_block_size(&mut self, bytes: u64) {
        let size = self.removable.as_ref().map_or(self.size, |medium| medium.media_size);
        self.logical_block_size = bytes;
        self.num_blocks = size.checked_div(bytes).unwrap_or(0);
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("block", Some(&self.block));
        el.push_text("bus", self.bus.as_ref());
        el.push_text("drive_type", self.drive_type.as_ref());
        el.push_text("model", self.model.as_ref());
        el.push_text("vendor", self.vendor.as_ref());
        el.push_text("serial", self.serial.as_ref());
        match &self.removable {
            Some(medium) => {
                let mut child = El::new("capability").attr("type", "removable");
                child.push_text("media_available", Some(u8::from(medium.media_available)));
                child.push_text("media_size", Some(medium.media_size));
                child.push_text("media_label", medium.media_label.as_ref());
                self.write_blocks(&mut child);
                el.push(child);
            }
            None => {
                el.push_text("size", Some(self.size));
                self.write_blocks(el);
            }
        }
        el.extend(self.hotpluggable.then(|| El::new("capability").attr("type", "hotpluggable")));
    }

    fn write_blocks(&self, el: &mut El) {
        el.push_text("logical_block_size", Some(self.logical_block_size).filter(|n| *n > 0));
        el.push_text("num_blocks", Some(self.num_blocks).filter(|n| *n > 0));
    }
}

impl Removable {
    fn parse(fields: &Fields<'_>) -> Result<Self> {
        Ok(Removable {
            media_available: fields.text("media_available").is_some_and(|text| text == "1"),
            media_size: fields.size("media_size", "removable media size")?,
            media_label: fields.text("media_label"),
        })
    }
}
