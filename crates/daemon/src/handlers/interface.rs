//! Network interfaces of the host: what there is. Changes are made elsewhere.

use ostler_base::{Origin, Result};
use ostler_engine::hardware::{HostInterface, interface, interfaces};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{act, count, listed, only_flags, passes, room};
use crate::dispatch::{Host, handlers};

handlers! {
    act call::ConnectNumOfInterfaces;
    act call::ConnectListInterfaces;
    act call::ConnectNumOfDefinedInterfaces;
    act call::ConnectListDefinedInterfaces;
    act call::ConnectListAllInterfaces;
    act call::InterfaceLookupByName;
    act call::InterfaceLookupByMacString;
    act call::InterfaceGetXmlDesc;
    act call::InterfaceIsActive;
}

fn reference(interface: &HostInterface) -> wire::InterfaceRef {
    wire::InterfaceRef { name: interface.name.clone(), mac: interface.mac.clone() }
}

fn named(name: &str) -> Result<HostInterface> {
    interface(&format!("with name '{name}'"), |interface| interface.name == name)
}

/// The names of interfaces that are on, or of those that are off.
fn names(active: bool) -> Result<Vec<String>> {
    let wanted = interfaces()?.into_iter().filter(|interface| interface.active == active);
    Ok(wanted.map(|interface| interface.name).collect())
}

act!(Host; ConnectNumOfInterfaces, |_, _, ()| {
    Ok(wire::ConnectNumOfInterfacesRet { num: count(names(true)?.len()) })
});

act!(Host; ConnectNumOfDefinedInterfaces, |_, _, ()| {
    Ok(wire::ConnectNumOfDefinedInterfacesRet { num: count(names(false)?.len()) })
});

act!(Host; ConnectListInterfaces, |_, _, args| {
    let names = names(true)?.into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListInterfacesRet { names: names.collect() })
});

act!(Host; ConnectListDefinedInterfaces, |_, _, args| {
    let names = names(false)?.into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListDefinedInterfacesRet { names: names.collect() })
});

act!(Host; ConnectListAllInterfaces, |_, _, args| {
    only_flags(args.flags, 3, "udevConnectListAllInterfaces", Origin::Interface)?;
    let all = interfaces()?;
    let wanted = all.iter().filter(|interface| passes(args.flags, &[(interface.active, 2, 1)]));
    let (ifaces, ret) = listed(wanted.map(reference).collect(), args.need_results);
    Ok(wire::ConnectListAllInterfacesRet { ifaces, ret })
});

act!(Host; InterfaceLookupByName, |_, _, args| {
    Ok(wire::InterfaceLookupByNameRet { iface: reference(&named(&args.name)?) })
});

act!(Host; InterfaceLookupByMacString, |_, _, args| {
    let found = interface(&format!("with MAC address '{}'", args.mac), |interface| {
        interface.mac.eq_ignore_ascii_case(&args.mac)
    })?;
    Ok(wire::InterfaceLookupByMacStringRet { iface: reference(&found) })
});

act!(Host; InterfaceGetXmlDesc, |_, _, args| {
    only_flags(args.flags, 1, "udevInterfaceGetXMLDesc", Origin::Interface)?;
    Ok(wire::InterfaceGetXmlDescRet { xml: named(&args.iface.name)?.document.to_xml() })
});

act!(Host; InterfaceIsActive, |_, _, args| {
    Ok(wire::InterfaceIsActiveRet { active: i32::from(named(&args.iface.name)?.active) })
});
