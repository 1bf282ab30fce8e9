//! What a network card may be.

use ostler_base::{Error, Result, YesNo, refuse};
use ostler_caps::emulator::Flag;
use ostler_vocab::inet::Family;

use super::driver::TeamingType;
use super::source::{InterfaceSource, InterfaceType};
use super::{Interface, NetworkBackend};
use crate::sections::backend::require_shared;
use crate::{Draft, Setting};

/// Types whose packets go through a tap of the host's.
const TAPS: &[InterfaceType] = &[InterfaceType::Network, InterfaceType::Bridge, InterfaceType::Ethernet];

impl Interface {
    pub(super) fn check(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        self.check_words(setting)?;
        self.check_guest_addresses()?;
        self.check_backend(draft, setting)?;
        self.check_driver(setting)?;
        self.check_teaming()?;
        self.virtio.refuse_unless(self.virtio_model().is_some())
    }

    fn check_words(&self, setting: &Setting<'_>) -> Result<()> {
        let kind = self.kind();
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.model.as_ref().is_some_and(|model| !model.chars().all(known)) {
            return Err(Error::xml("Model name contains invalid characters"));
        }
        if kind == InterfaceType::Vdpa {
            if setting.emulator.is_some() && !setting.has(Flag::NetdevVhostVdpa) {
                refuse!(unsupported, "vDPA devices are not supported with this QEMU binary");
            }
            if self.virtio_model().is_none() {
                refuse!(
                    unsupported,
                    "invalid model for interface of type '{kind}': '{}'",
                    self.model.as_deref().unwrap_or_default()
                );
            }
        }
        if self.mac_type.is_some() && self.mac_check == Some(YesNo::Yes) {
            refuse!(unsupported, "mac check='yes' is not supported with a mac type");
        }
        if self.mtu.is_some() && !self.has_mtu() {
            refuse!(unsupported, "setting MTU on interface type {kind} is not supported yet");
        }
        if self.coalesce.is_some() && !matches!(kind, InterfaceType::Network | InterfaceType::Bridge) {
            refuse!(unsupported, "coalesce settings on interface type {kind} are not supported");
        }
        if self.isolated == Some(YesNo::Yes)
            && !matches!(kind, InterfaceType::Network | InterfaceType::Bridge)
        {
            refuse!(
                unsupported,
                "interface {} - isolated ports are not supported for network interface type {kind}",
                self.mac.unwrap_or_default()
            );
        }
        Ok(())
    }

    fn has_mtu(&self) -> bool {
        matches!(
            self.kind(),
            InterfaceType::Network
                | InterfaceType::Bridge
                | InterfaceType::Ethernet
                | InterfaceType::VhostUser
                | InterfaceType::Direct
                | InterfaceType::Vdpa
        ) || self.is_passt()
    }

    fn check_guest_addresses(&self) -> Result<()> {
        let passt = self.is_passt();
        if self.kind() != InterfaceType::User && !passt {
            if !self.guest.is_empty() {
                refuse!(
                    unsupported,
                    "Invalid attempt to set network interface guest-side IP route and/or address info, not supported by QEMU"
                );
            }
            return Ok(());
        }
        if !self.guest.routes.is_empty() {
            refuse!(
                unsupported,
                "Invalid attempt to set network interface guest-side IP route, not supported by QEMU"
            );
        }
        let of = |family: Family| {
            let name = family.to_string();
            self.guest.addresses.iter().filter(move |ip| ip.family.as_deref() == Some(name.as_str()))
        };
        if self.guest.addresses.iter().any(|ip| ip.peer.is_some()) {
            refuse!(unsupported, "Invalid attempt to set peer IP for guest");
        }
        if of(Family::Ipv4).count() > 1 {
            refuse!(unsupported, "Only one IPv4 address per interface is allowed");
        }
        if of(Family::Ipv6).count() > 1 {
            refuse!(unsupported, "Only one IPv6 address per interface is allowed");
        }
        for ip in of(Family::Ipv4) {
            if ip.prefix.is_some_and(|prefix| !(4..=27).contains(&prefix)) {
                refuse!(xml, "invalid prefix, must be in range of 4-27");
            }
        }
        for ip in of(Family::Ipv6) {
            if let Some(prefix) = ip.prefix.filter(|prefix| *prefix != 64) {
                refuse!(unsupported, "unsupported IPv6 address prefix='{prefix}' - must be 64");
            }
        }
        Ok(())
    }

    fn check_backend(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let kind = self.kind();
        let passt = self.backend.kind == Some(NetworkBackend::Passt);
        let mac = self.mac.unwrap_or_default();
        if passt && !matches!(kind, InterfaceType::User | InterfaceType::VhostUser) {
            refuse!(
                unsupported,
                "The 'passt' backend can only be used with interface type='user' or type='vhostuser'"
            );
        }
        if passt
            && kind == InterfaceType::User
            && setting.emulator.is_some()
            && !setting.has(Flag::NetdevStream)
        {
            refuse!(unsupported, "the passt network backend is not supported with this QEMU binary");
        }
        if !self.forwards.is_empty() && !passt {
            refuse!(
                unsupported,
                "The <portForward> element can only be used with the 'passt' backend of interface type='user' or type='vhostuser'"
            );
        }
        if self.backend.log_file.is_some() && !passt {
            refuse!(unsupported, "The 'logFile' attribute can only be used with the 'passt' backend");
        }
        if kind == InterfaceType::VhostUser {
            require_shared(draft, "interface")?;
        }
        // For these two it shows only when the guest is started.
        let late = matches!(kind, InterfaceType::VhostUser | InterfaceType::Hostdev);
        if self.backend.tap.is_some() && !TAPS.contains(&kind) && !late {
            refuse!(
                unsupported,
                "interface {mac} - custom tap device path is not supported for network interface type {kind}"
            );
        }
        Ok(())
    }

    fn check_driver(&self, setting: &Setting<'_>) -> Result<()> {
        if self.virtio_model().is_none() {
            return Ok(());
        }
        for name in ["rx_queue_size", "tx_queue_size"] {
            if self.driver.number(name).is_some_and(|size| !size.is_power_of_two()) {
                refuse!(unsupported, "{name} has to be a power of two");
            }
        }
        if setting.emulator.is_some() && !setting.has(Flag::VirtioNetRss) {
            for (name, what) in [("rss", "rss"), ("rss_hash_report", "rss hash report")] {
                if self.driver.switch(name).is_some() {
                    refuse!(unsupported, "virtio {what} is not supported with this QEMU binary");
                }
            }
        }
        Ok(())
    }

    fn check_teaming(&self) -> Result<()> {
        let Some(teaming) = &self.teaming else { return Ok(()) };
        let kind = self.kind();
        match teaming.kind {
            TeamingType::Persistent if self.virtio_model().is_none() => refuse!(
                unsupported,
                "virtio-net teaming persistent interface must be <model type='virtio'/>, not '{}'",
                self.model.as_deref().unwrap_or_default()
            ),
            TeamingType::Transient
                if !matches!(self.source, InterfaceSource::Hostdev(_) | InterfaceSource::Network { .. }) =>
            {
                refuse!(
                    unsupported,
                    "virtio-net teaming transient interface must be type='hostdev', not '{kind}'"
                )
            }
            _ => Ok(()),
        }
    }
}
