//! The sockets that clients find the daemon at.
//!
//! Owns: their names, permissions and group, and that a live daemon's socket is never taken.
//! Never: accepts a connection.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::accounts;
use crate::config::{Config, permissions};
use crate::layout::{Instance, Layout};

/// What a client may do that connects to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    ReadWrite,
    /// Look, not touch.
    ReadOnly,
    /// Administer the daemon itself.
    Admin,
}

/// Stems of socket names; every instance has all of them.
const STEMS: &[&str] = &["libvirt", "virtqemud"];

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A socket that listens. The file that was made for it goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    /// What its clients may do.
    pub role: Role,
    /// Its place.
    pub path: PathBuf,
    /// The listener, non-blocking.
    pub listener: UnixListener,
    /// The directory that its file was made in, and the file's name; none: it was handed over.
    made: Option<(File, String)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some((directory, name)) = &self.made {
            // A socket nobody listens at is replaced by the next daemon.
            let _ = rustix::fs::unlinkat(directory, &**name, AtFlags::empty());
        }
    }
}

impl Socket {
    /// A socket that whoever started the daemon listens at already; its file is theirs.
    pub(crate) fn handed_over(role: Role, listener: UnixListener) -> io::Result<Socket> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        Ok(Socket { role, path, listener, made: None })
    }
}

/// Name, role and permissions of every socket of an instance.
fn plan(instance: Instance, config: &Config) -> Vec<(String, Role, u32)> {
    let mode = |text| permissions(text).unwrap_or(0);
    let mut sockets = Vec::new();
    for stem in STEMS {
        let admin = format!("{stem}-admin-sock");
        match instance {
            Instance::System => sockets.extend([
                (format!("{stem}-sock"), Role::ReadWrite, mode(&config.unix_sock_rw_perms)),
                (format!("{stem}-sock-ro"), Role::ReadOnly, mode(&config.unix_sock_ro_perms)),
                (admin, Role::Admin, mode(&config.unix_sock_admin_perms)),
            ]),
            Instance::Session => {
                sockets
                    .extend([(format!("{stem}-sock"), Role::ReadWrite, 0o700), (admin, Role::Admin, 0o700)]);
            }
        }
    }
    sockets
}

/// Opens every socket of an instance. The error is a message for the user; nothing stays behind.
pub fn open(layout: &Layout, config: &Config) -> Result<Vec<Socket>, String> {
    let directory = config.socket_dir().unwrap_or_else(|| layout.run.clone());
    let group = match (&config.unix_sock_group, layout.instance) {
        (Some(name), Instance::System) => {
            Some(Gid::from_raw(accounts::group(name).map_err(|why| format!("unix_sock_group: {why}"))?))
        }
        _ => None,
    };
    let named = |what: &str, e: &dyn std::fmt::Display| format!("cannot {what} {}: {e}", directory.display());
    make_directory(&directory, layout.instance)?;
    let opened = File::open(&directory).map_err(|e| named("open directory", &e))?;
    let mut sockets = Vec::new();
    for (name, role, mode) in plan(layout.instance, config) {
        let path = directory.join(&name);
        let failed = |e: io::Error| format!("cannot listen at {}: {e}", path.display());
        let own = opened.try_clone().map_err(failed)?;
        let reach = short_path(&own, &name);
        clear(&reach, &path)?;
        let listener = bind(&reach, &own, &name, group, mode).map_err(failed)?;
        sockets.push(Socket { role, path, listener, made: Some((own, name)) });
    }
    Ok(sockets)
}

/// Makes the directory of an instance's sockets if it is not there; a user's is closed to others.
/// The error is a message for the user.
pub fn make_directory(path: &Path, instance: Instance) -> Result<(), String> {
    let mode = if instance == Instance::System { 0o755 } else { 0o700 };
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|e| format!("cannot make directory {}: {e}", path.display()))
}

/// A path to a file of an open directory that is short enough for a socket's address however deep
/// the directory lies.
fn short_path(directory: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

/// Takes away the socket of a daemon that is gone; refuses when somebody listens, or when it is no
/// socket.
fn clear(reach: &Path, path: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot replace {}: {e}", path.display());
    match fs::symlink_metadata(reach) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(data) if !data.file_type().is_socket() => {
            return Err(format!("cannot listen at {}: it is there, and no socket", path.display()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(reach) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(reach).map_err(failed),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(format!("a daemon runs here already: it listens at {}", path.display())),
        Err(e) => Err(failed(e)),
    }
}

/// Binds with no permission for anybody, hands the file to its group, then opens it up: nobody gets
/// in between.
fn bind(
    reach: &Path,
    directory: &File,
    name: &str,
    group: Option<Gid>,
    mode: u32,
) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file takes its permissions from the socket.
    rustix::fs::fchmod(&socket, Mode::empty())?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(reach)?)?;
    let opened_up = (|| {
        rustix::net::listen(&socket, BACKLOG)?;
        if group.is_some() {
            rustix::fs::chownat(directory, name, None, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::chmodat(directory, name, Mode::from_raw_mode(mode), AtFlags::empty())
    })();
    match opened_up {
        Ok(()) => Ok(UnixListener::from(socket)),
        Err(e) => {
            let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
            Err(e.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn root(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ostler-sockets-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn names_and_permissions() {
        let root = root("names");
        let config = Config { unix_sock_rw_perms: "0770".to_owned(), ..Config::default() };
        let layout = Layout::below(&root);
        let sockets = open(&layout, &config).unwrap();
        let mode = |name: &str| fs::metadata(layout.run.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(sockets.len(), 6);
        assert_eq!(mode("libvirt-sock"), 0o770);
        assert_eq!(mode("libvirt-sock-ro"), 0o777);
        assert_eq!(mode("virtqemud-admin-sock"), 0o700);
        let error = open(&layout, &config).unwrap_err();
        assert!(error.contains("a daemon runs here already"), "{error}");
        drop(sockets);
        assert!(!layout.run.join("libvirt-sock").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn stale_is_replaced_and_files_are_kept() {
        let root = root("stale");
        let layout = Layout::below(&root);
        fs::create_dir_all(&layout.run).unwrap();
        let path = layout.run.join("libvirt-sock");
        drop(UnixListener::bind(&path).unwrap());
        drop(open(&layout, &Config::default()).unwrap());
        fs::write(&path, "precious").unwrap();
        let error = open(&layout, &Config::default()).unwrap_err();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_user_s_own() {
        let root = root("session");
        let variable = |name: &str| (name == "HOME").then(|| root.clone());
        let layout = Layout::session(variable).unwrap();
        let sockets = open(&layout, &Config::default()).unwrap();
        assert!(sockets.iter().all(|socket| socket.role != Role::ReadOnly));
        for place in [layout.run.clone(), layout.run.join("libvirt-sock")] {
            assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o777, 0o700);
        }
        drop(sockets);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn deep_directories() {
        let root = root("deep");
        let layout = Layout::below(&root.join("d".repeat(100)).join("e".repeat(100)));
        assert_eq!(open(&layout, &Config::default()).unwrap().len(), 6);
        fs::remove_dir_all(root).unwrap();
    }
}
