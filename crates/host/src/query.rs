//! Answers the questions of planners.
//!
//! Owns: looking. Never: changes anything, or keeps an answer for later.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler_base::{Code, Error, IdSet, Json, Origin, Result};
use ostler_plan::{Answer, Facts, FileKind, Query};
use rustix::fs::Access;

use crate::devices::scsi_generic;
use crate::fs::read_bounded;
use crate::{failed, sys};

/// The most bytes of a descriptor.
const DESCRIPTOR_MAX: u64 = 1 << 20;

/// How much of an image is read, bytes.
const HEADER: u64 = 64 * 1024;

/// Answers questions.
#[derive(Debug, Default)]
pub struct Asker {
    /// Ports that are promised to somebody already. Those given out here are added.
    pub taken: BTreeSet<u16>,
}

impl Asker {
    /// Looks at the host for each question.
    pub fn answer(&mut self, questions: &[Query]) -> Result<Facts> {
        let mut facts = Facts::default();
        for question in questions {
            facts.add(question.clone(), self.one(question)?);
        }
        Ok(facts)
    }

    fn one(&mut self, question: &Query) -> Result<Answer> {
        Ok(match question {
            Query::Stat(path) => Answer::Kind(kind(path)?),
            Query::Program(name) => Answer::Path(find_program(name)),
            Query::SwtpmVersions => Answer::Words(match find_program("swtpm_setup") {
                Some(program) => versions(&features(&program)),
                None => Vec::new(),
            }),
            Query::ProgramFeatures(program) => {
                Answer::Words(find_program(program).map(|program| features(&program)).unwrap_or_default())
            }
            Query::Secret(lookup) => {
                return Err(Error::internal(format!("the value of the secret '{lookup}' is not known here")));
            }
            Query::Descriptors(folders) => Answer::Files(descriptors(folders)),
            Query::RenderNode => Answer::Path(render_node(Path::new("/dev/dri"))),
            Query::IommuGroup(address) => Answer::Path(iommu_group(Path::new("/sys"), address)),
            Query::NumaNodes => Answer::Ids(numa_nodes()),
            Query::NodesOfCpus(cpus) => Answer::Ids(nodes_of(cpus)),
            Query::AdvisedNodes(vcpus, memory) => Answer::Ids(advised_nodes(*vcpus, *memory)?),
            Query::Seal(_) => Answer::Failed(Error::internal("the key of the run is not known here")),
            Query::Passed(name) => Answer::Failed(not_passed(name)),
            Query::Volume(pool, _) => Answer::Failed(no_pool(pool)),
            Query::Header(path) => Answer::Bytes(header(path)?),
            Query::ScsiGeneric { adapter, bus, target, unit } => {
                Answer::Path(scsi_generic(adapter, *bus, *target, *unit)?)
            }
            Query::FreePort(purpose, first, last) => Answer::Port(self.port(purpose, *first, *last)?),
        })
    }

    fn port(&mut self, purpose: &str, first: u16, last: u16) -> Result<u16> {
        let free = (first..=last).find(|port| !self.taken.contains(port) && is_free(*port));
        let port = free.ok_or_else(|| {
            Error::internal(format!("Unable to find an unused port in range '{purpose}' ({first}-{last})"))
        })?;
        self.taken.insert(port);
        Ok(port)
    }
}

/// The node of the group that a PCI function is in.
fn iommu_group(sys: &Path, address: &str) -> Option<PathBuf> {
    if address.contains('/') {
        return None;
    }
    let group = fs::read_link(sys.join("bus/pci/devices").join(address).join("iommu_group")).ok()?;
    Some(Path::new("/dev/vfio").join(group.file_name()?))
}

fn not_passed(name: &str) -> Error {
    Error::invalid_arg(format!("file descriptor group '{name}' was not associated with the domain"))
}

fn no_pool(pool: &str) -> Error {
    let detail = format!("no storage pool with matching name '{pool}'");
    Error::new(Code::NoStoragePool, Origin::Storage, detail)
}

