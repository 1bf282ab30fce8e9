//! Networks and their ports.

use ostler_base::{Error, Result, Uuid, Word};
use ostler_pools::network::Network;
use ostler_pools::network::dnsmasq;
use ostler_pools::network::firewall::{self, Backend, Step};
use ostler_pools::network::port::Port;
use ostler_pools::network::update::{Update, UpdateCommand, UpdateSection};
use ostler_pools::{ReadMode, Schema, WriteMode};
use ostler_vocab::inet::Family;

use crate::{Args, Kept};

/// Where the fake host keeps the state of dnsmasq.
const DNSMASQ_STATE: &str = "/var/lib/libvirt/dnsmasq";

/// How definitions are read: the made-up identifier is the fake host's.
pub(super) fn read_mode() -> ReadMode {
    ReadMode::new(Uuid::from_random(std::array::from_fn(|i| u8::try_from(i).unwrap_or_default())))
}

fn network(args: &Args) -> Result<Network> {
    Network::parse(&args.read_input(0)?, &read_mode())
}

/// A word of a list in an option.
pub(super) fn word<W: Word>(args: &Args, option: &str) -> Result<W> {
    let text = args.required(option)?;
    W::parse(text).ok_or_else(|| {
        let allowed = ostler_base::words::allowed::<W>();
        Error::invalid_arg(format!("unknown --{option} '{text}'; allowed: {allowed}"))
    })
}

/// `network-xml [--flag inactive] NET.xml`
pub(super) fn xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["inactive"])?;
    let mode = if args.flag("inactive") { WriteMode::Inactive } else { WriteMode::Live };
    Ok(network(args)?.to_xml(mode))
}

/// `network-conf --part conf|hostsfile NET.xml`
pub(super) fn conf(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["part"])?;
    let network = network(args)?;
    let facts = dnsmasq::Facts { state_dir: DNSMASQ_STATE, pid_file: None };
    let plan = dnsmasq::plan(&network, &facts)?;
    match args.required("part")? {
        "conf" => Ok(plan.conf),
        "hostsfile" => Ok(plan.hosts),
        other => Err(Error::invalid_arg(format!("unknown --part '{other}'; allowed: conf, hostsfile"))),
    }
}

/// `network-firewall --backend B [--base FILE] NET.xml`: shared chains, then the network's rules.
pub(super) fn firewall(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["backend", "base"])?;
    let backend: Backend = word(args, "backend")?;
    let mut commands = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        commands.extend(firewall::setup_questions(backend, family));
        commands.extend(firewall::setup(backend, family, &[]));
    }
    for step in firewall::plan(&network(args)?, backend)? {
        match step {
            Step::Run { command, .. } | Step::Try { command, .. } => commands.push(command),
            Step::Unless { question, command } => commands.extend([question, command]),
        }
    }
    Ok(lines(&commands))
}

/// Commands, one a line.
pub(super) fn lines(commands: &[ostler_pools::Command]) -> String {
    commands.iter().map(|command| command.to_shell() + "\n").collect()
}

/// `network-update --command C --section S --parent-index N NET.xml UPDATE.xml`
pub(super) fn update(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["command", "section", "parent-index"])?;
    let index = args.required("parent-index")?;
    let index: i64 =
        index.parse().map_err(|_| Error::invalid_arg(format!("--parent-index '{index}' is no number")))?;
    let update = Update {
        command: word::<UpdateCommand>(args, "command")?,
        section: word::<UpdateSection>(args, "section")?,
        parent_index: usize::try_from(index).ok(),
        xml: &args.read_input(1)?,
    };
    Ok(network(args)?.updated(&update, Schema::Lenient)?.to_xml(WriteMode::Live))
}

/// `network-port PORT.xml`
pub(super) fn port(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Port::parse(&args.read_input(0)?, Schema::Lenient)?.to_xml())
}
