//! Identifiers of PCI functions on s390.

use std::collections::BTreeSet;

use ostler_base::{Result, refuse};
use ostler_caps::emulator::Flag;
use ostler_vocab::address::{Address, Zpci};

use crate::devices::Device;
use crate::{Draft, Setting};

/// Gives every PCI function its two numbers.
pub(super) fn identifiers(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    if !setting.has(Flag::Zpci) {
        let said =
            |d: &dyn Device| d.info().zpci.is_some() || d.info().pci().is_some_and(|p| p.zpci.is_some());
        if setting.emulator.is_some() && draft.devices.iter().any(said) {
            refuse!(unsupported, "This QEMU binary doesn't support zPCI");
        }
        return Ok(());
    }
    let visits = draft.devices.visits();
    let mut functions: Vec<(bool, u8, usize)> = Vec::new();
    for (at, device) in draft.devices.iter().enumerate() {
        if let Some(pci) = device.info().pci() {
            functions.push((pci.zpci.is_none(), visits[at], at));
        }
    }
    // Those that say something come first.
    functions.sort_unstable();
    let (mut uids, mut fids) = (BTreeSet::new(), BTreeSet::new());
    let mut devices: Vec<&mut dyn Device> = draft.devices.iter_mut().collect();
    for (_, _, at) in functions {
        let Some(Address::Pci(pci)) = &mut devices[at].info_mut().address else { continue };
        let said = pci.zpci.unwrap_or_default();
        let free_uid = || (1..=u16::MAX).find(|uid| !uids.contains(uid));
        let free_fid = || (0..=u32::MAX).find(|fid| !fids.contains(fid));
        let (Some(uid), Some(fid)) = (said.uid.or_else(free_uid), said.fid.or_else(free_fid)) else {
            refuse!(internal, "There are no more free zPCI identifiers");
        };
        if !uids.insert(uid) {
            refuse!(internal, "zPCI uid {uid:o} is already reserved");
        }
        if !fids.insert(fid) {
            refuse!(internal, "zPCI fid {fid:o} is already reserved");
        }
        pci.zpci = Some(Zpci { uid: Some(uid), fid: Some(fid) });
    }
    Ok(())
}
