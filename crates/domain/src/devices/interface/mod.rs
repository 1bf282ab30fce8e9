//! `<interface>`: network cards.

mod run;
mod source;

use ostler_base::{Error, MacAddr, Result, YesNo, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{
    Chardev, ChardevBackend, FdKind, FdSource, Part, Props, Resource, ResourceKind, SocketAddress,
};
use ostler_vocab::bandwidth::{Bandwidth, BandwidthUse};
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::machine;
use crate::{Draft, Head, Setting, WriteMode};

pub use run::{CardRun, FilterRef, Plugged};
pub use source::{
    CardDriver, DirectMode, Endpoint, InterfaceSource, InterfaceType, LinkState, Teaming, TeamingType,
    VhostUserMode,
};

/// An address inside the guest's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardAddress {
    /// `address`
    pub address: String,
    /// `family`
    pub family: Option<String>,
    /// `prefix`
    pub prefix: Option<u32>,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `type` and `<source>`
    pub source: InterfaceSource,
    /// `<mac address=…>`; made up where absent.
    pub mac: Option<MacAddr>,
    /// `<model type=…>`: `virtio` or a card that the emulator knows; the machine's own where absent.
    pub model: Option<String>,
    /// `trustGuestRxFilters`
    pub trust_filters: Option<YesNo>,
    /// `<vlan>`
    pub vlan: Option<Vlan>,
    /// `<virtualport>`
    pub virtualport: Option<VirtualPort>,
    /// `<bandwidth>`
    pub bandwidth: Option<Bandwidth>,
    /// `<port isolated=…>`
    pub isolated: Option<YesNo>,
    /// `<ip>`
    pub addresses: Vec<CardAddress>,
    /// `<script path=…>`
    pub script: Option<String>,
    /// `<downscript path=…>`
    pub downscript: Option<String>,
    /// `<target dev= managed=>`
    pub target: Option<(String, Option<YesNo>)>,
    /// `<driver>`
    pub driver: CardDriver,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    /// `<backend tap= vhost=>`
    pub backend: (Option<String>, Option<String>),
    /// `<tune><sndbuf>`
    pub sndbuf: Option<u64>,
    /// `<link state=…>`
    pub link: Option<LinkState>,
    /// `<mtu size=…>`
    pub mtu: Option<u32>,
    /// `<coalesce><rx><frames max=…>`
    pub coalesce: Option<u32>,
    /// `<teaming>`
    pub teaming: Option<Teaming>,
    /// `<filterref>`
    pub filter: Option<FilterRef>,
    /// What it has while its guest runs.
    pub run: CardRun,
    info: Info,
}

fn parse_mac(el: &Element<'_>) -> Result<Option<MacAddr>> {
    let Some(text) = el.child("mac").map(|m| m.require("address")).transpose()? else { return Ok(None) };
    let mac =
        MacAddr::parse(text).ok_or_else(|| Error::xml(format!("unable to parse mac address '{text}'")))?;
    if mac == MacAddr::default() {
        return Ok(None);
    }
    if mac.is_multicast() {
        refuse!(xml, "expected unicast mac address, found multicast '{text}'");
    }
    Ok(Some(mac))
}

