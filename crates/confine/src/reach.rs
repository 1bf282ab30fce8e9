//! Which paths a guest's process can reach at all (Landlock).
//!
//! Owns: the rules. What no rule names cannot be opened, whoever owns it: a guest that breaks out of its
//! emulator finds no other guest's disk, no secret of the host, no program to start. Never: applies them.

use std::path::PathBuf;

use ostler_plan::{Access, Resource, ResourceKind};

/// What may be done below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Files are read and mapped, directories listed.
    Read,
    /// The same, and files may be executed.
    Execute,
    /// Files are read and written; none is made.
    Write,
    /// Files and sockets are made and removed, too.
    Make,
}

/// What may be done below a path. One that is not there is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachRule {
    /// A file, or a directory with everything in it.
    pub path: PathBuf,
    /// What.
    pub reach: Reach,
}

/// Where programs and libraries lie, which an emulator maps and starts (and never writes).
const PROGRAMS: &[&str] =
    &["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/opt", "/nix/store", "/gnu/store"];

/// Configuration that libraries read: the loader's cache, names and addresses, keys of certificates,
/// the sound and graphics stacks.
const SETTINGS: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl",
    "/etc/pki",
    "/etc/crypto-policies",
    "/etc/gnutls",
    "/etc/ceph",
    "/etc/sasl2",
    "/etc/qemu",
    "/etc/alsa",
    "/etc/pulse",
    "/etc/pipewire",
    "/etc/drirc",
    "/etc/glvnd",
    "/etc/vulkan",
    "/etc/fonts",
    "/etc/selinux/config",
    "/run/systemd/resolve",
    "/proc",
    "/sys",
    "/var/lib/ca-certificates",
];

/// Device file systems that a guest's own `/dev` holds.
const DEVICES: &[&str] = &["/dev"];

/// The rules for a guest; `own` are the directories that the daemon made for this run.
pub(crate) fn rules(resources: &[Resource], own: &[PathBuf], emulator: &str) -> Vec<ReachRule> {
    let rule = |path: &str, reach| ReachRule { path: path.into(), reach };
    let mut rules: Vec<ReachRule> = PROGRAMS.iter().map(|path| rule(path, Reach::Execute)).collect();
    rules.extend(SETTINGS.iter().map(|path| rule(path, Reach::Read)));
    rules.extend(DEVICES.iter().map(|path| rule(path, Reach::Write)));
    rules.push(rule(emulator, Reach::Execute));
    rules.extend(own.iter().map(|path| ReachRule { path: path.clone(), reach: Reach::Make }));
    for resource in resources {
        let reach = match (resource.kind, resource.access) {
            (ResourceKind::Directory, Access::ReadWrite) => Reach::Make,
            // Ownership still keeps it from being written until a job hands it over.
            (ResourceKind::Image, Access::Read) if resource.below => Reach::Write,
            (_, Access::Read) => Reach::Read,
            (_, Access::ReadWrite) => Reach::Write,
        };
        rules.push(ReachRule { path: resource.path.clone(), reach });
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_out_of_reach() {
        let resources = [Resource::new("/srv/a.img", ResourceKind::Image).writable()];
        let rules = rules(&resources, &["/run/q/1-a".into()], "/usr/bin/q");
        let reach = |path: &str| {
            rules.iter().rev().find(|rule| rule.path == std::path::Path::new(path)).map(|r| r.reach)
        };
        assert_eq!(reach("/srv/a.img"), Some(Reach::Write));
        assert_eq!(reach("/run/q/1-a"), Some(Reach::Make));
        assert_eq!(reach("/usr"), Some(Reach::Execute));
        for secret in ["/etc/shadow", "/etc", "/", "/root", "/home", "/var/lib/libvirt", "/run"] {
            assert_eq!(reach(secret), None, "{secret}");
        }
    }
}
