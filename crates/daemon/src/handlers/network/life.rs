//! The life of a network: defined, started, changed, stopped, forgotten.

use ostler_base::{Code, Error, Origin};
use ostler_engine::networks::MetadataChange;
use ostler_pools::Schema;
use ostler_pools::network::update::{Update, UpdateCommand, UpdateSection};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::look::metadata_kind;
use super::{Named, reference};
use crate::dispatch::{Host, handlers};
use crate::handlers::{act, only_flags, schema};

handlers! {
    act call::NetworkDefineXml;
    act call::NetworkDefineXmlFlags;
    act call::NetworkCreateXml;
    act call::NetworkCreateXmlFlags;
    act call::NetworkCreate;
    act call::NetworkDestroy;
    act call::NetworkUndefine;
    act call::NetworkSetAutostart;
    act call::NetworkUpdate;
    act call::NetworkSetMetadata;
}

/// Of a document: what nobody knows is refused.
const VALIDATE: u32 = 1;

act!(Host; NetworkDefineXml, |daemon, _, args| {
    let network = daemon.engine.networks().define(&args.xml, Schema::Lenient)?;
    Ok(wire::NetworkDefineXmlRet { net: reference(&network) })
});

act!(Host; NetworkDefineXmlFlags, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "networkDefineXMLFlags", Origin::Network)?;
    let network = daemon.engine.networks().define(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::NetworkDefineXmlFlagsRet { net: reference(&network) })
});

act!(Host; NetworkCreateXml, |daemon, _, args| {
    let network = daemon.engine.networks().create(&args.xml, Schema::Lenient)?;
    Ok(wire::NetworkCreateXmlRet { net: reference(&network) })
});

act!(Host; NetworkCreateXmlFlags, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "networkCreateXMLFlags", Origin::Network)?;
    let network = daemon.engine.networks().create(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::NetworkCreateXmlFlagsRet { net: reference(&network) })
});

act!(Named; NetworkCreate, |daemon, network, _| daemon.engine.networks().start(&network.0));

act!(Named; NetworkDestroy, |daemon, network, _| daemon.engine.networks().destroy(&network.0));

act!(Named; NetworkUndefine, |daemon, network, _| daemon.engine.networks().undefine(&network.0));

act!(Named; NetworkSetAutostart, |daemon, network, args| {
    daemon.engine.networks().set_autostart(&network.0, args.autostart != 0)
});

act!(Named; NetworkUpdate, |daemon, network, args| {
    only_flags(args.flags, 3, "networkUpdate", Origin::Network)?;
    let unknown = |what: &str| Error::new(Code::InvalidArg, Origin::Network, format!("unknown update {what}"));
    let update = Update {
        command: UpdateCommand::from_number(args.command).ok_or_else(|| unknown("command"))?,
        section: UpdateSection::from_number(args.section).ok_or_else(|| unknown("section"))?,
        parent_index: usize::try_from(args.parent_index).ok(),
        xml: &args.xml,
    };
    daemon.engine.networks().update(&network.0, &update, args.flags, Schema::Lenient)
});

act!(Named; NetworkSetMetadata, |daemon, network, args| {
    only_flags(args.flags, 3, "networkSetMetadata", Origin::Network)?;
    let change = MetadataChange {
        kind: metadata_kind(args.kind)?,
        value: args.metadata.as_deref(),
        prefix: args.key.as_deref(),
        namespace: args.uri.as_deref(),
    };
    daemon.engine.networks().set_metadata(&network.0, &change, args.flags)
});
