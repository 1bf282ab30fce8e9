//! `<graphics>`: how a guest's screen is seen.

use ostler_base::{Error, Result, Word, YesNo, refuse, words};
use ostler_plan::{Facts, Part, Props, Query, Resource, ResourceKind};
use ostler_vocab::chardev::MouseMode;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<graphics type='…'>`
    pub GraphicsType {
        Sdl = "sdl", Vnc = "vnc", Rdp = "rdp", Desktop = "desktop", Spice = "spice",
        EglHeadless = "egl-headless", Dbus = "dbus",
    }
    /// `<listen type='…'>`
    pub ListenType { None = "none", Address = "address", Network = "network", Socket = "socket" }
    /// `sharePolicy`
    pub SharePolicy { AllowExclusive = "allow-exclusive", ForceShared = "force-shared", Ignore = "ignore" }
    /// `connected`: what happens to a client when the password changes.
    pub ConnectedAction { Fail = "fail", Disconnect = "disconnect", Keep = "keep" }
    /// Whether a channel is encrypted.
    pub ChannelMode { Any = "any", Secure = "secure", Insecure = "insecure" }
}

/// `<listen>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `type`
    pub kind: ListenType,
    /// `address`
    pub address: Option<String>,
    /// `network`
    pub network: Option<String>,
    /// `socket`
    pub socket: Option<String>,
    /// The address or socket is the driver's default; known of runs only.
    pub from_config: bool,
    /// The socket was made up for the run; known of runs only.
    pub auto_generated: bool,
}

/// `passwd` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Password {
    /// `passwd`
    pub text: Option<String>,
    /// `passwdValidTo`
    pub valid_to: Option<String>,
    /// `connected`
    pub connected: Option<ConnectedAction>,
}

/// Children of SPICE that are one attribute each: element, attribute, option of the emulator.
const SPICE_CHOICES: &[(&str, &str, &str)] = &[
    ("image", "compression", "image-compression"),
    ("jpeg", "compression", "jpeg-wan-compression"),
    ("zlib", "compression", "zlib-glz-wan-compression"),
    ("playback", "compression", "playback-compression"),
    ("streaming", "mode", "streaming-video"),
];

/// `<gl>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gl {
    /// `enable`
    pub enable: Option<YesNo>,
    /// `rendernode`
    pub rendernode: Option<String>,
}

/// A way to see the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphics {
    /// `type`
    pub kind: GraphicsType,
    /// `port`; 0 and -1: one is found.
    pub port: i32,
    /// `tlsPort`
    pub tls_port: i32,
    /// `autoport`
    pub autoport: bool,
    /// `websocket`
    pub websocket: Option<i32>,
    /// `keymap`
    pub keymap: Option<String>,
    /// `sharePolicy`
    pub share_policy: Option<SharePolicy>,
    /// `powerControl`
    pub power_control: Option<YesNo>,
    /// `defaultMode`
    pub default_mode: Option<ChannelMode>,
    /// `passwd`
    pub password: Password,
    /// `<listen>`
    pub listens: Vec<Listen>,
    /// `<channel name= mode=>`
    pub channels: Vec<(String, ChannelMode)>,
    /// `<image>`, `<jpeg>`, `<zlib>`, `<playback>`, `<streaming>`, in this order.
    pub choices: Vec<Option<String>>,
    /// `<mouse mode=…>`
    pub mouse: Option<MouseMode>,
    /// `<clipboard copypaste=…>`
    pub clipboard: Option<YesNo>,
    /// `<filetransfer enable=…>`
    pub filetransfer: Option<YesNo>,
    /// `<gl>`
    pub gl: Option<Gl>,
    /// `<audio id=…>`
    pub audio: Option<u32>,
    /// `display`, `xauth`, `fullScreen`, `p2p`, `address`, `multiUser`, `replaceUser`: as they stand.
    pub display: Vec<(&'static str, String)>,
    info: Info,
}

