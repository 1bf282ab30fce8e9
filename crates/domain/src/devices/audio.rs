//! `<audio>`: where the guest's sound goes.

use ostler_base::{Result, Word, YesNo, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::graphics::GraphicsType;
use super::{Build, Device, Devices, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<audio type='…'>`
    pub AudioType {
        None = "none", Alsa = "alsa", Coreaudio = "coreaudio", Dbus = "dbus", Jack = "jack", Oss = "oss",
        Pulseaudio = "pulseaudio", Sdl = "sdl", Spice = "spice", File = "file", Pipewire = "pipewire",
    }
}

/// What a setting is in the definition and in the emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    YesNo,
}

/// Settings that only some back ends have: element, attribute, option, form, and the types.
struct Extra {
    attribute: &'static str,
    option: &'static str,
    form: Form,
    types: &'static [AudioType],
}

/// Of `<input>` and `<output>`.
const STREAM_EXTRAS: &[Extra] = &[
    Extra { attribute: "dev", option: "dev", form: Form::Text, types: &[AudioType::Alsa, AudioType::Oss] },
    Extra {
        attribute: "name",
        option: "name",
        form: Form::Text,
        types: &[AudioType::Pulseaudio, AudioType::Pipewire],
    },
    Extra {
        attribute: "streamName",
        option: "stream-name",
        form: Form::Text,
        types: &[AudioType::Pulseaudio, AudioType::Pipewire],
    },
    Extra {
        attribute: "latency",
        option: "latency",
        form: Form::Number,
        types: &[AudioType::Pulseaudio, AudioType::Pipewire],
    },
    Extra { attribute: "serverName", option: "server-name", form: Form::Text, types: &[AudioType::Jack] },
    Extra { attribute: "clientName", option: "client-name", form: Form::Text, types: &[AudioType::Jack] },
    Extra { attribute: "connectPorts", option: "connect-ports", form: Form::Text, types: &[AudioType::Jack] },
    Extra { attribute: "exactName", option: "exact-name", form: Form::YesNo, types: &[AudioType::Jack] },
    Extra {
        attribute: "bufferCount",
        option: "buffer-count",
        form: Form::Number,
        types: &[AudioType::Coreaudio, AudioType::Oss, AudioType::Sdl],
    },
    Extra { attribute: "tryPoll", option: "try-poll", form: Form::YesNo, types: &[AudioType::Oss] },
];

/// Of `<audio>` itself.
const EXTRAS: &[Extra] = &[
    Extra { attribute: "serverName", option: "server", form: Form::Text, types: &[AudioType::Pulseaudio] },
    Extra { attribute: "runtimeDir", option: "", form: Form::Text, types: &[AudioType::Pipewire] },
    Extra { attribute: "driver", option: "", form: Form::Text, types: &[AudioType::Sdl] },
    Extra { attribute: "path", option: "path", form: Form::Text, types: &[AudioType::File] },
    Extra { attribute: "tryMMap", option: "try-mmap", form: Form::YesNo, types: &[AudioType::Oss] },
    Extra { attribute: "exclusive", option: "exclusive", form: Form::YesNo, types: &[AudioType::Oss] },
    Extra { attribute: "dspPolicy", option: "dsp-policy", form: Form::Number, types: &[AudioType::Oss] },
];

/// Values of extras, in the order of their table.
type Values = Vec<(&'static str, String)>;

/// `<settings>` of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSettings {
    /// `frequency`, Hz.
    pub frequency: Option<u32>,
    /// `channels`
    pub channels: Option<u32>,
    /// `format`
    pub format: Option<String>,
}

/// `<input>` or `<output>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// `mixingEngine`
    pub mixing_engine: Option<YesNo>,
    /// `fixedSettings`
    pub fixed_settings: Option<YesNo>,
    /// `voices`
    pub voices: Option<u32>,
    /// `bufferLength`, microseconds.
    pub buffer_length: Option<u32>,
    /// What only some back ends have.
    extras: Values,
    /// `<settings>`
    pub settings: Option<StreamSettings>,
}

fn read_extras(el: &Element<'_>, table: &[Extra], kind: AudioType) -> Result<Values> {
    let mut out = Vec::new();
    for extra in table.iter().filter(|extra| extra.types.contains(&kind)) {
        match extra.form {
            Form::Number => drop(el.number::<u32>(extra.attribute)?),
            Form::YesNo => drop(el.yes_no(extra.attribute)?),
            Form::Text => {}
        }
        out.extend(el.attr(extra.attribute).map(|value| (extra.attribute, value.to_owned())));
    }
    Ok(out)
}

fn write_extras(values: &Values, el: &mut El) {
    for (name, value) in values {
        el.set(*name, value);
    }
}

fn extra_props(values: &Values, table: &[Extra], props: &mut Props) {
    for (name, value) in values {
        let Some(extra) = table.iter().find(|e| e.attribute == *name && !e.option.is_empty()) else {
            continue;
        };
        match extra.form {
            Form::Text => props.set(extra.option, value.as_str()),
            Form::Number => props.set_opt(extra.option, value.parse::<u64>().ok()),
            Form::YesNo => props.set(extra.option, value == "yes"),
        }
    }
}

impl Stream {
    fn parse(el: &Element<'_>, kind: AudioType) -> Result<Self> {
        let settings = match el.child("settings") {
            Some(s) => Some(StreamSettings {
                frequency: s.nonzero("frequency")?,
                channels: s.nonzero("channels")?,
                format: s.attr("format").map(str::to_owned),
            }),
            None => None,
        };
        let fixed_settings = el.yes_no("fixedSettings")?;
        if settings.is_some() && fixed_settings != Some(YesNo::Yes) {
            refuse!(xml, "extra audio settings require fixed settings");
        }
        Ok(Stream {
            mixing_engine: el.yes_no("mixingEngine")?,
            fixed_settings,
            voices: el.nonzero("voices")?,
            buffer_length: el.nonzero("bufferLength")?,
            extras: read_extras(el, STREAM_EXTRAS, kind)?,
            settings,
        })
    }

    fn format(&self, name: &'static str) -> El {
        let mut el = El::new(name)
            .attr_opt("mixingEngine", self.mixing_engine)
            .attr_opt("fixedSettings", self.fixed_settings)
            .attr_opt("voices", self.voices)
            .attr_opt("bufferLength", self.buffer_length);
        write_extras(&self.extras, &mut el);
        el.extend(self.settings.as_ref().map(|s| {
            El::new("settings")
                .attr_opt("frequency", s.frequency)
                .attr_opt("channels", s.channels)
                .attr_opt("format", s.format.as_ref())
        }));
        el
    }

    fn props(&self) -> Props {
        let mut props = Props::new();
        props.set_opt("mixing-engine", self.mixing_engine.map(YesNo::is_true));
        props.set_opt("fixed-settings", self.fixed_settings.map(YesNo::is_true));
        props.set_opt("voices", self.voices);
        props.set_opt("buffer-length", self.buffer_length);
        if let Some(settings) = &self.settings {
            props.set_opt("frequency", settings.frequency);
            props.set_opt("channels", settings.channels);
            props.set_opt("format", settings.format.as_deref());
        }
        extra_props(&self.extras, STREAM_EXTRAS, &mut props);
        props
    }
}

/// An audio back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// `id`: sound devices refer to it; from 1.
    pub id: u32,
    /// `type`
    pub kind: AudioType,
    /// `timerPeriod`, microseconds.
    pub timer_period: Option<u32>,
    /// What only some back ends have.
    extras: Values,
    /// `<input>`
    pub input: Option<Stream>,
    /// `<output>`
    pub output: Option<Stream>,
    info: Info,
}

