//! `<domstatus>`: everything that is kept of a run beside its definition, which stands in it too.

use std::sync::Arc;

use ostler_base::{Error, Result, Word, YesNo, words};
use ostler_caps::cpu::Cpu;
use ostler_xml::{Document, El, Element};

use super::block_job::BlockJob;
use super::job::JobRecord;
use super::status::Status;
use crate::devices::disk::Disk;
use crate::moments::backup::Backup;
use crate::sections::cpu;
use crate::{Domain, Draft, DriverConfig, ReadMode, Setting};

words! {
    /// `<taint flag='…'>`: why a guest is not as it would be by itself.
    pub Taint {
        CustomArgv = "custom-argv", CustomMonitor = "custom-monitor", HighPrivileges = "high-privileges",
        ShellScripts = "shell-scripts", DiskProbing = "disk-probing", ExternalLaunch = "external-launch",
        HostCpu = "host-cpu", HookScript = "hook-script", CdromPassthrough = "cdrom-passthrough",
        CustomDtb = "custom-dtb", CustomGaCommand = "custom-ga-command",
        CustomHypervisorFeature = "custom-hypervisor-feature", DeprecatedConfig = "deprecated-config",
        CustomDevice = "custom-device",
    }
}

/// Jobs of the block layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BlockJobs {
    /// Whether there are any; old documents say no more.
    pub active: bool,
    /// The jobs.
    pub jobs: Vec<BlockJob>,
}

/// All that is kept of a run beside its definition.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// What the guest is doing, and why.
    pub status: Status,
    /// The emulator's process.
    pub pid: u32,
    /// When the process started, in the kernel's clock ticks since boot; tells it from another that
    /// got the same number. Absent in documents of the reference.
    pub start_time: Option<u64>,
    /// Why the guest is not as it would be by itself.
    pub taints: Vec<Taint>,
    /// The monitor's socket.
    pub monitor: String,
    /// Kinds of namespaces that the emulator has of its own.
    pub namespaces: Vec<String>,
    /// Threads of virtual CPUs: number and thread.
    pub vcpus: Vec<(u32, u32)>,
    /// What the emulator can do, by name.
    pub flags: Arc<[String]>,
    /// What a lock daemon wants to know.
    pub lock_state: Option<String>,
    /// The operation that goes on.
    pub job: Option<JobRecord>,
    /// The next shutdown is half of a reboot.
    pub rebooting: bool,
    /// Devices that the emulator has.
    pub devices: Vec<String>,
    /// Automatic placement: nodes and CPUs of the host.
    pub placement: Option<(Option<String>, Option<String>)>,
    /// The directory of the run.
    pub run_dir: String,
    /// The directory of sockets of channels.
    pub channel_dir: String,
    /// The directory of files that back memory.
    pub memory_dir: String,
    /// The CPU as it was before the emulator said what it really is.
    pub original_cpu: Option<Cpu>,
    /// A daemon for logs reads what the emulator writes.
    pub logged_by_daemon: bool,
    /// Owners of files are put back when the run ends.
    pub remember_owner: bool,
    /// Whether the emulator may reset the machine by itself.
    pub allow_reboot: Option<YesNo>,
    /// The helper for persistent reservations runs.
    pub reservations_daemon: bool,
    /// The number of the newest image.
    pub last_node: u32,
    /// The number of the newest set of descriptors.
    pub last_fdset: u32,
    /// Jobs of the block layer.
    pub block_jobs: BlockJobs,
    /// How long the guest agent is waited for, seconds; -2: as long as it takes, -1: the default.
    pub agent_timeout: i32,
    /// The backup that goes on.
    pub backup: Option<Backup>,
}

/// The agent is waited for as long as it takes.
const AGENT_BLOCKS: i32 = -2;

/// A child that is there or not.
fn mark(root: &Element<'_>, name: &str) -> bool {
    root.child(name).is_some()
}

fn path_of(root: &Element<'_>, name: &str) -> Option<String> {
    root.child(name).and_then(|el| el.attr("path")).map(str::to_owned)
}

impl RunRecord {
    /// The record of a run of which nothing is known but its definition and process.
    pub fn new(domain: &Domain, config: &DriverConfig, pid: u32, status: Status) -> Self {
        let (id, name) = (domain.id(), domain.name());
        RunRecord {
            status,
            pid,
            start_time: None,
            taints: Vec::new(),
            monitor: config.monitor_path(id, name),
            namespaces: Vec::new(),
            vcpus: Vec::new(),
            flags: Arc::default(),
            lock_state: None,
            job: None,
            rebooting: false,
            devices: Vec::new(),
            placement: None,
            run_dir: config.run_dir(id, name),
            channel_dir: config.channel_dir(id, name),
            memory_dir: config.memory_dir(id, name),
            original_cpu: None,
            logged_by_daemon: false,
            remember_owner: false,
            allow_reboot: None,
            reservations_daemon: false,
            last_node: domain.devices.disks.iter().flat_map(Disk::numbers).max().unwrap_or(0),
            last_fdset: 0,
            block_jobs: BlockJobs::default(),
            agent_timeout: AGENT_BLOCKS,
            backup: None,
        }
    }

