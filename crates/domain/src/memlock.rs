//! How much memory an emulator may lock.
//!
//! Owns: the rule. Never: sets a limit.

use ostler_base::scale::KIB;

use crate::Draft;
use crate::devices::controller::PciModel;
use crate::devices::disk::Place;
use crate::devices::hostdev::HostdevSource;
use crate::devices::interface::InterfaceSource;
use crate::sections::identity::DomainKind;
use crate::sections::tuning::MemoryLimit;

/// How much may be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedMemory {
    /// Nobody asks for anything: the emulator keeps what it inherits.
    Inherited,
    /// So many bytes.
    Bytes(u64),
    /// All there is.
    Unlimited,
}

/// A GiB for what an emulator maps beside the guest's memory, KiB.
const MAPPED: u64 = 1 << 20;

/// How much memory the emulator of a guest may lock: what the definition says, or what devices need
/// that reach the guest's memory by themselves.
pub fn locked_memory(guest: &Draft) -> LockedMemory {
    let head = &guest.head;
    let hard = head.tuning.memory_limits.iter().find(|(limit, _)| *limit == MemoryLimit::Hard);
    if let Some((_, kib)) = hard {
        return LockedMemory::Bytes(kib.saturating_mul(KIB));
    }
    if head.memory_backing.locked {
        return LockedMemory::Unlimited;
    }
    let passed = passed_devices(guest);
    let kib =
        if head.os.arch.is_some_and(ostler_base::Arch::is_ppc64) && head.identity.kind == DomainKind::Kvm {
            power(guest, passed > 0)
        } else {
            let maps = maps(guest, passed);
            if maps == 0 {
                return LockedMemory::Inherited;
            }
            head.memory.total.saturating_mul(maps).saturating_add(MAPPED)
        };
    LockedMemory::Bytes(kib.saturating_mul(KIB))
}

/// Devices of the host that VFIO passes.
fn passed_devices(guest: &Draft) -> u64 {
    let vfio =
        |source: &HostdevSource| matches!(source, HostdevSource::Pci { .. } | HostdevSource::Mdev { .. });
    count(guest.devices.hostdevs.iter().filter(|hostdev| vfio(&hostdev.source)).count())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How often the guest's memory is mapped. Devices of VFIO share one mapping, unless the guest has an
/// IOMMU of its own; disks of NVMe and cards of vDPA have one each.
fn maps(guest: &Draft, passed: u64) -> u64 {
    let devices = &guest.devices;
    let nvme = devices.disks.iter().filter(|disk| matches!(disk.image.place, Place::Nvme { .. })).count();
    let vdpa = devices.interfaces.iter().filter(|c| matches!(c.source, InterfaceSource::Vdpa(_))).count();
    let shared = if devices.iommus.is_empty() { passed.min(1) } else { passed };
    shared.saturating_add(count(nvme)).saturating_add(count(vdpa))
}

/// What the kernel accounts on POWER, KiB: the table of pages and those of the host bridges, and where
/// devices are passed the windows that these may open.
fn power(guest: &Draft, passes: bool) -> u64 {
    let memory = &guest.head.memory;
    let roots = guest.devices.controllers.iter().filter(|c| c.pci_model() == Some(PciModel::PciRoot));
    let bridges = count(roots.count());
    let most = memory.maximum.max(memory.total);
    let base = (most / 128).saturating_add(bridges.saturating_mul(4096)).saturating_add(8192);
    if !passes {
        return base;
    }
    let tables = memory.total / 512;
    let whole = memory.total.saturating_add(tables.saturating_mul(bridges)).saturating_add(8192);
    base.saturating_add(whole.max(bridges.saturating_mul(2 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadMode;

    fn of(tuning: &str, devices: &str) -> LockedMemory {
        let xml = format!(
            "<domain type='kvm'><name>a</name><memory unit='GiB'>1</memory>{tuning}\
             <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
        );
        locked_memory(&Draft::parse(&xml, &ReadMode::default()).unwrap())
    }

    #[test]
    fn what_is_said_comes_first() {
        let locked = "<memoryBacking><locked/></memoryBacking>";
        let limit = "<memtune><hard_limit unit='GiB'>3</hard_limit></memtune>";
        assert_eq!(of("", ""), LockedMemory::Inherited);
        assert_eq!(of(locked, ""), LockedMemory::Unlimited);
        assert_eq!(of(&format!("{limit}{locked}"), ""), LockedMemory::Bytes(3 << 30));
    }

    #[test]
    fn every_map_counts() {
        let card =
            "<interface type='vdpa'><mac address='52:54:00:00:00:01'/><source dev='/dev/v'/></interface>";
        assert_eq!(of("", &card.repeat(2)), LockedMemory::Bytes(3 << 30));
    }
}
