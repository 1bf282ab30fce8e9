//! `<driver>` of a disk.
//!
//! Owns: how an image is opened and how queues are served. Never: which image.

use ostler_base::{OnOff, Result};
use ostler_xml::{El, Element};

use super::{CacheMode, DetectZeroes, Discard, ErrorPolicy, IoMode};
use crate::blocks::{Image, ImageFormat, metadata_cache_el};
use crate::devices::VirtioOptions;

/// `<driver>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskDriver {
    /// `cache`
    pub cache: Option<CacheMode>,
    /// `error_policy`
    pub error_policy: Option<ErrorPolicy>,
    /// `rerror_policy`
    pub rerror_policy: Option<ErrorPolicy>,
    /// `io`
    pub io: Option<IoMode>,
    /// `ioeventfd`
    pub ioeventfd: Option<OnOff>,
    /// `event_idx`
    pub event_idx: Option<OnOff>,
    /// `copy_on_read`
    pub copy_on_read: Option<OnOff>,
    /// `discard`
    pub discard: Option<Discard>,
    /// `discard_no_unref`
    pub discard_no_unref: Option<OnOff>,
    /// `detect_zeroes`
    pub detect_zeroes: Option<DetectZeroes>,
    /// `iothread`
    pub iothread: Option<u32>,
    /// `<iothreads>`: number of each thread with the queues it serves.
    pub iothreads: Vec<(u32, Vec<u32>)>,
    /// `queues`
    pub queues: Option<u32>,
    /// `queue_size`
    pub queue_size: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
}

impl DiskDriver {
    pub(super) fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = el else { return Ok(Self::default()) };
        let thread = |t: Element<'_>| -> Result<(u32, Vec<u32>)> {
            let queues = t.children("queue").map(|q| q.require_number("id")).collect::<Result<_>>()?;
            Ok((t.require_number("id")?, queues))
        };
        Ok(DiskDriver {
            cache: match driver.attr("cache") {
                Some("default") => None,
                _ => driver.word("cache")?,
            },
            error_policy: driver.word("error_policy")?,
            rerror_policy: driver.word("rerror_policy")?,
            io: match driver.attr("io") {
                Some("default") => None,
                _ => driver.word("io")?,
            },
            ioeventfd: driver.on_off("ioeventfd")?,
            event_idx: driver.on_off("event_idx")?,
            copy_on_read: driver.on_off("copy_on_read")?,
            discard: driver.word("discard")?,
            discard_no_unref: driver.on_off("discard_no_unref")?,
            detect_zeroes: driver.word("detect_zeroes")?,
            iothread: driver.nonzero("iothread")?,
            iothreads: driver
                .child("iothreads")
                .into_iter()
                .flat_map(|t| t.children("iothread"))
                .map(thread)
                .collect::<Result<_>>()?,
            queues: driver.nonzero("queues")?,
            queue_size: driver.nonzero("queue_size")?,
            virtio: VirtioOptions::parse(Some(driver))?,
        })
    }

    pub(super) fn format(&self, image: &Image) -> El {
        let mut el = El::new("driver")
            .attr("name", "qemu")
            .attr_opt("type", image.format.filter(|format| *format != ImageFormat::None))
            .attr_opt("cache", self.cache)
            .attr_opt("error_policy", self.error_policy)
            .attr_opt("rerror_policy", self.rerror_policy)
            .attr_opt("io", self.io)
            .attr_opt("ioeventfd", self.ioeventfd)
            .attr_opt("event_idx", self.event_idx)
            .attr_opt("copy_on_read", self.copy_on_read)
            .attr_opt("discard", self.discard)
            .attr_opt("iothread", self.iothread)
            .attr_opt("detect_zeroes", self.detect_zeroes)
            .attr_opt("queues", self.queues)
            .attr_opt("queue_size", self.queue_size)
            .attr_opt("discard_no_unref", self.discard_no_unref);
        self.virtio.write(&mut el);
        if !self.iothreads.is_empty() {
            let mut threads = El::new("iothreads");
            threads.extend(self.iothreads.iter().map(|(id, queues)| {
                let mut thread = El::new("iothread").attr("id", id);
                thread.extend(queues.iter().map(|queue| El::new("queue").attr("id", queue)));
                thread
            }));
            el.push(threads);
        }
        el.extend(image.metadata_cache.map(metadata_cache_el));
        el
    }
}
