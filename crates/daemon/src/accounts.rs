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

/// The name of a user.
pub fn user_name(number: u32) -> Option<String> {
    name(number, Path::new("/etc/passwd"))
}

/// The name of a group.
pub fn group_name(number: u32) -> Option<String> {
    name(number, Path::new("/etc/group"))
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
        assert_eq!(group("4711"), Ok(4711));
        assert_eq!(user("+4711"), Ok(4711));
        assert_eq!(group("no such group"), Err("there is no group 'no such group'".to_owned()));
    }
}