/// The back end that QEMU's variable of old names.
fn of_environment(name: &str) -> Option<AudioType> {
    match name {
        "pa" => Some(AudioType::Pulseaudio),
        "wav" => Some(AudioType::File),
        other => AudioType::parse(other),
    }
}

impl Kind for Audio {
    const ELEMENT: &'static str = "audio";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let id = el.nonzero("id")?.ok_or_else(|| el.missing("id"))?;
        let kind: AudioType = el.require_word("type")?;
        let stream = |name: &str| el.child(name).map(|s| Stream::parse(&s, kind)).transpose();
        Ok(Audio {
            id,
            kind,
            timer_period: el.nonzero("timerPeriod")?,
            extras: read_extras(el, EXTRAS, kind)?,
            input: stream("input")?,
            output: stream("output")?,
            info: Info::default(),
        })
    }

    fn implied(devices: &Devices, _head: &Head, setting: &Setting<'_>) -> Vec<Self> {
        let has = |kind| devices.graphics.iter().any(|g| g.kind == kind);
        let screens = &setting.config.graphics;
        let of_host =
            |named: &Option<String>| named.as_deref().and_then(of_environment).unwrap_or(AudioType::None);
        let kind = if has(GraphicsType::Spice) {
            AudioType::Spice
        } else if has(GraphicsType::Vnc) {
            of_host(&screens.vnc.host_audio)
        } else if devices.graphics.is_empty() {
            of_host(&screens.headless_audio)
        } else {
            // Windows and buses of the host bring their own.
            return Vec::new();
        };
        let default = Audio {
            id: 1,
            kind,
            timer_period: None,
            extras: Vec::new(),
            input: None,
            output: None,
            info: Info::default(),
        };
        if devices.audios.is_empty() { vec![default] } else { Vec::new() }
    }
}

impl Device for Audio {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("audio")
            .attr("id", self.id)
            .attr("type", self.kind)
            .attr_opt("timerPeriod", self.timer_period);
        write_extras(&self.extras, &mut el);
        el.extend(self.input.as_ref().map(|s| s.format("input")));
        el.extend(self.output.as_ref().map(|s| s.format("output")));
        el
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if draft.devices.audios.iter().filter(|a| a.id == self.id).count() > 1 {
            refuse!(xml, "audio ID {} is used multiple times", self.id);
        }
        Ok(())
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        String::new()
    }

    fn environment(&self, _draft: &Draft, _setting: &Setting<'_>, out: &mut Vec<(String, String)>) {
        let variable = match self.kind {
            AudioType::Pipewire => ("runtimeDir", "PIPEWIRE_RUNTIME_DIR"),
            AudioType::Sdl => ("driver", "SDL_AUDIODRIVER"),
            _ => return,
        };
        let value = self.extras.iter().find(|(name, _)| *name == variable.0).map(|(_, value)| value);
        out.extend(value.map(|value| (variable.1.to_owned(), value.to_string())));
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let driver = match self.kind {
            AudioType::Pulseaudio => "pa",
            AudioType::File => "wav",
            other => other.as_str(),
        };
        let mut props = Props::new().with("id", format!("audio{}", self.id)).with("driver", driver);
        props.set_opt("timer-period", self.timer_period);
        extra_props(&self.extras, EXTRAS, &mut props);
        props.set_opt("in", self.input.as_ref().map(Stream::props).filter(|p| !p.is_empty()));
        props.set_opt("out", self.output.as_ref().map(Stream::props).filter(|p| !p.is_empty()));
        build.parts.push(Part::Audiodev(props));
        Ok(())
    }
}
