//! What a network definition must be like.
//!
//! Owns: the rules that hold for every reader (`check`) and those of the driver that runs
//! networks (`validate`). Never: changes a definition.

use ostler_base::{Error, Origin, Result, YesNo, refuse};
use ostler_vocab::inet;

use super::Network;
use super::forward::{ForwardMode, Pool};
use super::ip::Ip;
use crate::read::reported_by;

impl Network {
    /// The rules that a definition must follow to be one. Every definition that was read does; one
    /// that was changed may not.
    pub fn check(&self) -> Result<()> {
        self.check_routes()
            .and_then(|()| self.check_forward())
            .and_then(|()| self.check_bridge())
            .map_err(|error| reported_by(error, Origin::Network))
    }

    fn check_routes(&self) -> Result<()> {
        let reachable = |gateway, ip: &Ip| {
            let prefix = ip.effective_prefix()?;
            let same = ip.address.is_ipv4() == matches!(gateway, core::net::IpAddr::V4(_));
            (same && inet::network(&gateway, prefix) == ip.network()).then_some(())
        };
        for route in &self.routes {
            if !self.ips.iter().any(|ip| reachable(route.gateway, ip).is_some()) {
                refuse!(
                    unsupported,
                    "unreachable static route gateway '{}' specified for network '{}'",
                    inet::show(&route.gateway),
                    self.name
                );
            }
        }
        Ok(())
    }

    fn check_forward(&self) -> Result<()> {
        let (name, mode) = (&self.name, self.forward.mode);
        match mode {
            ForwardMode::Nat | ForwardMode::Route => {
                if self.ips.is_empty() {
                    refuse!(
                        xml,
                        "{mode} forwarding requested, but no IP address provided for network '{name}'"
                    );
                }
                if self.forward.interfaces().len() > 1 {
                    refuse!(
                        xml,
                        "multiple forwarding interfaces specified for network '{name}', only one is supported"
                    );
                }
            }
            ForwardMode::Open if self.forward.has_devices() => {
                refuse!(xml, "forward dev not allowed for network '{name}' with forward mode='{mode}'");
            }
            _ => {}
        }
        Ok(())
    }

    fn check_bridge(&self) -> Result<()> {
        let (name, mode, bridge) = (&self.name, self.forward.mode, &self.bridge);
        if mode.is_virtual() {
            return Ok(());
        }
        if mode != ForwardMode::Bridge {
            let words = [
                ("name", bridge.name.is_some()),
                ("zone", bridge.zone.is_some()),
                ("macTableManager setting", bridge.mac_table_manager.is_some()),
            ];
            if let Some((word, _)) = words.iter().find(|(_, given)| *given) {
                refuse!(xml, "bridge {word} not allowed in {mode} mode (network '{name}')");
            }
        }
        let place =
            format!("only allowed in open, route, nat, and isolated mode, not in {mode} (network '{name}')");
        if bridge.delay > 0 || bridge.stp.is_some() || bridge.zone.is_some() {
            refuse!(xml, "bridge delay/stp/zone options {place}");
        }
        if mode == ForwardMode::Bridge && bridge.name.is_some() && self.forward.has_devices() {
            refuse!(
                xml,
                "A network with forward mode='{mode}' can specify a bridge name or a forward dev, but not both (network '{name}')"
            );
        }
        if self.mtu.is_some() {
            refuse!(xml, "mtu size {place}");
        }
        Ok(())
    }

    /// The rules of the driver that runs networks: what it can do in each mode.
    pub fn validate(&self) -> Result<()> {
        self.refuse_services()
            .and_then(|()| self.check_pool())
            .and_then(|()| self.check_portgroups())
            .and_then(|()| self.check_vlan())
            .map_err(|error| reported_by(error, Origin::Network))
    }

    /// Networks without a bridge of their own have no addresses and no services.
    fn refuse_services(&self) -> Result<()> {
        let mode = self.forward.mode;
        if mode.is_virtual() {
            return Ok(());
        }
        let elements = [
            ("<mac>", self.mac.is_some()),
            ("<ip>", !self.ips.is_empty()),
            ("<dns>", self.dns != super::Dns::default()),
            ("<domain>", self.domain.is_some()),
            ("network-wide <bandwidth>", self.bandwidth.is_some()),
        ];
        match elements.iter().find(|(_, given)| *given) {
            Some((element, _)) => Err(Error::unsupported(format!(
                "Unsupported {element} element in network {} with forward mode='{mode}'",
                self.name
            ))),
            None => Ok(()),
        }
    }

    fn check_pool(&self) -> Result<()> {
        let (name, mode) = (&self.name, self.forward.mode);
        match &self.forward.pool {
            Pool::Interfaces(list) if mode == ForwardMode::Hostdev => match list.first() {
                Some(first) => refuse!(
                    unsupported,
                    "hostdev network '{name}' lists '{}' in the device pool, but hostdev networks require all devices to be listed by PCI address, not network device name",
                    first.dev
                ),
                None => Ok(()),
            },
            Pool::Pci(_) if mode != ForwardMode::Hostdev => refuse!(
                unsupported,
                "network '{name}' has forward mode '{mode}' but lists a device by PCI address in the device pool. This is only supported for networks with forward mode 'hostdev'"
            ),
            _ => Ok(()),
        }
    }

    fn check_portgroups(&self) -> Result<()> {
        let (name, mode) = (&self.name, self.forward.mode);
        for (i, group) in self.portgroups.iter().enumerate() {
            let before = &self.portgroups[..i];
            if before.iter().any(|other| other.name == group.name) {
                refuse!(
                    xml,
                    "multiple <portgroup> elements with the same name ({}) in network '{name}'",
                    group.name
                );
            }
            if let Some(other) = before.iter().find(|other| other.is_default() && group.is_default()) {
                refuse!(
                    xml,
                    "network '{name}' has multiple default <portgroup> elements ({} and {}), but only one default is allowed",
                    other.name,
                    group.name
                );
            }
            if group.bandwidth.is_some() && !mode.is_virtual() {
                refuse!(
                    unsupported,
                    "Unsupported <bandwidth> element in network '{name}' in portgroup '{}' with forward mode='{mode}'",
                    group.name
                );
            }
        }
        Ok(())
    }

    /// VLANs need a switch or a card that knows them.
    fn check_vlan(&self) -> Result<()> {
        let knows = matches!(
            self.forward.mode,
            ForwardMode::Hostdev | ForwardMode::Passthrough | ForwardMode::Bridge
        );
        let used = self.vlan.is_some() || self.portgroups.iter().any(|group| group.vlan.is_some());
        if used && !knows {
            refuse!(
                unsupported,
                "<vlan> element specified for network {}, whose type doesn't support vlan configuration",
                self.name
            );
        }
        Ok(())
    }

    /// Whether guests may talk IPv6 among themselves without an address of the host.
    pub fn allows_ipv6_without_gateway(&self) -> bool {
        self.ipv6 == Some(YesNo::Yes)
    }
}
