//! The document `<filter>`: reading and writing.
//!
//! Owns: its words, and the names of chains. Never: looks for other filters.

use ostler_base::{Code, Error, Origin, Result, refuse};
use ostler_xml::{El, Element};

use super::vars::Variables;
use super::{CHAIN_PREFIXES, Entry, Filter, FilterRef, PRIORITIES, ROOT, Rule};
use crate::ReadMode;
use crate::read::{self, Kind};

const KIND: Kind = Kind { label: "nwfilter_definition", root: "filter", origin: Origin::Nwfilter };

/// Longest name of a chain, in bytes.
const MAX_CHAIN: usize = 12;

impl Filter {
    /// Reads a definition.
    pub fn parse(text: &str, mode: &ReadMode) -> Result<Self> {
        KIND.read(text, mode.schema, |el| Filter::from_el(el, mode))
    }

    fn from_el(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let Some(name) = el.attr("name") else {
            return Err(Error::internal("filter has no name"));
        };
        let asked = parse_priority(el)?;
        let (chain, usual) = match el.attr("chain").filter(|chain| !chain.is_empty()) {
            None => (ROOT.to_owned(), 0),
            Some(chain) => (chain.to_owned(), check_chain(chain)?),
        };
        let uuid = read::uuid(el, mode, || Error::xml("malformed uuid element"))?;
        let mut entries = Vec::new();
        for child in el.elements() {
            match child.name() {
                "rule" => entries.push(Entry::Rule(Rule::parse(&child)?)),
                "filterref" => entries.push(Entry::Include(FilterRef::parse(&child)?)),
                _ => {}
            }
        }
        Ok(Filter { name: name.to_owned(), uuid, chain, priority: asked.unwrap_or(usual), entries })
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("filter").attr("name", &self.name).attr("chain", &self.chain);
        if self.priority != 0 {
            el.set("priority", self.priority);
        }
        el.push_text("uuid", Some(self.uuid));
        el.extend(self.entries.iter().map(|entry| match entry {
            Entry::Rule(rule) => rule.to_el(),
            Entry::Include(reference) => reference.to_el(),
        }));
        el.to_xml()
    }
}

fn parse_priority(el: &Element<'_>) -> Result<Option<i32>> {
    let Some(text) = el.attr("priority") else { return Ok(None) };
    let Ok(priority) = text.trim().parse::<i32>() else {
        refuse!(invalid_arg, "Could not parse chain priority '{text}'");
    };
    let (low, high) = PRIORITIES;
    if !(low..=high).contains(&priority) {
        refuse!(invalid_arg, "Priority '{priority}' is outside valid range of [{low},{high}]");
    }
    Ok(Some(priority))
}

/// The usual priority of a chain; refuses a name that is none.
fn check_chain(chain: &str) -> Result<i32> {
    if chain.len() > MAX_CHAIN {
        refuse!(invalid_arg, "Name of chain is longer than {MAX_CHAIN} characters");
    }
    if !chain.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)) {
        refuse!(invalid_arg, "Chain name contains invalid characters");
    }
    if chain == ROOT {
        return Ok(0);
    }
    match CHAIN_PREFIXES.iter().find(|(prefix, _)| chain.starts_with(prefix)) {
        Some((_, priority)) => Ok(*priority),
        None => {
            let prefixes: Vec<&str> = CHAIN_PREFIXES.iter().map(|(prefix, _)| *prefix).collect();
            Err(Error::new(
                Code::InvalidArg,
                Origin::Nwfilter,
                format!(
                    "Invalid chain name '{chain}'. Please use a chain name called '{ROOT}' or any of the following prefixes: {}",
                    prefixes.join(", ")
                ),
            ))
        }
    }
}

impl FilterRef {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(FilterRef { filter: el.require("filter")?.to_owned(), parameters: Variables::parse(el) })
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("filterref").attr("filter", &self.filter);
        el.extend(self.parameters.to_els());
        el
    }
}
