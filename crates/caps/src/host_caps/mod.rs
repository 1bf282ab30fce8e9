//! The host's part of the capabilities document.
//!
//! Owns: what of the host follows from sysfs, and its XML. Never: reads sysfs; a [`Tree`] of files
//! is handed in.

mod resctrl;
mod topology;
mod tree;

pub use resctrl::{BandwidthNode, Bank, CacheControl, CacheKind, Monitor, Resctrl};
pub use topology::{
    Access, Associativity, Cell, Cpu, Interconnect, MemoryCache, NodeMemory, Topology, WritePolicy,
    node_memory,
};
pub use tree::{FILES, Tree};

use ostler_base::{Arch, Uuid, YesNo, words};
use ostler_xml::El;

words! {
    /// Ways in which the host can sleep.
    pub Suspend { Mem = "suspend_mem", Disk = "suspend_disk", Hybrid = "suspend_hybrid" }
}

/// What the host is and can do.
#[derive(Debug, Clone)]
pub struct HostCaps {
    /// Its identity.
    pub uuid: Option<Uuid>,
    /// Its CPU's architecture.
    pub arch: Arch,
    /// What else is known of its CPU: model, vendor, features, as elements.
    pub cpu: Vec<El>,
    /// Page sizes of guest memory, in KiB.
    pub page_sizes: Vec<u64>,
    /// Ways to sleep.
    pub suspend: Vec<Suspend>,
    /// Whether devices can be handed to guests behind an IOMMU.
    pub iommu: bool,
    /// How guests can leave it, if they can.
    pub migration: Option<Migration>,
    /// NUMA nodes.
    pub topology: Topology,
    /// Caches and bandwidth.
    pub resctrl: Resctrl,
    /// Security drivers.
    pub security: Vec<SecurityModel>,
}

/// How guests can leave the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// While they run.
    pub live: bool,
    /// The transports of an URI.
    pub transports: Vec<String>,
}

/// A security driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityModel {
    /// Its name.
    pub model: String,
    /// Its domain of interpretation.
    pub doi: String,
    /// Labels that guests get by default, by domain type.
    pub base_labels: Vec<(String, String)>,
}

impl HostCaps {
    /// A host of which nothing is known but the architecture.
    pub fn new(arch: Arch) -> Self {
        HostCaps {
            uuid: None,
            arch,
            cpu: Vec::new(),
            page_sizes: Vec::new(),
            suspend: Vec::new(),
            iommu: false,
            migration: None,
            topology: Topology::default(),
            resctrl: Resctrl::default(),
            security: Vec::new(),
        }
    }

    /// `<host>`.
    pub fn el(&self) -> El {
        let mut el = El::new("host");
        el.push_text("uuid", self.uuid);
        let mut cpu = El::new("cpu").child(El::with_text("arch", self.arch));
        cpu.extend(self.cpu.iter().cloned());
        let pages = self.page_sizes.iter();
        cpu.extend(pages.map(|size| El::new("pages").attr("unit", "KiB").attr("size", size)));
        el.push(cpu);
        let mut power = El::new("power_management");
        power.extend(self.suspend.iter().map(|way| El::new(ostler_base::Word::as_str(*way))));
        el.push(power);
        el.push(El::new("iommu").attr("support", YesNo::from(self.iommu)));
        el.extend(self.migration.iter().map(migration_el));
        if !self.topology.cells.is_empty() {
            el.push(self.topology.el());
        }
        el.push_filled(self.resctrl.cache_el());
        el.push_filled(self.resctrl.bandwidth_el());
        el.extend(self.security.iter().map(security_el));
        el
    }
}

fn migration_el(migration: &Migration) -> El {
    let mut el = El::new("migration_features");
    if migration.live {
        el.push(El::new("live"));
    }
    let mut transports = El::new("uri_transports");
    transports.extend(migration.transports.iter().map(|name| El::with_text("uri_transport", name)));
    el.push_filled(transports);
    el
}

fn security_el(security: &SecurityModel) -> El {
    let mut el = El::new("secmodel");
    el.push_text("model", Some(&security.model));
    el.push_text("doi", Some(&security.doi));
    let labels = security.base_labels.iter();
    el.extend(labels.map(|(domain, label)| El::with_text("baselabel", label).attr("type", domain)));
    el
}

/// The whole document: the host, then the guests that its emulators can run.
pub fn document(host: &HostCaps, guests: impl IntoIterator<Item = El>) -> String {
    let mut out = format!("<capabilities>\n\n{}\n", host.el().to_xml_indented(2));
    for guest in guests {
        out.push_str(&guest.to_xml_indented(2));
        out.push('\n');
    }
    out.push_str("</capabilities>\n");
    out
}
