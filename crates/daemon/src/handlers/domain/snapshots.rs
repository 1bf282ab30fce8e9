//! Snapshots of domains.
//!
//! Owns: the flags of each call. Never: makes one; the engine does.

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::ops::snapshot::{Tree, no_snapshot};
use ostler_engine::{Engine, Guest};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainHasCurrentSnapshotArgs, DomainHasCurrentSnapshotRet, DomainListAllSnapshotsArgs,
    DomainListAllSnapshotsRet, DomainRef, DomainRevertToSnapshotArgs, DomainSnapshotCreateXmlArgs,
    DomainSnapshotCreateXmlRet, DomainSnapshotCurrentArgs, DomainSnapshotCurrentRet,
    DomainSnapshotDeleteArgs, DomainSnapshotGetParentArgs, DomainSnapshotGetParentRet,
    DomainSnapshotGetXmlDescArgs, DomainSnapshotGetXmlDescRet, DomainSnapshotHasMetadataArgs,
    DomainSnapshotHasMetadataRet, DomainSnapshotIsCurrentArgs, DomainSnapshotIsCurrentRet,
    DomainSnapshotListAllChildrenArgs, DomainSnapshotListAllChildrenRet, DomainSnapshotListChildrenNamesArgs,
    DomainSnapshotListChildrenNamesRet, DomainSnapshotListNamesArgs, DomainSnapshotListNamesRet,
    DomainSnapshotLookupByNameArgs, DomainSnapshotLookupByNameRet, DomainSnapshotNumArgs,
    DomainSnapshotNumChildrenArgs, DomainSnapshotNumChildrenRet, DomainSnapshotNumRet, DomainSnapshotRef,
};

use super::{NamesDomain, reference};
use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainSnapshotCreateXml;
    act call::DomainSnapshotGetXmlDesc;
    act call::DomainSnapshotNum;
    act call::DomainSnapshotListNames;
    act call::DomainListAllSnapshots;
    act call::DomainSnapshotNumChildren;
    act call::DomainSnapshotListChildrenNames;
    act call::DomainSnapshotListAllChildren;
    act call::DomainSnapshotLookupByName;
    act call::DomainHasCurrentSnapshot;
    act call::DomainSnapshotCurrent;
    act call::DomainSnapshotGetParent;
    act call::DomainSnapshotIsCurrent;
    act call::DomainSnapshotHasMetadata;
    act call::DomainRevertToSnapshot;
    act call::DomainSnapshotDelete;
}

names_domain! {
    DomainHasCurrentSnapshotArgs DomainListAllSnapshotsArgs DomainSnapshotCreateXmlArgs
    DomainSnapshotCurrentArgs DomainSnapshotListNamesArgs DomainSnapshotLookupByNameArgs
    DomainSnapshotNumArgs
}

macro_rules! names_snapshot {
    ($($args:ident)+) => {
        $(impl NamesDomain for $args {
            fn domain(&self) -> &DomainRef {
                &self.snap.dom
            }
        })+
    };
}

names_snapshot! {
    DomainRevertToSnapshotArgs DomainSnapshotDeleteArgs DomainSnapshotGetParentArgs
    DomainSnapshotGetXmlDescArgs DomainSnapshotHasMetadataArgs DomainSnapshotIsCurrentArgs
    DomainSnapshotListChildrenNamesArgs DomainSnapshotNumChildrenArgs
}

impl NamesDomain for DomainSnapshotListAllChildrenArgs {
    fn domain(&self) -> &DomainRef {
        &self.snapshot.dom
    }
}

/// Of a creation: all flags.
const CREATE_FLAGS: u32 = 0x3ff;
/// Of a document: with secrets.
const XML_SECURE: u32 = 1;
/// Of a list: all flags.
const LIST_FLAGS: u32 = 0x7ff;
/// Of a way back: all flags.
const REVERT_FLAGS: u32 = 1 | 2 | 4 | 8;
/// Of a removal: all flags.
const DELETE_FLAGS: u32 = 1 | 2 | 4;

fn snapshot_ref(guest: &Guest, name: &str) -> DomainSnapshotRef {
    DomainSnapshotRef { name: name.to_owned(), dom: reference(&guest.view()) }
}

/// The snapshots of a domain, among which one of this name is.
async fn tree_with(engine: &Engine, guest: &std::sync::Arc<Guest>, name: &str) -> Result<Tree> {
    let tree = engine.snapshots(guest).await?;
    if tree.has(name) { Ok(tree) } else { Err(no_snapshot(name)) }
}

fn count(names: &[String]) -> i32 {
    i32::try_from(names.len()).unwrap_or(i32::MAX)
}

/// At most so many names.
fn at_most(mut names: Vec<String>, most: i32) -> Vec<String> {
    names.truncate(usize::try_from(most).unwrap_or(0));
    names
}

fn refs(guest: &Guest, names: &[String], wanted: i32) -> Vec<DomainSnapshotRef> {
    if wanted == 0 { Vec::new() } else { names.iter().map(|name| snapshot_ref(guest, name)).collect() }
}

act!(DomainSnapshotCreateXml, |daemon, guest, args| {
    only_flags(args.flags, CREATE_FLAGS, "qemuDomainSnapshotCreateXML", Origin::Qemu)?;
    let name = daemon.engine.snapshot_create(guest, &args.xml_desc, args.flags).await?;
    Ok(DomainSnapshotCreateXmlRet { snap: snapshot_ref(guest, &name) })
});

