//! PCI functions of the host, and what their makers call them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use ostler_pools::PciAddress;
use ostler_pools::nodedev::pci::{IommuGroup, Pci, VirtFunctions};

use super::{ATTRIBUTE, entries, linked, name_of, number};

/// Where the names of vendors and products lie.
const NAMES: &[&str] = &["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

/// Names by vendor, and by vendor and product.
type Names = HashMap<(u32, Option<u32>), String>;

/// The address in a name like `0000:00:1f.2`.
pub(super) fn address(name: &str) -> Option<PciAddress> {
    let (rest, function) = name.rsplit_once('.')?;
    let mut parts = rest.split(':').map(|part| u32::from_str_radix(part, 16).ok());
    let (domain, bus, slot) = (parts.next()??, parts.next()??, parts.next()??);
    Some(PciAddress {
        domain,
        bus: u8::try_from(bus).ok()?,
        slot: u8::try_from(slot).ok()?,
        function: u8::from_str_radix(function, 16).ok()?,
    })
}

/// The name of the device that stands for a function.
pub(super) fn device_name(function: &str) -> String {
    format!("pci_{}", function.replace([':', '.'], "_"))
}

/// What a function is.
pub(super) fn describe(device: &Path) -> Option<Pci> {
    let id = |name: &str| number(device, name).and_then(|id| u32::try_from(id).ok());
    let (vendor, product) = (id("vendor")?, id("device")?);
    let names = names();
    let of = |link: &str| linked(device, link).as_deref().and_then(address);
    let functions: Vec<PciAddress> = entries(device.to_path_buf())
        .iter()
        .filter(|entry| name_of(entry).starts_with("virtfn"))
        .filter_map(|entry| of(&name_of(entry)))
        .collect();
    let most = id("sriov_totalvfs");
    let group = linked(device, "iommu_group").and_then(|number| number.parse().ok()).map(|number| {
        let members = entries(device.join("iommu_group/devices"));
        IommuGroup { number, addresses: members.iter().filter_map(|path| address(&name_of(path))).collect() }
    });
    let node = super::attribute(device, "numa_node").and_then(|text| text.parse().ok());
    Some(Pci {
        class: id("class"),
        address: address(&name_of(device))?,
        product: (product, names.get(&(vendor, Some(product))).cloned()),
        vendor: (vendor, names.get(&(vendor, None)).cloned()),
        phys_function: of("physfn"),
        virt_functions: (most.is_some() || !functions.is_empty())
            .then_some(VirtFunctions { max_count: most, addresses: functions }),
        bridge: None,
        mdev_types: Vec::new(),
        vpd: None,
        iommu_group: group,
        numa_node: node.filter(|node: &i32| *node >= 0),
        express: None,
    })
}

fn names() -> &'static Names {
    static READ: OnceLock<Names> = OnceLock::new();
    READ.get_or_init(|| {
        let read = |path: &&str| ostler_host::fs::read_bounded(path.as_ref(), ATTRIBUTE * 256).ok();
        NAMES.iter().find_map(read).map(|text| parse_names(&text)).unwrap_or_default()
    })
}

/// Lines `VENDOR  NAME`, and below them, behind a tab, `PRODUCT  NAME`.
fn parse_names(text: &str) -> Names {
    let mut names = Names::new();
    let mut vendor = None;
    for line in text.lines().take_while(|line| !line.starts_with("C ")) {
        let entry = |line: &str| {
            let (id, name) = line.split_once("  ")?;
            Some((u32::from_str_radix(id, 16).ok()?, name.to_owned()))
        };
        match line.strip_prefix('\t') {
            None => {
                vendor = entry(line).map(|(id, name)| {
                    names.insert((id, None), name);
                    id
                });
            }
            Some(product) if !product.starts_with('\t') => {
                if let (Some(vendor), Some((id, name))) = (vendor, entry(product)) {
                    names.insert((vendor, Some(id)), name);
                }
            }
            Some(_) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let names =
            parse_names("# x\n8086  Intel\n\t1000  Card\n\t\t8086 1  Sub\n10de  N\nC 01  Class\n8087  No\n");
        assert_eq!(names.len(), 3);
        assert_eq!(names[&(0x8086, Some(0x1000))], "Card");
        let found = address("0001:0a:1f.7").unwrap();
        assert_eq!((found.domain, found.bus, found.slot, found.function), (1, 10, 31, 7));
        assert_eq!(device_name("0001:0a:1f.7"), "pci_0001_0a_1f_7");
        assert!(address("x").is_none() && address("0:1:2").is_none());
    }
}
