//! `<interface>`: network cards.

mod driver;
mod guest;
mod passt;
mod qemu;
mod rules;
mod run;
mod source;

use ostler_base::{Error, MacAddr, Result, YesNo, refuse, words};
use ostler_plan::{Action, Resource, ResourceKind};
use ostler_vocab::bandwidth::{Bandwidth, BandwidthUse};
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::machine;
use crate::{Draft, Head, HostFacts, Setting, WriteMode};

pub use driver::{CardBackend, CardDriver, LinkState, Teaming, TeamingType, TxMode};
pub use guest::{CardAddress, CardAddresses, ForwardProtocol, PortForward, PortRange};
pub use run::{CardRun, FilterRef, Plugged};
pub use source::{DirectMode, Endpoint, HostCard, InterfaceSource, InterfaceType, VhostUserMode};

words! {
    /// `<backend type='…'>`
    pub NetworkBackend { Default = "default", Passt = "passt" }
    /// `<mac type='…'>`
    pub MacType { Generated = "generated", Static = "static" }
}

/// `<backend>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardBackends {
    /// `type`
    pub kind: Option<NetworkBackend>,
    /// `logFile` of passt.
    pub log_file: Option<String>,
    /// `tap`: the device that taps come from.
    pub tap: Option<String>,
    /// `vhost`: the device that the kernel's part is asked by.
    pub vhost: Option<String>,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `type` and `<source>`
    pub source: InterfaceSource,
    /// Addresses of the host's side, in `<source>`.
    pub host: CardAddresses,
    /// `<mac address=…>`; made up where absent.
    pub mac: Option<MacAddr>,
    /// `<mac type=…>`
    pub mac_type: Option<MacType>,
    /// `<mac check=…>`
    pub mac_check: Option<YesNo>,
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
    /// `<ip>` and `<route>`: addresses of the guest's side.
    pub guest: CardAddresses,
    /// `<portForward>`
    pub forwards: Vec<PortForward>,
    /// `<script path=…>`
    pub script: Option<String>,
    /// `<downscript path=…>`
    pub downscript: Option<String>,
    /// `<target dev= managed=>`
    pub target: Option<(String, Option<YesNo>)>,
    /// `<guest dev=…>`
    pub guest_device: Option<String>,
    /// `<driver>`
    pub driver: CardDriver,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    /// `<backend>`
    pub backend: CardBackends,
    /// `<filterref>`
    pub filter: Option<FilterRef>,
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

fn parse_target(el: &Element<'_>) -> Result<Option<(String, Option<YesNo>)>> {
    let Some(target) = el.child("target") else { return Ok(None) };
    let Some(name) = target.attr("dev").filter(|name| !name.is_empty()) else { return Ok(None) };
    Ok(Some((name.to_owned(), target.yes_no("managed")?)))
}

fn parse_sndbuf(el: &Element<'_>) -> Result<Option<u64>> {
    match el.path("tune/sndbuf").map(|s| s.text()) {
        Some(text) => match text.parse() {
            Ok(size) => Ok(Some(size)),
            Err(_) => refuse!(xml, "sndbuf must be a positive integer"),
        },
        None => Ok(None),
    }
}

