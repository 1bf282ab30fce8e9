//! Storage pools and volumes.
//!
//! Owns: their documents (`pool`, `volume`), what is special about each kind of pool (`kinds`),
//! and the commands that start a pool or make a volume (`mount`, `image`). Never: runs a command
//! or looks at a disk.

pub mod adapter;
pub mod image;
pub mod kinds;
pub mod mount;
mod permissions;
pub mod pool;
mod pool_xml;
pub mod probe;
pub mod volume;
mod volume_xml;

pub use permissions::Permissions;
pub use pool::Pool;
pub use volume::Volume;
pub use volume_xml::CapacityRule;

/// A path without repeated and trailing slashes. Two slashes at its beginning stay two, since
/// that is a place of its own on some systems.
pub(crate) fn clean_path(path: &str) -> String {
    let leading = path.bytes().take_while(|b| *b == b'/').count();
    let root = match leading {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let rest: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("{root}{}", rest.join("/"))
}

#[cfg(test)]
mod tests {
    use super::clean_path;

    #[test]
    fn slashes() {
        for (given, cleaned) in [
            ("///var/////lib//", "/var/lib"),
            ("//net/x/", "//net/x"),
            ("a//b", "a/b"),
            ("/", "/"),
            ("gluster://host/v", "gluster:/host/v"),
        ] {
            assert_eq!(clean_path(given), cleaned);
        }
    }
}