/// Attributes of the types that open a window or a bus.
const DISPLAY_ATTRIBUTES: &[(GraphicsType, &str)] = &[
    (GraphicsType::Sdl, "display"),
    (GraphicsType::Sdl, "xauth"),
    (GraphicsType::Sdl, "fullscreen"),
    (GraphicsType::Desktop, "display"),
    (GraphicsType::Desktop, "fullscreen"),
    (GraphicsType::Rdp, "multiUser"),
    (GraphicsType::Rdp, "replaceUser"),
    (GraphicsType::Dbus, "p2p"),
    (GraphicsType::Dbus, "address"),
];

impl Kind for Graphics {
    const ELEMENT: &'static str = "graphics";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let kind: GraphicsType = match el.attr("type") {
            None => refuse!(internal, "missing graphics device type"),
            Some(_) => el.require_word("type")?,
        };
        let listens = if matches!(kind, GraphicsType::Vnc | GraphicsType::Spice | GraphicsType::Rdp) {
            parse_listens(el, kind)?
        } else {
            Vec::new()
        };
        let choice = |(name, attribute, _): &(&str, &'static str, &str)| -> Result<Option<String>> {
            match el.child(name) {
                Some(child) => Ok(Some(child.require(attribute)?.to_owned())),
                None => Ok(None),
            }
        };
        let choices = if kind == GraphicsType::Spice {
            SPICE_CHOICES.iter().map(choice).collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        let channel = |c: Element<'_>| -> Result<(String, ChannelMode)> {
            Ok((c.require("name")?.to_owned(), c.require_word("mode")?))
        };
        let yes_no = |child: &str, name: &str| el.child(child).map(|c| c.yes_no(name)).transpose();
        let display = DISPLAY_ATTRIBUTES.iter().filter(|(of, _)| *of == kind);
        let display = display.filter_map(|(_, name)| Some((*name, el.attr(name)?.to_owned()))).collect();
        let mut graphics = Graphics {
            kind,
            port: el.number("port")?.unwrap_or(0),
            tls_port: el.number("tlsPort")?.unwrap_or(0),
            autoport: el.yes_no("autoport")?.is_some_and(YesNo::is_true),
            websocket: el.number("websocket")?,
            keymap: el.attr("keymap").map(str::to_owned),
            share_policy: el.word("sharePolicy")?,
            power_control: el.yes_no("powerControl")?,
            default_mode: el.word("defaultMode")?,
            password: Password {
                text: el.attr("passwd").map(str::to_owned),
                valid_to: el.attr("passwdValidTo").map(str::to_owned),
                connected: el.word("connected")?,
            },
            listens,
            channels: el.children("channel").map(channel).collect::<Result<_>>()?,
            choices,
            mouse: el.child("mouse").map(|m| m.word("mode")).transpose()?.flatten(),
            clipboard: yes_no("clipboard", "copypaste")?.flatten(),
            filetransfer: yes_no("filetransfer", "enable")?.flatten(),
            gl: match el.child("gl") {
                Some(gl) => Some(Gl {
                    enable: gl.yes_no("enable")?,
                    rendernode: gl.attr("rendernode").map(str::to_owned),
                }),
                None => None,
            },
            audio: el.child("audio").map(|a| a.number("id")).transpose()?.flatten(),
            display,
            info: Info::default(),
        };
        graphics.settle_ports(el.has_attr("port") || el.attr("autoport") == Some("no"));
        Ok(graphics)
    }

    fn parse_run(&mut self, el: &Element<'_>) -> Result<()> {
        // Ports that were found for a run are its own.
        self.port = el.number("port")?.unwrap_or(self.port);
        self.tls_port = el.number("tlsPort")?.unwrap_or(self.tls_port);
        if let (Some(first), Some(el)) = (self.listens.first_mut(), el.child("listen")) {
            first.from_config = el.number::<u32>("fromConfig")?.unwrap_or(0) != 0;
            first.auto_generated = el.attr("autoGenerated") == Some("yes");
        }
        Ok(())
    }
}

