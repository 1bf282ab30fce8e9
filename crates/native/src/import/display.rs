//! What the guest shows and sounds like.
//!
//! Owns: graphics, video, sound, audio. Never: a password (the document gets a remark instead).

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::{Device, on_off, yes_no};
use super::storage::split_port;
use crate::guest::Era;
use crate::values::Values;

/// Lowest port of VNC.
const VNC_BASE: u64 = 5900;

impl Importer {
    /// `-vnc`.
    pub(super) fn vnc(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "vnc");
        let Some(place) = values.take("vnc") else { return false };
        if place == "none" {
            self.hints.no_display = true;
            return true;
        }
        let mut el = El::new("graphics").attr("type", "vnc");
        let mut listen = El::new("listen");
        if let Some(path) = place.strip_prefix("unix:") {
            el.set("socket", path);
            listen = listen.attr("type", "socket").attr("socket", path);
        } else {
            let (address, display) = split_port(&place);
            let Some(port) =
                display.and_then(|d| d.parse::<u64>().ok()).and_then(|d| d.checked_add(VNC_BASE))
            else {
                return false;
            };
            el.set("port", port);
            el.set("autoport", "no");
            let address = Some(address).filter(|address| !address.is_empty());
            el.set_opt("listen", address);
            listen = listen.attr("type", "address").attr_opt("address", address);
        }
        if let Some(port) = values.take("websocket") {
            el.set("websocket", if port == "on" { "-1".to_owned() } else { port });
        }
        el.set_opt("sharePolicy", values.take("share"));
        el.set_opt("keymap", self.hints.keymap.clone());
        el.set_opt("powerControl", values.take_truth("power-control").map(yes_no));
        if values.take_any(&["password", "password-secret"]).is_some() {
            self.remark("vnc: set passwd= of <graphics>, the password is not on the command line");
        }
        if values.take("sasl").is_some() {
            self.remark("vnc: SASL is set for the whole host by vnc_sasl in qemu.conf");
        }
        if values.take_any(&["tls", "tls-creds", "x509", "x509verify"]).is_some() {
            self.remark("vnc: TLS is set for the whole host by vnc_tls in qemu.conf");
        }
        values.ignore(&["to", "lossy", "non-adaptive", "key-delay-ms", "acl"]);
        if let Some(id) = values.take("audiodev") {
            self.graphics_audio(&id, &mut el);
        }
        el.push(listen);
        self.guest.devices.push(el);
        values.leftovers().is_empty()
    }

    fn graphics_audio(&mut self, id: &str, el: &mut El) {
        if let Some(number) = id.strip_prefix("audio").filter(|n| n.parse::<u32>().is_ok()) {
            el.push(El::new("audio").attr("id", number));
        }
    }

    /// `-spice`.
    pub(super) fn spice(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "");
        let mut el = El::new("graphics").attr("type", "spice");
        let address = values.take("addr");
        let on_socket = values.take_truth("unix").unwrap_or(false);
        let mut listen = El::new("listen").attr("type", "address").attr_opt("address", address.as_deref());
        if on_socket {
            let Some(path) = &address else { return false };
            listen = El::new("listen").attr("type", "socket").attr("socket", path);
        } else {
            el.set_opt("port", values.take("port"));
            el.set_opt("tlsPort", values.take("tls-port"));
            el.set("autoport", "no");
            el.set_opt("listen", address.as_deref());
        }
        el.set_opt("keymap", self.hints.keymap.clone());
        if values.take_any(&["password", "password-secret"]).is_some() {
            self.remark("spice: set passwd= of <graphics>, the password is not carried over");
        }
        values.ignore(&["disable-ticketing", "x509-dir", "seamless-migration", "ipv4", "ipv6", "sasl"]);
        el.push(listen);
        for channel in values.take_all("tls-channel") {
            el.push(El::new("channel").attr("name", channel).attr("mode", "secure"));
        }
        for channel in values.take_all("plaintext-channel") {
            el.push(El::new("channel").attr("name", channel).attr("mode", "insecure"));
        }
        for (key, element, word) in [
            ("image-compression", "image", "compression"),
            ("jpeg-wan-compression", "jpeg", "compression"),
            ("zlib-glz-wan-compression", "zlib", "compression"),
            ("playback-compression", "playback", "compression"),
            ("streaming-video", "streaming", "mode"),
        ] {
            if let Some(value) = values.take(key) {
                el.push(El::new(element).attr(word, value));
            }
        }
        for (key, element, word) in [
            ("agent-mouse", "mouse", "mode"),
            ("disable-copy-paste", "clipboard", "copypaste"),
            ("disable-agent-file-xfer", "filetransfer", "enable"),
        ] {
            if let Some(on) = values.take_truth(key) {
                let value =
                    if key == "agent-mouse" { if on { "client" } else { "server" } } else { yes_no(!on) };
                el.push(El::new(element).attr(word, value));
            }
        }
        if let Some(on) = values.take_truth("gl") {
            let node = values.take("rendernode");
            el.push(El::new("gl").attr("enable", yes_no(on)).attr_opt("rendernode", node));
        }
        self.guest.devices.push(el);
        values.leftovers().is_empty()
    }

    /// `-display`.
    pub(super) fn display(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "type");
        let Some(kind) = values.take("type") else { return false };
        let gl = values.take("gl").map(|gl| yes_no(gl != "off"));
        let mut el = El::new("graphics").attr("type", &kind);
        match kind.as_str() {
            "none" => {
                self.hints.no_display = true;
                return true;
            }
            "vnc" => return text.split_once('=').is_some_and(|(_, place)| self.vnc(place)),
            "sdl" => {
                let full = values.take_any(&["full-screen", "fullscreen"]).map(|v| yes_no(v == "on"));
                el.set_opt("display", self.variable("DISPLAY"));
                el.set_opt("xauth", self.variable("XAUTHORITY"));
                el.set_opt("fullscreen", full);
                el.extend(gl.map(|gl| El::new("gl").attr("enable", gl)));
                values.ignore(&["window-close", "show-cursor", "grab-mod"]);
            }
            "egl-headless" => {
                let node = values.take("rendernode");
                if let Some(node) = node {
                    el.push(El::new("gl").attr("rendernode", node));
                }
            }
            "dbus" => {
                el.set_opt("p2p", values.take_truth("p2p").map(yes_no));
                el.set_opt("address", values.take("addr"));
                let node = values.take("rendernode");
                el.extend(gl.map(|gl| El::new("gl").attr("enable", gl).attr_opt("rendernode", node)));
                if let Some(id) = values.take("audiodev") {
                    self.graphics_audio(&id, &mut el);
                }
            }
            "gtk" | "curses" | "cocoa" | "spice-app" => {
                self.remark(format!(
                    "-display {kind}: the daemon's guests have no window; graphics became VNC"
                ));
                el = vnc_on_loopback(self.hints.keymap.as_deref());
                values.ignore(&[
                    "zoom-to-fit",
                    "show-menubar",
                    "show-tabs",
                    "grab-on-hover",
                    "window-close",
                    "show-cursor",
                    "full-screen",
                ]);
            }
            _ => return false,
        }
        let fine = values.leftovers().is_empty();
        self.guest.devices.push(el);
        fine
    }

    /// `-sdl`.
    pub(super) fn sdl(&mut self) {
        let el = El::new("graphics").attr("type", "sdl").attr_opt("display", self.variable("DISPLAY"));
        let el = el.attr_opt("xauth", self.variable("XAUTHORITY"));
        self.guest.devices.push(el);
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    }

    /// The screen and the card that QEMU has where nothing is said.
    pub(super) fn default_display(&mut self) {
        for (_, el) in std::mem::take(&mut self.codecs) {
            self.guest.devices.push(el);
        }
        let quiet = self.hints.no_graphic || self.hints.no_display || self.hints.no_defaults;
        if !self.guest.has("graphics") && !quiet && !self.guest.machine.starts_with("s390") {
            self.sdl();
        }
        match self.hints.vga.take().as_deref() {
            Some("none") => {}
            Some(kind) => self.card(kind.to_owned()),
            None if self.guest.has("video") => {}
            None if self.guest.has("graphics") && !self.hints.no_defaults => self.card("cirrus".to_owned()),
            None => {}
        }
        if self.guest.has("graphics") && !self.guest.has("video") && self.guest.era == Era::Present {
            self.guest.devices.push(El::new("video").child(El::new("model").attr("type", "none")));
        }
    }

    fn card(&mut self, kind: String) {
        let (word, memory) = match kind.as_str() {
            "std" | "cirrus" | "vmware" => (
                if kind == "std" { "vga" } else { if kind == "vmware" { "vmvga" } else { "cirrus" } },
                Some(16384),
            ),
            "qxl" => ("qxl", Some(65536)),
            "virtio" => ("virtio", None),
            _ => {
                self.remark(format!("-vga {kind}: became the card 'vga'"));
                ("vga", Some(16384))
            }
        };
        let model = El::new("model").attr("type", word).attr_opt("vram", memory).attr("heads", 1);
        self.guest.devices.push(El::new("video").child(model.attr("primary", "yes")));
    }

    /// `-soundhw a,b`.
    pub(super) fn sound_cards(&mut self, text: &str) -> bool {
        let known = ["pcspk", "sb16", "es1370", "ac97", "hda"];
        let all: Vec<&str> = if text == "all" { known.to_vec() } else { text.split(',').collect() };
        if all.iter().any(|card| !known.contains(card)) {
            return false;
        }
        for card in all {
            let model = if card == "hda" { "ich6" } else { card };
            self.guest.devices.push(El::new("sound").attr("model", model));
        }
        true
    }

    /// `-audiodev`: a silent one is what every guest has.
    pub(super) fn audio(&mut self, index: usize, text: &str) -> bool {
        let mut values = Values::parse(text, "driver");
        let kind = values.take("driver").unwrap_or_default();
        let id = values.take("id").unwrap_or_default();
        let word = match kind.as_str() {
            "none" | "alsa" | "coreaudio" | "dbus" | "jack" | "oss" | "sdl" | "spice" | "pipewire" => {
                kind.as_str()
            }
            "pa" => "pulseaudio",
            "wav" => "file",
            _ => return false,
        };
        self.keep(Kind::Implied, index, Values::default(), "id");
        let Some(number) = id.strip_prefix("audio").and_then(|n| n.parse().ok()).filter(|n| *n > 0) else {
            let next = self.guest.devices.iter().filter(|d| d.name() == "audio").count() + 1;
            self.audio_ids.push((id, next as u32));
            let el = El::new("audio").attr("id", next).attr("type", word);
            return self.audio_rest(values, el, word);
        };
        self.audio_ids.push((id, number));
        self.audio_rest(values, El::new("audio").attr("id", number).attr("type", word), word)
    }

    fn audio_rest(&mut self, mut values: Values, mut el: El, kind: &str) -> bool {
        for (key, word) in [
            ("server", "serverName"),
            ("path", "path"),
            ("timer-period", "timerPeriod"),
            ("dsp-policy", "dspPolicy"),
        ] {
            el.set_opt(word, values.take(key));
        }
        for (key, word) in [("try-mmap", "tryMMap"), ("exclusive", "exclusive")] {
            el.set_opt(word, values.take_truth(key).map(yes_no));
        }
        if kind == "sdl" {
            el.set_opt("driver", self.variable("SDL_AUDIODRIVER"));
        }
        for way in ["in", "out"] {
            let mut inner = values.take_under(way);
            if inner.is_empty() {
                continue;
            }
            let mut side = El::new(if way == "in" { "input" } else { "output" });
            side.set_opt("mixingEngine", inner.take_truth("mixing-engine").map(yes_no));
            side.set_opt("fixedSettings", inner.take_truth("fixed-settings").map(yes_no));
            for (key, word) in [
                ("voices", "voices"),
                ("buffer-length", "bufferLength"),
                ("dev", "dev"),
                ("name", "name"),
                ("stream-name", "streamName"),
                ("latency", "latency"),
                ("buffer-count", "bufferCount"),
                ("server-name", "serverName"),
                ("client-name", "clientName"),
                ("connect-ports", "connectPorts"),
            ] {
                side.set_opt(word, inner.take(key));
            }
            for (key, word) in [("try-poll", "tryPoll"), ("exact-name", "exactName")] {
                side.set_opt(word, inner.take_truth(key).map(yes_no));
            }
            let mut settings = El::new("settings");
            for (key, word) in [("frequency", "frequency"), ("channels", "channels"), ("format", "format")] {
                settings.set_opt(word, inner.take(key));
            }
            side.push_filled(settings);
            if !inner.leftovers().is_empty() {
                return false;
            }
            el.push(side);
        }
        if !values.leftovers().is_empty() {
            return false;
        }
        self.guest.devices.push(el);
        true
    }

    /// `<audio id=…/>` of a device.
    fn audio_of(&mut self, device: &mut Device) -> Option<El> {
        let id = device.values.take("audiodev")?;
        let (_, number) = self.audio_ids.iter().find(|(name, _)| *name == id)?;
        Some(El::new("audio").attr("id", number))
    }
}

