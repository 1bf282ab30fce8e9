//! All layers of a guest's confinement together.
//!
//! Owns: what follows from policy, labels and resources. Never: looks at the host.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_base::Result;
use ostler_plan::{Access, Launch, Resource, ResourceKind};

use crate::dac::{Accounts, DacLabel, Identity, identity};
use crate::devices::{self, DeviceRule};
use crate::reach::{self, ReachRule};

/// What holds for every guest of an instance.
#[derive(Debug, Clone)]
pub struct Policy {
    /// As whom guests run; as the daemon itself where absent (a user's own instance).
    pub identity: Option<Identity>,
    /// Whether files change hands for a guest.
    pub dynamic_ownership: bool,
    /// Whether owners are remembered and given back.
    pub remember_owner: bool,
    /// Whether every capability is given up, also by a guest that runs as root.
    pub drop_capabilities: bool,
    /// Devices that every guest may open.
    pub common_devices: Vec<String>,
    /// Whether a guest has a `/dev` of its own.
    pub private_dev: bool,
    /// Whether a guest reaches only what is named.
    pub landlock: bool,
    /// Below which control group each guest gets one of its own; none where absent.
    pub group_parent: Option<String>,
    /// Looks up users and groups of labels.
    pub accounts: Arc<dyn Accounts>,
}

/// How a file comes to be usable by the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// It becomes the guest's own.
    Own,
    /// It becomes the guest's own only if the guest could not read it otherwise.
    IfUnreadable,
}

/// How one guest is confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// As whom it runs; as the daemon where absent.
    pub identity: Option<Identity>,
    /// Files that change hands, in order.
    pub takings: Vec<(PathBuf, Taking)>,
    /// Whether their owners are remembered and given back.
    pub remember_owner: bool,
    /// Files it needs, for a message that names what bars the way to one.
    pub needed: Vec<(PathBuf, Access)>,
    /// Whether every capability is given up.
    pub drop_capabilities: bool,
    /// Device nodes it may open; nothing where devices are not confined.
    pub devices: Vec<DeviceRule>,
    /// Whether it gets a `/dev` of its own with these devices.
    pub private_dev: bool,
    /// Paths it can reach; nothing where reach is not confined.
    pub reach: Vec<ReachRule>,
    /// Below which control group it gets one of its own; none where absent.
    pub group_parent: Option<String>,
}

/// Decides how a guest is confined. `own` are directories that the daemon made for the run.
///
/// # Errors
/// Where the label is malformed or names a user or group that does not exist.
pub fn plan(policy: &Policy, label: &DacLabel, launch: &Launch, own: &[PathBuf]) -> Result<Confinement> {
    let identity = match (&policy.identity, &label.label) {
        (None, _) => None,
        _ if label.unconfined => None,
        (Some(_), Some(label)) => Some(identity(label, policy.accounts.as_ref())?),
        (Some(usual), None) => Some(usual.clone()),
    };
    let relabel = identity.is_some() && label.relabel.unwrap_or(policy.dynamic_ownership);
    let system = policy.identity.is_some();
    let private_dev = policy.private_dev && system;
    let takings = launch.resources.iter().filter(|_| relabel).filter_map(|resource| {
        if resource.keep_label || (private_dev && devices::is_node(resource)) {
            return None;
        }
        Some((resource.path.clone(), taking(resource)?))
    });
    let needed = launch.resources.iter().filter(|resource| must_exist(resource));
    Ok(Confinement {
        takings: takings.collect(),
        remember_owner: policy.remember_owner,
        needed: needed.map(|resource| (resource.path.clone(), resource.access)).collect(),
        drop_capabilities: policy.drop_capabilities,
        devices: devices::rules(&policy.common_devices, &launch.resources),
        private_dev,
        reach: if policy.landlock {
            reach::rules(&launch.resources, own, &launch.program)
        } else {
            Vec::new()
        },
        group_parent: policy.group_parent.clone().filter(|_| system),
        identity,
    })
}

fn taking(resource: &Resource) -> Option<Taking> {
    match (resource.kind, resource.access) {
        (ResourceKind::Socket | ResourceKind::Directory | ResourceKind::Output, _) => None,
        (_, Access::Read) => Some(Taking::IfUnreadable),
        (_, Access::ReadWrite) => Some(Taking::Own),
    }
}

fn must_exist(resource: &Resource) -> bool {
    matches!(resource.kind, ResourceKind::Image | ResourceKind::Firmware)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dac::tests::Few;

    fn policy() -> Policy {
        Policy {
            identity: Some(Identity { uid: 107, gid: 36, groups: vec![36] }),
            dynamic_ownership: true,
            remember_owner: true,
            drop_capabilities: true,
            common_devices: vec!["/dev/null".into()],
            private_dev: true,
            landlock: true,
            group_parent: Some("machine".into()),
            accounts: Arc::new(Few),
        }
    }

    fn launch() -> Launch {
        let mut kept = Resource::new("/srv/kept.img", ResourceKind::Image).writable();
        kept.keep_label = true;
        Launch {
            resources: vec![
                Resource::new("/srv/a.img", ResourceKind::Image).writable(),
                Resource::new("/srv/cd.iso", ResourceKind::Image),
                Resource::new("/dev/vg/b", ResourceKind::Image).writable(),
                Resource::new("/srv/s.sock", ResourceKind::Socket).writable(),
                kept,
            ],
            ..Launch::default()
        }
    }

    #[test]
    fn written_files_change_hands_read_ones_only_if_they_must() {
        let plan = plan(&policy(), &DacLabel::default(), &launch(), &[]).unwrap();
        assert_eq!(
            plan.takings,
            [("/srv/a.img".into(), Taking::Own), ("/srv/cd.iso".into(), Taking::IfUnreadable)]
        );
        assert_eq!(plan.identity.unwrap().uid, 107);
    }

    #[test]
    fn labels_of_the_guest_come_first() {
        let fixed = DacLabel { label: Some("+5:+6".into()), relabel: Some(false), unconfined: false };
        let fixed = plan(&policy(), &fixed, &launch(), &[]).unwrap();
        assert_eq!((fixed.identity.unwrap().uid, fixed.takings.len()), (5, 0));
        let free = DacLabel { unconfined: true, ..DacLabel::default() };
        let free = plan(&policy(), &free, &launch(), &[]).unwrap();
        assert_eq!((free.identity, free.takings.len()), (None, 0));
        let wrong = DacLabel { label: Some("nobody:kvm".into()), ..DacLabel::default() };
        assert!(plan(&policy(), &wrong, &launch(), &[]).is_err());
    }

    #[test]
    fn a_user_s_own_instance_changes_nothing() {
        let session = Policy { identity: None, ..policy() };
        let label = DacLabel { label: Some("+5:+6".into()), ..DacLabel::default() };
        let plan = plan(&session, &label, &launch(), &[]).unwrap();
        assert_eq!((plan.identity, plan.takings.len(), plan.private_dev), (None, 0, false));
    }

    #[test]
    fn without_a_private_dev_nodes_change_hands() {
        let policy = Policy { private_dev: false, ..policy() };
        let plan = plan(&policy, &DacLabel::default(), &launch(), &[]).unwrap();
        assert!(plan.takings.contains(&("/dev/vg/b".into(), Taking::Own)));
    }
}