fn parse_listens(el: &Element<'_>, kind: GraphicsType) -> Result<Vec<Listen>> {
    let text = |el: &Element<'_>, name: &str| el.attr(name).filter(|t| !t.is_empty()).map(str::to_owned);
    let mut listens = Vec::new();
    for child in el.children("listen") {
        let listen: ListenType = child.require_word("type")?;
        let of = |wanted, name: &str| if listen == wanted { text(&child, name) } else { None };
        let (vnc, none) = (kind == GraphicsType::Vnc, listen == ListenType::None);
        if none && vnc {
            refuse!(xml, "listen type 'none' is not available for graphics type 'vnc'");
        }
        listens.push(Listen {
            kind: listen,
            address: text(&child, "address").filter(|_| listen != ListenType::Socket),
            network: of(ListenType::Network, "network"),
            socket: of(ListenType::Socket, "socket"),
            from_config: false,
            auto_generated: false,
        });
    }
    let (address, socket) = (text(el, "listen"), text(el, "socket"));
    if socket.is_some() && listens.first().is_some_and(|first| first.kind == ListenType::Address) {
        // Who names a socket wants nothing else.
        listens.clear();
    }
    if let Some(first) = listens.first_mut() {
        if let (Some(said), Some(old)) = (&first.address, &address)
            && said != old
            && first.kind == ListenType::Address
        {
            refuse!(
                xml,
                "graphics 'listen' attribute '{old}' must match 'address' attribute of first listen element (found '{said}')"
            );
        }
        if let (ListenType::Socket, Some(old)) = (first.kind, &socket) {
            if first.socket.as_ref().is_some_and(|said| said != old) {
                let said = first.socket.as_deref().unwrap_or("none");
                refuse!(
                    xml,
                    "graphics 'socket' attribute '{old}' must match 'socket' attribute of first listen element (found '{said}')"
                );
            }
            first.socket = Some(old.clone());
        }
        if first.kind == ListenType::Address && first.address.is_none() {
            first.address = address;
        }
        return Ok(listens);
    }
    let kind = if socket.is_some() { ListenType::Socket } else { ListenType::Address };
    let address = address.filter(|_| kind == ListenType::Address);
    Ok(vec![Listen { kind, address, network: None, socket, from_config: false, auto_generated: false }])
}

impl Graphics {
    /// What an absent port and -1 mean.
    fn settle_ports(&mut self, said: bool) {
        match self.kind {
            GraphicsType::Vnc | GraphicsType::Rdp => {
                if self.port == -1 || !said {
                    self.autoport = true;
                }
                if self.autoport {
                    self.port = 0;
                }
            }
            GraphicsType::Spice => {
                if self.port == -1 && self.tls_port == -1 {
                    self.autoport = true;
                }
                if self.autoport {
                    (self.port, self.tls_port) = (0, 0);
                }
            }
            _ => {}
        }
    }

    fn listen(&self) -> Option<&Listen> {
        self.listens.first()
    }

    fn by_network(&self) -> bool {
        self.listen().is_some_and(|l| matches!(l.kind, ListenType::Address | ListenType::Network))
    }

    fn format_place(&self, el: &mut El) {
        let auto = || YesNo::from(self.autoport);
        match (self.kind, self.listen().map(|l| l.kind)) {
            (GraphicsType::Vnc | GraphicsType::Rdp, Some(ListenType::Address | ListenType::Network)) => {
                if self.port != 0 {
                    el.set("port", self.port);
                } else if self.autoport {
                    el.set("port", -1);
                }
                el.set("autoport", auto());
                el.set_opt("websocket", self.websocket);
            }
            (GraphicsType::Spice, Some(ListenType::Address | ListenType::Network)) => {
                el.set_opt("port", Some(self.port).filter(|port| *port != 0));
                el.set_opt("tlsPort", Some(self.tls_port).filter(|port| *port != 0));
                el.set("autoport", auto());
            }
            (GraphicsType::Vnc, Some(ListenType::Socket)) => {
                el.set_opt("socket", self.listen().and_then(|l| l.socket.as_ref()));
            }
            _ => {}
        }
        if self.by_network() {
            el.set_opt("listen", self.listen().and_then(|l| l.address.as_ref()));
        }
    }

