//! Memory back ends: the objects that a guest's memory is made of.
//!
//! Owns: which kind of object a piece of memory needs, and its properties. Never: decides which
//! pieces there are; cells, main memory and memory devices ask for theirs.

use ostler_base::{IdSet, OnOff, Result, YesNo, refuse, scale::KIB};
use ostler_caps::emulator::Flag;
use ostler_plan::{Action, Part, Props};

use super::memory_backing::{Allocation, HugePage, MemoryAccess, MemorySource};
use super::numa::MemAccess;
use super::numatune::{self, NumaMode};
use crate::devices::Build;
use crate::{Draft, Setting};

/// The size of an ordinary page, KiB.
const PAGE: u64 = 4;

/// A piece of memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The name of the object.
    pub(crate) alias: &'a str,
    /// Size, KiB.
    pub(crate) size: u64,
    /// The cell of the guest that it is for; `None`: all of its memory.
    pub(crate) cell: Option<u32>,
    /// The size of the pages that it asks for, KiB.
    pub(crate) page_size: Option<u64>,
    /// The nodes of the host that it asks for.
    pub(crate) nodes: Option<&'a IdSet>,
    /// The name of its file among the guest's memory in files; the object's where absent.
    pub(crate) file: Option<&'a str>,
    /// The file that is this memory (a non-volatile module's).
    pub(crate) path: Option<&'a str>,
    /// Who sees what is written to it.
    pub(crate) access: Option<MemAccess>,
    /// Whether its content may be thrown away at the end.
    pub(crate) discard: Option<YesNo>,
    /// Alignment, KiB.
    pub(crate) align: Option<u64>,
    /// Writes must reach persistent memory.
    pub(crate) pmem: bool,
    /// The guest cannot write it.
    pub(crate) read_only: bool,
    /// It is the main memory of a machine.
    pub(crate) system: bool,
    /// Whether its pages are taken at once; as the definition says where absent.
    pub(crate) preallocate: Option<OnOff>,
    /// Its pages are taken by the device that uses it, and not before.
    pub(crate) lazy: bool,
    /// It is memory of enclaves.
    pub(crate) enclave: bool,
    /// The object must be there whatever is asked of it.
    pub(crate) force: bool,
}

impl<'a> Request<'a> {
    /// Memory of which nothing special is asked; `size` in KiB.
    pub(crate) fn new(alias: &'a str, size: u64) -> Self {
        Request {
            alias,
            size,
            cell: None,
            page_size: None,
            nodes: None,
            file: None,
            path: None,
            access: None,
            discard: None,
            align: None,
            pmem: false,
            read_only: false,
            system: false,
            preallocate: None,
            lazy: false,
            enclave: false,
            force: false,
        }
    }
}

/// What a piece of memory is made of.
pub(crate) struct Backend {
    /// The object, and what stands before it.
    pub(crate) parts: Vec<Part>,
    /// Whether it does anything that a bare size would not.
    pub(crate) needed: bool,
    /// Whether its pages are to be taken at once.
    pub(crate) preallocate: bool,
}

/// The pages that a piece of memory is made of.
struct Pages {
    /// Their size, KiB; huge ones only.
    size: Option<u64>,
    /// Whether they were chosen for this piece and not for everything.
    own: bool,
}

/// Makes the back end of a piece of memory.
pub(crate) fn make(build: &Build<'_>, request: &Request<'_>) -> Result<Backend> {
    let (draft, setting) = (build.draft, build.setting);
    let head = &draft.head;
    let backing = &head.memory_backing;
    let cell = cell_of(draft, request)?;
    let access = request.access.or(cell.and_then(|cell| cell.access)).or(backing.access.map(of_all));
    let discard = request.discard.or(cell.and_then(|cell| cell.discard));
    let discard = discard.or(backing.discard.then_some(YesNo::Yes));
    let pages = pages(draft, setting, request)?;
    let mut preallocate = backing.allocation == Some(Allocation::Immediate);
    let mut props = Props::new().with("qom-type", "memory-backend-ram").with("id", request.alias);
    let memfd = request.path.is_none() && !request.enclave && backing.source == Some(MemorySource::Memfd);
    let file = !memfd
        && !request.enclave
        && (pages.size.is_some()
            || request.path.is_some()
            || access.is_some()
            || backing.source == Some(MemorySource::File));
    if memfd {
        props.set("qom-type", "memory-backend-memfd");
        if let Some(size) = pages.size {
            props.set("hugetlb", true);
            props.set("hugetlbsize", size.saturating_mul(KIB));
            preallocate = true;
        }
    } else if file {
        props.set("qom-type", "memory-backend-file");
        let path = match (request.path, pages.size) {
            (Some(path), _) => path.to_owned(),
            (None, Some(size)) => huge_page_dir(draft, setting, size)?,
            (None, None) => {
                format!("{}/{}", backing_dir(draft, setting), request.file.unwrap_or(request.alias))
            }
        };
        preallocate |= request.path.is_some() || pages.size.is_some();
        props.set("mem-path", path);
        props.set_opt("discard-data", discard.map(YesNo::is_true));
    }
    props.set_opt("share", access.map(|access| access == MemAccess::Shared));
    if request.system && (memfd || file) {
        props.set("x-use-canonical-path-for-ramblock-id", false);
    }
    let preallocate = request.preallocate.map_or(preallocate, OnOff::is_true);
    if request.enclave {
        props.set("qom-type", "memory-backend-epc");
    }
    if request.lazy {
        props.set("reserve", false);
    } else if preallocate {
        props.set("prealloc", true);
        props.set_opt("prealloc-threads", backing.allocation_threads);
    }
    props.set("size", request.size.saturating_mul(KIB));
    props.set_opt("align", request.align.map(|align| align.saturating_mul(KIB)));
    if request.pmem {
        props.set("pmem", true);
    }
    if request.read_only {
        props.set("readonly", true);
    }
    let nodes = host_nodes(build, request, &mut props)?;
    let mut parts = Vec::new();
    if let Some(nodes) = nodes.filter(|_| preallocate && !request.lazy && setting.has(Flag::ThreadContext)) {
        let nodes = numatune::reachable(&nodes, build)?;
        if !nodes.is_empty() {
            parts.push(thread_context(request.alias, &nodes, &mut props));
        }
    }
    parts.push(Part::Object(props));
    let bound = cell.is_some_and(|cell| head.numatune.is_bound(cell.id));
    let needed = pages.own
        || request.nodes.is_some()
        || bound
        || request.path.is_some()
        || access.is_some()
        || matches!(backing.source, Some(MemorySource::File | MemorySource::Memfd))
        || request.force;
    Ok(Backend { parts, needed, preallocate })
}

