//! `<video>`: display adapters.

use ostler_base::{OnOff, Result, Word, YesNo, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Chardev, ChardevBackend, FdKind, FdSource, Part, Props, SocketAddress};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Devices, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::machine;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<model type='…'>` of display adapters.
    pub VideoType {
        Vga = "vga", Cirrus = "cirrus", Vmvga = "vmvga", Xen = "xen", Vbox = "vbox", Qxl = "qxl",
        Parallels = "parallels", Virtio = "virtio", Gop = "gop", None = "none", Bochs = "bochs",
        Ramfb = "ramfb",
    }
    /// `<driver name='…'>`: who runs the adapter.
    pub VideoBackend { Qemu = "qemu", Vhostuser = "vhostuser" }
    /// `<driver vgaconf='…'>`
    pub VgaConf { Io = "io", On = "on", Off = "off" }
}

/// `<acceleration>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceleration {
    /// `accel3d`
    pub accel3d: Option<YesNo>,
    /// `accel2d`
    pub accel2d: Option<YesNo>,
    /// `rendernode`
    pub rendernode: Option<String>,
}

/// A display adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// `<model type=…>`; the machine's own where absent.
    pub kind: Option<VideoType>,
    /// `ram`, KiB.
    pub ram: Option<u32>,
    /// `vram`, KiB.
    pub vram: Option<u32>,
    /// `vram64`, KiB.
    pub vram64: Option<u32>,
    /// `vgamem`, KiB.
    pub vgamem: Option<u32>,
    /// `heads`: monitors.
    pub heads: Option<u32>,
    /// `primary`: what firmware and boot messages are shown on.
    pub primary: bool,
    /// `blob`
    pub blob: Option<OnOff>,
    /// `edid`
    pub edid: Option<OnOff>,
    /// `<acceleration>`
    pub acceleration: Option<Acceleration>,
    /// `<resolution x= y=>`
    pub resolution: Option<(u32, u32)>,
    /// `<driver name=…>`
    pub backend: Option<VideoBackend>,
    /// `<driver vgaconf=…>`
    pub vgaconf: Option<VgaConf>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Video {
    fn of(kind: Option<VideoType>) -> Self {
        Video {
            kind,
            ram: None,
            vram: None,
            vram64: None,
            vgamem: None,
            heads: None,
            primary: false,
            blob: None,
            edid: None,
            acceleration: None,
            resolution: None,
            backend: None,
            vgaconf: None,
            virtio: VirtioOptions::default(),
            info: Info::default(),
        }
    }

    /// Whether it takes the place of the machine's first display adapter.
    pub(crate) fn takes_display_slot(&self) -> bool {
        self.primary && !matches!(self.kind, Some(VideoType::None | VideoType::Ramfb) | None)
    }

    fn fill_sizes(&mut self) {
        match self.kind {
            Some(VideoType::Vga | VideoType::Cirrus | VideoType::Vmvga | VideoType::Bochs) => {
                self.vram.get_or_insert(16 * 1024);
            }
            Some(VideoType::Qxl) => {
                let round = |size: &mut Option<u32>, default: u32| {
                    *size = Some(size.unwrap_or(default).checked_next_power_of_two().unwrap_or(default));
                };
                round(&mut self.ram, 64 * 1024);
                round(&mut self.vram, 64 * 1024);
                round(&mut self.vgamem, 16 * 1024);
                if self.vram64.is_some() {
                    round(&mut self.vram64, 0);
                }
            }
            _ => {}
        }
        if self.kind != Some(VideoType::None) {
            self.heads.get_or_insert(1);
        }
    }

    /// Whether it is a virtio device that is a VGA card as well.
    fn is_virtio_vga(&self, setting: &Setting<'_>) -> bool {
        let flag = match self.backend {
            Some(VideoBackend::Vhostuser) => Flag::VhostUserVga,
            _ => Flag::VirtioVga,
        };
        self.kind == Some(VideoType::Virtio) && self.primary && setting.has(flag)
    }

    fn driver(&self, build: &Build<'_>) -> Result<String> {
        let vga = self.is_virtio_vga(build.setting);
        let name = match self.kind {
            Some(VideoType::Vga) => "VGA",
            Some(VideoType::Cirrus) => "cirrus-vga",
            Some(VideoType::Vmvga) => "vmware-svga",
            Some(VideoType::Qxl) if self.primary => "qxl-vga",
            Some(VideoType::Qxl) => "qxl",
            Some(VideoType::Bochs) => "bochs-display",
            Some(VideoType::Ramfb) => "ramfb",
            Some(VideoType::Virtio) => {
                if self.backend == Some(VideoBackend::Vhostuser) {
                    if vga {
                        return Ok("vhost-user-vga".to_owned());
                    }
                    return VirtioModel::Plain.driver("vhost-user-gpu", &self.info);
                }
                let accel = self.acceleration.as_ref().and_then(|a| a.accel3d);
                let gl = accel == Some(YesNo::Yes);
                return Ok(match (vga, gl && build.setting.has(Flag::VirtioGpuGlPci)) {
                    (true, true) => "virtio-vga-gl".to_owned(),
                    (true, false) => "virtio-vga".to_owned(),
                    (false, true) => "virtio-gpu-gl-pci".to_owned(),
                    (false, false) => VirtioModel::Plain.driver("virtio-gpu", &self.info)?,
                });
            }
            other => {
                let kind = other.map(|kind| kind.to_string()).unwrap_or_default();
                refuse!(unsupported, "video type '{kind}' is not supported with QEMU")
            }
        };
        Ok(name.to_owned())
    }

    fn memory_props(&self, props: &mut Props) {
        let bytes = |kib: u32| u64::from(kib) * 1024;
        match self.kind {
            Some(VideoType::Qxl) => {
                props.set_opt("ram_size", self.ram.map(bytes));
                props.set_opt("vram_size", self.vram.map(bytes));
                props.set("vram64_size_mb", self.vram64.unwrap_or(0) / 1024);
                props.set_opt("vgamem_mb", self.vgamem.map(|kib| kib / 1024));
            }
            Some(VideoType::Vga | VideoType::Vmvga) => {
                props.set_opt("vgamem_mb", self.vram.map(|kib| kib / 1024));
            }
            Some(VideoType::Bochs) => props.set_opt("vgamem", self.vram.map(bytes)),
            _ => {}
        }
    }
}