    fn wants_gl(&self) -> bool {
        self.kind == GraphicsType::EglHeadless
            || self.gl.as_ref().is_some_and(|gl| gl.enable.is_some_and(YesNo::is_true))
    }

    fn rendernode(&self, build: &Build<'_>) -> Result<Option<String>> {
        if !self.wants_gl() || self.kind == GraphicsType::Sdl {
            return Ok(None);
        }
        if let Some(node) = self.gl.as_ref().and_then(|gl| gl.rendernode.clone()) {
            return Ok(Some(node));
        }
        let found = build.facts.path(&Query::RenderNode)?;
        match found {
            Some(path) => Ok(Some(path.to_string_lossy().into_owned())),
            None => Err(Error::internal("No DRM render nodes available")),
        }
    }

    /// The address that is listened on.
    fn address<'a>(&'a self, default: &'a str) -> &'a str {
        self.listen().and_then(|l| l.address.as_deref()).unwrap_or(default)
    }

    fn own_socket(&self, build: &Build<'_>) -> Option<String> {
        let config = &build.setting.config.graphics;
        let auto = match self.kind {
            GraphicsType::Vnc => config.vnc.auto_unix_socket,
            _ => config.spice.auto_unix_socket,
        };
        let listen = self.listen()?;
        let dir = || build.setting.config.run_dir(build.draft.head.identity.id, build.draft.name());
        match listen.kind {
            ListenType::Socket => {
                Some(listen.socket.clone().unwrap_or_else(|| format!("{}/{}.sock", dir(), self.kind)))
            }
            ListenType::Address if listen.address.is_none() && auto => {
                Some(format!("{}/{}.sock", dir(), self.kind))
            }
            _ => None,
        }
    }

    fn vnc(&self, build: &mut Build<'_>) -> Result<()> {
        let config = &build.setting.config.graphics.vnc;
        let mut props = Props::new();
        if let Some(path) = self.own_socket(build) {
            props.set("vnc", format!("unix:{path}"));
        } else {
            let port = match self.port {
                0 => i32::from(build.facts.port(&Query::FreePort("vnc".to_owned(), 5900, 65_535))?),
                port => port,
            };
            let address = self.address(&config.listen);
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            props.set("vnc", format!("{address}:{}", port.saturating_sub(5900)));
            match self.websocket {
                Some(-1) => {
                    let port =
                        build.facts.port(&Query::FreePort("vnc-websocket".to_owned(), 5700, 65_535))?;
                    props.set("websocket", port);
                }
                other => props.set_opt("websocket", other),
            }
        }
        props.set_opt("share", self.share_policy.map(|policy| policy.to_string()));
        props.set_opt("power-control", self.power_control.map(YesNo::is_true));
        if self.password.text.is_some() || config.password {
            props.set("password", true);
        }
        if config.tls.enabled {
            let creds = Props::new()
                .with("qom-type", "tls-creds-x509")
                .with("id", "vnc-tls-creds0")
                .with("dir", config.tls.cert_dir.as_str())
                .with("endpoint", "server")
                .with("verify-peer", config.tls.verify);
            build.parts.push(Part::Object(creds));
            props.set("tls-creds", "vnc-tls-creds0");
        }
        if config.sasl {
            props.set("sasl", true);
        }
        let audios = &build.draft.devices.audios;
        let audio = self.audio.or_else(|| audios.iter().map(|a| a.id).min());
        props.set_opt("audiodev", audio.map(|id| format!("audio{id}")));
        if let Some(keymap) = &self.keymap {
            build.parts.push(Part::plain("-k", keymap.as_str()));
        }
        // A path with an equals sign would be taken for an option.
        let plain = props.get("vnc").and_then(|v| v.as_str()).is_some_and(|v| !v.contains('='));
        build.parts.push(Part::options("-vnc", Some("vnc").filter(|_| plain), props));
        Ok(())
    }