fn of_all(access: MemoryAccess) -> MemAccess {
    match access {
        MemoryAccess::Shared => MemAccess::Shared,
        MemoryAccess::Private => MemAccess::Private,
    }
}

fn cell_of<'a>(draft: &'a Draft, request: &Request<'_>) -> Result<Option<&'a super::numa::Cell>> {
    let Some(id) = request.cell else { return Ok(None) };
    let cells = draft.head.cells();
    match cells.iter().find(|cell| cell.id == id) {
        Some(cell) => Ok(Some(cell)),
        None => refuse!(
            unsupported,
            "can't add memory backend for guest node '{id}' as the guest has only '{}' NUMA nodes configured",
            cells.len()
        ),
    }
}

/// Which huge pages a piece of memory is made of: its own, those of its cell, those for everything.
fn pages(draft: &Draft, setting: &Setting<'_>, request: &Request<'_>) -> Result<Pages> {
    let sizes = draft.head.memory_backing.hugepages.as_deref();
    let of_cell = |page: &&HugePage| {
        page.nodeset.as_ref().zip(request.cell).is_some_and(|(nodes, cell)| nodes.contains(cell))
    };
    let (size, own) = match (request.page_size, sizes) {
        (Some(size), _) => (Some(size), true),
        (None, None) => (None, false),
        (None, Some([])) => (Some(default_page_size(setting)?), false),
        (None, Some(sizes)) => match sizes.iter().find(of_cell) {
            Some(page) => (Some(page.size), true),
            None => (sizes.iter().find(|page| page.nodeset.is_none()).map(|page| page.size), false),
        },
    };
    if size == Some(PAGE) {
        return Ok(Pages { size: None, own: false });
    }
    Ok(Pages { size, own: own && size.is_some() })
}

fn default_page_size(setting: &Setting<'_>) -> Result<u64> {
    match setting.config.huge_pages.first() {
        Some(mount) => Ok(mount.size),
        None => refuse!(internal, "hugepages are disabled by administrator config"),
    }
}

/// Refuses a guest whose memory another process cannot see; `what` needs that.
pub(crate) fn require_shared(draft: &Draft, what: &str) -> Result<()> {
    let all = draft.head.memory_backing.access == Some(MemoryAccess::Shared);
    let cells = draft.head.cells();
    let shared = |cell: &super::numa::Cell| match cell.access {
        Some(access) => access == MemAccess::Shared,
        None => all,
    };
    if (cells.is_empty() && !all) || !cells.iter().all(shared) {
        refuse!(unsupported, "'{what}' requires shared memory");
    }
    Ok(())
}

/// The directory of a guest's files on a mount of huge pages of a size (KiB).
fn huge_page_dir(draft: &Draft, setting: &Setting<'_>, size: u64) -> Result<String> {
    let mounts = &setting.config.huge_pages;
    if mounts.is_empty() {
        refuse!(internal, "hugepages are disabled by administrator config");
    }
    let Some(mount) = mounts.iter().find(|mount| mount.size == size) else {
        refuse!(internal, "Unable to find any usable hugetlbfs mount for {size} KiB");
    };
    let run = setting.config.short_run_name(draft.head.identity.id, draft.name());
    Ok(format!("{}/libvirt/qemu/{run}", mount.path))
}