impl Kind for Video {
    const ELEMENT: &'static str = "video";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let driver = el.child("driver");
        let Some(model) = el.child("model") else {
            return Ok(Video { virtio: VirtioOptions::parse(driver)?, ..Video::of(None) });
        };
        let acceleration = match model.child("acceleration") {
            Some(a) => Some(Acceleration {
                accel3d: a.yes_no("accel3d")?,
                accel2d: a.yes_no("accel2d")?,
                rendernode: a.attr("rendernode").map(str::to_owned),
            }),
            None => None,
        };
        let resolution = match model.child("resolution") {
            Some(r) => Some((r.require_number("x")?, r.require_number("y")?)),
            None => None,
        };
        let kind: Option<VideoType> = model.word("type")?;
        let qxl = kind == Some(VideoType::Qxl);
        for name in ["ram", "vram64", "vgamem"] {
            if model.has_attr(name) && !qxl {
                refuse!(xml, "{name} attribute only supported for video type qxl");
            }
        }
        Ok(Video {
            ram: model.number("ram")?,
            vram: model.number("vram")?.filter(|vram| *vram != 0),
            vram64: model.number("vram64")?,
            vgamem: model.number("vgamem")?,
            heads: model.number("heads")?,
            primary: model.yes_no("primary")?.is_some_and(YesNo::is_true),
            blob: model.on_off("blob")?,
            edid: model.on_off("edid")?,
            acceleration,
            resolution,
            backend: driver.map(|d| d.word("name")).transpose()?.flatten(),
            vgaconf: driver.map(|d| d.word("vgaconf")).transpose()?.flatten(),
            virtio: VirtioOptions::parse(driver)?,
            ..Video::of(kind)
        })
    }

    fn implied(devices: &Devices, _head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        let wanted = devices.videos.is_empty() && !devices.graphics.is_empty();
        if wanted { vec![Video::of(None)] } else { Vec::new() }
    }
}