    fn spice(&self, build: &mut Build<'_>) -> Result<()> {
        let config = &build.setting.config.graphics.spice;
        let escape = |text: &str| text.replace(',', ",,");
        let mut words: Vec<String> = Vec::new();
        let mut encrypted = false;
        if let Some(path) = self.own_socket(build) {
            words.push(format!("unix=on,addr={}", escape(&path)));
        } else if self.by_network() {
            let (port, tls_port) = self.spice_ports(build.setting, build.facts)?;
            words.extend(port.map(|port| format!("port={port}")));
            encrypted = tls_port.is_some();
            words.extend(tls_port.map(|port| format!("tls-port={port}")));
            words.push(format!("addr={}", self.address(&config.listen)));
        } else {
            words.push("port=0".to_owned());
        }
        if config.sasl {
            words.push("sasl=on".to_owned());
        }
        words.extend(
            self.mouse
                .map(|mode| format!("agent-mouse={}", if mode == MouseMode::Server { "off" } else { "on" })),
        );
        if self.password.text.is_none() && !config.password {
            words.push("disable-ticketing=on".to_owned());
        }
        if encrypted {
            words.push(format!("x509-dir={}", escape(&config.tls.cert_dir)));
        }
        let mode = |name: &str, mode| match mode {
            ChannelMode::Any => None,
            ChannelMode::Secure => Some(format!("tls-channel={name}")),
            ChannelMode::Insecure => Some(format!("plaintext-channel={name}")),
        };
        words.extend(self.default_mode.and_then(|default| mode("default", default)));
        words.extend(self.channels.iter().filter_map(|(name, of)| mode(name, *of)));
        for ((.., option), value) in SPICE_CHOICES.iter().zip(&self.choices) {
            words.extend(value.as_ref().map(|value| format!("{option}={value}")));
        }
        if self.clipboard == Some(YesNo::No) {
            words.push("disable-copy-paste=on".to_owned());
        }
        if self.filetransfer == Some(YesNo::No) {
            words.push("disable-agent-file-xfer=on".to_owned());
        }
        if self.wants_gl() {
            words.push("gl=on".to_owned());
            words.extend(self.rendernode(build)?.map(|node| format!("rendernode={}", escape(&node))));
        }
        words.push("seamless-migration=on".to_owned());
        if let Some(keymap) = &self.keymap {
            build.parts.push(Part::plain("-k", keymap.as_str()));
        }
        build.parts.push(Part::plain("-spice", words.join(",")));
        Ok(())
    }

    /// Ports and addresses of a run: those that were found, and the configured one where none is said.
    pub(crate) fn settle_for_run(&mut self, setting: &Setting<'_>, facts: &Facts) -> Result<()> {
        if !self.by_network() {
            return Ok(());
        }
        let screens = &setting.config.graphics;
        let own_socket = match self.kind {
            GraphicsType::Vnc => screens.vnc.auto_unix_socket,
            _ => screens.spice.auto_unix_socket,
        };
        if own_socket && self.listen().is_some_and(|l| l.kind == ListenType::Address && l.address.is_none()) {
            return Ok(());
        }
        let address = match self.kind {
            GraphicsType::Vnc => {
                if self.port == 0 {
                    self.port = facts.port(&Query::FreePort("vnc".to_owned(), 5900, 65_535))?.into();
                }
                if self.websocket == Some(-1) {
                    let port = facts.port(&Query::FreePort("vnc-websocket".to_owned(), 5700, 65_535))?;
                    self.websocket = Some(port.into());
                }
                &screens.vnc.listen
            }
            GraphicsType::Spice => {
                let (port, tls_port) = self.spice_ports(setting, facts)?;
                (self.port, self.tls_port) = (port.unwrap_or(self.port), tls_port.unwrap_or(self.tls_port));
                &screens.spice.listen
            }
            _ => return Ok(()),
        };
        if let Some(listen) = self.listens.first_mut().filter(|listen| listen.kind == ListenType::Address) {
            listen.address.get_or_insert_with(|| address.clone());
        }
        Ok(())
    }