impl Kind for Interface {
    const ELEMENT: &'static str = "interface";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn is_meant(&self, said: &Self, _whole: &Self) -> bool {
        said.mac.is_none_or(|mac| self.mac == Some(mac))
    }

    fn parse(el: &Element<'_>) -> Result<Self> {
        let attr = |child: &str, name: &str| el.child(child).and_then(|c| c.attr(name)).map(str::to_owned);
        let kind: InterfaceType = el.require_word("type")?;
        let address = |ip: Element<'_>| -> Result<CardAddress> {
            Ok(CardAddress {
                address: ip.require("address")?.to_owned(),
                family: ip.attr("family").map(str::to_owned),
                prefix: ip.number("prefix")?,
            })
        };
        let floor = match kind {
            InterfaceType::Network | InterfaceType::Bridge => BandwidthUse::WithFloor,
            _ => BandwidthUse::Plain,
        };
        let driver = el.child("driver");
        let target = match el.child("target") {
            Some(target) => match target.attr("dev").filter(|name| !name.is_empty()) {
                Some(name) => Some((name.to_owned(), target.yes_no("managed")?)),
                None => None,
            },
            None => None,
        };
        let sndbuf = match el.path("tune/sndbuf").map(|s| s.text()) {
            Some(text) => match text.parse() {
                Ok(size) => Some(size),
                Err(_) => refuse!(xml, "sndbuf must be a positive integer"),
            },
            None => None,
        };
        Ok(Interface {
            source: InterfaceSource::parse(kind, el)?,
            mac: parse_mac(el)?,
            model: attr("model", "type"),
            trust_filters: el.yes_no("trustGuestRxFilters")?,
            vlan: el.child("vlan").map(|v| Vlan::parse(&v)).transpose()?,
            virtualport: el.child("virtualport").map(|v| VirtualPort::parse(&v)).transpose()?,
            bandwidth: el.child("bandwidth").map(|b| Bandwidth::parse(&b, floor)).transpose()?,
            isolated: el.child("port").map(|p| p.yes_no("isolated")).transpose()?.flatten(),
            addresses: el.children("ip").map(address).collect::<Result<_>>()?,
            script: attr("script", "path"),
            downscript: attr("downscript", "path"),
            // Names of our own making belong to a run.
            target: target.filter(|(name, _)| !run::is_own_name(name)),
            driver: CardDriver::parse(driver)?,
            virtio: VirtioOptions::parse(driver)?,
            backend: (attr("backend", "tap"), attr("backend", "vhost")),
            sndbuf,
            link: el.child("link").map(|l| l.word("state")).transpose()?.flatten(),
            mtu: el.child("mtu").map(|m| m.number("size")).transpose()?.flatten(),
            coalesce: el.path("coalesce/rx/frames").map(|f| f.number("max")).transpose()?.flatten(),
            teaming: match el.child("teaming") {
                Some(t) => Some(Teaming {
                    kind: t.require_word("type")?,
                    persistent: t.attr("persistent").map(str::to_owned),
                }),
                None => None,
            },
            filter: el.child("filterref").map(|f| FilterRef::parse(&f)).transpose()?,
            run: CardRun::default(),
            info: Info::default(),
        })
    }

    fn parse_run(&mut self, el: &Element<'_>) -> Result<()> {
        if let Some(target) = el.child("target")
            && let Some(name) = target.attr("dev").filter(|name| !name.is_empty())
        {
            self.target = Some((name.to_owned(), target.yes_no("managed")?));
        }
        self.run = CardRun::parse(self.source.kind(), el)?;
        Ok(())
    }
}

impl Interface {
    /// Makes an address up where there is none.
    pub(crate) fn choose_mac(&mut self, setting: &Setting<'_>) {
        self.mac.get_or_insert_with(|| setting.entropy.mac());
    }

    fn virtio_model(&self) -> Option<VirtioModel> {
        self.model.as_deref().and_then(<VirtioModel as ostler_base::Word>::parse)
    }

    fn queues(&self) -> u32 {
        self.driver.number("queues").unwrap_or(1)
    }

    /// Adds the back end.
    fn add_backend(&self, id: &str, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let props = match &self.source {
            InterfaceSource::User => self.user(),
            InterfaceSource::Ethernet => self.tap(FdKind::Tap, build),
            InterfaceSource::Network { .. } | InterfaceSource::Bridge(_) | InterfaceSource::Direct { .. } => {
                self.tap(FdKind::NetTap, build)
            }
            InterfaceSource::VhostUser { path, mode, reconnect } => {
                let chardev = format!("char{alias}");
                let socket = ChardevBackend::Socket {
                    address: SocketAddress::Unix(path.clone()),
                    server: (*mode == VhostUserMode::Server).then_some(false),
                    telnet: false,
                    tls_creds: None,
                    reconnect: reconnect.as_ref().and_then(|r| r.seconds()).map(u64::from),
                    reconnect_ms: build.setting.has(Flag::ChardevReconnectMiliseconds),
                };
                build.parts.push(Part::Chardev(Chardev::new(chardev.as_str(), socket)));
                let queues = Some(self.queues()).filter(|queues| *queues > 1);
                Props::new().with("type", "vhost-user").with("chardev", chardev).with_opt("queues", queues)
            }
            InterfaceSource::Socket { kind, remote, local } => socket(*kind, remote, local.as_ref()),
            InterfaceSource::Vdpa(device) => {
                let path =
                    build.add_fd(FdKind::VhostVdpa, FdSource::Open(device.into()), &format!("{alias}-vdpa"));
                Props::new().with("type", "vhost-vdpa").with("vhostdev", path)
            }
            other => {
                refuse!(unsupported, "network cards of type '{}' are not supported yet", other.kind())
            }
        };
        build.parts.push(Part::Netdev(props.with("id", id)));
        Ok(())
    }

