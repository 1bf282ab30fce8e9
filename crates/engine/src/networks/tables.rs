//! Limits of devices, and who has which hardware address in a network.
//!
//! Owns: carrying out what shaping plans; the file that name services read. Never: decides on a limit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, Origin, Result};
use ostler_host::Program;
use ostler_pools::network::Network as Model;
use ostler_pools::network::firewall::Step;
use ostler_pools::network::port::Port;
use ostler_pools::network::shaping::{self, Device};
use ostler_vocab::bandwidth::Bandwidth;

use super::{Inner, State};
use crate::files::{self, Durability};

/// Puts limits on a device. On failure none are left.
pub fn shape(name: &str, device: Device, bandwidth: &Bandwidth) -> Result<()> {
    let run = |command: &ostler_pools::Command| {
        Program::new(&command.program, command.args.iter().map(String::as_str)).run()
    };
    for step in shaping::plan(name, device, bandwidth) {
        match step {
            Step::Run { command, .. } | Step::Unless { command, .. } => {
                if let Err(error) = run(&command) {
                    for command in shaping::clear(name) {
                        // What was not reached is not there.
                        let _ = run(&command);
                    }
                    let detail = error.detail().to_owned();
                    return Err(Error::new(Code::InternalError, Origin::None, detail));
                }
            }
            Step::Try { command, .. } => {
                if let Err(error) = run(&command) {
                    tracing::debug!(%error, "passed over");
                }
            }
        }
    }
    Ok(())
}

/// Puts the limits of a whole network on its bridge.
pub(super) fn shape_network(model: &Model) -> Result<()> {
    match (&model.bandwidth, &model.bridge.name) {
        (Some(bandwidth), Some(bridge)) => shape(bridge, Device::Bridge, bandwidth),
        _ => Ok(()),
    }
}

/// The text of the file that says which hardware addresses a guest has in a network.
pub(super) fn mac_table<'a>(ports: impl Iterator<Item = &'a Port>) -> String {
    let mut guests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for port in ports {
        guests.entry(&port.owner_name).or_default().push(port.mac.to_string());
    }
    let all = guests.into_iter().map(|(domain, macs)| json!({ "domain": domain, "macs": macs }));
    format!("{:#}\n", Json::Array(all.collect()))
}

impl Inner {
    /// The file with hardware addresses of a bridge.
    pub(super) fn mac_file(&self, bridge: &str) -> PathBuf {
        self.dnsmasq().join(format!("{bridge}.macs"))
    }

    /// Writes the file of a network's hardware addresses anew.
    pub(super) fn write_mac_table(&self, state: &State) -> Result<()> {
        let Some(live) = state.view.live.as_ref().filter(|live| live.forward.mode.is_virtual()) else {
            return Ok(());
        };
        let Some(bridge) = &live.bridge.name else { return Ok(()) };
        files::make_directory(&self.dnsmasq(), 0o755)?;
        let text = mac_table(state.view.ports.values().map(|port| &**port));
        let path = self.mac_file(bridge);
        ostler_host::fs::write_atomic(&path, text.as_bytes(), 0o644, None, Durability::Volatile)
    }
}