    fn spice_ports(&self, setting: &Setting<'_>, facts: &Facts) -> Result<(Option<i32>, Option<i32>)> {
        let tls = setting.config.graphics.spice.tls.enabled;
        let free = |name: &str, first| -> Result<Option<i32>> {
            Ok(Some(i32::from(facts.port(&Query::FreePort(name.to_owned(), first, 65_535))?)))
        };
        let mode = self.default_mode.unwrap_or(ChannelMode::Any);
        let wants = |port: i32, auto: bool| port == -1 || (self.autoport && auto);
        let port = if wants(self.port, mode != ChannelMode::Secure) {
            free("spice", 5901)?
        } else {
            Some(self.port).filter(|port| *port > 0)
        };
        let auto_tls = mode == ChannelMode::Secure || (mode == ChannelMode::Any && tls);
        let tls_port = if wants(self.tls_port, auto_tls) {
            free("spice-tls", 5902)?
        } else {
            Some(self.tls_port).filter(|port| *port > 0)
        };
        if tls_port.is_some() && !tls {
            refuse!(unsupported, "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf");
        }
        Ok((port, tls_port))
    }

    fn display(&self, build: &mut Build<'_>) -> Result<()> {
        let said = |name: &str| self.display.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        let mut props = Props::new().with("type", self.kind.as_str());
        if self.kind == GraphicsType::Sdl {
            if said("fullscreen") == Some("yes") {
                build.parts.push(Part::flag("-full-screen"));
            }
            let gl = self.gl.as_ref().and_then(|gl| gl.enable);
            props.set_opt("gl", gl.map(YesNo::is_true));
        }
        if self.kind == GraphicsType::Dbus {
            if said("p2p") == Some("yes") {
                props.set("p2p", true);
            } else {
                let config = build.setting.config;
                let run = config.run_name(build.draft.head.identity.id, build.draft.name());
                let run = run.strip_prefix("domain-").unwrap_or(&run).to_owned();
                let own = || format!("unix:path={}/dbus/{run}-dbus.sock", config.state_dir);
                props.set("addr", said("address").map_or_else(own, str::to_owned));
            }
            if self.wants_gl() {
                props.set("gl", true);
            }
            props.set_opt("audiodev", self.audio.map(|id| format!("audio{id}")));
        }
        props.set_opt("rendernode", self.rendernode(build)?);
        build.parts.push(Part::options("-display", Some("type"), props));
        Ok(())
    }
}

impl Device for Graphics {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format_run(&self, el: &mut El) {
        if let (Some(listen), Some(el)) = (self.listens.first(), el.child_mut("listen")) {
            el.set("fromConfig", u8::from(listen.from_config));
            el.set("autoGenerated", if listen.auto_generated { "yes" } else { "no" });
        }
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("graphics").attr("type", self.kind);
        self.format_place(&mut el);
        for (name, value) in &self.display {
            el.set(*name, value);
        }
        el.set_opt("keymap", self.keymap.as_ref());
        el.set_opt("sharePolicy", self.share_policy);
        el.set_opt("powerControl", self.power_control);
        el.set_opt("defaultMode", self.default_mode.filter(|mode| *mode != ChannelMode::Any));
        if mode.secure {
            el.set_opt("passwd", self.password.text.as_ref());
            el.set_opt("passwdValidTo", self.password.valid_to.as_ref());
            el.set_opt("connected", self.password.connected);
        }
        el.extend(self.listens.iter().map(|listen| {
            El::new("listen")
                .attr("type", listen.kind)
                .attr_opt("address", listen.address.as_ref())
                .attr_opt("network", listen.network.as_ref())
                .attr_opt("socket", listen.socket.as_ref())
        }));
        el.extend(
            self.channels.iter().map(|(name, mode)| El::new("channel").attr("name", name).attr("mode", mode)),
        );
        for ((name, attribute, _), value) in SPICE_CHOICES.iter().zip(&self.choices) {
            el.extend(value.as_ref().map(|value| El::new(*name).attr(*attribute, value)));
        }
        el.extend(self.mouse.map(|mode| El::new("mouse").attr("mode", mode)));
        el.extend(self.clipboard.map(|on| El::new("clipboard").attr("copypaste", on)));
        el.extend(self.filetransfer.map(|on| El::new("filetransfer").attr("enable", on)));
        el.extend(self.gl.as_ref().map(|gl| {
            El::new("gl").attr_opt("enable", gl.enable).attr_opt("rendernode", gl.rendernode.as_ref())
        }));
        el.extend(self.audio.map(|id| El::new("audio").attr("id", id)));
        el
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        // Without any port nothing is listened on: clients come by descriptor.
        let open = self.port == 0 && self.tls_port == 0 && !self.autoport;
        if self.kind == GraphicsType::Spice && open {
            for listen in &mut self.listens {
                if listen.kind == ListenType::Address && listen.address.is_none() {
                    listen.kind = ListenType::None;
                }
            }
        }
        Ok(())
    }

