//! As whom a guest runs.
//!
//! Owns: `<seclabel model='dac'>` and what it falls back to. Never: changes an owner.

use std::fmt::Debug;

use ostler_base::{Error, Result, refuse};

/// User, group and further groups, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups, exactly these.
    pub groups: Vec<u32>,
}

impl Identity {
    /// As a label: `+UID:+GID`.
    pub fn label(&self) -> String {
        format!("+{}:+{}", self.uid, self.gid)
    }
}

/// Looks users and groups up.
pub trait Accounts: Debug + Send + Sync {
    /// The number of a user.
    fn user(&self, name: &str) -> Result<u32>;
    /// The number of a group.
    fn group(&self, name: &str) -> Result<u32>;
    /// The further groups of a user.
    fn groups(&self, uid: u32) -> Vec<u32>;
}

/// What a guest's definition says of ownership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DacLabel {
    /// `USER:GROUP` of a static label; nothing where the label is dynamic.
    pub label: Option<String>,
    /// `type='none'`: as the daemon itself, nothing changes hands.
    pub unconfined: bool,
    /// Whether files change hands; the policy's rule where nothing is said.
    pub relabel: Option<bool>,
}

/// The identity that a label names: `USER:GROUP`, each a name or a number, `+` before a number that is
/// not to be taken for a name.
pub(crate) fn identity(label: &str, accounts: &dyn Accounts) -> Result<Identity> {
    let Some((user, group)) =
        label.split_once(':').filter(|(user, group)| !user.is_empty() && !group.is_empty())
    else {
        refuse!(
            invalid_arg,
            "invalid security label '{label}' of model dac: it has to be USER:GROUP, each a name or +NUMBER"
        )
    };
    let number = |text: &str, look_up: &dyn Fn(&str) -> Result<u32>| match text.strip_prefix('+') {
        Some(digits) => digits
            .parse()
            .map_err(|_| Error::invalid_arg(format!("invalid number '{text}' in security label '{label}'"))),
        None => look_up(text),
    };
    let uid = number(user, &|name| accounts.user(name))?;
    let gid = number(group, &|name| accounts.group(name))?;
    Ok(Identity { uid, gid, groups: accounts.groups(uid) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A host with one user.
    #[derive(Debug)]
    pub(crate) struct Few;

    impl Accounts for Few {
        fn user(&self, name: &str) -> Result<u32> {
            if name == "qemu" {
                Ok(107)
            } else {
                Err(Error::invalid_arg(format!("there is no user '{name}'")))
            }
        }

        fn group(&self, name: &str) -> Result<u32> {
            if name == "kvm" {
                Ok(36)
            } else {
                Err(Error::invalid_arg(format!("there is no group '{name}'")))
            }
        }

        fn groups(&self, uid: u32) -> Vec<u32> {
            if uid == 107 { vec![36, 107] } else { Vec::new() }
        }
    }

    #[test]
    fn labels() {
        let of = |label: &str| identity(label, &Few);
        assert_eq!(of("qemu:kvm").unwrap(), Identity { uid: 107, gid: 36, groups: vec![36, 107] });
        assert_eq!(of("+5:+6").unwrap(), Identity { uid: 5, gid: 6, groups: vec![] });
        assert_eq!(of("+5:+6").unwrap().label(), "+5:+6");
        for wrong in ["", "qemu", ":", "qemu:", "nobody:kvm", "+x:+1", "+99999999999:+1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