fn parse_backends(el: &Element<'_>) -> Result<CardBackends> {
    let Some(el) = el.child("backend") else { return Ok(CardBackends::default()) };
    let text = |name: &str| el.attr(name).map(str::to_owned);
    Ok(CardBackends {
        kind: el.word("type")?.filter(|kind| *kind != NetworkBackend::Default),
        log_file: text("logFile"),
        tap: text("tap"),
        vhost: text("vhost"),
    })
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
        let model = attr("model", "type");
        let virtio = model.as_deref().is_some_and(|m| <VirtioModel as ostler_base::Word>::parse(m).is_some());
        let mut backend = parse_backends(el)?;
        backend.vhost = backend.vhost.filter(|_| virtio);
        let filtered =
            matches!(kind, InterfaceType::Network | InterfaceType::Bridge | InterfaceType::Ethernet);
        let passt = backend.kind == Some(NetworkBackend::Passt);
        let floor = match kind {
            InterfaceType::Network | InterfaceType::Bridge => BandwidthUse::WithFloor,
            _ => BandwidthUse::Plain,
        };
        let driver = el.child("driver").filter(|_| virtio && kind != InterfaceType::Hostdev);
        let mac = el.child("mac");
        // Names of our own making belong to a run.
        let target = parse_target(el)?
            .filter(|(name, managed)| *managed == Some(YesNo::No) || !run::is_own_name(name));
        Ok(Interface {
            source: InterfaceSource::parse(kind, passt, el)?,
            host: el.child("source").map(|s| CardAddresses::parse(&s)).transpose()?.unwrap_or_default(),
            mac: parse_mac(el)?,
            mac_type: mac.map(|m| m.word("type")).transpose()?.flatten(),
            mac_check: mac.map(|m| m.yes_no("check")).transpose()?.flatten(),
            model,
            trust_filters: el.yes_no("trustGuestRxFilters")?,
            vlan: el.child("vlan").map(|v| Vlan::parse(&v)).transpose()?,
            virtualport: el.child("virtualport").map(|v| VirtualPort::parse(&v)).transpose()?,
            bandwidth: el.child("bandwidth").map(|b| Bandwidth::parse(&b, floor)).transpose()?,
            isolated: el.child("port").map(|p| p.yes_no("isolated")).transpose()?.flatten(),
            guest: CardAddresses::parse(el)?,
            forwards: el.children("portForward").map(|f| PortForward::parse(&f)).collect::<Result<_>>()?,
            script: attr("script", "path"),
            downscript: attr("downscript", "path"),
            target,
            guest_device: attr("guest", "dev"),
            driver: CardDriver::parse(driver)?,
            virtio: VirtioOptions::parse(driver)?,
            backend,
            filter: el.child("filterref").filter(|_| filtered).map(|f| FilterRef::parse(&f)).transpose()?,
            sndbuf: parse_sndbuf(el)?,
            link: el.child("link").map(|l| l.word("state")).transpose()?.flatten(),
            mtu: el.child("mtu").map(|m| m.number("size")).transpose()?.flatten(),
            coalesce: el
                .path("coalesce/rx/frames")
                .map(|f| f.number("max"))
                .transpose()?
                .flatten()
                .filter(|most| *most != 0),
            teaming: Teaming::parse(el)?,
            run: CardRun::default(),
            info: Info::default(),
        })
    }

    fn parse_run(&mut self, el: &Element<'_>) -> Result<()> {
        if let Some(target) = parse_target(el)? {
            self.target = Some(target);
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

    /// Its `type`.
    pub fn kind(&self) -> InterfaceType {
        self.source.kind()
    }

    fn virtio_model(&self) -> Option<VirtioModel> {
        self.model.as_deref().and_then(<VirtioModel as ostler_base::Word>::parse)
    }

    fn is_passt(&self) -> bool {
        self.backend.kind == Some(NetworkBackend::Passt)
    }

    /// The card of the host that it is, by definition or by what its network says.
    pub(crate) fn host_card(&self) -> Option<&HostCard> {
        match (&self.source, &self.run.plugged) {
            (InterfaceSource::Hostdev(card), _)
            | (InterfaceSource::Network { .. }, Some(Plugged::Hostdev(card))) => Some(card),
            _ => None,
        }
    }

    fn push_source(&self, el: &mut El, mode: &WriteMode) {
        let mut sources = self.source.format();
        if let Some(source) = sources.last_mut() {
            self.host.push(source);
            if !mode.inactive {
                self.run.write(source);
            }
        }
        for source in sources {
            el.push_filled(source);
        }
    }

    fn push_tail(&self, el: &mut El) {
        let mut driver = self.driver.format();
        self.virtio.write(&mut driver);
        el.push_filled(driver);
        let backend = &self.backend;
        el.push_filled(
            El::new("backend")
                .attr_opt("type", backend.kind)
                .attr_opt("logFile", backend.log_file.as_ref())
                .attr_opt("tap", backend.tap.as_ref())
                .attr_opt("vhost", backend.vhost.as_ref()),
        );
        el.extend(self.filter.as_ref().map(FilterRef::format));
        el.extend(self.sndbuf.map(|size| El::new("tune").child(El::with_text("sndbuf", size))));
        el.extend(self.link.map(|state| El::new("link").attr("state", state)));
        el.extend(self.mtu.map(|size| El::new("mtu").attr("size", size)));
        el.extend(self.coalesce.map(|most| {
            let frames = El::new("frames").attr("max", most);
            El::new("coalesce").child(El::new("rx").child(frames))
        }));
        el.extend(self.teaming.as_ref().map(Teaming::format));
    }
}

impl Device for Interface {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let managed = match &self.source {
            InterfaceSource::Hostdev(card) => card.managed.filter(|managed| managed.is_true()),
            _ => None,
        };
        let mut el = El::new("interface")
            .attr("type", self.source.kind())
            .attr_opt("managed", managed)
            .attr_opt("trustGuestRxFilters", self.trust_filters);
        el.extend(self.mac.map(|mac| {
            El::new("mac")
                .attr("address", mac)
                .attr_opt("type", self.mac_type)
                .attr_opt("check", self.mac_check)
        }));
        self.push_source(&mut el, mode);
        el.extend(self.vlan.as_ref().map(Vlan::to_el));
        el.extend(self.virtualport.as_ref().and_then(VirtualPort::to_el));
        el.extend(self.bandwidth.as_ref().map(Bandwidth::to_el));
        let isolated = self.isolated.filter(|on| on.is_true());
        el.extend(isolated.map(|on| El::new("port").attr("isolated", on)));
        self.guest.push(&mut el);
        el.extend(self.forwards.iter().map(PortForward::format));
        el.extend(self.script.as_ref().map(|path| El::new("script").attr("path", path)));
        el.extend(self.downscript.as_ref().map(|path| El::new("downscript").attr("path", path)));
        el.extend(
            self.target
                .as_ref()
                .filter(|(name, managed)| {
                    !mode.inactive || *managed == Some(YesNo::No) || !run::is_own_name(name)
                })
                .filter(|(name, _)| !mode.inactive || !run::is_own_name(name))
                .map(|(name, managed)| El::new("target").attr("dev", name).attr_opt("managed", *managed)),
        );
        el.extend(self.guest_device.as_ref().map(|name| El::new("guest").attr("dev", name)));
        el.extend(self.model.as_ref().map(|model| El::new("model").attr("type", model)));
        self.push_tail(&mut el);
        el
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        self.choose_mac(setting);
        if self.model.is_some() || self.kind() == InterfaceType::Hostdev {
            return Ok(());
        }
        self.model = match self.kind() {
            InterfaceType::Vdpa | InterfaceType::VhostUser => Some("virtio".to_owned()),
            _ => machine::of(&head.os).default_network_card(setting).map(str::to_owned),
        };
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        self.check(draft, setting)
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.kind() == InterfaceType::Hostdev {
            return Slot::Pcie;
        }
        match (self.virtio_model(), self.model.as_deref()) {
            (Some(model), _) => model.slot(),
            (None, Some("e1000e" | "igb") | None) => Slot::Pcie,
            (None, Some("usb-net" | "spapr-vlan" | "smc91c111" | "lan9118")) => Slot::None,
            _ => Slot::Pci,
        }
    }

    fn place_turn(&self) -> Option<u8> {
        // With other devices of the host, and before them.
        (self.kind() == InterfaceType::Hostdev).then_some(34)
    }

    fn isolation(&self, host: &HostFacts) -> u32 {
        match &self.source {
            InterfaceSource::Hostdev(card) => {
                host.iommu_groups.get(&card.address.to_string()).map_or(0, |group| group + 1)
            }
            _ => 0,
        }
    }

    fn is_virtio(&self) -> bool {
        self.virtio_model().is_some() && self.kind() != InterfaceType::Hostdev
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.model.as_deref() == Some("usb-net")).then_some(3)
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        (self.model.as_deref() == Some("spapr-vlan")).then_some(0x1000)
    }

    fn series(&self) -> &'static str {
        if self.host_card().is_some() { "hostdev" } else { "net" }
    }

    fn skips_named(&self) -> bool {
        true
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("{}{nth}", self.series())
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        self.add_parts(build)
    }

    fn actions(&self, build: &Build<'_>, out: &mut Vec<Action>) -> Result<()> {
        self.prepare(build, out)
    }

    fn cleanup(&self, draft: &Draft, setting: &Setting<'_>, out: &mut Vec<Action>) {
        self.take_back(draft, setting, out);
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        match &self.source {
            InterfaceSource::VhostUser { path: Some(path), mode: VhostUserMode::Client, .. } => {
                out.push(Resource::new(path, ResourceKind::Socket).writable());
            }
            InterfaceSource::Vdpa(device) => out.push(Resource::new(device, ResourceKind::Device).writable()),
            InterfaceSource::Hostdev(_) => {
                out.push(Resource::new("/dev/vfio/vfio", ResourceKind::Device).writable().shared());
            }
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
