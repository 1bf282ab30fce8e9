//! Files of sysfs, already read.
//!
//! Owns: looking things up in them. Never: reads one.

use std::collections::BTreeMap;
use std::ops::Bound;

use ostler_base::IdSet;

/// The files that [`super::HostCaps`] is made from, `*` standing for any part of a name. The first
/// two levels are `system`, below `/sys/devices`, or `resctrl`, below `/sys/fs`.
pub const FILES: &[&str] = &[
    "system/cpu/online",
    "system/cpu/cpu*/topology/physical_package_id",
    "system/cpu/cpu*/topology/die_id",
    "system/cpu/cpu*/topology/cluster_id",
    "system/cpu/cpu*/topology/core_id",
    "system/cpu/cpu*/topology/thread_siblings_list",
    "system/cpu/cpu*/cache/index*/id",
    "system/cpu/cpu*/cache/index*/level",
    "system/cpu/cpu*/cache/index*/type",
    "system/cpu/cpu*/cache/index*/size",
    "system/cpu/cpu*/cache/index*/shared_cpu_list",
    "system/node/online",
    "system/node/node*/cpulist",
    "system/node/node*/distance",
    "system/node/node*/meminfo",
    "system/node/node*/hugepages/hugepages-*/nr_hugepages",
    "system/node/node*/memory_side_cache/index*/*",
    "system/node/node*/access*/initiators/*",
    "resctrl/info/*/*",
];

/// Files by path; a symbolic link counts as an empty file.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    /// The text of a file without white space around it.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(|text| text.trim())
    }

    /// A file that holds an unsigned number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A file that holds an id; -1, which stands for none, is 0.
    pub fn id(&self, path: &str) -> Option<u32> {
        match self.text(path)? {
            "-1" => Some(0),
            text => text.parse().ok(),
        }
    }

    /// A file that holds a set of numbers; an empty one holds none.
    pub fn ids(&self, path: &str) -> Option<IdSet> {
        match self.text(path)? {
            "" => Some(IdSet::new()),
            text => IdSet::parse(text),
        }
    }

    /// A file that holds a size as the kernel writes it, `32K`; in bytes.
    pub fn size(&self, path: &str) -> Option<u64> {
        let text = self.text(path)?;
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let factor = if unit.is_empty() { 1 } else { ostler_base::scale::factor(unit)? };
        digits.parse::<u64>().ok()?.checked_mul(factor)
    }

    /// The names in a directory, sorted.
    pub fn names<'t>(&'t self, directory: &str) -> Vec<&'t str> {
        let from = format!("{directory}/");
        let range = self.0.range::<String, _>((Bound::Included(&from), Bound::Unbounded));
        let mut names: Vec<&str> = range
            .map_while(|(path, _)| path.strip_prefix(&from))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        names.dedup();
        names
    }

    /// The numbers N of the names `PREFIX N` in a directory, ascending.
    pub fn numbered(&self, directory: &str, prefix: &str) -> Vec<u32> {
        let names = self.names(directory);
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl FromIterator<(String, String)> for Tree {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(files: I) -> Self {
        Tree(files.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups() {
        let files = [("a/cpu10/x", "-1\n"), ("a/cpu2/x", "33M\n"), ("a/cpu2/y", "0-1\n"), ("a/cpus", "")];
        let tree: Tree = files.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        assert_eq!(tree.names("a"), ["cpu10", "cpu2", "cpus"]);
        assert_eq!(tree.numbered("a", "cpu"), [2, 10]);
        assert_eq!(tree.id("a/cpu10/x"), Some(0));
        assert_eq!(tree.size("a/cpu2/x"), Some(33 << 20));
        assert_eq!(tree.ids("a/cpu2/y").unwrap().to_string(), "0-1");
        assert_eq!(tree.ids("a/cpus"), Some(IdSet::new()));
        assert_eq!(tree.number("a/none"), None);
    }
}