    /// Reads a document: what was kept, and the definition. This is completed against `setting`, but
    /// never refused for what a new one would be.
    pub fn parse(text: &str, setting: &Setting<'_>) -> Result<(Self, Domain)> {
        let document = Document::parse(text, "domain_status")?;
        let root = document.root();
        if root.name() != "domstatus" {
            let detail = format!("unexpected root element <{}>, expecting <domstatus>", root.name());
            return Err(Error::internal(detail));
        }
        let (state, reason) = (root.require("state")?, root.require("reason")?);
        let status = Status::parse(state, reason)
            .ok_or_else(|| Error::internal(format!("invalid domain state '{state}'")))?;
        let definition = root.child("domain").ok_or_else(|| Error::internal("no domain config"))?;
        let mode = ReadMode { live: true, ..ReadMode::default() };
        let mut draft = Draft::from_element(&definition, &mode)?;
        draft.devices.disks.iter_mut().for_each(Disk::restore_run);
        let domain = draft.resume(setting)?;
        let mut record = RunRecord::new(&domain, setting.config, root.require_number("pid")?, status);
        record.monitor = path_of(&root, "monitor").ok_or_else(|| Error::internal("no monitor path"))?;
        record.read_emulator(&root, domain.head.vcpus.maximum)?;
        record.read_flags(&root)?;
        record.read_operations(&root)?;
        Ok((record, domain))
    }

    fn read_emulator(&mut self, root: &Element<'_>, most: u32) -> Result<()> {
        self.start_time = root.child("process").map(|el| el.number("start")).transpose()?.flatten();
        for taint in root.children("taint") {
            let word = taint.attr("flag").unwrap_or_default();
            let known = Taint::parse(word);
            self.taints.push(known.ok_or_else(|| Error::internal(format!("Unknown taint flag {word}")))?);
        }
        let namespaces = root.child("namespaces");
        let namespaces = namespaces.iter().flat_map(|all| all.elements());
        self.namespaces = namespaces.map(|el| el.name().to_owned()).collect();
        let vcpus = root.child("vcpus");
        for (nth, vcpu) in vcpus.iter().flat_map(|all| all.children("vcpu")).enumerate() {
            let number = vcpu.number("id")?.unwrap_or(u32::try_from(nth).unwrap_or(u32::MAX));
            if number >= most {
                return Err(Error::internal(format!("invalid vcpu index '{number}'")));
            }
            self.vcpus.push((number, vcpu.require_number("pid")?));
        }
        let flags = root.child("qemuCaps");
        let flags = flags.iter().flat_map(|all| all.children("flag"));
        self.flags = flags.filter_map(|flag| flag.attr("name")).map(str::to_owned).collect();
        let devices = root.child("devices");
        for device in devices.iter().flat_map(|all| all.children("device")) {
            let alias = device.attr("alias");
            let missing = || Error::internal("failed to parse qemu device list");
            self.devices.push(alias.ok_or_else(missing)?.to_owned());
        }
        Ok(())
    }

    fn read_flags(&mut self, root: &Element<'_>) -> Result<()> {
        let text = |el: &Element<'_>, name: &str| el.attr(name).map(str::to_owned);
        self.lock_state = root.child_text("lockstate");
        self.rebooting = mark(root, "fakereboot");
        self.placement = root.child("numad").map(|el| (text(&el, "nodeset"), text(&el, "cpuset")));
        let places = [
            ("libDir", &mut self.run_dir),
            ("channelTargetDir", &mut self.channel_dir),
            ("memoryBackingDir", &mut self.memory_dir),
        ];
        for (name, place) in places {
            if let Some(path) = path_of(root, name) {
                *place = path;
            }
        }
        self.original_cpu = cpu::parse(root)?;
        self.logged_by_daemon = mark(root, "chardevStdioLogd");
        self.remember_owner = mark(root, "rememberOwner");
        self.allow_reboot = root.child("allowReboot").map(|el| el.yes_no("value")).transpose()?.flatten();
        self.reservations_daemon = mark(root, "prDaemon");
        let index = |name: &str| root.child(name).map(|el| el.number("index")).transpose();
        // Documents of the time before images were numbered do not say.
        self.last_node = index("nodename")?.flatten().unwrap_or(0);
        self.last_fdset = index("fdset")?.flatten().unwrap_or(0);
        Ok(())
    }

