//! How a move went, as the source tells the destination.

use ostler_base::Result;
use ostler_xml::{El, Element};

/// Elements of `<statistics>` in their order.
const ELEMENTS: &[&str] = &[
    "started",
    "stopped",
    "sent",
    "delta",
    "time_elapsed",
    "time_remaining",
    "downtime",
    "setup_time",
    "memory_total",
    "memory_processed",
    "memory_remaining",
    "memory_bps",
    "memory_constant",
    "memory_normal",
    "memory_normal_bytes",
    "memory_dirty_rate",
    "memory_iteration",
    "memory_postcopy_requests",
    "memory_page_size",
    "disk_total",
    "disk_processed",
    "disk_remaining",
    "disk_bps",
    "compression_cache",
    "compression_bytes",
    "compression_pages",
    "compression_cache_misses",
    "compression_overflow",
    "auto_converge_throttle",
];

/// Numbers by the names of their elements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics(Vec<(&'static str, i64)>);

impl Statistics {
    /// A number; `None` where it is not told.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }

    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let mut out = Statistics::default();
        for name in ELEMENTS {
            let Some(child) = el.child(name) else { continue };
            let text = child.text();
            let number = text.trim().parse();
            out.0.push((
                name,
                number.map_err(|_| child.fault(format!("Invalid value '{text}' for element '{name}'")))?,
            ));
        }
        Ok(out)
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("statistics");
        el.extend(self.0.iter().map(|(name, number)| El::with_text(*name, number)));
        el
    }
}
