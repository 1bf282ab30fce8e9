//! Files of sysfs.
//!
//! Owns: reading them, with bounds. Never: decides what they mean.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ostler_caps::host_caps::{FILES, Tree};
use ostler_host::fs::read_bounded;

/// The most bytes of a file.
const FILE_MAX: u64 = 64 << 10;

/// sysfs below a directory that tests can choose.
#[derive(Debug, Clone)]
pub struct Sysfs(PathBuf);

impl Default for Sysfs {
    fn default() -> Self {
        Sysfs::at("/sys")
    }
}

impl Sysfs {
    /// sysfs below this directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Sysfs(root.into())
    }

    /// A file without white space around its text.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = read_bounded(&self.0.join(path), FILE_MAX).ok()?;
        Some(text.trim().to_owned())
    }

    /// A file that holds a number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    /// Writes to a file that is there. The error is the system's.
    pub fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(self.0.join(path))?;
        file.write_all(text.as_bytes())
    }

    /// Whether there is something in a directory.
    pub fn has_entries(&self, path: &str) -> bool {
        fs::read_dir(self.0.join(path)).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Huge pages of a size in KiB that nobody uses, of the host or of one NUMA node; `None`: there
    /// are none of that size.
    pub fn free_pages(&self, cell: Option<u32>, size: u64) -> Option<u64> {
        self.number(&format!("{}/free_hugepages", huge_pages(cell, size)))
    }

    /// Huge pages of a size in KiB that there are, used or not; `None`: there is no such size.
    pub fn all_pages(&self, cell: Option<u32>, size: u64) -> Option<u64> {
        self.number(&format!("{}/nr_hugepages", huge_pages(cell, size)))
    }

    /// Asks for so many huge pages of a size; there may be fewer afterwards.
    pub fn set_pages(&self, cell: Option<u32>, size: u64, count: u64) -> std::io::Result<()> {
        self.write(&format!("{}/nr_hugepages", huge_pages(cell, size)), &count.to_string())
    }

    /// The files that the host's capabilities are made from.
    pub fn tree(&self) -> Tree {
        let mut files = Vec::new();
        for pattern in FILES {
            let (directory, rest) = pattern.split_once('/').unwrap_or((pattern, ""));
            let above = if directory == "resctrl" { "fs" } else { "devices" };
            let parts: Vec<&str> = rest.split('/').collect();
            collect(&self.0.join(above).join(directory), directory, &parts, &mut files);
        }
        files.into_iter().collect()
    }
}

/// The directory of a size of pages, in KiB.
fn huge_pages(cell: Option<u32>, size: u64) -> String {
    let directory = match cell {
        Some(cell) => format!("devices/system/node/node{cell}/hugepages"),
        None => "kernel/mm/hugepages".to_owned(),
    };
    format!("{directory}/hugepages-{size}kB")
}

/// Adds the files below a directory whose path fits the rest of a pattern.
fn collect(directory: &Path, name: &str, pattern: &[&str], files: &mut Vec<(String, String)>) {
    let Some((part, rest)) = pattern.split_first() else { return };
    for entry in entries(directory, part) {
        let (path, name) = (directory.join(&entry), format!("{name}/{entry}"));
        if !rest.is_empty() {
            collect(&path, &name, rest, files);
        } else if path.is_symlink() {
            files.push((name, String::new()));
        } else if let Ok(text) = read_bounded(&path, FILE_MAX) {
            files.push((name, text));
        }
    }
}

/// The names in a directory that a part of a pattern stands for.
fn entries(directory: &Path, part: &str) -> Vec<String> {
    let Some((before, after)) = part.split_once('*') else { return vec![part.to_owned()] };
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(before) && name.ends_with(after)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there() {
        let root = std::env::temp_dir().join(format!("ostlerd-sysfs-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("devices/system/cpu/online", "0\n");
        write("devices/system/cpu/cpu0/topology/core_id", "7\n");
        write("devices/system/cpu/cpufreq/topology/core_id", "8\n");
        write("devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "3\n");
        write("fs/resctrl/info/L3/cbm_mask", "ff\n");
        write("kernel/iommu_groups/0/type", "DMA\n");
        let initiators = root.join("devices/system/node/node1/access0/initiators");
        fs::create_dir_all(&initiators).unwrap();
        std::os::unix::fs::symlink("../..", initiators.join("node1")).unwrap();
        let sysfs = Sysfs::at(&root);
        let tree = sysfs.tree();
        assert_eq!(tree.text("system/cpu/online"), Some("0"));
        assert_eq!(tree.id("system/cpu/cpu0/topology/core_id"), Some(7));
        assert_eq!(tree.text("resctrl/info/L3/cbm_mask"), Some("ff"));
        assert_eq!(tree.text("system/node/node1/access0/initiators/node1"), Some(""));
        assert_eq!(sysfs.free_pages(Some(1), 2048), Some(3));
        assert_eq!(sysfs.free_pages(None, 2048), None);
        assert!(sysfs.has_entries("kernel/iommu_groups") && !sysfs.has_entries("kernel/none"));
        fs::remove_dir_all(&root).unwrap();
    }
}