/// The first bytes of an image.
fn header(path: &Path) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(HEADER).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| failed(format_args!("Cannot access storage file '{}'", path.display()), error))
}

/// What is at a path, behind a link as well. What cannot be looked at is an error, not absent.
fn kind(path: &Path) -> Result<FileKind> {
    let found = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(FileKind::Absent);
        }
        Err(error) => return Err(failed(format_args!("cannot access '{}'", path.display()), error)),
    };
    let kinds = [
        (found.is_file(), FileKind::File),
        (found.is_dir(), FileKind::Directory),
        (found.is_block_device(), FileKind::Block),
        (found.is_char_device(), FileKind::Character),
    ];
    Ok(kinds.into_iter().find(|(is, _)| *is).map_or(FileKind::Other, |(_, kind)| kind))
}

/// The host's NUMA nodes; node 0 where the kernel knows none.
fn numa_nodes() -> IdSet {
    let text = fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    IdSet::parse(text.trim()).unwrap_or_else(|| IdSet::from_iter([0]))
}

/// The NUMA nodes that some of these CPUs are on.
fn nodes_of(cpus: &IdSet) -> IdSet {
    let of_node = |node: &u32| {
        let path = format!("/sys/devices/system/node/node{node}/cpulist");
        let list = fs::read_to_string(path).ok().and_then(|text| IdSet::parse(text.trim()));
        list.is_some_and(|own| own.overlaps(cpus))
    };
    numa_nodes().iter().filter(of_node).collect()
}

/// What numad advises for a guest with so much memory (KiB).
fn advised_nodes(vcpus: u32, memory: u64) -> Result<IdSet> {
    let Some(program) = find_program("numad") else {
        return Err(Error::operation_unsupported(
            "numad is not available on this host: install it, or name the nodes in <numatune>",
        ));
    };
    sys::keep_descriptors();
    let need = format!("{vcpus}:{}", memory.div_ceil(1024));
    let output = Command::new(program).args(["-w", &need]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed("cannot run numad", error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    IdSet::parse(text.trim())
        .filter(|_| output.status.success())
        .ok_or_else(|| Error::operation_failed("Failed to query numad for the advisory nodeset"))
}

/// Descriptors in folders, of the distribution first, by name. What cannot be read is passed over and
/// logged: one broken file must not hide the others.
fn descriptors(folders: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.map(|entry| (entry.file_name(), entry.path()));
        found.extend(named.filter(|(_, path)| path.extension().is_some_and(|end| end == "json")));
    }
    let mut files = Vec::new();
    for path in found.into_values() {
        match read_bounded(&path, DESCRIPTOR_MAX) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => files.push((path, text)),
            Err(error) => tracing::warn!(path = %path.display(), %error, "cannot read a descriptor"),
        }
    }
    files
}

/// The first render node of a graphics card, where there is one.
fn render_node(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let nodes = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"renderD"));
    nodes.map(|entry| entry.path()).min()
}

/// A program by its name in `PATH`, or by its absolute path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_absolute()).filter(runs);
    }
    env::split_paths(&env::var_os("PATH")?)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(runs)
}