act!(DomainSnapshotGetXmlDesc, |daemon, guest, args| {
    only_flags(args.flags, XML_SECURE, "qemuDomainSnapshotGetXMLDesc", Origin::Qemu)?;
    let xml = daemon.engine.snapshot_xml(guest, &args.snap.name, args.flags & XML_SECURE != 0).await?;
    Ok(DomainSnapshotGetXmlDescRet { xml })
});

act!(DomainSnapshotNum, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainSnapshotNum", Origin::Qemu)?;
    let names = daemon.engine.snapshots(guest).await?.list(None, args.flags);
    Ok(DomainSnapshotNumRet { num: count(&names) })
});

act!(DomainSnapshotListNames, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainSnapshotListNames", Origin::Qemu)?;
    let names = daemon.engine.snapshots(guest).await?.list(None, args.flags);
    Ok(DomainSnapshotListNamesRet { names: at_most(names, args.maxnames).into() })
});

act!(DomainListAllSnapshots, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainListAllSnapshots", Origin::Qemu)?;
    let names = daemon.engine.snapshots(guest).await?.list(None, args.flags);
    let snapshots = refs(guest, &names, args.need_results).into();
    Ok(DomainListAllSnapshotsRet { snapshots, ret: count(&names) })
});

act!(DomainSnapshotNumChildren, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainSnapshotNumChildren", Origin::Qemu)?;
    let tree = tree_with(&daemon.engine, guest, &args.snap.name).await?;
    Ok(DomainSnapshotNumChildrenRet { num: count(&tree.list(Some(&args.snap.name), args.flags)) })
});

act!(DomainSnapshotListChildrenNames, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainSnapshotListChildrenNames", Origin::Qemu)?;
    let tree = tree_with(&daemon.engine, guest, &args.snap.name).await?;
    let names = tree.list(Some(&args.snap.name), args.flags);
    Ok(DomainSnapshotListChildrenNamesRet { names: at_most(names, args.maxnames).into() })
});

act!(DomainSnapshotListAllChildren, |daemon, guest, args| {
    only_flags(args.flags, LIST_FLAGS, "qemuDomainSnapshotListAllChildren", Origin::Qemu)?;
    let tree = tree_with(&daemon.engine, guest, &args.snapshot.name).await?;
    let names = tree.list(Some(&args.snapshot.name), args.flags);
    let snapshots = refs(guest, &names, args.need_results).into();
    Ok(DomainSnapshotListAllChildrenRet { snapshots, ret: count(&names) })
});

act!(DomainSnapshotLookupByName, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSnapshotLookupByName", Origin::Qemu)?;
    tree_with(&daemon.engine, guest, &args.name).await?;
    Ok(DomainSnapshotLookupByNameRet { snap: snapshot_ref(guest, &args.name) })
});

act!(DomainHasCurrentSnapshot, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainHasCurrentSnapshot", Origin::Qemu)?;
    let tree = daemon.engine.snapshots(guest).await?;
    Ok(DomainHasCurrentSnapshotRet { result: tree.current().is_some().into() })
});

act!(DomainSnapshotCurrent, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSnapshotCurrent", Origin::Qemu)?;
    let tree = daemon.engine.snapshots(guest).await?;
    let missing =
        || Error::new(Code::NoDomainSnapshot, Origin::Qemu, "the domain does not have a current snapshot");
    Ok(DomainSnapshotCurrentRet { snap: snapshot_ref(guest, tree.current().ok_or_else(missing)?) })
});

act!(DomainSnapshotGetParent, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSnapshotGetParent", Origin::Qemu)?;
    let tree = tree_with(&daemon.engine, guest, &args.snap.name).await?;
    let missing = || {
        let detail = format!("snapshot '{}' does not have a parent", args.snap.name);
        Error::new(Code::NoDomainSnapshot, Origin::Qemu, detail)
    };
    let parent = tree.parent(&args.snap.name).ok_or_else(missing)?;
    Ok(DomainSnapshotGetParentRet { snap: snapshot_ref(guest, parent) })
});

act!(DomainSnapshotIsCurrent, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSnapshotIsCurrent", Origin::Qemu)?;
    let tree = tree_with(&daemon.engine, guest, &args.snap.name).await?;
    Ok(DomainSnapshotIsCurrentRet { current: (tree.current() == Some(&args.snap.name)).into() })
});

act!(DomainSnapshotHasMetadata, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSnapshotHasMetadata", Origin::Qemu)?;
    tree_with(&daemon.engine, guest, &args.snap.name).await?;
    Ok(DomainSnapshotHasMetadataRet { metadata: 1 })
});

act!(DomainRevertToSnapshot, |daemon, guest, args| {
    only_flags(args.flags, REVERT_FLAGS, "qemuDomainRevertToSnapshot", Origin::Qemu)?;
    daemon.engine.snapshot_revert(guest, &args.snap.name, args.flags).await
});

act!(DomainSnapshotDelete, |daemon, guest, args| {
    only_flags(args.flags, DELETE_FLAGS, "qemuDomainSnapshotDelete", Origin::Qemu)?;
    daemon.engine.snapshot_delete(guest, &args.snap.name, args.flags).await
});
