//! `<iotune>` of a disk and `<throttlefilters>`: how much the guest may read and write.
//!
//! Owns: the limits, their XML, and what the emulator is told of them. Never: which disks share one.

use ostler_base::{Error, Result, refuse};
use ostler_plan::Props;
use ostler_xml::{El, Element};

/// A limit: its element, and its name in the emulator's throttle groups. In the order of the
/// emulator's properties.
const LIMITS: &[(&str, &str)] = &[
    ("total_bytes_sec", "bps-total"),
    ("read_bytes_sec", "bps-read"),
    ("write_bytes_sec", "bps-write"),
    ("total_iops_sec", "iops-total"),
    ("read_iops_sec", "iops-read"),
    ("write_iops_sec", "iops-write"),
    ("total_bytes_sec_max", "bps-total-max"),
    ("read_bytes_sec_max", "bps-read-max"),
    ("write_bytes_sec_max", "bps-write-max"),
    ("total_iops_sec_max", "iops-total-max"),
    ("read_iops_sec_max", "iops-read-max"),
    ("write_iops_sec_max", "iops-write-max"),
    ("size_iops_sec", "iops-size"),
    ("total_bytes_sec_max_length", "bps-total-max-length"),
    ("read_bytes_sec_max_length", "bps-read-max-length"),
    ("write_bytes_sec_max_length", "bps-write-max-length"),
    ("total_iops_sec_max_length", "iops-total-max-length"),
    ("read_iops_sec_max_length", "iops-read-max-length"),
    ("write_iops_sec_max_length", "iops-write-max-length"),
];

/// How many limits there are that every throttle group says, set or not.
const ALWAYS: usize = 13;

/// The limits of one disk or group; 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IoTune {
    values: [u64; LIMITS.len()],
    /// `<group_name>`: those with the same name share the limits.
    pub group: Option<String>,
}

impl IoTune {
    /// Reads the children of an element.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let mut tune = IoTune { group: el.child_text("group_name"), ..Self::default() };
        for (value, (name, _)) in tune.values.iter_mut().zip(LIMITS) {
            if let Some(text) = el.child_text(name) {
                *value = text
                    .trim()
                    .parse()
                    .map_err(|_| Error::xml(format!("disk iotune field '{name}' must be an integer")))?;
            }
        }
        tune.check()?;
        Ok(tune)
    }

    /// The value of a limit by the name of its element; 0 is none.
    pub fn get(&self, name: &str) -> u64 {
        LIMITS.iter().zip(&self.values).find(|((known, _), _)| *known == name).map_or(0, |(_, value)| *value)
    }

    /// Sets a limit by the name of its element; whether there is one of that name.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let found = LIMITS.iter().zip(&mut self.values).find(|((known, _), _)| *known == name);
        found.map(|(_, place)| *place = value).is_some()
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.values.iter().all(|value| *value == 0)
    }

    /// Limits of both directions together exclude those of one.
    pub fn check(&self) -> Result<()> {
        for kind in ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"] {
            let of = |direction: &str| self.get(&format!("{direction}_{kind}")) != 0;
            if of("total") && (of("read") || of("write")) {
                refuse!(xml, "total and read/write {kind} cannot be set at the same time");
            }
        }
        Ok(())
    }

    /// Adds the children of an element.
    pub fn format(&self, el: &mut El) {
        for (at, ((name, _), value)) in LIMITS.iter().zip(&self.values).enumerate() {
            if at == ALWAYS {
                el.push_text("group_name", self.group.as_ref());
            }
            if *value != 0 {
                el.push(El::with_text(*name, value));
            }
        }
    }

    /// The limits as a throttle group of the emulator has them.
    pub fn limits(&self) -> Props {
        let mut props = Props::new();
        for (at, ((_, name), value)) in LIMITS.iter().zip(&self.values).enumerate() {
            if at < ALWAYS || *value != 0 {
                props.set(name, *value);
            }
        }
        props
    }

    /// The arguments of `block_set_io_throttle`, without the device's.
    pub fn arguments(&self) -> Props {
        // The older command has its own spellings of the same names.
        let spelling = |name: &str| {
            let (name, rest) = match name.split_once("-max") {
                Some((name, rest)) => (name, format!("_max{}", rest.replace('-', "_"))),
                None => (name, String::new()),
            };
            let name = match name {
                "bps-total" => "bps",
                "iops-total" => "iops",
                "bps-read" => "bps_rd",
                "bps-write" => "bps_wr",
                "iops-read" => "iops_rd",
                "iops-write" => "iops_wr",
                _ => "iops_size",
            };
            format!("{name}{rest}")
        };
        let mut props = Props::new();
        for (at, ((_, name), value)) in LIMITS.iter().zip(&self.values).enumerate() {
            if at < ALWAYS || *value != 0 {
                props.set(&spelling(name), *value);
            }
        }
        props.with_opt("group", self.group.as_deref())
    }
}

/// `<throttlefilter>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleFilter {
    /// `group`: the throttle group of the guest.
    pub group: String,
    /// In a run, what its block node is named after.
    pub number: Option<u32>,
}

impl ThrottleFilter {
    pub(super) fn parse_all(disk: &Element<'_>) -> Result<Vec<Self>> {
        let Some(filters) = disk.child("throttlefilters") else { return Ok(Vec::new()) };
        let mut out: Vec<Self> = Vec::new();
        for filter in filters.children("throttlefilter") {
            let group = filter.require("group")?.to_owned();
            if out.iter().any(|known| known.group == group) {
                refuse!(xml, "duplicate filter name '{group}' found");
            }
            out.push(ThrottleFilter { group, number: None });
        }
        Ok(out)
    }

    /// The name of its block node.
    pub fn node(&self) -> String {
        format!("libvirt-{}-filter", self.number.unwrap_or_default())
    }

    /// Its block node above another.
    pub(super) fn props(&self, file: &str) -> Props {
        Props::new()
            .with("driver", "throttle")
            .with("node-name", self.node())
            .with("throttle-group", format!("throttle-{}", self.group))
            .with("file", file)
    }
}

/// `<throttlefilters>`, unless there are none.
pub(super) fn filters_el(filters: &[ThrottleFilter]) -> Option<El> {
    let mut el = El::new("throttlefilters");
    el.extend(filters.iter().map(|filter| El::new("throttlefilter").attr("group", &filter.group)));
    el.has_content().then_some(el)
}