/// What a helper says about itself; nothing where it cannot.
fn features(program: &Path) -> Vec<String> {
    sys::keep_descriptors();
    let output =
        Command::new(program).arg("--print-capabilities").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let said = text.and_then(|text| String::from_utf8(text).ok()).and_then(|text| text.parse::<Json>().ok());
    let list = said.as_ref().and_then(|said| said.get("features")).and_then(Json::as_array);
    list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// The versions among the features. A program that names none is of a time when it could do both.
fn versions(features: &[String]) -> Vec<String> {
    let named: Vec<_> =
        features.iter().filter_map(|word| word.strip_prefix("tpm-")).map(str::to_owned).collect();
    if named.is_empty() { vec!["1.2".to_owned(), "2.0".to_owned()] } else { named }
}

/// Whether nobody listens there, on either family; a host without one of them has nobody there.
fn is_free(port: u16) -> bool {
    let addresses: [SocketAddr; 2] =
        [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
    addresses.into_iter().all(|address| match TcpListener::bind(address) {
        Ok(_) => true,
        Err(error) => {
            matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
                || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;

    #[test]
    fn what_is_at_a_path() {
        let scratch = Scratch::new();
        let file = scratch.0.join("f");
        fs::write(&file, "").unwrap();
        let expected = [
            (scratch.0.clone(), FileKind::Directory),
            (file.clone(), FileKind::File),
            (file.join("below"), FileKind::Absent),
            (scratch.0.join("no"), FileKind::Absent),
            ("/dev/null".into(), FileKind::Character),
        ];
        let questions: Vec<_> = expected.iter().map(|(path, _)| Query::Stat(path.clone())).collect();
        let facts = Asker::default().answer(&questions).unwrap();
        for (path, kind) in expected {
            assert_eq!(facts.kind(&path).unwrap(), kind, "{}", path.display());
        }
    }

    #[test]
    fn descriptors_by_precedence() {
        let scratch = Scratch::new();
        let folders = ["a", "b"].map(|name| scratch.0.join(name));
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        for (folder, name, text) in [
            (0, "2.json", "old"),
            (0, "1.json", "x"),
            (0, "3.json", "gone"),
            (1, "2.json", "new"),
            (1, "3.json", ""),
        ] {
            fs::write(folders[folder].join(name), text).unwrap();
        }
        fs::write(folders[0].join("4.txt"), "no").unwrap();
        let question = Query::Descriptors(folders.to_vec());
        let facts = Asker::default().answer(std::slice::from_ref(&question)).unwrap();
        let texts: Vec<_> = facts.files(&question).unwrap().iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["x", "new"]);
    }

    #[test]
    fn nodes_of_devices_that_are_passed_through() {
        let scratch = Scratch::new();
        let sys = &scratch.0;
        let function = sys.join("bus/pci/devices/0000:01:00.0");
        fs::create_dir_all(&function).unwrap();
        std::os::unix::fs::symlink("../../../kernel/iommu_groups/5", function.join("iommu_group")).unwrap();
        assert_eq!(iommu_group(sys, "0000:01:00.0"), Some("/dev/vfio/5".into()));
        assert_eq!(iommu_group(sys, "../0000:01:00.0"), None);
    }

    #[test]
    fn the_first_render_node() {
        let scratch = Scratch::new();
        assert_eq!(render_node(&scratch.0.join("no")), None);
        for name in ["card0", "renderD129", "renderD128"] {
            fs::write(scratch.0.join(name), "").unwrap();
        }
        assert_eq!(render_node(&scratch.0), Some(scratch.0.join("renderD128")));
    }

    #[test]
    fn programs_and_ports() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let used = listener.local_addr().unwrap().port();
        let questions =
            ["sh", "/bin/sh", "sh/../x", "no-such-program"].map(|name| Query::Program(name.to_owned()));
        let mut asker = Asker::default();
        let facts = asker.answer(&questions).unwrap();
        let found = |name: &str| facts.program(name).unwrap().is_some();
        assert_eq!(["sh", "/bin/sh", "sh/../x", "no-such-program"].map(found), [true, true, false, false]);
        assert!(asker.answer(&[Query::FreePort("vnc".into(), used, used)]).is_err());
        drop(listener);
        let question = Query::FreePort("vnc".into(), used, used);
        assert_eq!(asker.answer(std::slice::from_ref(&question)).unwrap().port(&question).unwrap(), used);
        assert!(asker.answer(&[question]).is_err(), "given out once");
    }

    #[test]
    fn helpers_that_say_nothing_have_no_features() {
        let question = Query::ProgramFeatures("/bin/false".into());
        let facts = Asker::default().answer(std::slice::from_ref(&question)).unwrap();
        assert!(facts.words(&question).unwrap().is_empty());
        assert_eq!(versions(&["tpm-2.0".into(), "cmdarg-x".into()]), ["2.0"]);
        assert_eq!(versions(&[]), ["1.2", "2.0"]);
    }
}
