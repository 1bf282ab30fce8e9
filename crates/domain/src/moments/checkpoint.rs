//! `<domaincheckpoint>`
//!
//! Owns: the document, and which disks of the guest take part. Never: makes a checkpoint.

use ostler_base::{Origin, Result, Uuid, words};
use ostler_xml::{El, Element};

use super::{
    Complete, Kind, Moment, Source, disk_els, document, domain_mode, misfit, named_disks, parse_domain,
};
use crate::Draft;
use crate::devices::disk::Disk;

const KIND: Kind = Kind { word: "checkpoint", origin: Origin::DomainCheckpoint };

words! {
    /// `<disk checkpoint='…'>`
    pub CheckpointMode { No = "no", Bitmap = "bitmap" }
}

/// A checkpoint: from then on the emulator notes which parts of disks are written to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What it has in common with other moments.
    pub moment: Moment,
    /// The disks.
    pub disks: Vec<CheckpointDisk>,
}

/// `<disk>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointDisk {
    /// The name of the guest's disk, or its path.
    pub name: String,
    /// Whether it takes part.
    pub mode: CheckpointMode,
    /// The name of its bitmap.
    pub bitmap: Option<String>,
    /// How much was written since, in bytes, where that was asked for.
    pub size: Option<u64>,
}

/// How a checkpoint is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckpointWriteMode {
    /// With secrets.
    pub secure: bool,
    /// Without the definition of the guest.
    pub no_domain: bool,
}

impl Checkpoint {
    /// Reads a document; words that nobody reads are refused.
    pub fn parse(text: &str, source: Source, complete: Complete<'_>) -> Result<Self> {
        document(text, "domaincheckpoint", "(domain_checkpoint)", true, |root| {
            let mut moment = Moment::parse(root, &KIND, source)?;
            if !is_name(&moment.name) {
                return Err(misfit(
                    root,
                    "the name of a checkpoint is one of letters, digits, '_', '-' and '.', and does not begin with '.'",
                ));
            }
            if let Some(el) = root.child("domain").filter(|_| !source.is_new()) {
                moment.domain = Some(parse_domain(&el, complete)?);
            }
            let disks = disk_els(root)?.map(|el| CheckpointDisk::parse(&el)).collect::<Result<_>>()?;
            Ok(Checkpoint { moment, disks })
        })
    }

    /// Fails if it is of another guest than the one with this identifier.
    pub fn check_redefinition(&self, uuid: Uuid) -> Result<()> {
        self.moment.check_uuid(&KIND, uuid)
    }

    /// Says for every disk of the guest whether it takes part: those that can, where the
    /// checkpoint names none. Bitmaps without a name get the checkpoint's.
    pub fn align(&mut self, domain: &Draft) -> Result<()> {
        let all = &domain.devices.disks;
        if self.disks.len() > all.len() {
            return Err(KIND.unsupported("too many disk checkpoint requests for domain"));
        }
        if all.is_empty() {
            return Err(KIND.unsupported("domain must have at least one disk to perform checkpoints"));
        }
        let rest = if self.disks.is_empty() { CheckpointMode::Bitmap } else { CheckpointMode::No };
        let named = named_disks(domain, &KIND, self.disks.iter().map(|disk| disk.name.as_str()))?;
        for (disk, there) in self.disks.iter_mut().zip(named) {
            if !can_take_part(there) && disk.mode != CheckpointMode::No {
                return Err(KIND.unsupported(format!("disk '{}' is empty or readonly", disk.name)));
            }
            disk.name.clone_from(&there.target);
        }
        let mut known = std::mem::take(&mut self.disks);
        for there in all {
            let disk = match known.iter().position(|disk| disk.name == there.target) {
                Some(at) => known.swap_remove(at),
                None => CheckpointDisk {
                    name: there.target.clone(),
                    mode: if can_take_part(there) { rest } else { CheckpointMode::No },
                    bitmap: None,
                    size: None,
                },
            };
            self.disks.push(disk);
        }
        self.name_bitmaps();
        Ok(())
    }

    /// Gives bitmaps without a name the checkpoint's.
    pub fn name_bitmaps(&mut self) {
        for disk in self.disks.iter_mut().filter(|disk| disk.mode == CheckpointMode::Bitmap) {
            disk.bitmap.get_or_insert_with(|| self.moment.name.clone());
        }
    }

    /// The document.
    pub fn to_xml(&self, mode: &CheckpointWriteMode) -> String {
        let mut root = El::new("domaincheckpoint");
        root.extend(self.moment.name_els().into_iter().flatten());
        root.extend(self.moment.origin_els().into_iter().flatten());
        if !self.disks.is_empty() {
            let mut disks = El::new("disks");
            disks.extend(self.disks.iter().map(CheckpointDisk::to_el));
            root.push(disks);
        }
        let domain = self.moment.domain.as_ref().filter(|_| !mode.no_domain);
        root.extend(domain.map(|domain| domain.to_element(&domain_mode(mode.secure))));
        root.to_xml()
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    !text.starts_with('.') && text.bytes().all(allowed)
}

fn can_take_part(disk: &Disk) -> bool {
    !disk.image.is_empty() && !disk.readonly
}

impl CheckpointDisk {
    fn parse(el: &Element<'_>) -> Result<Self> {
        // The size is the emulator's to say; in what a client wrote back it is out of date.
        el.number::<u64>("size")?;
        let disk = CheckpointDisk {
            name: el.require("name")?.to_owned(),
            mode: el.word("checkpoint")?.unwrap_or(CheckpointMode::Bitmap),
            bitmap: el.attr("bitmap").map(str::to_owned),
            size: None,
        };
        if disk.mode == CheckpointMode::No && disk.bitmap.is_some() {
            return Err(misfit(el, "a disk that takes no part has no bitmap"));
        }
        Ok(disk)
    }

    fn to_el(&self) -> El {
        let size = self.size.filter(|_| self.bitmap.is_some());
        El::new("disk")
            .attr("name", &self.name)
            .attr("checkpoint", self.mode)
            .attr_opt("bitmap", self.bitmap.as_ref())
            .attr_opt("size", size)
    }
}
