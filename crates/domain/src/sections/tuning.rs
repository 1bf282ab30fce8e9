//! `<blkiotune>`, `<memtune>`, `<resource>`, `<perf>`, `<idmap>` and `<keywrap>`: settings of
//! a guest that are a few numbers or words.
//!
//! Owns: the XML and its rules. Never: touches a control group.

use ostler_base::{Error, OnOff, Result, Word, YesNo, refuse, words};
use ostler_plan::Props;
use ostler_xml::{El, Element, Number};

use super::memory::kib;

words! {
    /// `<memtune>`: the name of a child.
    pub MemoryLimit {
        Hard = "hard_limit", Soft = "soft_limit", MinGuarantee = "min_guarantee", SwapHard = "swap_hard_limit",
    }
    /// `<blkiotune><device>`: the name of a child.
    pub DeviceLimit {
        Weight = "weight", ReadIops = "read_iops_sec", WriteIops = "write_iops_sec",
        ReadBytes = "read_bytes_sec", WriteBytes = "write_bytes_sec",
    }
    /// `<perf><event name='…'>`
    pub PerfEvent {
        Cmt = "cmt", Mbmt = "mbmt", Mbml = "mbml", CpuCycles = "cpu_cycles", Instructions = "instructions",
        CacheReferences = "cache_references", CacheMisses = "cache_misses",
        BranchInstructions = "branch_instructions", BranchMisses = "branch_misses",
        BusCycles = "bus_cycles", StalledCyclesFrontend = "stalled_cycles_frontend",
        StalledCyclesBackend = "stalled_cycles_backend", RefCpuCycles = "ref_cpu_cycles",
        CpuClock = "cpu_clock", TaskClock = "task_clock", PageFaults = "page_faults",
        ContextSwitches = "context_switches", CpuMigrations = "cpu_migrations",
        PageFaultsMin = "page_faults_min", PageFaultsMaj = "page_faults_maj",
        AlignmentFaults = "alignment_faults", EmulationFaults = "emulation_faults",
    }
    /// `<keywrap><cipher name='…'>`
    pub Cipher { Aes = "aes", Dea = "dea" }
}

/// Limits that are larger than this (KiB) are none.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// All of these settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuning {
    /// `<blkiotune><weight>`
    pub block_weight: Option<u32>,
    /// `<blkiotune><device>`s.
    pub block_devices: Vec<BlockDevice>,
    /// `<memtune>`, KiB, in the order of the list.
    pub memory_limits: Vec<(MemoryLimit, u64)>,
    /// `<resource><partition>`
    pub partition: Option<String>,
    /// `<resource><fibrechannel appid=…>`
    pub fibrechannel: Option<String>,
    /// `<perf>`, in the order of the list.
    pub perf: Vec<(PerfEvent, YesNo)>,
    /// `<idmap>`: start, target and count, of users and of groups.
    pub idmap: [Vec<[u32; 3]>; 2],
    /// `<keywrap>`
    pub keywrap: Vec<(Cipher, OnOff)>,
}

/// `<device>` of `<blkiotune>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// `<path>`
    pub path: String,
    /// Its limits, in the order of the list.
    pub limits: Vec<(DeviceLimit, u64)>,
}

/// `<uid>` and `<gid>` of `<idmap>`.
const MAPS: [&str; 2] = ["uid", "gid"];
const MAPPED: [&str; 3] = ["start", "target", "count"];

impl Tuning {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let blkiotune = root.child("blkiotune");
        let block_weight = match blkiotune.and_then(|el| el.child_text("weight")) {
            Some(text) => u32::read(&text, 10).filter(|weight| *weight != 0),
            None => None,
        };
        let mut block_devices: Vec<BlockDevice> = Vec::new();
        for el in blkiotune.iter().flat_map(|el| el.children("device")) {
            let device = BlockDevice::parse(&el)?;
            if block_devices.iter().any(|other| other.path == device.path) {
                refuse!(xml, "duplicate blkio device path '{}'", device.path);
            }
            block_devices.push(device);
        }
        let resource = root.child("resource");
        let partition = resource.and_then(|el| el.child_text("partition"));
        let appid = resource.and_then(|el| el.child("fibrechannel")).map(|el| el.require("appid"));
        let fibrechannel = appid.transpose()?.map(str::to_owned);
        if let Some(appid) = &fibrechannel {
            check_appid(appid)?;
        }
        Ok(Tuning {
            block_weight,
            block_devices,
            memory_limits: memory_limits(root)?,
            partition,
            fibrechannel,
            perf: perf(root)?,
            idmap: idmap(root)?,
            keywrap: keywrap(root)?,
        })
    }

    pub(crate) fn format_blkiotune(&self, root: &mut El) {
        let mut el = El::new("blkiotune");
        el.push_text("weight", self.block_weight);
        el.extend(self.block_devices.iter().map(BlockDevice::format));
        root.push_filled(el);
    }

    pub(crate) fn format_memtune(&self, root: &mut El) {
        let mut el = El::new("memtune");
        el.extend(
            self.memory_limits
                .iter()
                .map(|(limit, size)| El::with_text(limit.as_str(), size).attr("unit", "KiB")),
        );
        root.push_filled(el);
    }

    pub(crate) fn format_resource(&self, root: &mut El) {
        let mut el = El::new("resource");
        el.push_text("partition", self.partition.as_ref());
        el.extend(self.fibrechannel.iter().map(|appid| El::new("fibrechannel").attr("appid", appid)));
        root.push_filled(el);
    }

    pub(crate) fn format_idmap(&self, root: &mut El) {
        let mut el = El::new("idmap");
        for (name, maps) in MAPS.iter().zip(&self.idmap) {
            el.extend(maps.iter().map(|values| {
                MAPPED.iter().zip(values).fold(El::new(*name), |el, (key, value)| el.attr(*key, value))
            }));
        }
        root.push_filled(el);
    }

    pub(crate) fn format_perf(&self, root: &mut El) {
        let mut el = El::new("perf");
        el.extend(
            self.perf
                .iter()
                .map(|(event, enabled)| El::new("event").attr("name", event).attr("enabled", enabled)),
        );
        root.push_filled(el);
    }

    pub(crate) fn format_keywrap(&self, root: &mut El) {
        let mut el = El::new("keywrap");
        el.extend(
            self.keywrap
                .iter()
                .map(|(cipher, state)| El::new("cipher").attr("name", cipher).attr("state", state)),
        );
        root.push_filled(el);
    }

    /// Properties of `-machine`.
    pub(crate) fn machine_props(&self, props: &mut Props) {
        for (cipher, state) in &self.keywrap {
            props.set(&format!("{cipher}-key-wrap"), state.is_true());
        }
    }
}

