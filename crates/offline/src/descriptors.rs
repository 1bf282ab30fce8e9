//! Descriptors of the fake host: which there are, in order of precedence.
//!
//! Owns: how its folders stand for those of a real host. Never: reads what is in them.

use std::path::Path;

use ostler_base::{Error, Result};
use ostler_domain::firmware::{Firmwares, precedence};

use crate::Args;
use crate::args::read;

/// A descriptor: its path on the fake host, and its text.
pub(crate) type File = (String, String);

/// Descriptors of a kind (`firmware`, `vhost-user`) that count, in order.
pub(crate) fn files(host: &Path, kind: &str) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for folder in ["/usr/share/qemu", "/etc/qemu"] {
        let folder = format!("{folder}/{kind}");
        let real = format!("{}{folder}", host.display());
        let unreadable = |error| Error::system(format!("cannot read '{real}': {error}"));
        for entry in std::fs::read_dir(&real).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let empty = entry.metadata().map_err(unreadable)?.len() == 0;
            found.push((folder.clone(), entry.file_name().to_string_lossy().into_owned(), empty));
        }
    }
    let paths =
        precedence(found.iter().map(|(folder, name, empty)| (folder.as_str(), name.as_str(), *empty)));
    paths.into_iter().map(|path| Ok((path.clone(), read(&format!("{}{path}", host.display()))?))).collect()
}

/// The firmware of the fake host; none where no host is given.
pub(crate) fn firmwares(args: &Args) -> Result<Firmwares> {
    match args.option("fakehost") {
        Some(host) => {
            let files = files(Path::new(host), "firmware")?;
            Ok(Firmwares::read(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))).0)
        }
        None => Ok(Firmwares::default()),
    }
}
