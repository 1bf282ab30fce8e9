//! How a filter and those it includes become one list of rules.
//!
//! Owns: the walk through the tree and which variables hold where. Never: looks for a filter
//! itself; the caller says what a name stands for.

use std::rc::Rc;

use ostler_base::{Error, Origin, Result};

use super::vars::Variables;
use super::{Entry, Filter, Rule};

/// How deep filters may include each other.
const MAX_DEPTH: usize = 64;
/// Most rules of a tree.
const MAX_RULES: usize = 65_536;

/// A rule in its place.
#[derive(Debug, Clone)]
pub struct Instance<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The chain it is in.
    pub chain: &'a str,
    /// The priority of that chain.
    pub chain_priority: i32,
    /// The variables that hold there.
    pub variables: Rc<Variables>,
}

/// The rules of a filter and of those it includes, in order. `find` gives the filter of a name.
pub fn instances<'a>(
    filter: &'a Filter,
    variables: &Variables,
    find: &dyn Fn(&str) -> Option<&'a Filter>,
) -> Result<Vec<Instance<'a>>> {
    let mut out = Vec::new();
    walk(filter, &Rc::new(variables.clone()), find, 0, &mut out)?;
    Ok(out)
}

fn walk<'a>(
    filter: &'a Filter,
    variables: &Rc<Variables>,
    find: &dyn Fn(&str) -> Option<&'a Filter>,
    depth: usize,
    out: &mut Vec<Instance<'a>>,
) -> Result<()> {
    if depth > MAX_DEPTH || out.len() > MAX_RULES {
        return Err(fault(format!("filter '{}' includes too many others", filter.name)));
    }
    for entry in &filter.entries {
        match entry {
            Entry::Rule(rule) => out.push(Instance {
                rule,
                chain: &filter.chain,
                chain_priority: filter.priority,
                variables: Rc::clone(variables),
            }),
            Entry::Include(reference) => {
                let Some(included) = find(&reference.filter) else {
                    return Err(fault(format!("referenced filter '{}' is missing", reference.filter)));
                };
                let inner = Rc::new(variables.or(&reference.parameters));
                walk(included, &inner, find, depth + 1, out)?;
            }
        }
    }
    Ok(())
}

fn fault(words: String) -> Error {
    Error::internal(words).from_origin(Origin::Nwfilter)
}