    fn read_operations(&mut self, root: &Element<'_>) -> Result<()> {
        self.job = root.child("job").map(|el| JobRecord::parse(&el)).transpose()?;
        if let Some(jobs) = root.child("blockjobs") {
            self.block_jobs.active = jobs.attr("active") == Some("yes");
            self.block_jobs.jobs =
                jobs.children("blockjob").map(|el| BlockJob::parse(&el)).collect::<Result<_>>()?;
        }
        if let Some(text) = root.child_text("agentTimeout") {
            let invalid = || Error::internal(format!("invalid agent timeout '{text}'"));
            self.agent_timeout = text.trim().parse().map_err(|_| invalid())?;
        }
        let backup = root.path("backups/domainbackup");
        self.backup = backup.map(|el| Backup::parse_stored(&el.source())).transpose()?;
        Ok(())
    }

    /// The document around the definition of the run.
    pub fn to_xml(&self, domain: &Domain) -> String {
        let (state, reason) = self.status.words();
        let mut root = El::new("domstatus").attr("state", state).attr("reason", reason).attr("pid", self.pid);
        root.extend(self.taints.iter().map(|taint| El::new("taint").attr("flag", taint)));
        self.write_emulator(&mut root);
        root.extend(self.job.as_ref().map(JobRecord::to_el));
        root.extend(self.rebooting.then(|| El::new("fakereboot")));
        let mut devices = El::new("devices");
        devices.extend(self.devices.iter().map(|alias| El::new("device").attr("alias", alias)));
        root.push_filled(devices);
        self.write_flags(&mut root);
        let mut jobs = El::new("blockjobs").attr("active", if self.block_jobs.active { "yes" } else { "no" });
        jobs.extend(self.block_jobs.jobs.iter().map(BlockJob::to_el));
        root.push(jobs);
        root.push(El::with_text("agentTimeout", self.agent_timeout));
        if let Some(backup) = &self.backup {
            let mut backups = El::new("backups");
            backups.source(indented(backup.to_xml(true).trim_end(), 4));
            root.push(backups);
        }
        root.push(domain.to_run_element());
        root.to_xml()
    }

    fn write_emulator(&self, root: &mut El) {
        root.push(El::new("monitor").attr("path", &self.monitor).attr("type", "unix"));
        root.extend(self.start_time.map(|start| El::new("process").attr("start", start)));
        let mut namespaces = El::new("namespaces");
        namespaces.extend(self.namespaces.iter().map(|name| El::new(name.clone())));
        root.push_filled(namespaces);
        let mut vcpus = El::new("vcpus");
        vcpus.extend(self.vcpus.iter().map(|(id, pid)| El::new("vcpu").attr("id", id).attr("pid", pid)));
        root.push(vcpus);
        if !self.flags.is_empty() {
            let mut flags = El::new("qemuCaps");
            flags.extend(self.flags.iter().map(|name| El::new("flag").attr("name", name)));
            root.push(flags);
        }
        root.push_text("lockstate", self.lock_state.as_ref());
    }

    fn write_flags(&self, root: &mut El) {
        root.extend(self.placement.as_ref().map(|(nodes, cpus)| {
            El::new("numad").attr_opt("nodeset", nodes.as_ref()).attr_opt("cpuset", cpus.as_ref())
        }));
        let place = |name: &'static str, path: &String| El::new(name).attr("path", path);
        root.push(place("libDir", &self.run_dir));
        root.push(place("channelTargetDir", &self.channel_dir));
        root.push(place("memoryBackingDir", &self.memory_dir));
        root.extend(self.original_cpu.as_ref().map(Cpu::format));
        let marks = [("chardevStdioLogd", self.logged_by_daemon), ("rememberOwner", self.remember_owner)];
        root.extend(marks.into_iter().filter(|(_, set)| *set).map(|(name, _)| El::new(name)));
        root.extend(self.allow_reboot.map(|value| El::new("allowReboot").attr("value", value)));
        root.extend(self.reservations_daemon.then(|| El::new("prDaemon")));
        root.push(El::new("nodename").attr("index", self.last_node));
        root.push(El::new("fdset").attr("index", self.last_fdset));
    }
}

/// A text of several lines, every line but the first moved right.
fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{:by$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_taints_are_in_their_order() {
        assert_eq!(Taint::WORDS.first().map(|(word, _)| *word), Some("custom-argv"));
        assert_eq!(Taint::parse("nonsense"), None);
    }

    #[test]
    fn lines_are_moved() {
        assert_eq!(indented("<a>\n  <b/>\n</a>", 4), "<a>\n      <b/>\n    </a>");
    }
}
