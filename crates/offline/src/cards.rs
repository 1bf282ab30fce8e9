//! Ports of the fake host's networks: a network named `NET;PORT` has its port in a file.

use ostler_base::{Error, Result, Word, refuse};
use ostler_domain::Domain;
use ostler_domain::devices::interface::{CardRun, HostCard, Interface, InterfaceSource, Plugged};
use ostler_pools::network::port::{Plug, Port};
use ostler_pools::{Schema, network};
use ostler_vocab::address::PciAddress;

use crate::Args;
use crate::fake::read;

/// Plugs every card of a virtual network.
pub(crate) fn plug(domain: &mut Domain, args: &Args) -> Result<()> {
    domain.change_cards(|card| plug_one(card, args))
}

fn plug_one(card: &mut Interface, args: &Args) -> Result<()> {
    let InterfaceSource::Network { network, .. } = &card.source else { return Ok(()) };
    let Some((_, port)) = network.split_once(';') else {
        refuse!(invalid_arg, "the network '{network}' names no port");
    };
    let folder = args.required("fakehost")?;
    let port = Port::parse(&read(&format!("{folder}/network-ports/{port}.xml"))?, Schema::Lenient)?;
    card.run = CardRun { port: Some(port.uuid), plugged: Some(plugged(&port)?), without_vhost: false };
    Ok(())
}

fn plugged(port: &Port) -> Result<Plugged> {
    Ok(match &port.plug {
        Some(Plug::Network(plug) | Plug::Bridge(plug)) => Plugged::Bridge(plug.bridge.clone()),
        Some(Plug::Direct { dev, mode }) => Plugged::Direct {
            device: dev.clone(),
            mode: Word::parse(network::port::DirectMode::as_str(*mode))
                .ok_or_else(|| Error::internal("unknown mode of a network port"))?,
        },
        Some(Plug::HostdevPci { address, managed, .. }) => Plugged::Hostdev(HostCard {
            address: PciAddress::parse_text(&address.to_string())
                .ok_or_else(|| Error::internal(format!("'{address}' is no PCI address")))?,
            managed: *managed,
            backend: None,
            driver: None,
        }),
        None => Plugged::Bridge(String::new()),
    })
}
