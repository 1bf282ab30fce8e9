//! Which interface has which filter, and its rules in the kernel.
//!
//! Owns: the order in which rules come and go. Where an address is missing that can be learnt, rules of
//! that time are in force until it is. Never: lets more through than its filter while it changes.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use ostler_host::Program;
use ostler_pools::nwfilter::Filter;
use ostler_pools::nwfilter::binding::Binding;
use ostler_pools::nwfilter::firewall::{self, Step, learning, subchains_to_remove, subchains_to_rename};
use ostler_pools::nwfilter::instance::{cannot_resolve, instances, unresolved};
use ostler_pools::{Command, Schema};
use ostler_xml::{Document, El};

use super::Filters;
use crate::files::{self, Durability};
use crate::paths::is_file_name;

/// The variable that holds a guest's hardware address, and the one that holds its IP address.
const MAC: &str = "MAC";
const IP: &str = "IP";
/// The variable that says how an address is learnt: `any`, `dhcp` or `none`.
const LEARNING: &str = "CTRL_IP_LEARNING";
/// The variable with the only servers that may give an address.
const SERVERS: &str = "DHCPSERVER";

/// A binding, and what was learnt for it.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) binding: Binding,
    pub(super) learnt: Option<String>,
}

fn no_binding(port: &str) -> Error {
    let detail = format!("no nwfilter binding for port dev '{port}'");
    Error::new(Code::NoNwfilterBinding, Origin::Nwfilter, detail)
}

fn run(command: &Command) -> Result<String> {
    Program::new(&command.program, command.args.iter().map(String::as_str)).run()
}

/// Carries steps out; the first that must succeed and does not ends it.
fn carry_out(steps: &[Step]) -> Result<()> {
    // Chains can go when nothing leads to them any more.
    let mut later: Vec<Step> = Vec::new();
    for step in steps {
        match step {
            Step::Run(command) => {
                run(command)
                    .map_err(|error| Error::new(Code::InternalError, Origin::Firewall, error.detail()))?;
            }
            Step::Try(command) => drop(run(command)),
            Step::List(command) => {
                let listing = run(command).unwrap_or_default();
                let chain = command.args.last().cloned().unwrap_or_default();
                later.extend(subchains_to_remove(interface_of(&chain), &listing));
            }
            Step::ListToRename(command) => {
                attempt(&later);
                later.clear();
                let listing = run(command).unwrap_or_default();
                let chain = command.args.last().cloned().unwrap_or_default();
                attempt(&subchains_to_rename(interface_of(&chain), &listing));
            }
        }
    }
    attempt(&later);
    Ok(())
}

/// Carries out what may fail: what it takes away may not be there.
fn attempt(steps: &[Step]) {
    for command in steps.iter().filter(|step| matches!(step, Step::Try(_))).map(Step::command) {
        drop(run(command));
    }
}

/// The interface in the name of a chain (`libvirt-I-vnet0`).
fn interface_of(chain: &str) -> &str {
    chain.splitn(3, '-').nth(2).unwrap_or(chain)
}

impl Filters {
    /// Every binding, by interface.
    pub fn bindings(&self) -> Vec<Binding> {
        let bound = self.0.bound.read().unwrap_or_else(PoisonError::into_inner);
        bound.values().map(|bound| bound.binding.clone()).collect()
    }

    fn bound(&self, port: &str) -> Result<Arc<Bound>> {
        let bound = self.0.bound.read().unwrap_or_else(PoisonError::into_inner);
        bound.get(port).cloned().ok_or_else(|| no_binding(port))
    }

    /// The binding of an interface.
    pub fn binding(&self, port: &str) -> Result<Binding> {
        self.bound(port).map(|bound| bound.binding.clone())
    }

    fn file(&self, port: &str) -> PathBuf {
        self.0.bindings.join(format!("{port}.xml"))
    }

    /// Binds what a client describes.
    pub fn create_binding(&self, xml: &str, schema: Schema) -> Result<Binding> {
        let binding = Binding::parse(xml, schema)?;
        self.bind(binding.clone())?;
        Ok(binding)
    }

    /// Gives an interface its rules.
    pub fn bind(&self, mut binding: Binding) -> Result<()> {
        let _turn = self.turn();
        let port = binding.portdev.clone();
        if !is_file_name(&port) {
            return Err(Error::new(
                Code::XmlError,
                Origin::Nwfilter,
                format!("'{port}' is no name of an interface"),
            ));
        }
        if self.bound(&port).is_ok() {
            let detail = format!("binding '{port}' already exists");
            return Err(Error::new(Code::OperationFailed, Origin::Nwfilter, detail));
        }
        if binding.filterref.parameters.get(MAC).is_none() {
            binding.filterref.parameters.set(MAC, &binding.mac.to_string());
        }
        let bound = Bound { binding, learnt: None };
        // Noted first: a daemon that dies on the way takes the rules back with the interface.
        self.keep(&bound)?;
        match self.instantiate(&bound) {
            Ok(()) => {
                self.remember(bound);
                Ok(())
            }
            Err(error) => {
                carry_out(&firewall::remove(&port))?;
                files::remove(&self.file(&port))?;
                Err(error)
            }
        }
    }