/// An id is at most 128 printable characters.
fn check_appid(appid: &str) -> Result<()> {
    if appid.is_empty() {
        refuse!(xml, "Missing 'appid' attribute for fibrechannel");
    }
    if appid.len() >= 129 {
        refuse!(invalid_arg, "appid string too long, maximum is 128 characters");
    }
    if !appid.chars().all(|c| c.is_ascii() && !c.is_ascii_control()) {
        refuse!(invalid_arg, "appid contains unprintable characters");
    }
    Ok(())
}

impl BlockDevice {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(path) = el.child_text("path") else { refuse!(unsupported, "missing per-device path") };
        let mut limits = Vec::new();
        for (name, limit) in DeviceLimit::WORDS {
            let Some(text) = el.child_text(name) else { continue };
            let value = u64::read(&text, 10);
            let value = value.ok_or_else(|| Error::xml(format!("could not parse {name} {text}")))?;
            if value != 0 {
                limits.push((*limit, value));
            }
        }
        Ok(BlockDevice { path, limits })
    }

    fn format(&self) -> El {
        let mut el = El::new("device").child(El::with_text("path", &self.path));
        el.extend(self.limits.iter().map(|(limit, value)| El::with_text(limit.as_str(), value)));
        el
    }
}

fn memory_limits(root: &Element<'_>) -> Result<Vec<(MemoryLimit, u64)>> {
    let mut out = Vec::new();
    for (name, limit) in MemoryLimit::WORDS {
        if let Some(el) = root.child("memtune").and_then(|el| el.child(name)) {
            out.push((*limit, kib(&el, &format!("./memtune/{name}[1]"))?));
        }
    }
    out.retain(|(_, size)| *size < UNLIMITED);
    Ok(out)
}

fn perf(root: &Element<'_>) -> Result<Vec<(PerfEvent, YesNo)>> {
    let mut out: Vec<(PerfEvent, YesNo)> = Vec::new();
    for el in root.child("perf").iter().flat_map(|el| el.children("event")) {
        let event: PerfEvent = el.require_word("name")?;
        let enabled = el.yes_no("enabled")?.ok_or_else(|| el.missing("enabled"))?;
        if out.iter().any(|(other, _)| *other == event) {
            refuse!(xml, "perf event '{event}' was already specified");
        }
        out.push((event, enabled));
    }
    out.sort_by_key(|(event, _)| event.index());
    Ok(out)
}

fn idmap(root: &Element<'_>) -> Result<[Vec<[u32; 3]>; 2]> {
    let mut out: [Vec<[u32; 3]>; 2] = Default::default();
    let Some(el) = root.child("idmap") else { return Ok(out) };
    for (name, maps) in MAPS.iter().zip(&mut out) {
        for map in el.children(name) {
            let [start, target, count] = MAPPED.map(|key| map.require_number::<u32>(key));
            maps.push([start?, target?, count?]);
        }
        maps.sort_unstable();
        if maps.first().is_some_and(|[start, ..]| *start != 0) {
            refuse!(internal, "You must map the root user of container");
        }
    }
    Ok(out)
}

fn keywrap(root: &Element<'_>) -> Result<Vec<(Cipher, OnOff)>> {
    let mut out: Vec<(Cipher, OnOff)> = Vec::new();
    for el in root.child("keywrap").iter().flat_map(|el| el.children("cipher")) {
        let name: Cipher = el.require_word("name")?;
        let state = el.on_off("state")?.ok_or_else(|| el.missing("state"))?;
        if out.iter().any(|(other, _)| *other == name) {
            refuse!(internal, "A domain definition can have no more than one cipher node with name {name}");
        }
        out.push((name, state));
    }
    out.sort_by_key(|(cipher, _)| cipher.index());
    Ok(out)
}