    fn user(&self) -> Props {
        let mut props = Props::new().with("type", "user");
        for ip in &self.addresses {
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

    fn tap(&self, kind: FdKind, build: &mut Build<'_>) -> Props {
        let queues = self.queues();
        let (name, managed) = match &self.target {
            Some((name, managed)) => (name.clone(), *managed),
            None => ("vnet%d".to_owned(), None),
        };
        let mut open = |kind, source: &dyn Fn() -> FdSource| -> Vec<String> {
            (0..queues).map(|_| build.fds.add(kind, source()).to_string()).collect()
        };
        let tap = || FdSource::Tap {
            name: name.clone(),
            existing: managed == Some(YesNo::No),
            multi_queue: queues > 1,
        };
        let taps = open(kind, &tap);
        let mut props = Props::new().with("type", "tap");
        let several = queues > 1;
        props.set(if several { "fds" } else { "fd" }, taps.join(":"));
        let kvm = build.draft.head.identity.kind == crate::sections::identity::DomainKind::Kvm;
        let said = self.driver.word("name");
        if self.virtio_model().is_some() && said != Some("qemu") && (kvm || said == Some("vhost")) {
            let path = self.backend.1.clone().unwrap_or_else(|| "/dev/vhost-net".to_owned());
            let mut open = |kind| -> Vec<String> {
                (0..queues)
                    .map(|_| build.fds.add(kind, FdSource::Open(path.clone().into())).to_string())
                    .collect()
            };
            let vhost = open(FdKind::VhostNet);
            props.set("vhost", true);
            props.set(if several { "vhostfds" } else { "vhostfd" }, vhost.join(":"));
        }
        props.with_opt("sndbuf", self.sndbuf)
    }

    fn virtio_props(&self, props: &mut Props) {
        let driver = &self.driver;
        self.virtio.props(props);
        props.set_opt("tx", driver.word("txmode").map(|mode| if mode == "iothread" { "bh" } else { mode }));
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
            props.set(&option, value.is_true());
        }
        let queues = self.queues();
        if queues > 1 {
            props.set("mq", true);
            if matches!(self.info.address, Some(ostler_vocab::address::Address::Pci(_))) {
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

impl Device for Interface {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("interface")
            .attr("type", self.source.kind())
            .attr_opt("trustGuestRxFilters", self.trust_filters);
        el.extend(self.mac.map(|mac| El::new("mac").attr("address", mac)));
        let mut source = self.source.format();
        if !mode.inactive {
            self.run.write(&mut source);
        }
        el.push_filled(source);
        el.extend(self.vlan.as_ref().map(Vlan::to_el));
        el.extend(self.virtualport.as_ref().and_then(VirtualPort::to_el));
        el.extend(self.bandwidth.as_ref().map(Bandwidth::to_el));
        el.extend(
            self.isolated
                .filter(|_| source::yes(self.isolated))
                .map(|on| El::new("port").attr("isolated", on)),
        );
        el.extend(self.addresses.iter().map(|ip| {
            El::new("ip")
                .attr("address", &ip.address)
                .attr_opt("family", ip.family.as_ref())
                .attr_opt("prefix", ip.prefix)
        }));
        el.extend(self.script.as_ref().map(|path| El::new("script").attr("path", path)));
        el.extend(self.downscript.as_ref().map(|path| El::new("downscript").attr("path", path)));
        el.extend(
            self.target
                .as_ref()
                .filter(|(name, _)| !mode.inactive || !run::is_own_name(name))
                .map(|(name, managed)| El::new("target").attr("dev", name).attr_opt("managed", *managed)),
        );
        el.extend(self.model.as_ref().map(|model| El::new("model").attr("type", model)));
        let mut driver = self.driver.format();
        self.virtio.write(&mut driver);
        el.push_filled(driver);
        let (tap, vhost) = &self.backend;
        el.push_filled(El::new("backend").attr_opt("tap", tap.as_ref()).attr_opt("vhost", vhost.as_ref()));
        el.extend(self.filter.as_ref().map(FilterRef::format));
        el.extend(self.sndbuf.map(|size| El::new("tune").child(El::with_text("sndbuf", size))));
        el.extend(self.link.map(|state| El::new("link").attr("state", state)));
        el.extend(self.mtu.map(|size| El::new("mtu").attr("size", size)));
        el.extend(self.coalesce.map(|most| {
            let frames = El::new("frames").attr("max", most);
            El::new("coalesce").child(El::new("rx").child(frames))
        }));
        el.extend(
            self.teaming.as_ref().map(|t| {
                El::new("teaming").attr("type", t.kind).attr_opt("persistent", t.persistent.as_ref())
            }),
        );
        el
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        self.choose_mac(setting);
        if self.model.is_none() && matches!(self.source, InterfaceSource::Vdpa(_)) {
            self.model = Some("virtio".to_owned());
        }
        if self.model.is_none() {
            self.model = machine::of(&head.os).default_network_card(setting).map(str::to_owned);
        }
        Ok(())
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.model.as_ref().is_some_and(|model| !model.chars().all(known)) {
            return Err(Error::xml("Model name contains invalid characters"));
        }
        let tap = matches!(
            self.source.kind(),
            InterfaceType::Network | InterfaceType::Bridge | InterfaceType::Ethernet
        );
        if self.backend.0.is_some() && !tap {
            let mac = self.mac.unwrap_or_default();
            refuse!(
                unsupported,
                "interface {mac} - custom tap device path is not supported for network interface type {}",
                self.source.kind()
            );
        }
        self.virtio.refuse_unless(self.virtio_model().is_some())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match (self.virtio_model(), self.model.as_deref()) {
            (Some(model), _) => model.slot(),
            (None, Some("e1000e" | "igb")) => Slot::Pcie,
            (None, Some("usb-net" | "spapr-vlan" | "smc91c111" | "lan9118")) => Slot::None,
            _ => Slot::Pci,
        }
    }

    fn is_virtio(&self) -> bool {
        self.virtio_model().is_some()
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.model.as_deref() == Some("usb-net")).then_some(3)
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        (self.model.as_deref() == Some("spapr-vlan")).then_some(0x1000)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("net{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let backend = format!("host{alias}");
        self.add_backend(&backend, build)?;
        let (driver, virtio) = match (self.virtio_model(), self.model.as_deref()) {
            (_, None) => return Ok(()),
            (Some(model), _) => (model.driver("virtio-net", &self.info)?, true),
            // Cards of a board take a back end by its name.
            (None, Some("smc91c111" | "lan9118")) => {
                let model = self.model.clone().unwrap_or_default();
                let net = Props::new()
                    .with("macaddr", self.mac.unwrap_or_default().to_string())
                    .with("model", model)
                    .with("netdev", backend);
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
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        match &self.source {
            InterfaceSource::VhostUser { path, .. } => {
                out.push(Resource::new(path, ResourceKind::Socket).writable());
            }
            InterfaceSource::Vdpa(device) => out.push(Resource::new(device, ResourceKind::Device).writable()),
            _ => {}
        }
    }

    fn absent(&self) -> String {
        match self.mac {
            Some(mac) => format!("no device matching MAC address {mac} found"),
            None => "no matching network device was found".to_owned(),
        }
    }
}