/// The directory of a guest's memory in files.
fn backing_dir(draft: &Draft, setting: &Setting<'_>) -> String {
    let run = setting.config.short_run_name(draft.head.identity.id, draft.name());
    format!("{}/{run}", setting.config.memory_backing_dir)
}

/// The nodes of the host that pages come from; says so in the properties, unless control groups do.
fn host_nodes(build: &Build<'_>, request: &Request<'_>, props: &mut Props) -> Result<Option<IdSet>> {
    let numatune = &build.draft.head.numatune;
    let nodes = match request.nodes {
        Some(nodes) => nodes.clone(),
        None => match numatune.nodes(request.cell, build)? {
            Some(nodes) => nodes,
            None => return Ok(None),
        },
    };
    let there = build.facts.ids(&ostler_plan::Query::NumaNodes)?;
    if let Some(missing) = nodes.iter().find(|node| !there.contains(*node)) {
        refuse!(unsupported, "NUMA node {missing} is unavailable");
    }
    let policy = match numatune.mode(request.cell) {
        NumaMode::Strict => Some("bind"),
        NumaMode::Preferred => Some("preferred"),
        NumaMode::Interleave => Some("interleave"),
        NumaMode::Restrictive => None,
    };
    if let Some(policy) = policy {
        props.set("host-nodes", nodes.iter().collect::<Vec<u32>>());
        props.set("policy", policy);
    }
    Ok(Some(nodes))
}

/// Threads that take pages run where the pages are.
fn thread_context(alias: &str, nodes: &IdSet, props: &mut Props) -> Part {
    let id = format!("tc-{alias}");
    props.set("prealloc-context", id.as_str());
    let affinity = nodes.iter().collect::<Vec<u32>>();
    Part::Object(
        Props::new().with("qom-type", "thread-context").with("id", id).with("node-affinity", affinity),
    )
}

/// `-mem-prealloc` and `-mem-path`, which are for all memory without a back end of its own.
pub(crate) fn global_parts(build: &mut Build<'_>) -> Result<()> {
    let (draft, setting) = (build.draft, build.setting);
    let backing = &draft.head.memory_backing;
    let size = match backing.hugepages.as_deref() {
        None => None,
        Some([]) => Some(default_page_size(setting)?),
        Some([first, ..]) => Some(first.size).filter(|size| *size != PAGE),
    };
    let path = match size {
        Some(size) => Some(huge_page_dir(draft, setting, size)?),
        None if backing.source == Some(MemorySource::File) => {
            Some(format!("{}/ram", backing_dir(draft, setting)))
        }
        None => None,
    };
    if size.is_some() || backing.allocation == Some(Allocation::Immediate) {
        build.parts.push(Part::flag("-mem-prealloc"));
    }
    build.parts.extend(path.map(|path| Part::plain("-mem-path", path)));
    Ok(())
}

/// The directories of a run's memory: which, where its parts use them.
fn directories(draft: &Draft, setting: &Setting<'_>) -> Vec<String> {
    let run = setting.config.short_run_name(draft.head.identity.id, draft.name());
    let mounts = setting.config.huge_pages.iter().map(|mount| format!("{}/libvirt/qemu/{run}", mount.path));
    mounts.chain([backing_dir(draft, setting)]).collect()
}

/// Makes the directories that the parts of a run name.
pub(crate) fn actions(build: &Build<'_>, out: &mut Vec<Action>) {
    let named = |directory: &String| {
        build.parts.iter().any(|part| match part {
            Part::Object(props) => {
                props.text("mem-path").is_some_and(|path| path.starts_with(directory.as_str()))
            }
            Part::Plain { option: "-mem-path", value: Some(path) } => path.starts_with(directory.as_str()),
            _ => false,
        })
    };
    let owner = build.setting.config.owner;
    for directory in directories(build.draft, build.setting).into_iter().filter(named) {
        if let Some(mount) = build.setting.config.huge_pages.iter().find(|m| directory.starts_with(&m.path)) {
            for parent in ["libvirt", "libvirt/qemu"] {
                let path = format!("{}/{parent}", mount.path);
                out.push(Action::KeepDir { path: path.into(), mode: 0o755, owner: None });
            }
        }
        if directory.starts_with(&build.setting.config.memory_backing_dir) {
            let path = build.setting.config.memory_backing_dir.clone();
            out.push(Action::KeepDir { path: path.into(), mode: 0o755, owner });
        }
        out.push(Action::MakeDir { path: directory.into(), mode: 0o700, owner });
    }
}

/// Removes them, where there may be any.
pub(crate) fn cleanup(draft: &Draft, setting: &Setting<'_>, out: &mut Vec<Action>) {
    let head = &draft.head;
    let cells = head.cells().iter().any(|cell| cell.access.is_some());
    if cells || head.memory_backing != super::memory_backing::MemoryBacking::default() {
        let all = directories(draft, setting).into_iter();
        out.extend(all.map(|directory| Action::RemoveTree { path: directory.into() }));
    }
}
