//! Pseudo terminals of guests.
//!
//! Owns: that only one of the kernel's pseudo terminals is opened, and that it passes bytes as they
//! are. Never: interprets one.

use std::path::Path;

use ostler_base::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::{Terminal, failed};

/// Opens a pseudo terminal that an emulator named. Anything else at the path is refused. Needs a
/// running tokio.
pub fn open_terminal(path: &Path) -> Result<Terminal> {
    let what = || format!("unable to open tty '{}'", path.display());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(what(), error))?;
    let facts = rustix::fs::fstat(&fd).map_err(|error| failed(what(), error))?;
    let is_device = FileType::from_raw_mode(facts.st_mode) == FileType::CharacterDevice;
    if !is_device || !path.starts_with("/dev/pts") {
        return Err(Error::internal(format!("'{}' is no pseudo terminal", path.display())));
    }
    let mut attributes = tcgetattr(&fd).map_err(|error| failed(what(), error))?;
    attributes.make_raw();
    tcsetattr(&fd, OptionalActions::Now, &attributes).map_err(|error| failed(what(), error))?;
    Terminal::new(fd).map_err(|error| failed(what(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[tokio::test]
    async fn bytes_pass_as_they_are() {
        let main = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY);
        let main = main.unwrap();
        rustix::pty::grantpt(&main).unwrap();
        rustix::pty::unlockpt(&main).unwrap();
        let name = rustix::pty::ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        let terminal = open_terminal(Path::new(&name)).unwrap();
        let mut main = std::fs::File::from(main);
        main.write_all(b"a\r\x03").unwrap();
        let mut space = [0; 16];
        let mut got = 0;
        while got < 3 {
            got += terminal.read(&mut space[got..]).await.unwrap();
        }
        assert_eq!(&space[..3], b"a\r\x03");
        assert_eq!(terminal.write(b"b\n").await.unwrap(), 2);
        let mut back = [0; 2];
        main.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"b\n");
        drop(main);
        assert_eq!(terminal.read(&mut space).await.unwrap(), 0);
        assert!(open_terminal(Path::new("/dev/null")).is_err());
    }
}
