//! What a network card is in the emulator, and what the host must do for it.

use ostler_base::{Json, OnOff, Result, YesNo, json::json, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{Action, Chardev, ChardevBackend, FdKind, FdSource, Part, Props, SocketAddress};
use ostler_vocab::address::Address;

use super::driver::{CardBackend, TeamingType, TxMode};
use super::run::Plugged;
use super::source::{Endpoint, HostCard, InterfaceSource, InterfaceType, VhostUserMode};
use super::{Build, Device, Interface};
use crate::devices::hostdev;
use crate::{Draft, Setting};

/// Seconds between attempts to call passt again.
const PASST_RECONNECT: u64 = 5;

/// What a card's packets go through on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// A tap of the guest's alone.
    Loose,
    /// A tap on a bridge.
    Bridge,
    /// A card of the host that is shared.
    Direct,
}

impl Interface {
    pub(super) fn queues(&self) -> u32 {
        self.driver.number("queues").unwrap_or(1)
    }

    fn wire(&self) -> Option<Wire> {
        match (&self.source, &self.run.plugged) {
            (InterfaceSource::Ethernet, _) => Some(Wire::Loose),
            (InterfaceSource::Bridge(_), _)
            | (InterfaceSource::Network { .. }, Some(Plugged::Bridge(_)) | None) => Some(Wire::Bridge),
            (InterfaceSource::Direct { .. }, _)
            | (InterfaceSource::Network { .. }, Some(Plugged::Direct { .. })) => Some(Wire::Direct),
            _ => None,
        }
    }