fn vnc_on_loopback(keymap: Option<&str>) -> El {
    let el = El::new("graphics").attr("type", "vnc").attr("port", -1).attr("autoport", "yes");
    el.attr("listen", "127.0.0.1").attr_opt("keymap", keymap)
}

/// Video cards.
pub(super) fn video(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let values = &mut device.values;
    let (word, gl) = match device.base.as_str() {
        "VGA" => ("vga", false),
        "cirrus-vga" => ("cirrus", false),
        "vmware-svga" => ("vmvga", false),
        "qxl-vga" | "qxl" => ("qxl", false),
        "virtio-vga-gl" | "virtio-gpu-gl" => ("virtio", true),
        "virtio-vga" | "virtio-gpu" => ("virtio", false),
        "bochs-display" => ("bochs", false),
        _ => ("ramfb", false),
    };
    let mut model = El::new("model").attr("type", word);
    let kib = |bytes: u64| bytes / 1024;
    model.set_opt("ram", values.take_number("ram_size").map(kib));
    model.set_opt("vram", values.take_number("vram_size").map(kib));
    model.set_opt(
        "vram64",
        values.take_number("vram64_size_mb").map(|mib| mib.saturating_mul(1024)).filter(|kib| *kib > 0),
    );
    let memory = values.take_number("vgamem_mb").map(|mib| mib.saturating_mul(1024));
    model.set_opt(if word == "qxl" { "vgamem" } else { "vram" }, memory);
    if word == "bochs" {
        model.set_opt("vram", values.take_number("vgamem").map(kib));
    }
    model.set("heads", values.take_number("max_outputs").unwrap_or(1));
    let first = !importer.guest.has("video");
    model.set_opt("primary", first.then_some("yes"));
    model.set_opt("blob", values.take_truth("blob").map(on_off));
    if values.take_truth("virgl").unwrap_or(gl) {
        model.push(El::new("acceleration").attr("accel3d", "yes"));
    }
    let size = (values.take_number("xres"), values.take_number("yres"));
    if let (Some(x), Some(y)) = size {
        model.push(El::new("resolution").attr("x", x).attr("y", y));
    }
    let mut el = El::new("video");
    el.push_filled(device.virtio_driver());
    el.push(model);
    importer.place(device, &mut el);
    Some(el)
}

