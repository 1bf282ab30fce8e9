//! Sockets that the service manager listens at before the daemon runs.
//!
//! Owns: what its variables say, and which unit's socket is for what. Never: makes a socket.

use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::sockets::{Role, Socket};

/// The number of the first descriptor that is handed over.
const FIRST: RawFd = 3;

/// The most descriptors; there are six units.
const COUNT_MAX: RawFd = 16;

/// The units of each role.
const UNITS: &[(&str, Role)] = &[
    ("libvirtd.socket", Role::ReadWrite),
    ("libvirtd-ro.socket", Role::ReadOnly),
    ("libvirtd-admin.socket", Role::Admin),
    ("virtqemud.socket", Role::ReadWrite),
    ("virtqemud-ro.socket", Role::ReadOnly),
    ("virtqemud-admin.socket", Role::Admin),
];

/// The descriptors that are meant for process `own`, with what each is for. The error is a message
/// for the user.
fn plan(own: i32, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<(RawFd, Role)>, String> {
    let number = |name: &str| variable(name)?.parse::<i32>().ok();
    if number("LISTEN_PID") != Some(own) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0);
    if !(0..=COUNT_MAX).contains(&count) {
        return Err(format!("LISTEN_FDS={count}: there are no so many sockets"));
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (FIRST..FIRST + count)
        .map(|descriptor| {
            let name = names.next().unwrap_or_default();
            let known = UNITS.iter().find(|(unit, _)| *unit == name);
            let (_, role) =
                known.ok_or_else(|| format!("LISTEN_FDNAMES: socket unit '{name}' is not known"))?;
            Ok((descriptor, *role))
        })
        .collect()
}

/// The sockets that are handed over; none where the daemon was started otherwise. The error is a
/// message for the user.
pub fn sockets() -> Result<Vec<Socket>, String> {
    let own = getpid();
    let planned = plan(own.as_raw_nonzero().get(), |name| std::env::var(name).ok())?;
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |e: std::io::Error| format!("cannot take the service manager's sockets: {e}");
    let process = pidfd_open(own, PidfdFlags::empty()).map_err(|e| failed(e.into()))?;
    let take = |(descriptor, role)| {
        let taken: OwnedFd = pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty())?;
        Socket::handed_over(role, UnixListener::from(taken))
    };
    planned.into_iter().map(take).collect::<Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(pid: &str, count: &str, names: &str) -> Result<Vec<(RawFd, Role)>, String> {
        let (pid, count, names) = (pid.to_owned(), count.to_owned(), names.to_owned());
        plan(7, move |name| match name {
            "LISTEN_PID" => Some(pid.clone()),
            "LISTEN_FDS" => Some(count.clone()),
            _ => Some(names.clone()),
        })
    }

    #[test]
    fn what_the_variables_say() {
        let two = planned("7", "2", "libvirtd-ro.socket:libvirtd.socket");
        assert_eq!(two, Ok(vec![(3, Role::ReadOnly), (4, Role::ReadWrite)]));
        assert_eq!(planned("8", "2", "x"), Ok(Vec::new()));
        assert_eq!(plan(7, |_| None), Ok(Vec::new()));
        assert!(planned("7", "1", "other.socket").is_err());
        assert!(planned("7", "2", "libvirtd.socket").is_err());
        assert!(planned("7", "2147483647", "libvirtd.socket").is_err());
        assert!(planned("7", "-1", "libvirtd.socket").is_err());
    }
}
