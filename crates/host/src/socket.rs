//! UNIX sockets at paths of any length.
//!
//! Owns: the way around the 107 bytes of a socket's address: the directory is opened, and the socket
//! named through it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The longest path that a socket's address holds, without the byte that ends it.
const ADDRESS_MAX: usize = 107;

/// A path that fits, and what keeps it valid.
fn short(path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    if path.as_os_str().len() <= ADDRESS_MAX {
        return Ok((path.to_owned(), None));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let name = path.file_name().unwrap_or_default();
    let through = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((through, Some(directory)))
}

/// Binds and listens; a socket left there by a run before is removed first. User and group may connect,
/// others not
/// write.
pub fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    let (address, _directory) = short(path)?;
    match fs::remove_file(&address) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&address)?;
    let mode = fs::symlink_metadata(&address)?.permissions().mode();
    fs::set_permissions(&address, fs::Permissions::from_mode((mode & !0o002) | 0o664))?;
    Ok(listener)
}

/// Connects.
pub fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let (address, _directory) = short(path)?;
    UnixStream::connect(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;
    use std::io::{Read, Write};

    #[test]
    fn a_path_of_any_length() {
        let scratch = Scratch::new();
        let deep = scratch.0.join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        for path in [scratch.0.join("s"), deep.join("s")] {
            drop(listen_unix(&path).unwrap());
            let listener = listen_unix(&path).unwrap();
            connect_unix(&path).unwrap().write_all(b"x").unwrap();
            let mut got = String::new();
            listener.accept().unwrap().0.read_to_string(&mut got).unwrap();
            assert_eq!(got, "x");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o666, 0o664);
        }
    }
}