    fn environment(&self, _draft: &Draft, setting: &Setting<'_>, out: &mut Vec<(String, String)>) {
        let config = &setting.config.graphics;
        let screen = match self.kind {
            GraphicsType::Vnc => Some(&config.vnc),
            GraphicsType::Spice => Some(&config.spice),
            _ => None,
        };
        let sasl = screen.filter(|screen| screen.sasl).and_then(|screen| screen.sasl_dir.clone());
        out.extend(sasl.map(|dir| ("SASL_CONF_PATH".to_owned(), dir)));
        if self.kind == GraphicsType::Sdl {
            for (attribute, variable) in [("xauth", "XAUTHORITY"), ("display", "DISPLAY")] {
                let value = self.display.iter().find(|(name, _)| *name == attribute);
                out.extend(value.map(|(_, value)| (variable.to_owned(), value.clone())));
            }
        }
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if self.kind == GraphicsType::Desktop {
            refuse!(unsupported, "unsupported graphics type 'desktop'");
        }
        let egl = draft.devices.graphics.iter().any(|g| g.kind == GraphicsType::EglHeadless);
        if egl && !matches!(self.kind, GraphicsType::EglHeadless | GraphicsType::Vnc | GraphicsType::Spice) {
            refuse!(
                unsupported,
                "graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' graphics types"
            );
        }
        if egl && self.kind == GraphicsType::Spice && self.wants_gl() {
            refuse!(unsupported, "multiple OpenGL displays are not supported by QEMU");
        }
        if self.listens.len() > 1 {
            refuse!(unsupported, "qemu supports only one listen element for graphics type '{}'", self.kind);
        }
        Ok(())
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        String::new()
    }

    fn ask(&self, _setting: &Setting<'_>, out: &mut Vec<Query>) {
        if self.wants_gl() {
            out.push(Query::RenderNode);
        }
        let mut port = |name: &str, first| out.push(Query::FreePort(name.to_owned(), first, 65_535));
        match self.kind {
            GraphicsType::Vnc => {
                port("vnc", 5900);
                port("vnc-websocket", 5700);
            }
            GraphicsType::Spice => {
                port("spice", 5901);
                port("spice-tls", 5902);
            }
            _ => {}
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        match self.kind {
            GraphicsType::Vnc => self.vnc(build),
            GraphicsType::Spice => self.spice(build),
            GraphicsType::Sdl | GraphicsType::EglHeadless | GraphicsType::Dbus => self.display(build),
            GraphicsType::Rdp | GraphicsType::Desktop => Ok(()),
        }
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        if let Some(node) = self.gl.as_ref().and_then(|gl| gl.rendernode.as_ref()) {
            out.push(Resource::new(node, ResourceKind::Device).writable().shared());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadMode;
    use ostler_xml::Document;

    #[test]
    fn automatic_ports() {
        let document = Document::parse("<graphics type='vnc'/>", "t").unwrap();
        let mut graphics = Graphics::parse(&document.root()).unwrap();
        *graphics.info_mut() = Info::parse(&document.root(), &ReadMode::default()).unwrap();
        let text = graphics.format(&WriteMode::default()).to_xml();
        assert_eq!(
            text,
            "<graphics type='vnc' port='-1' autoport='yes'>\n  <listen type='address'/>\n</graphics>\n"
        );
    }
}
