//! How a filter and those it includes become one list of rules.
//!
//! Owns: the walk through the tree and which variables hold where. Never: looks for a filter
//! itself; the caller says what a name stands for.

use std::rc::Rc;

use ostler_base::{Code, Error, Origin, Result};

use super::vars::{VarIndex, Variables};
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

/// The values that rules ask for and that are not there, in order. They may be learnt.
pub fn unresolved(instances: &[Instance<'_>]) -> Vec<String> {
    let mut missing = Vec::new();
    for instance in instances {
        for access in instance.rule.accesses() {
            let values = instance.variables.get(&access.name);
            let there = match (values, access.index) {
                (None, _) => false,
                (Some(values), VarIndex::Element(place)) => {
                    usize::try_from(place).is_ok_and(|place| place < values.len())
                }
                (Some(_), VarIndex::Iterator(_)) => true,
            };
            let name = access.to_string().trim_start_matches('$').to_owned();
            if !there && !missing.contains(&name) {
                missing.push(name);
            }
        }
    }
    missing
}

/// What to say where `missing` values will not be learnt.
pub fn cannot_resolve(missing: &[String]) -> Error {
    fault(format!(
        "Cannot instantiate filter due to unresolvable variables or unavailable list elements: {}",
        missing.join(", ")
    ))
}

/// Fails if a filter includes itself, directly or through those that `find` knows.
pub fn check_no_loop<'a>(filter: &'a Filter, find: &dyn Fn(&str) -> Option<&'a Filter>) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    let mut waiting: Vec<&str> = filter.includes().map(|included| included.filter.as_str()).collect();
    while let Some(name) = waiting.pop() {
        if name == filter.name {
            return Err(Error::new(Code::OperationFailed, Origin::Nwfilter, "filter would introduce a loop"));
        }
        if !seen.contains(&name) {
            seen.push(name);
            let included = find(name).into_iter().flat_map(Filter::includes);
            waiting.extend(included.map(|included| included.filter.as_str()));
        }
    }
    Ok(())
}

fn fault(words: String) -> Error {
    Error::internal(words).from_origin(Origin::Nwfilter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::Uuid;

    use crate::ReadMode;

    fn filter(name: &str, body: &str) -> Filter {
        let mode = ReadMode::new(Uuid([7; 16]));
        Filter::parse(&format!("<filter name='{name}'>{body}</filter>"), &mode).unwrap()
    }

    #[test]
    fn what_is_said_outside_counts() {
        let inner = filter(
            "inner",
            "<rule action='drop' direction='in'><ip srcipaddr='$A' dstipaddr='$B[1]'/></rule>",
        );
        let outer = filter(
            "outer",
            "<filterref filter='inner'><parameter name='A' value='192.0.2.1'/><parameter name='B' value='192.0.2.2'/></filterref>",
        );
        let find = |name: &str| (name == "inner").then_some(&inner);
        let mut given = Variables::new();
        let rules = instances(&outer, &given, &find).unwrap();
        assert_eq!(rules[0].variables.get("A"), Some(["192.0.2.1".to_owned()].as_slice()));
        assert_eq!(unresolved(&rules), ["B[1]"]);
        given.add("A", "192.0.2.9");
        let rules = instances(&outer, &given, &find).unwrap();
        assert_eq!(rules[0].variables.get("A"), Some(["192.0.2.9".to_owned()].as_slice()));
        assert_eq!(unresolved(&instances(&inner, &Variables::new(), &find).unwrap()), ["A", "B[1]"]);
        assert!(instances(&filter("f", "<filterref filter='none'/>"), &given, &find).is_err());
    }

    #[test]
    fn loops_are_found() {
        let a = filter("a", "<filterref filter='b'/>");
        let b = filter("b", "<filterref filter='c'/><filterref filter='c'/>");
        let c = filter("c", "<filterref filter='b'/>");
        let find = |name: &str| [&a, &b, &c].into_iter().find(|filter| filter.name == name);
        assert!(check_no_loop(&a, &find).is_ok());
        assert!(check_no_loop(&b, &find).is_err());
        assert!(check_no_loop(&filter("d", "<filterref filter='d'/>"), &find).is_err());
    }
}
