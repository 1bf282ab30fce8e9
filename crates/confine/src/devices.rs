//! Which device nodes a guest may open.
//!
//! Owns: the list that every guest gets, and what its resources add. Never: makes a node.

use std::path::{Path, PathBuf};

use ostler_plan::{Access, Resource, ResourceKind};

/// The devices that every guest may open where nothing else is configured; those that a host has not
/// are passed over. `/dev/net/tun` is not among them: network devices are handed over open.
pub const COMMON_DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/full",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/kvm",
    "/dev/kqemu",
    "/dev/rtc",
    "/dev/hpet",
    "/dev/userfaultfd",
];

/// A device node that a guest may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRule {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Whether it is written.
    pub write: bool,
    /// Whether it is this guest's: it then belongs to the guest's user in the guest's own `/dev`.
    pub assigned: bool,
}

/// Where device nodes are.
pub(crate) const DEV: &str = "/dev";

/// The rules for a guest: the common list first, then each node among its resources.
pub(crate) fn rules(common: &[String], resources: &[Resource]) -> Vec<DeviceRule> {
    let shared = common.iter().map(|path| DeviceRule { path: path.into(), write: true, assigned: false });
    let mut rules: Vec<DeviceRule> = shared.collect();
    for resource in resources.iter().filter(|resource| is_node(resource)) {
        let write = resource.access == Access::ReadWrite;
        match rules.iter_mut().find(|rule| rule.path == resource.path) {
            Some(rule) => rule.write |= write,
            None => rules.push(DeviceRule { path: resource.path.clone(), write, assigned: true }),
        }
    }
    rules
}

/// Whether a resource is a node below `/dev` (a disk on one included).
pub(crate) fn is_node(resource: &Resource) -> bool {
    let kind = matches!(resource.kind, ResourceKind::Device | ResourceKind::Image);
    kind && resource.path.starts_with(DEV) && !elsewhere(&resource.path)
}

/// File systems of their own below `/dev`.
fn elsewhere(path: &Path) -> bool {
    ["/dev/shm", "/dev/hugepages", "/dev/mqueue", "/dev/pts"].iter().any(|mount| path.starts_with(mount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_nodes_come_after_the_common_ones() {
        let resources = [
            Resource::new("/dev/vg/disk", ResourceKind::Image).writable(),
            Resource::new("/dev/random", ResourceKind::Device),
            Resource::new("/dev/shm/x", ResourceKind::Image),
            Resource::new("/srv/a.img", ResourceKind::Image).writable(),
        ];
        let rules = rules(&["/dev/random".into()], &resources);
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0], DeviceRule { path: "/dev/random".into(), write: true, assigned: false });
        assert_eq!(rules[1], DeviceRule { path: "/dev/vg/disk".into(), write: true, assigned: true });
    }
}
