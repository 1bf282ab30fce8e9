//! Devices that are there without being asked for.

use ostler_base::Result;

use crate::devices::audio::Audio;
use crate::devices::controller::{Controller, ControllerType};
use crate::devices::input::{Input, InputBus, InputType};
use crate::devices::memballoon::Memballoon;
use crate::{Draft, Setting, machine};

/// Controllers of the machine, PS/2 devices, audio back end, balloon.
pub(super) fn devices(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let machine = machine::of(&draft.head.os);
    let devices = &mut draft.devices;
    let has = |controllers: &[Controller], kind| controllers.iter().any(|c| c.kind == kind);
    if machine.default_usb() && !has(&devices.controllers, ControllerType::Usb) {
        devices.controllers.push(Controller::implied(ControllerType::Usb, 0, None));
    }
    if machine.builtin_sata() && !has(&devices.controllers, ControllerType::Sata) {
        devices.controllers.push(Controller::implied(ControllerType::Sata, 0, None));
    }
    if let Some(root) = machine.pci_root() {
        let there =
            devices.controllers.iter().any(|c| c.kind == ControllerType::Pci && c.index.unwrap_or(0) == 0);
        if !there {
            use ostler_base::Word;
            devices.controllers.push(Controller::implied(ControllerType::Pci, 0, Some(root.as_str())));
        }
    }
    if machine.builtin_ps2() {
        for kind in [InputType::Mouse, InputType::Keyboard] {
            let there =
                devices.inputs.iter().any(|i| i.kind == kind && matches!(i.bus, None | Some(InputBus::Ps2)));
            if !there {
                devices.inputs.push(Input::builtin(kind));
            }
        }
    }
    if devices.audios.is_empty() {
        devices.audios.push(Audio::silent());
    }
    if devices.memballoons.is_empty() {
        devices.memballoons.push(Memballoon::virtio());
    }
    Ok(())
}
