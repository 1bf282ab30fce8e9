//! Storage pools: which there are, what they are like, their lives.

use ostler_base::Origin;
use ostler_engine::pools::{BUILD_FLAGS, CREATE_FLAGS, View};
use ostler_engine::shelf::Labelled;
use ostler_pools::storage::kinds::PoolType;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{Named, NamedVolume, reference, unsupported};
use crate::daemon::Daemon;
use crate::dispatch::{Host, handlers};
use crate::handlers::{act, answer, count, listed, only_flags, passes, room, schema};

handlers! {
    answer call::ConnectNumOfStoragePools;
    answer call::ConnectListStoragePools;
    answer call::ConnectNumOfDefinedStoragePools;
    answer call::ConnectListDefinedStoragePools;
    answer call::ConnectListAllStoragePools;
    answer call::ConnectFindStoragePoolSources;
    answer call::StoragePoolLookupByName;
    answer call::StoragePoolLookupByUuid;
    answer call::StoragePoolLookupByVolume;
    answer call::StoragePoolLookupByTargetPath;
    answer call::StoragePoolGetInfo;
    answer call::StoragePoolGetXmlDesc;
    answer call::StoragePoolGetAutostart;
    answer call::StoragePoolIsActive;
    answer call::StoragePoolIsPersistent;
    act call::StoragePoolCreateXml;
    act call::StoragePoolDefineXml;
    act call::StoragePoolBuild;
    act call::StoragePoolUndefine;
    act call::StoragePoolCreate;
    act call::StoragePoolDestroy;
    act call::StoragePoolDelete;
    act call::StoragePoolRefresh;
    act call::StoragePoolSetAutostart;
}

/// Of a definition: what nobody knows is refused.
const VALIDATE: u32 = 1;

/// Of a document: the definition, not the run.
const XML_INACTIVE: u32 = 1;

/// The flag of each kind in the list of all pools.
const KIND_FLAGS: &[(PoolType, u32)] = &[
    (PoolType::Dir, 1 << 6),
    (PoolType::Fs, 1 << 7),
    (PoolType::Netfs, 1 << 8),
    (PoolType::Logical, 1 << 9),
    (PoolType::Disk, 1 << 10),
    (PoolType::Iscsi, 1 << 11),
    (PoolType::Scsi, 1 << 12),
    (PoolType::Mpath, 1 << 13),
    (PoolType::Rbd, 1 << 14),
    (PoolType::Sheepdog, 1 << 15),
    (PoolType::Gluster, 1 << 16),
    (PoolType::Zfs, 1 << 17),
    (PoolType::Vstorage, 1 << 18),
    (PoolType::IscsiDirect, 1 << 19),
];

/// All of them.
const KINDS: u32 = 0xf_ffc0;

/// Every filter of the list of all pools.
const LIST_FLAGS: u32 = 0x3f | KINDS;

impl Daemon {
    /// The names of pools that run, or of those that do not.
    fn pool_names(&self, active: bool) -> Vec<String> {
        let all = self.engine.pools().all();
        let wanted = all.iter().filter(|pool| pool.view().is_active() == active);
        wanted.map(|pool| pool.name().to_owned()).collect()
    }
}

fn is_listed(view: &View, flags: u32) -> bool {
    let pairs = [(view.is_active(), 2, 1), (view.is_persistent(), 4, 8), (view.autostart, 16, 32)];
    let kind = KIND_FLAGS.iter().find(|(kind, _)| *kind == view.kind()).map_or(0, |(_, flag)| *flag);
    passes(flags, &pairs) && (flags & KINDS == 0 || flags & kind != 0)
}

answer!(Host; ConnectNumOfStoragePools, |daemon, _, ()| {
    Ok(wire::ConnectNumOfStoragePoolsRet { num: count(daemon.pool_names(true).len()) })
});

answer!(Host; ConnectNumOfDefinedStoragePools, |daemon, _, ()| {
    Ok(wire::ConnectNumOfDefinedStoragePoolsRet { num: count(daemon.pool_names(false).len()) })
});

answer!(Host; ConnectListStoragePools, |daemon, _, args| {
    let names = daemon.pool_names(true).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListStoragePoolsRet { names: names.collect() })
});

answer!(Host; ConnectListDefinedStoragePools, |daemon, _, args| {
    let names = daemon.pool_names(false).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListDefinedStoragePoolsRet { names: names.collect() })
});