impl Device for Video {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut model = El::new("model")
            .attr_opt("type", self.kind)
            .attr_opt("ram", self.ram)
            .attr_opt("vram", self.vram)
            .attr_opt("vram64", self.vram64)
            .attr_opt("vgamem", self.vgamem)
            .attr_opt("heads", self.heads);
        if self.primary && self.kind != Some(VideoType::None) {
            model.set("primary", YesNo::Yes);
        }
        model.set_opt("blob", self.blob);
        model.set_opt("edid", self.edid);
        model.extend(self.acceleration.as_ref().map(|a| {
            El::new("acceleration")
                .attr_opt("accel3d", a.accel3d)
                .attr_opt("accel2d", a.accel2d)
                .attr_opt("rendernode", a.rendernode.as_ref())
        }));
        model.extend(self.resolution.map(|(x, y)| El::new("resolution").attr("x", x).attr("y", y)));
        let mut driver = El::new("driver")
            .attr_opt("name", self.backend.filter(|b| *b != VideoBackend::Qemu))
            .attr_opt("vgaconf", self.vgaconf);
        self.virtio.write(&mut driver);
        let mut el = El::new("video");
        el.push_filled(driver);
        el.push(model);
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.kind.get_or_insert(machine::of(&head.os).default_video());
        self.fill_sizes();
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if self.kind == Some(VideoType::None) && draft.devices.videos.len() > 1 {
            refuse!(xml, "a 'none' video type must be the only video device defined for the domain");
        }
        if self.kind == Some(VideoType::Ramfb) && (self.info.address.is_some() || self.info.wants_pci) {
            refuse!(unsupported, "address not supported for video type ramfb");
        }
        let second = matches!(self.kind, Some(VideoType::Qxl | VideoType::Virtio | VideoType::None));
        if !self.primary && !second {
            let kind = self.kind.map(Word::as_str).unwrap_or_default();
            refuse!(unsupported, "video type '{kind}' is only valid as primary video device");
        }
        self.virtio.refuse_unless(self.kind == Some(VideoType::Virtio))
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match self.kind {
            None | Some(VideoType::None | VideoType::Ramfb) => Slot::None,
            Some(VideoType::Virtio) if !self.primary => Slot::Pcie,
            Some(VideoType::Virtio) => Slot::Pcie,
            Some(_) => Slot::Pci,
        }
    }

    fn is_virtio(&self) -> bool {
        self.kind == Some(VideoType::Virtio)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("video{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.kind == Some(VideoType::None) {
            return Ok(());
        }
        let alias = self.info.alias();
        let mut props = Props::new().with("driver", self.driver(build)?);
        if !self.is_virtio_vga(build.setting) {
            self.virtio.props(&mut props);
        }
        props.set("id", alias);
        if matches!(self.kind, Some(VideoType::Qxl | VideoType::Virtio)) {
            props.set_opt("max_outputs", self.heads);
        }
        props.set_opt("blob", self.blob.map(OnOff::is_true));
        props.set_opt("edid", self.edid.map(OnOff::is_true));
        if self.backend == Some(VideoBackend::Vhostuser) {
            let id = format!("chr-vu-{alias}");
            let fd = build.fds.add(FdKind::VhostUserVideo, FdSource::Given(id.clone()));
            let socket = ChardevBackend::Socket {
                address: SocketAddress::Fd(fd.to_string()),
                server: None,
                telnet: false,
                tls_creds: None,
                reconnect: None,
                reconnect_ms: false,
            };
            build.parts.push(Part::Chardev(Chardev::new(id.as_str(), socket)));
            props.set("chardev", id);
        }
        self.memory_props(&mut props);
        if let Some((x, y)) = self.resolution {
            props.set("xres", x);
            props.set("yres", y);
        }
        if !matches!(self.info.address, Some(Address::VirtioMmio)) {
            self.info.bus_props(build, &mut props)?;
        }
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