/// `intel-hda`, `ich9-intel-hda`: kept until its codecs are known.
pub(super) fn hda(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let model = if device.base == "ich9-intel-hda" { "ich9" } else { "ich6" };
    let id = device.id().to_owned();
    let mut el = El::new("sound").attr("model", model);
    importer.place(device, &mut el);
    importer.codecs.push((format!("{id}.0"), el));
    Some(El::new(""))
}

/// Codecs of a high definition card.
pub(super) fn hda_codec(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let kind = device.base.trim_start_matches("hda-").to_owned();
    let audio = importer.audio_of(device);
    let bus = device.values.take("bus");
    device.values.ignore(&["cad", "id"]);
    let at = importer.codecs.iter().position(|(name, _)| bus.as_deref().is_none_or(|bus| bus == name))?;
    if let Some((_, card)) = importer.codecs.get_mut(at) {
        card.push(El::new("codec").attr("type", kind));
        card.extend(audio);
    }
    Some(El::new(""))
}

/// Other sound cards.
pub(super) fn sound(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let model = match device.base.as_str() {
        "AC97" => "ac97",
        "ES1370" => "es1370",
        "sb16" => "sb16",
        "usb-audio" => "usb",
        _ => "virtio",
    };
    let mut el = El::new("sound").attr("model", model);
    el.set_opt("multichannel", device.values.take_truth("multi").map(yes_no));
    el.set_opt("streams", device.values.take_number("streams"));
    el.push_filled(device.virtio_driver());
    el.extend(importer.audio_of(device));
    importer.place(device, &mut el);
    Some(el)
}
