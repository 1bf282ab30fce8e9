//! Devices of the host: itself, PCI functions, network devices, disks.

use std::path::{Path, PathBuf};

use ostler_base::{Code, Error, Origin, Result, Uuid, Word};
use ostler_pools::interface::{Link, LinkState};
use ostler_pools::nodedev::net::{Net, NetType};
use ostler_pools::nodedev::scsi::{Removable, Storage};
use ostler_pools::nodedev::system::System;
use ostler_pools::nodedev::{Capability, CapabilityType, NodeDevice, ParentWwn};

use super::{SYS, attribute, entries, linked, name_of, number, pci};

/// The device that stands for the host.
const COMPUTER: &str = "computer";

/// Bytes of the blocks that the kernel counts disks in.
const BLOCK: u64 = 512;

/// Disks that the kernel makes out of files and memory.
const MADE_UP: &[&str] = &["loop", "ram", "zram", "dm-", "md", "nbd"];

/// Every device.
pub fn devices() -> Vec<NodeDevice> {
    below(Path::new(SYS))
}

/// The device with this name.
pub fn device(name: &str) -> Result<NodeDevice> {
    devices().into_iter().find(|device| device.name == name).ok_or_else(|| {
        let detail = format!("no node device with matching name '{name}'");
        Error::new(Code::NoNodeDevice, Origin::Nodedev, detail)
    })
}

/// Whether a device has a capability.
pub fn is(device: &NodeDevice, wanted: CapabilityType) -> bool {
    device.capabilities.iter().any(|capability| capability.kind() == wanted)
}

fn below(sys: &Path) -> Vec<NodeDevice> {
    let mut all = vec![computer(sys)];
    all.extend(entries(sys.join("bus/pci/devices")).iter().filter_map(|path| function(path)));
    all.extend(entries(sys.join("class/net")).iter().filter_map(|path| card(path)));
    all.extend(entries(sys.join("block")).iter().filter_map(|path| disk(path)));
    all
}

fn new(name: String, path: Option<&Path>, capability: Capability) -> NodeDevice {
    NodeDevice {
        name,
        path: path.map(|path| path.to_string_lossy().into_owned()),
        devnode: None,
        devlinks: Vec::new(),
        parent: None,
        parent_wwn: ParentWwn::default(),
        driver: None,
        capabilities: vec![capability],
    }
}

/// The nearest device above a path that has a name here.
fn parent(path: &Path) -> String {
    let above = path.ancestors().skip(1).map(name_of).find(|name| pci::address(name).is_some());
    above.map_or_else(|| COMPUTER.to_owned(), |function| pci::device_name(&function))
}

fn whole(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

fn computer(sys: &Path) -> NodeDevice {
    let dmi = sys.join("class/dmi/id");
    let uuid = attribute(&dmi, "product_uuid").as_deref().and_then(Uuid::parse);
    let system = System {
        product: attribute(&dmi, "product_name"),
        vendor: attribute(&dmi, "sys_vendor"),
        version: attribute(&dmi, "product_version"),
        serial: attribute(&dmi, "product_serial"),
        uuid: uuid.unwrap_or(Uuid([0; 16])),
        firmware_vendor: attribute(&dmi, "bios_vendor"),
        firmware_version: attribute(&dmi, "bios_version"),
        firmware_release_date: attribute(&dmi, "bios_date"),
    };
    new(COMPUTER.to_owned(), None, Capability::System(system))
}

fn function(path: &Path) -> Option<NodeDevice> {
    let path = whole(path)?;
    let capability = Capability::Pci(Box::new(pci::describe(&path)?));
    let mut device = new(pci::device_name(&name_of(&path)), Some(&path), capability);
    device.parent = Some(parent(&path));
    device.driver = linked(&path, "driver");
    Some(device)
}

fn card(path: &Path) -> Option<NodeDevice> {
    let path = whole(path)?;
    let interface = name_of(&path);
    let address = attribute(&path, "address");
    let state = attribute(&path, "operstate").and_then(|word| LinkState::parse(&word));
    // A link that is down says a speed that is none.
    let speed = number(&path, "speed").and_then(|speed| u32::try_from(speed).ok());
    let wireless = path.join("wireless").exists() || path.join("phy80211").exists();
    let shown = address.clone().unwrap_or_default().replace(':', "_");
    let net = Net {
        interface: interface.clone(),
        address,
        link: Some(Link { speed: speed.filter(|_| state == Some(LinkState::Up)), state }),
        features: Vec::new(),
        kind: match (wireless, number(&path, "type")) {
            (true, _) => Some(NetType::Wireless),
            (false, Some(1)) => Some(NetType::Ethernet),
            _ => None,
        },
    };
    let mut device = new(format!("net_{interface}_{shown}"), Some(&path), Capability::Net(net));
    device.parent = Some(parent(&path));
    Some(device)
}

fn disk(path: &Path) -> Option<NodeDevice> {
    let name = name_of(path);
    if MADE_UP.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let path = whole(path)?;
    let size = number(&path, "size")?.checked_mul(BLOCK)?;
    let removable = number(&path, "removable") == Some(1);
    let block_size = number(&path, "queue/logical_block_size").unwrap_or(BLOCK).max(1);
    let block = format!("/dev/{name}");
    let storage = Storage {
        block: block.clone(),
        bus: None,
        drive_type: Some(if name.starts_with("sr") { "cdrom" } else { "disk" }.to_owned()),
        model: attribute(&path, "device/model"),
        vendor: attribute(&path, "device/vendor"),
        serial: attribute(&path, "device/serial"),
        size,
        removable: removable.then_some(Removable {
            media_available: size > 0,
            media_size: size,
            media_label: None,
        }),
        hotpluggable: false,
        logical_block_size: block_size,
        num_blocks: size / block_size,
    };
    let suffix = storage.serial.clone().map(|serial| format!("_{serial}")).unwrap_or_default();
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let full: String = format!("block_{name}{suffix}").chars().map(word).collect();
    let mut device = new(full, Some(&path), Capability::Storage(Box::new(storage)));
    device.devnode = Some(block);
    device.parent = Some(parent(&path));
    Some(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_host_out_of_files() {
        let sys = std::env::temp_dir().join(format!("ostler-engine-sys-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = sys.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let function = "devices/pci0000:00/0000:00:03.0";
        for (name, text) in [("vendor", "0x8086\n"), ("device", "0x100e\n"), ("class", "0x020000\n")] {
            write(&format!("{function}/{name}"), text);
        }
        write(&format!("{function}/net/eth7/address"), "52:54:00:00:00:01\n");
        write(&format!("{function}/net/eth7/type"), "1\n");
        write("block/sdz/size", "2048\n");
        for (link, target) in
            [("bus/pci/devices/0000:00:03.0", function), ("class/net/eth7", &format!("{function}/net/eth7"))]
        {
            fs::create_dir_all(sys.join(link).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(sys.join(target), sys.join(link)).unwrap();
        }
        let all = below(&sys);
        let names: Vec<&str> = all.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["computer", "pci_0000_00_03_0", "net_eth7_52_54_00_00_00_01", "block_sdz"]);
        assert_eq!(all[2].parent.as_deref(), Some("pci_0000_00_03_0"));
        assert!(is(&all[3], CapabilityType::Storage) && !is(&all[3], CapabilityType::Net));
        fs::remove_dir_all(&sys).unwrap();
    }
}