    /// Takes the rules of an interface away.
    pub fn unbind(&self, port: &str) -> Result<()> {
        let _turn = self.turn();
        self.bound(port)?;
        self.0.learner.forget(port);
        carry_out(&firewall::remove(port))?;
        files::remove(&self.file(port))?;
        self.0.bound.write().unwrap_or_else(PoisonError::into_inner).remove(port);
        Ok(())
    }

    fn remember(&self, bound: Bound) {
        let mut all = self.0.bound.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(bound.binding.portdev.clone(), Arc::new(bound));
    }

    fn keep(&self, bound: &Bound) -> Result<()> {
        files::make_directory(&self.0.bindings, 0o700)?;
        let port = &bound.binding.portdev;
        let mut el = El::new("filterbindingstatus").attr_opt("learnt", bound.learnt.as_ref());
        let document = bound.binding.to_xml();
        el.source(document.trim_end().replace('\n', "\n  "));
        let text =
            files::with_header_for("nwfilter-binding-create", port, bound.binding.owner_uuid, &el.to_xml());
        files::replace(&self.file(port), &text, Durability::Volatile)
    }

    /// Puts the rules in that hold for an interface now.
    fn instantiate(&self, bound: &Bound) -> Result<()> {
        let binding = &bound.binding;
        let port = &binding.portdev;
        let all = self.all();
        let find = |name: &str| all.iter().find(|filter| filter.name == name).map(|filter| &**filter);
        let filter: &Filter = find(&binding.filterref.filter).ok_or_else(|| {
            super::missing(format!("no nwfilter with matching name '{}'", binding.filterref.filter))
        })?;
        let mut variables = binding.filterref.parameters.clone();
        if let Some(address) = bound.learnt.as_ref().filter(|_| variables.get(IP).is_none()) {
            variables.set(IP, address);
        }
        let rules = instances(filter, &variables, &find)?;
        let missing = unresolved(&rules);
        if missing.is_empty() {
            let applied = firewall::apply(&rules, port).and_then(|steps| carry_out(&steps));
            if let Err(error) = applied {
                carry_out(&firewall::rollback(port))?;
                return Err(error);
            }
            return carry_out(&firewall::switch(port));
        }
        let way = variables.get(LEARNING).and_then(|values| values.first()).map_or("any", String::as_str);
        if missing.iter().any(|name| name != IP) || way == "none" {
            return Err(cannot_resolve(&missing));
        }
        let steps = match way {
            "dhcp" => learning::dhcp_only(port, &binding.mac, variables.get(SERVERS).unwrap_or_default()),
            _ => learning::own_address_only(port, &binding.mac),
        };
        // What somebody who died on the way left of new rules.
        carry_out(&firewall::rollback(port))?;
        carry_out(&steps)?;
        self.0.learner.wait_for(self, port, binding.mac)
    }

    /// The address of an interface's guest is known now.
    pub(super) fn learnt(&self, port: &str, address: &str) {
        let _turn = self.turn();
        let Ok(bound) = self.bound(port) else { return };
        let known = Bound { learnt: Some(address.to_owned()), ..Bound::clone(&bound) };
        tracing::info!(port, address, "the address of a guest is learnt");
        match self.instantiate(&known).and_then(|()| self.keep(&known)) {
            Ok(()) => self.remember(known),
            Err(error) => tracing::error!(port, %error, "cannot put the rules of an interface in"),
        }
    }

    /// Puts the rules of every interface in anew.
    pub(super) fn renew_all(&self) -> Result<()> {
        let all: Vec<Arc<Bound>> =
            self.0.bound.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.iter().try_for_each(|bound| self.instantiate(bound))
    }

    /// Finds the bindings of interfaces that are there; rules of others are taken away.
    pub(super) fn take_over(&self) -> Result<()> {
        let stems = files::xml_stems(&self.0.bindings)?;
        if stems.is_empty() {
            return Ok(());
        }
        let net = ostler_host::net::Net::open()?;
        for port in stems {
            let read = files::read(&self.file(&port)).and_then(|text| read_bound(&text.unwrap_or_default()));
            match read {
                Ok(bound) if net.link(&port)?.is_some() => {
                    if bound.learnt.is_none()
                        && let Err(error) = self.instantiate(&bound)
                    {
                        tracing::error!(port, %error, "cannot put the rules of an interface in");
                    }
                    self.remember(bound);
                }
                Ok(_) => {
                    carry_out(&firewall::remove(&port))?;
                    files::remove(&self.file(&port))?;
                }
                Err(error) => tracing::error!(port, %error, "cannot load the filter of an interface"),
            }
        }
        Ok(())
    }
}

fn read_bound(text: &str) -> Result<Bound> {
    let document = Document::parse(text, "filterbinding_status")?;
    let root = document.root();
    let binding = root.child("filterbinding").ok_or_else(|| Error::internal("no filter binding"))?;
    let learnt = root.attr("learnt").map(str::to_owned);
    Ok(Bound { binding: Binding::parse(&binding.source(), Schema::Lenient)?, learnt })
}
