//! Volumes: which there are, what they are like, made, changed and deleted.

use ostler_base::{Code, Error, Origin, Word};
use ostler_engine::pools::{CREATE_FROM_FLAGS, CREATE_VOLUME_FLAGS, DELETE_FLAGS, RESIZE_FLAGS, Volume};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{Named, NamedVolume, unsupported, volume_reference};
use crate::dispatch::{Host, handlers};
use crate::handlers::{act, answer, count, listed, only_flags, room};

handlers! {
    answer call::StoragePoolNumOfVolumes;
    answer call::StoragePoolListVolumes;
    answer call::StoragePoolListAllVolumes;
    answer call::StorageVolLookupByName;
    answer call::StorageVolLookupByKey;
    answer call::StorageVolLookupByPath;
    answer call::StorageVolGetPath;
    act call::StorageVolGetXmlDesc;
    act call::StorageVolGetInfo;
    act call::StorageVolGetInfoFlags;
    act call::StorageVolCreateXml;
    act call::StorageVolCreateXmlFrom;
    act call::StorageVolDelete;
    act call::StorageVolResize;
    act call::StorageVolWipe;
    act call::StorageVolWipePattern;
}

/// Of a question for sizes: that of the file, not what it takes.
const PHYSICAL: u32 = 1;

answer!(Named; StoragePoolNumOfVolumes, |_, pool, _| {
    pool.0.live()?;
    Ok(wire::StoragePoolNumOfVolumesRet { num: count(pool.0.view().volumes.len()) })
});

answer!(Named; StoragePoolListVolumes, |_, pool, args| {
    pool.0.live()?;
    let view = pool.0.view();
    let names = view.volumes.keys().take(room(args.maxnames)).cloned();
    Ok(wire::StoragePoolListVolumesRet { names: names.collect() })
});

answer!(Named; StoragePoolListAllVolumes, |_, pool, args| {
    only_flags(args.flags, 0, "storagePoolListAllVolumes", Origin::Storage)?;
    pool.0.live()?;
    let view = pool.0.view();
    let all = view.volumes.values().map(|volume| volume_reference(&pool.0, volume)).collect();
    let (vols, ret) = listed(all, args.need_results);
    Ok(wire::StoragePoolListAllVolumesRet { vols, ret })
});

answer!(Named; StorageVolLookupByName, |_, pool, args| {
    let volume = pool.0.volume(&args.name)?;
    Ok(wire::StorageVolLookupByNameRet { vol: volume_reference(&pool.0, &volume) })
});

answer!(Host; StorageVolLookupByKey, |daemon, _, args| {
    let what = format!("key {}", args.key);
    let fits = |volume: &Volume| volume.key.as_deref() == Some(&*args.key);
    let (pool, volume) = daemon.engine.pools().volume_by(&what, fits)?;
    Ok(wire::StorageVolLookupByKeyRet { vol: volume_reference(&pool, &volume) })
});

answer!(Host; StorageVolLookupByPath, |daemon, _, args| {
    let what = format!("path '{}'", args.path);
    let fits = |volume: &Volume| volume.target.path.as_deref() == Some(&*args.path);
    let (pool, volume) = daemon.engine.pools().volume_by(&what, fits)?;
    Ok(wire::StorageVolLookupByPathRet { vol: volume_reference(&pool, &volume) })
});

answer!(NamedVolume; StorageVolGetPath, |_, named, _| {
    let name = named.volume.target.path.clone();
    let missing = || {
        let detail = format!("volume '{}' has no path", named.volume.name);
        Error::new(Code::InternalError, Origin::Storage, detail)
    };
    Ok(wire::StorageVolGetPathRet { name: name.ok_or_else(missing)? })
});

act!(NamedVolume; StorageVolGetXmlDesc, |daemon, named, args| {
    only_flags(args.flags, 0, "storageVolGetXMLDesc", Origin::Storage)?;
    let now = daemon.engine.pools().refresh_volume(&named.pool, &named.volume)?;
    Ok(wire::StorageVolGetXmlDescRet { xml: now.to_xml() })
});

fn kind(volume: &Volume) -> i8 {
    i8::try_from(volume.kind.index()).unwrap_or_default()
}

act!(NamedVolume; StorageVolGetInfo, |daemon, named, _| {
    let now = daemon.engine.pools().refresh_volume(&named.pool, &named.volume)?;
    Ok(wire::StorageVolGetInfoRet { kind: kind(&now), capacity: now.capacity, allocation: now.allocation })
});

act!(NamedVolume; StorageVolGetInfoFlags, |daemon, named, args| {
    only_flags(args.flags, PHYSICAL, "storageVolGetInfoFlags", Origin::Storage)?;
    let now = daemon.engine.pools().refresh_volume(&named.pool, &named.volume)?;
    let physical = now.physical.filter(|_| args.flags & PHYSICAL != 0);
    let allocation = physical.unwrap_or(now.allocation);
    Ok(wire::StorageVolGetInfoFlagsRet { kind: kind(&now), capacity: now.capacity, allocation })
});

act!(Named; StorageVolCreateXml, |daemon, pool, args| {
    only_flags(args.flags, CREATE_VOLUME_FLAGS, "storageVolCreateXML", Origin::Storage)?;
    let volume = daemon.engine.pools().create_volume(&pool.0, &args.xml, args.flags)?;
    Ok(wire::StorageVolCreateXmlRet { vol: volume_reference(&pool.0, &volume) })
});

act!(Named; StorageVolCreateXmlFrom, |daemon, pool, args| {
    only_flags(args.flags, CREATE_FROM_FLAGS, "storageVolCreateXMLFrom", Origin::Storage)?;
    let from = NamedVolume::of(daemon, &args.clonevol)?;
    let from = daemon.engine.pools().refresh_volume(&from.pool, &from.volume)?;
    let volume = daemon.engine.pools().copy_volume(&pool.0, &args.xml, &from, args.flags)?;
    Ok(wire::StorageVolCreateXmlFromRet { vol: volume_reference(&pool.0, &volume) })
});

act!(NamedVolume; StorageVolDelete, |daemon, named, args| {
    only_flags(args.flags, DELETE_FLAGS, "storageVolDelete", Origin::Storage)?;
    daemon.engine.pools().delete_volume(&named.pool, &named.volume)
});

act!(NamedVolume; StorageVolResize, |daemon, named, args| {
    only_flags(args.flags, RESIZE_FLAGS, "storageVolResize", Origin::Storage)?;
    let now = daemon.engine.pools().refresh_volume(&named.pool, &named.volume)?;
    daemon.engine.pools().resize_volume(&named.pool, &now, args.capacity, args.flags)
});

act!(NamedVolume; StorageVolWipe, |daemon, named, args| {
    only_flags(args.flags, 0, "storageVolWipe", Origin::Storage)?;
    daemon.engine.pools().wipe_volume(&named.pool, &named.volume)
});

act!(NamedVolume; StorageVolWipePattern, |daemon, named, args| {
    only_flags(args.flags, 0, "storageVolWipePattern", Origin::Storage)?;
    if args.algorithm != 0 {
        return Err(unsupported(format!("wiping algorithm {} of volumes", args.algorithm)));
    }
    daemon.engine.pools().wipe_volume(&named.pool, &named.volume)
});
