//! The dnsmasq of a network: its files, its start, its end.
//!
//! Owns: the process, found again by its number and its command line. Never: decides what it is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ostler_base::{Error, Result};
use ostler_host::fs::{Durability, read_bounded, write_atomic};
use ostler_host::{Process, Program, find_program_path};
use ostler_pools::network::Network as Model;
use ostler_pools::network::dnsmasq::{self, Facts};
use rustix::process::Signal;

use super::Inner;
use crate::files;

/// How long it may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What its files must say anew for a change to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    /// Hosts and names, which it reads again when told.
    Lists,
    /// The configuration, which it reads when it starts.
    Configuration,
}

/// Refuses where the program is not there.
pub(super) fn require() -> Result<()> {
    match find_program_path("dnsmasq") {
        Some(_) => Ok(()),
        None => Err(Error::operation_unsupported("Unable to find 'dnsmasq' binary in $PATH")
            .with_suffix(" (it hands out addresses and answers names; install the package dnsmasq-base)")),
    }
}

impl Inner {
    fn dnsmasq_conf(&self, name: &str) -> PathBuf {
        self.dnsmasq().join(format!("{name}.conf"))
    }

    fn dnsmasq_lists(&self, name: &str) -> [PathBuf; 2] {
        ["hostsfile", "addnhosts"].map(|kind| self.dnsmasq().join(format!("{name}.{kind}")))
    }

    /// The file of leases of a bridge.
    pub(super) fn lease_file(&self, bridge: &str) -> PathBuf {
        self.dnsmasq().join(format!("{bridge}.status"))
    }

    fn write_dnsmasq_files(&self, network: &Model) -> Result<Change> {
        let directory = self.dnsmasq();
        let (state_dir, pid_file) = (directory.to_string_lossy(), self.pid_file(&network.name));
        let pid_file = pid_file.to_string_lossy();
        let plan = dnsmasq::plan(network, &Facts { state_dir: &state_dir, pid_file: Some(&pid_file) })?;
        files::make_directory(&directory, 0o755)?;
        let conf = self.dnsmasq_conf(&network.name);
        let mut change = Change::Nothing;
        let [hosts, names] = self.dnsmasq_lists(&network.name);
        for (path, content) in [(&hosts, &plan.hosts), (&names, &plan.names)] {
            if differs(path, content) {
                // It has given up its rights when it reads these.
                write_atomic(path, content.as_bytes(), 0o644, None, Durability::Volatile)?;
                change = Change::Lists;
            }
        }
        if differs(&conf, &plan.conf) {
            files::replace(&conf, &plan.conf, Durability::Volatile)?;
            change = Change::Configuration;
        }
        Ok(change)
    }

    /// Starts it where the network needs one; returns when it listens.
    pub(super) fn start_dnsmasq(&self, network: &Model) -> Result<()> {
        if !dnsmasq::is_needed(network) {
            return Ok(());
        }
        require()?;
        self.write_dnsmasq_files(network)?;
        self.run_dnsmasq(network)
    }

    fn run_dnsmasq(&self, network: &Model) -> Result<()> {
        files::make_directory(&self.runs(), 0o755)?;
        files::remove(&self.pid_file(&network.name))?;
        let conf = format!("--conf-file={}", self.dnsmasq_conf(&network.name).display());
        let script = format!("--dhcp-script={}", self.setup.lease_program.display());
        let mut program = Program::new("dnsmasq", [conf, "--leasefile-ro".to_owned(), script]);
        let bridge = network.bridge.name.clone().unwrap_or_default();
        program.environment.push(("VIR_BRIDGE_NAME".to_owned(), bridge));
        let directory = self.dnsmasq().to_string_lossy().into_owned();
        program.environment.push(("OSTLER_LEASES".to_owned(), directory));
        // It goes to the background by itself, once it listens.
        program.run()?;
        match self.find_dnsmasq(&network.name)? {
            Some(_) => Ok(()),
            None => Err(Error::internal(format!("dnsmasq of network '{}' ended at once", network.name))),
        }
    }

    /// Its process, if it runs: one with the number that it wrote down and with its own command line.
    fn find_dnsmasq(&self, name: &str) -> Result<Option<Process>> {
        let Ok(text) = read_bounded(&self.pid_file(name), 64) else { return Ok(None) };
        let Ok(pid) = text.trim().parse::<u32>() else { return Ok(None) };
        let Some(process) = Process::adopt(pid, None)? else { return Ok(None) };
        let line = read_bounded(Path::new(&format!("/proc/{pid}/cmdline")), 64 * 1024).unwrap_or_default();
        let conf = format!("--conf-file={}", self.dnsmasq_conf(name).display());
        Ok(line.split('\0').any(|word| word == conf).then_some(process))
    }

    /// Ends it and removes its files; leases go with the network.
    pub(super) fn stop_dnsmasq(&self, network: &Model) {
        let name = &network.name;
        let ended = self.find_dnsmasq(name).and_then(|process| match process {
            Some(process) => process.terminate(PATIENCE).map(drop),
            None => Ok(()),
        });
        let [hosts, names] = self.dnsmasq_lists(name);
        let mut paths = vec![self.pid_file(name), self.dnsmasq_conf(name), hosts, names];
        if let Some(bridge) = &network.bridge.name {
            paths.push(self.lease_file(bridge));
            paths.push(self.mac_file(bridge));
        }
        let removed = paths.iter().map(|path| files::remove(path));
        for error in removed.chain([ended]).filter_map(Result::err) {
            tracing::warn!(network = name, %error, "something of dnsmasq is left");
        }
    }

    /// Brings it in line with a network that changed.
    pub(super) fn refresh_dnsmasq(&self, network: &Model) -> Result<()> {
        let running = self.find_dnsmasq(&network.name)?;
        if !dnsmasq::is_needed(network) {
            if running.is_some() {
                self.stop_dnsmasq(network);
            }
            return Ok(());
        }
        let change = self.write_dnsmasq_files(network)?;
        match (running, change) {
            (None, _) => self.run_dnsmasq(network),
            (Some(_), Change::Nothing) => Ok(()),
            (Some(process), Change::Lists) => process.signal(Signal::HUP),
            (Some(process), Change::Configuration) => {
                process.terminate(PATIENCE)?;
                self.run_dnsmasq(network)
            }
        }
    }
}

fn differs(path: &Path, content: &str) -> bool {
    files::read(path).ok().flatten().as_deref() != Some(content)
}
