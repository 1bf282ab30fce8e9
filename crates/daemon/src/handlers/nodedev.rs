//! Devices of the host: what there is. Changes are made elsewhere.

use ostler_base::{Code, Error, Origin, Result, Word};
use ostler_engine::hardware::{device, devices, is};
use ostler_pools::WriteMode;
use ostler_pools::nodedev::{CapabilityType, NodeDevice};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{act, count, listed, only_flags, passes, room};
use crate::dispatch::{Host, handlers};

handlers! {
    act call::NodeNumOfDevices;
    act call::NodeListDevices;
    act call::ConnectListAllNodeDevices;
    act call::NodeDeviceLookupByName;
    act call::NodeDeviceGetXmlDesc;
    act call::NodeDeviceGetParent;
    act call::NodeDeviceNumOfCaps;
    act call::NodeDeviceListCaps;
    act call::NodeDeviceIsActive;
    act call::NodeDeviceIsPersistent;
}

/// The flag of each capability that devices have here, in the list of all devices.
const CAPABILITIES: &[(CapabilityType, u32)] = &[
    (CapabilityType::System, 1),
    (CapabilityType::Pci, 1 << 1),
    (CapabilityType::Net, 1 << 4),
    (CapabilityType::Storage, 1 << 8),
];

/// All flags of capabilities, of devices here and of others.
const ALL_CAPABILITIES: u32 = 0xff_ffff;

/// Persistent, transient, inactive, active.
const STATES: [u32; 4] = [1 << 28, 1 << 29, 1 << 30, 1 << 31];

/// The devices with a capability, or all.
fn with(capability: Option<&String>) -> Result<Vec<NodeDevice>> {
    let Some(word) = capability else { return Ok(devices()) };
    // A word that stands for no device here has none.
    let wanted = CapabilityType::parse(word);
    Ok(devices().into_iter().filter(|device| wanted.is_some_and(|wanted| is(device, wanted))).collect())
}

fn capabilities(device: &NodeDevice) -> Vec<String> {
    device.capabilities.iter().map(|capability| capability.kind().as_str().to_owned()).collect()
}

act!(Host; NodeNumOfDevices, |_, _, args| {
    only_flags(args.flags, 0, "nodeNumOfDevices", Origin::Nodedev)?;
    Ok(wire::NodeNumOfDevicesRet { num: count(with(args.cap.as_ref())?.len()) })
});

act!(Host; NodeListDevices, |_, _, args| {
    only_flags(args.flags, 0, "nodeListDevices", Origin::Nodedev)?;
    let names = with(args.cap.as_ref())?.into_iter().map(|device| device.name);
    Ok(wire::NodeListDevicesRet { names: names.take(room(args.maxnames)).collect() })
});

act!(Host; ConnectListAllNodeDevices, |_, _, args| {
    let [persistent, transient, inactive, active] = STATES;
    let known = ALL_CAPABILITIES | STATES.iter().fold(0, |all, flag| all | flag);
    only_flags(args.flags, known, "nodeConnectListAllNodeDevices", Origin::Nodedev)?;
    let wanted = devices().into_iter().filter(|device| {
        let asked = args.flags & ALL_CAPABILITIES;
        let fits = CAPABILITIES.iter().any(|(kind, flag)| asked & flag != 0 && is(device, *kind));
        (asked == 0 || fits) && passes(args.flags, &[(true, active, inactive), (false, persistent, transient)])
    });
    let all = wanted.map(|device| wire::NodeDeviceRef { name: device.name }).collect();
    let (devices, ret) = listed(all, args.need_results);
    Ok(wire::ConnectListAllNodeDevicesRet { devices, ret })
});

act!(Host; NodeDeviceLookupByName, |_, _, args| {
    Ok(wire::NodeDeviceLookupByNameRet { dev: wire::NodeDeviceRef { name: device(&args.name)?.name } })
});

act!(Host; NodeDeviceGetXmlDesc, |_, _, args| {
    only_flags(args.flags, 1, "nodeDeviceGetXMLDesc", Origin::Nodedev)?;
    Ok(wire::NodeDeviceGetXmlDescRet { xml: device(&args.name)?.to_xml(WriteMode::Live) })
});

act!(Host; NodeDeviceGetParent, |_, _, args| {
    let found = device(&args.name)?;
    match found.parent {
        Some(parent) => Ok(wire::NodeDeviceGetParentRet { parent_name: Some(parent) }),
        None => {
            let detail = "no parent for this device";
            Err(Error::new(Code::InternalError, Origin::Nodedev, detail))
        }
    }
});

act!(Host; NodeDeviceNumOfCaps, |_, _, args| {
    Ok(wire::NodeDeviceNumOfCapsRet { num: count(capabilities(&device(&args.name)?).len()) })
});

act!(Host; NodeDeviceListCaps, |_, _, args| {
    let names = capabilities(&device(&args.name)?).into_iter().take(room(args.maxnames));
    Ok(wire::NodeDeviceListCapsRet { names: names.collect() })
});

act!(Host; NodeDeviceIsActive, |_, _, args| {
    device(&args.name).map(|_| wire::NodeDeviceIsActiveRet { active: 1 })
});

act!(Host; NodeDeviceIsPersistent, |_, _, args| {
    device(&args.name).map(|_| wire::NodeDeviceIsPersistentRet { persistent: 0 })
});
