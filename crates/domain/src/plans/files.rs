//! Files for a guest that runs and cannot open any itself: they come as descriptors.
//!
//! Owns: which properties of parts are paths that an emulator opens, and what takes their place. Never:
//! opens a file.

use ostler_plan::{FdKind, FdSource, Part, PassedFds, Props};

/// The property of a part that is the path of a file, and whether the file is only read.
fn path_of<'p>(part: &'p Part, parts: &[Part]) -> Option<(&'static str, &'p str, bool)> {
    let (name, props, read_only) = match part {
        Part::Blockdev(props) => {
            let local = matches!(props.text("driver")?, "file" | "host_device" | "host_cdrom");
            ("filename", props, local.then(|| is_read_only(props, parts))?)
        }
        Part::Object(props) => match props.text("qom-type")? {
            "input-linux" => ("evdev", props, false),
            "rng-random" => ("filename", props, true),
            _ => return None,
        },
        _ => return None,
    };
    let path = props.text(name)?;
    (path.starts_with('/') && !path.starts_with("/dev/fdset/")).then_some((name, path, read_only))
}

/// Whether nobody writes to a node: by its own word, or by that of the one above it.
fn is_read_only(storage: &Props, parts: &[Part]) -> bool {
    let says = |props: &Props| props.get("read-only").and_then(ostler_base::Json::as_bool) == Some(true);
    let above = |part: &Part| match part {
        Part::Blockdev(props) => {
            props.text("file").is_some() && props.text("file") == storage.text("node-name") && says(props)
        }
        _ => false,
    };
    says(storage) || parts.iter().any(above)
}

/// Parts with descriptors in the place of paths.
pub(super) fn by_descriptor(parts: Vec<Part>, fds: &mut PassedFds) -> Vec<Part> {
    let mut out = Vec::with_capacity(parts.len());
    for part in &parts {
        let Some((name, path, read_only)) = path_of(part, &parts) else {
            out.push(part.clone());
            continue;
        };
        let set = fds.next_set();
        let label = part.id().unwrap_or_default();
        let mut sources = vec![FdSource::OpenRead(path.into())];
        if !read_only {
            // An emulator picks the member of a set that may do what it wants to do.
            sources.push(FdSource::Open(path.into()));
        }
        for source in sources {
            let fd = fds.add(FdKind::Client, source);
            out.push(Part::plain("-add-fd", format!("set={set},fd={fd},opaque={label}")));
        }
        let mut part = part.clone();
        if let Part::Blockdev(props) | Part::Object(props) = &mut part {
            props.set(name, format!("/dev/fdset/{set}"));
        }
        out.push(part);
    }
    out
}

/// The labels of the sets that parts have by [`by_descriptor`].
pub(super) fn labels(parts: &[Part]) -> Vec<String> {
    let labelled = parts.iter().filter(|part| path_of(part, parts).is_some());
    labelled.filter_map(Part::id).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_plan::{hot_add, hot_numbering};

    #[test]
    fn files_become_members_of_sets() {
        let storage = Props::new().with("driver", "file").with("filename", "/i").with("node-name", "n");
        let format = Props::new().with("driver", "qcow2").with("file", "n").with("read-only", false);
        let parts = vec![Part::Blockdev(storage), Part::Blockdev(format)];
        assert_eq!(labels(&parts), ["n"]);
        let mut fds = PassedFds::new(hot_numbering());
        fds.reserve_sets(5);
        let parts = by_descriptor(parts, &mut fds);
        let commands = hot_add(&parts, &fds.into_vec()).unwrap();
        let names: Vec<_> = commands.iter().map(|command| command.name).collect();
        assert_eq!(names, ["add-fd", "add-fd", "blockdev-add", "blockdev-add"]);
        assert!(commands[2].arguments.as_ref().unwrap().to_string().contains("/dev/fdset/5"));
    }
}
