//! How guests of this instance are confined, as `qemu.conf` and `ostler.conf` say.
//!
//! Owns: what each key turns on, and what holds where it is not set. Never: confines anything.

use std::path::Path;
use std::sync::Arc;

use ostler_confine::{Accounts, COMMON_DEVICES, Identity, Policy};

use crate::accounts;
use crate::layout::{Instance, Layout};
use crate::qemu_conf::QemuConf;
use crate::settings::{self, settings};

settings! {
    /// The settings that the reference does not have, each under its key of `ostler.conf`.
    OwnConf {
        landlock: bool = true;
        clear_emulator_capabilities: bool = true;
    }
}

/// The policy of an instance. The error is a message for the user.
pub(crate) fn policy(layout: &Layout, conf: &QemuConf) -> Result<Policy, String> {
    let path = layout.etc.join("ostler.conf");
    let own = settings::load::<OwnConf>(&path, false).map_err(|e| e.to_string())?.config;
    let identity = identity(layout, conf)?;
    let common = COMMON_DEVICES.iter().map(|path| (*path).to_owned()).collect();
    let mount = conf.namespaces.as_ref().is_none_or(|list| list.iter().any(|name| name == "mount"));
    Ok(Policy {
        dynamic_ownership: conf.dynamic_ownership.unwrap_or(true),
        remember_owner: conf.remember_owner.unwrap_or(true),
        drop_capabilities: own.clear_emulator_capabilities,
        common_devices: if conf.cgroup_device_acl.is_empty() {
            common
        } else {
            conf.cgroup_device_acl.clone()
        },
        private_dev: mount,
        landlock: own.landlock,
        group_parent: Some(group_parent(layout.root.as_deref().unwrap_or(Path::new("/")))),
        accounts: Arc::new(accounts::System),
        identity,
    })
}

/// Below which control group guests get theirs: the reference's, or for an instance with another root one
/// of its own.
fn group_parent(root: &Path) -> String {
    let name = root.to_string_lossy().replace('/', "-");
    match name.trim_matches('-') {
        "" => "machine".to_owned(),
        name => format!("ostler-{name}"),
    }
}

/// As whom guests run: root unless configured; in a user's own instance as that user.
fn identity(layout: &Layout, conf: &QemuConf) -> Result<Option<Identity>, String> {
    if layout.instance == Instance::Session || !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let system = accounts::System;
    let number =
        |name: &Option<String>, key: &str, look_up: &dyn Fn(&str) -> ostler_base::Result<u32>| match name {
            Some(name) => look_up(name).map_err(|why| format!("qemu.conf: {key}: {}", why.detail())),
            None => Ok(0),
        };
    let uid = number(&conf.user, "user", &|name| system.user(name))?;
    let gid = number(&conf.group, "group", &|name| system.group(name))?;
    let mut groups = if uid == 0 { Vec::new() } else { system.groups(uid) };
    groups.push(gid);
    groups.sort_unstable();
    groups.dedup();
    Ok(Some(Identity { uid, gid, groups }))
}
