//! Users and groups by name, as the system's own files have them.
//!
//! Owns: the look-up; `+N` and plain numbers stand for themselves. Never: asks a directory service.

use std::path::Path;

/// The number of a user. The error is a message.
pub fn user(name: &str) -> Result<u32, String> {
    look_up(name, Path::new("/etc/passwd"), "user")
}

/// The number of a group. The error is a message.
pub fn group(name: &str) -> Result<u32, String> {
    look_up(name, Path::new("/etc/group"), "group")
}

/// The users that a group lists as its members.
pub fn members(group: &str) -> Vec<u32> {
    let text = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').next() == Some(group));
    let names = line.and_then(|line| line.split(':').nth(3)).unwrap_or_default();
    names.split(',').filter_map(|name| user(name).ok()).collect()
}

/// The name of a user.
pub fn user_name(number: u32) -> Option<String> {
    name(number, Path::new("/etc/passwd"))
}

/// The name of a group.
pub fn group_name(number: u32) -> Option<String> {
    name(number, Path::new("/etc/group"))
}

/// The groups of a user by number: its own first, then those that it is a member of.
pub fn groups(uid: u32) -> Vec<u32> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let of_user = |line: &&str| line.split(':').nth(2) == Some(&number);
    let Some(line) = users.lines().find(of_user) else { return Vec::new() };
    let mut columns = line.split(':');
    let name = columns.next().unwrap_or_default();
    let own = columns.nth(2).and_then(|gid| gid.parse().ok());
    let text = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let member = |line: &str| {
        let mut columns = line.split(':').skip(2);
        let (number, members) = (columns.next()?, columns.next()?);
        members.split(',').any(|member| member == name).then(|| number.parse().ok())?
    };
    own.into_iter().chain(text.lines().filter_map(member)).collect()
}

/// The system's users and groups, for the labels of guests.
#[derive(Debug)]
pub struct System;

impl ostler_confine::Accounts for System {
    fn user(&self, name: &str) -> ostler_base::Result<u32> {
        user(name).map_err(ostler_base::Error::invalid_arg)
    }

    fn group(&self, name: &str) -> ostler_base::Result<u32> {
        group(name).map_err(ostler_base::Error::invalid_arg)
    }

    fn groups(&self, uid: u32) -> Vec<u32> {
        groups(uid)
    }
}

fn name(number: u32, file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let number = number.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&number))?;
    line.split(':').next().map(str::to_owned)
}

/// Both files have the name in the first column and the number in the third.
fn look_up(name: &str, file: &Path, kind: &str) -> Result<u32, String> {
    let missing = || format!("there is no {kind} '{name}'");
    if let Some(number) = name.strip_prefix('+') {
        return number.parse().map_err(|_| missing());
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let named = text.lines().find_map(|line| {
        let mut columns = line.split(':');
        let number = (columns.next() == Some(name)).then(|| columns.nth(1))??;
        number.parse().ok()
    });
    named.or_else(|| name.parse().ok()).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(group("root"), Ok(0));
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(u32::MAX), None);
        assert_eq!(groups(0).first(), Some(&0));
        assert!(groups(u32::MAX).is_empty());
        assert_eq!(group("4711"), Ok(4711));
        assert_eq!(user("+4711"), Ok(4711));
        assert_eq!(group("no such group"), Err("there is no group 'no such group'".to_owned()));
    }
}