answer!(Host; ConnectListAllStoragePools, |daemon, _, args| {
    only_flags(args.flags, LIST_FLAGS, "storageConnectListAllStoragePools", Origin::Storage)?;
    let wanted = daemon.engine.pools().all().into_iter().filter(|pool| is_listed(&pool.view(), args.flags));
    let (pools, ret) = listed(wanted.map(|pool| reference(&pool)).collect(), args.need_results);
    Ok(wire::ConnectListAllStoragePoolsRet { pools, ret })
});

answer!(Host; ConnectFindStoragePoolSources, |_, _, args| {
    Err(unsupported(format!("pool type '{}' does not support source discovery", args.kind)))
});

answer!(Host; StoragePoolLookupByName, |daemon, _, args| {
    Ok(wire::StoragePoolLookupByNameRet { pool: reference(&*daemon.engine.pools().by_name(&args.name)?) })
});

answer!(Host; StoragePoolLookupByUuid, |daemon, _, args| {
    Ok(wire::StoragePoolLookupByUuidRet { pool: reference(&*daemon.engine.pools().by_uuid(args.uuid)?) })
});

answer!(NamedVolume; StoragePoolLookupByVolume, |_, named, _| {
    Ok(wire::StoragePoolLookupByVolumeRet { pool: reference(&named.pool) })
});

answer!(Host; StoragePoolLookupByTargetPath, |daemon, _, args| {
    Ok(wire::StoragePoolLookupByTargetPathRet { pool: reference(&*daemon.engine.pools().by_target(&args.path)?) })
});

answer!(Named; StoragePoolGetInfo, |_, pool, _| {
    let view = pool.0.view();
    let model = view.current()?;
    let sizes = |size: u64| if view.is_active() { size } else { 0 };
    Ok(wire::StoragePoolGetInfoRet {
        state: if view.is_active() { 2 } else { 0 },
        capacity: sizes(model.capacity),
        allocation: sizes(model.allocation),
        available: sizes(model.available),
    })
});

answer!(Named; StoragePoolGetXmlDesc, |_, pool, args| {
    only_flags(args.flags, XML_INACTIVE, "storagePoolGetXMLDesc", Origin::Storage)?;
    Ok(wire::StoragePoolGetXmlDescRet { xml: pool.0.view().xml(args.flags & XML_INACTIVE != 0)? })
});

answer!(Named; StoragePoolGetAutostart, |_, pool, _| {
    Ok(wire::StoragePoolGetAutostartRet { autostart: i32::from(pool.0.view().autostart) })
});

answer!(Named; StoragePoolIsActive, |_, pool, _| {
    Ok(wire::StoragePoolIsActiveRet { active: i32::from(pool.0.view().is_active()) })
});

answer!(Named; StoragePoolIsPersistent, |_, pool, _| {
    Ok(wire::StoragePoolIsPersistentRet { persistent: i32::from(pool.0.view().is_persistent()) })
});

act!(Host; StoragePoolCreateXml, |daemon, _, args| {
    only_flags(args.flags, CREATE_FLAGS, "storagePoolCreateXML", Origin::Storage)?;
    let pool = daemon.engine.pools().create(&args.xml, args.flags)?;
    Ok(wire::StoragePoolCreateXmlRet { pool: reference(&pool) })
});

act!(Host; StoragePoolDefineXml, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "storagePoolDefineXML", Origin::Storage)?;
    let pool = daemon.engine.pools().define(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::StoragePoolDefineXmlRet { pool: reference(&pool) })
});

act!(Named; StoragePoolBuild, |daemon, pool, args| {
    only_flags(args.flags, BUILD_FLAGS, "storagePoolBuild", Origin::Storage)?;
    daemon.engine.pools().build(&pool.0, args.flags)
});

act!(Named; StoragePoolUndefine, |daemon, pool, _| daemon.engine.pools().undefine(&pool.0));

act!(Named; StoragePoolCreate, |daemon, pool, args| {
    only_flags(args.flags, CREATE_FLAGS, "storagePoolCreate", Origin::Storage)?;
    daemon.engine.pools().start(&pool.0, args.flags)
});

act!(Named; StoragePoolDestroy, |daemon, pool, _| daemon.engine.pools().destroy(&pool.0));

act!(Named; StoragePoolDelete, |daemon, pool, args| {
    only_flags(args.flags, 1, "storagePoolDelete", Origin::Storage)?;
    daemon.engine.pools().delete(&pool.0)
});

act!(Named; StoragePoolRefresh, |daemon, pool, args| {
    only_flags(args.flags, 0, "storagePoolRefresh", Origin::Storage)?;
    daemon.engine.pools().refresh(&pool.0)
});

act!(Named; StoragePoolSetAutostart, |daemon, pool, args| {
    daemon.engine.pools().set_autostart(&pool.0, args.autostart != 0)
});
