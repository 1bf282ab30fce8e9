//! The files of networks: definitions, marks of autostart, status, ports.
//!
//! Owns: their places and their form. Never: decides when they are written.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ostler_base::{Error, Result, Uuid};
use ostler_pools::network::Network as Model;
use ostler_pools::network::port::Port;
use ostler_pools::{Command, ReadMode, Schema, WriteMode};
use ostler_xml::{Document, El, Element};

use super::Inner;
use crate::files::{self, Durability};

impl Inner {
    pub(super) fn definitions(&self) -> PathBuf {
        self.paths.definitions().join("networks")
    }

    pub(super) fn definition(&self, name: &str) -> PathBuf {
        self.definitions().join(format!("{name}.xml"))
    }

    pub(super) fn autostarts(&self) -> PathBuf {
        self.definitions().join("autostart")
    }

    pub(super) fn autostart(&self, name: &str) -> PathBuf {
        self.autostarts().join(format!("{name}.xml"))
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.paths.run.join("network")
    }

    pub(super) fn status(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.xml"))
    }

    pub(super) fn pid_file(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.pid"))
    }

    pub(super) fn ports(&self, name: &str) -> PathBuf {
        self.runs().join(name).join("ports")
    }

    pub(super) fn port(&self, name: &str, port: Uuid) -> PathBuf {
        self.ports(name).join(format!("{port}.xml"))
    }

    /// The directory of dnsmasq's files.
    pub(super) fn dnsmasq(&self) -> PathBuf {
        self.paths.lib.join("dnsmasq")
    }

    pub(super) fn write_definition(&self, network: &Model) -> Result<()> {
        let text = with_header(&network.name, network.uuid, &network.to_xml(WriteMode::Inactive));
        files::make_directory(&self.definitions(), 0o700)?;
        files::replace(&self.definition(&network.name), &text, Durability::Durable)
    }

    /// Makes or removes the link that marks a network to be started with the daemon.
    pub(super) fn mark_autostart(&self, name: &str, autostart: bool) -> Result<()> {
        let link = self.autostart(name);
        if !autostart {
            return files::remove(&link);
        }
        files::make_directory(&self.autostarts(), 0o700)?;
        files::remove(&link)?;
        symlink(self.definition(name), &link)
            .map_err(|error| files::failed("cannot create link", &link, &error))
    }

    pub(super) fn write_status(&self, status: &Status) -> Result<()> {
        files::make_directory(&self.runs(), 0o755)?;
        let network = &status.network;
        let text = with_header(&network.name, network.uuid, &status.to_xml());
        files::replace(&self.status(&network.name), &text, Durability::Volatile)
    }

    pub(super) fn write_port(&self, network: &Model, port: &Port) -> Result<()> {
        files::make_directory(&self.ports(&network.name), 0o700)?;
        let text = with_header(&network.name, network.uuid, &port.to_xml());
        files::replace(&self.port(&network.name, port.uuid), &text, Durability::Volatile)
    }
}

/// The header that says how to edit a network, then `content`.
fn with_header(name: &str, uuid: Uuid, content: &str) -> String {
    files::with_header_for("net-edit", name, uuid, content)
}

/// What a status file tells.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// The network as it runs.
    pub(super) network: Model,
    /// Whether its start is not over yet.
    pub(super) starting: bool,
    /// What takes the rules of the packet filter back.
    pub(super) removal: Vec<Command>,
}

/// The word for a program in the list of commands, and back.
const LAYERS: [(&str, &str); 4] = [("ipv4", "iptables"), ("ipv6", "ip6tables"), ("nft", "nft"), ("tc", "tc")];

impl Status {
    fn to_xml(&self) -> String {
        let mut el = El::new("networkstatus").attr_opt("starting", self.starting.then_some("yes"));
        el.push(El::new("class_id").attr("bitmap", "0-2"));
        el.push(El::new("floor").attr("sum", 0));
        el.push(self.network.to_el(WriteMode::Live, 0));
        if !self.removal.is_empty() {
            el.push(removal_to_el(&self.removal));
        }
        el.to_xml()
    }

    pub(super) fn read(text: &str) -> Result<Self> {
        let document = Document::parse(text, "network_status")?;
        let root = document.root();
        if root.name() != "networkstatus" {
            return Err(Error::internal(format!("unexpected root element <{}>", root.name())));
        }
        let network = root.child("network").ok_or_else(|| Error::internal("no network"))?;
        let removal = root.child("firewall").map(|el| read_removal(&el)).unwrap_or_default();
        Ok(Status {
            network: Model::parse(&network.source(), &ReadMode::new(Uuid([0; 16])))?,
            starting: root.attr("starting") == Some("yes"),
            removal,
        })
    }
}

fn removal_to_el(removal: &[Command]) -> El {
    let mut group = El::new("group").attr("ignoreErrors", "yes");
    let mut backend = "iptables";
    for command in removal {
        if command.program == "nft" {
            backend = "nftables";
        }
        let layer = LAYERS.iter().find(|(_, program)| *program == command.program);
        let mut args = El::new("args");
        args.extend(command.args.iter().map(|arg| El::with_text("item", arg)));
        let layer = layer.map_or("tc", |(layer, _)| layer);
        group.push(El::new("action").attr("layer", layer).child(args));
    }
    El::new("firewall").attr("name", "fwRemoval").attr("backend", backend).child(group)
}

fn read_removal(el: &Element<'_>) -> Vec<Command> {
    let mut all = Vec::new();
    for action in el.children("group").flat_map(|group| group.children("action").collect::<Vec<_>>()) {
        let layer = action.attr("layer").unwrap_or_default();
        let Some((_, program)) = LAYERS.iter().find(|(word, _)| *word == layer) else { continue };
        let items = action.child("args").map(|args| args.children("item").map(|item| item.text()).collect());
        let mut args: Vec<String> = items.unwrap_or_default();
        if program.ends_with("tables") && args.first().is_none_or(|first| first != "-w") {
            args.insert(0, "-w".to_owned());
        }
        // A rule of nft that somebody else wrote down has a layer of IP.
        let program = if args.first().is_some_and(|first| first == "delete") { "nft" } else { program };
        all.push(Command::new(program, args));
    }
    all
}

/// Reads a port's file.
pub(super) fn read_port(path: &Path) -> Result<Option<Port>> {
    files::read(path)?.map(|text| Port::parse(&text, Schema::Lenient)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_and_back() {
        let text = "<network><name>n</name><bridge name='virbr9' stp='on'/><ip address='10.9.0.1' prefix='24'/></network>";
        let network = Model::parse(text, &ReadMode::new(Uuid([7; 16]))).unwrap();
        let removal = vec![
            Command::new("iptables", ["-w", "--table", "filter", "--delete", "X"]),
            Command::new("nft", ["delete", "rule", "ip", "t", "c", "handle", "4"]),
            Command::new("tc", ["filter", "del"]),
        ];
        let status = Status { network, starting: true, removal };
        let read = Status::read(&status.to_xml()).unwrap();
        assert!(read.starting && read.network == status.network);
        assert_eq!(read.removal, status.removal);
    }
}