    pub(super) fn add_parts(&self, build: &mut Build<'_>) -> Result<()> {
        build.fds.begin_device();
        if let Some(card) = self.host_card() {
            return self.add_host_card(card, build);
        }
        let alias = self.info().alias();
        let backend = format!("host{alias}");
        self.add_backend(&backend, build)?;
        let (driver, virtio) = match (self.virtio_model(), self.model.as_deref()) {
            (_, None) => return Ok(()),
            (Some(model), _) => (model.driver("virtio-net", self.info())?, true),
            // Cards of a board take a back end by its name.
            (None, Some("smc91c111" | "lan9118")) => {
                let model = self.model.clone().unwrap_or_default();
                let net = Props::new()
                    .with("macaddr", self.mac.unwrap_or_default().to_string())
                    .with("model", model)
                    .with("netdev", backend)
                    .with("id", alias);
                build.parts.push(Part::plain("-net", format!("nic,{}", net.to_options(None))));
                return Ok(());
            }
            (None, Some(card)) => (card.to_owned(), false),
        };
        let mut props = Props::new().with("driver", driver);
        if virtio {
            self.virtio_props(&mut props);
        }
        props.set("netdev", backend);
        props.set("id", alias);
        props.set("mac", self.mac.unwrap_or_default().to_string());
        props.set_opt("bootindex", self.info().boot_index);
        self.info().bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn add_host_card(&self, card: &HostCard, build: &mut Build<'_>) -> Result<()> {
        if self.backend.tap.is_some() {
            refuse!(
                unsupported,
                "interface {} - custom tap device path is not supported for network interfaces of type hostdev",
                self.mac.unwrap_or_default()
            );
        }
        let pair = self.teaming.as_ref().and_then(|t| t.persistent.as_deref());
        hostdev::add_pci(&card.address, pair, self.info(), build)
    }

    /// Adds the back end.
    fn add_backend(&self, id: &str, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info().alias();
        if self.backend.tap.is_some() && self.kind() == InterfaceType::VhostUser {
            refuse!(
                unsupported,
                "interface {} - custom tap device path is not supported for network interfaces of type vhostuser",
                self.mac.unwrap_or_default()
            );
        }
        let props = match (&self.source, self.wire()) {
            (_, Some(wire)) => self.tap(wire, build),
            (InterfaceSource::User { .. }, _) if self.is_passt() => self.passt_stream(build),
            (InterfaceSource::User { .. }, _) => self.user(),
            (InterfaceSource::VhostUser { path, mode, reconnect, .. }, _) => {
                let path = path.clone().unwrap_or_else(|| self.passt_socket(build.draft, build.setting));
                let seconds = match self.is_passt() {
                    true => Some(PASST_RECONNECT),
                    false => reconnect.as_ref().and_then(|r| r.seconds()).map(u64::from),
                };
                self.vhost_user(path, *mode, seconds, build)
            }
            (InterfaceSource::Socket { kind, remote, local }, _) => socket(*kind, remote, local.as_ref()),
            (InterfaceSource::Vdpa(device), _) => {
                let path =
                    build.add_fd(FdKind::VhostVdpa, FdSource::Open(device.into()), &format!("{alias}-vdpa"));
                Props::new().with("type", "vhost-vdpa").with("vhostdev", path)
            }
            (other, _) => {
                refuse!(unsupported, "Network device type '{}' is not supported", other.kind())
            }
        };
        build.parts.push(Part::Netdev(props.with("id", id)));
        Ok(())
    }

    fn vhost_user(
        &self,
        path: String,
        mode: VhostUserMode,
        reconnect: Option<u64>,
        build: &mut Build<'_>,
    ) -> Props {
        let chardev = format!("char{}", self.info().alias());
        let socket = ChardevBackend::Socket {
            address: SocketAddress::Unix(path),
            // It waits for its client, as is the emulator's default.
            server: (mode == VhostUserMode::Server).then_some(true),
            telnet: false,
            tls_creds: None,
            reconnect,
            reconnect_ms: build.setting.has(Flag::ChardevReconnectMiliseconds),
        };
        build.parts.push(Part::Chardev(Chardev::new(chardev.as_str(), socket)));
        let queues = Some(self.queues()).filter(|queues| *queues > 1);
        Props::new().with("type", "vhost-user").with("chardev", chardev).with_opt("queues", queues)
    }

    fn passt_stream(&self, build: &Build<'_>) -> Props {
        let path = self.passt_socket(build.draft, build.setting);
        let mut props = Props::new()
            .with("type", "stream")
            .with("addr", json!({ "type": "unix", "path": path }))
            .with("server", false);
        if build.setting.has(Flag::NetdevStreamReconnectMiliseconds) {
            props.set("reconnect-ms", PASST_RECONNECT * 1000);
        } else if build.setting.has(Flag::NetdevStreamReconnect) {
            props.set("reconnect", PASST_RECONNECT);
        }
        props
    }

    fn user(&self) -> Props {
        let mut props = Props::new().with("type", "user");
        for ip in &self.guest.addresses {
            if ip.address.contains(':') {
                props.set("ipv6-prefix", ip.address.as_str());
                props.set_opt("ipv6-prefixlen", ip.prefix);
            } else {
                let prefix = ip.prefix.map(|prefix| format!("/{prefix}")).unwrap_or_default();
                props.set("net", format!("{}{prefix}", ip.address));
            }
        }
        props
    }

    fn tap(&self, wire: Wire, build: &mut Build<'_>) -> Props {
        let queues = self.queues();
        let kind = if wire == Wire::Loose { FdKind::Tap } else { FdKind::NetTap };
        let (name, managed) = match &self.target {
            Some((name, managed)) => (name.clone(), *managed),
            None => ("vnet%d".to_owned(), None),
        };
        let source = FdSource::Tap { name, existing: managed == Some(YesNo::No), multi_queue: queues > 1 };
        let taps: Vec<String> =
            (0..queues).map(|_| build.fds.add(kind, source.clone()).to_string()).collect();
        let mut props = Props::new().with("type", "tap");
        let several = queues > 1;
        props.set(if several { "fds" } else { "fd" }, taps.join(":"));
        if self.uses_vhost() {
            let path = self.backend.vhost.clone().unwrap_or_else(|| "/dev/vhost-net".to_owned());
            let vhost: Vec<String> = (0..queues)
                .map(|_| build.fds.add(FdKind::VhostNet, FdSource::Open(path.clone().into())).to_string())
                .collect();
            props.set("vhost", true);
            props.set(if several { "vhostfds" } else { "vhostfd" }, vhost.join(":"));
        }
        props.with_opt("sndbuf", self.sndbuf)
    }

    /// Whether the kernel moves the packets.
    fn uses_vhost(&self) -> bool {
        self.virtio_model().is_some()
            && self.driver.name != Some(CardBackend::Qemu)
            && !self.run.without_vhost
    }

    fn virtio_props(&self, props: &mut Props) {
        let driver = &self.driver;
        self.virtio.props(props);
        props.set_opt("tx", driver.tx_mode.map(|mode| if mode == TxMode::Iothread { "bh" } else { "timer" }));
        for (name, option) in [
            ("ioeventfd", "ioeventfd"),
            ("event_idx", "event_idx"),
            ("rss", "rss"),
            ("rss_hash_report", "hash"),
        ] {
            props.set_opt(option, driver.switch(name));
        }
        for (side, name, value) in &driver.offloads {
            let option = match (*side, *name) {
                (_, "mrg_rxbuf") => "mrg_rxbuf".to_owned(),
                ("host", "csum") => "csum".to_owned(),
                ("host", "gso") => "gso".to_owned(),
                (side, name) => format!("{side}_{name}"),
            };
            props.set(&option, Json::Bool(*value == OnOff::On));
        }
        let queues = self.queues();
        if queues > 1 {
            props.set("mq", true);
            if matches!(self.info().address, Some(Address::Pci(_))) {
                props.set("vectors", queues * 2 + 2);
            }
        }
        props.set_opt("rx_queue_size", driver.number("rx_queue_size"));
        props.set_opt("tx_queue_size", driver.number("tx_queue_size"));
        props.set_opt("host_mtu", self.mtu);
        if self.teaming.as_ref().is_some_and(|t| t.kind == TeamingType::Persistent) {
            props.set("failover", true);
        }
    }

    pub(super) fn prepare(&self, build: &Build<'_>, out: &mut Vec<Action>) -> Result<()> {
        if self.is_passt() {
            self.start_passt(build, out);
        }
        if let Some(card) = self.host_card().filter(|card| card.managed.is_some_and(YesNo::is_true)) {
            out.push(Action::DetachPci { address: card.address.to_string(), driver: card.driver.clone() });
        }
        Ok(())
    }

    pub(super) fn take_back(&self, draft: &Draft, setting: &Setting<'_>, out: &mut Vec<Action>) {
        if self.is_passt() {
            self.stop_passt(draft, setting, out);
        }
        if let Some(card) = self.host_card().filter(|card| card.managed.is_some_and(YesNo::is_true)) {
            out.push(Action::ReattachPci { address: card.address.to_string() });
        }
    }
}

fn socket(kind: InterfaceType, remote: &Endpoint, local: Option<&Endpoint>) -> Props {
    let text = |at: &Endpoint| format!("{}:{}", at.address.as_deref().unwrap_or_default(), at.port);
    let name = match kind {
        InterfaceType::Server => "listen",
        InterfaceType::Client => "connect",
        InterfaceType::Mcast => "mcast",
        _ => "udp",
    };
    Props::new().with("type", "socket").with(name, text(remote)).with_opt("localaddr", local.map(text))
}
