//! The administration program: the daemon itself, its servers and their clients.
//!
//! Owns: what its handlers share. Never: touches a guest.

mod client;
mod connect;
mod server;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::programs::admin as wire;
use ostler_rpc::programs::{TypedParam, TypedValue};

use super::only_flags;
use crate::daemon::Daemon;
use crate::dispatch::Entry;
use crate::roster::Roster;

pub(super) const HANDLERS: [&[Entry]; 3] = [connect::HANDLERS, server::HANDLERS, client::HANDLERS];

impl Daemon {
    fn roster_by_name(&self, name: &str) -> Result<&Roster> {
        let found = self.rosters().into_iter().find(|roster| roster.name == name);
        found.ok_or_else(|| Error::new(Code::NoServer, Origin::Rpc, format!("No server named '{name}'")))
    }
}

fn reference(roster: &Roster) -> wire::ServerRef {
    wire::ServerRef { name: roster.name.to_owned() }
}

fn no_flags(flags: u32, function: &str) -> Result<()> {
    only_flags(flags, 0, function, Origin::Admin)
}

/// The word for a parameter's type in messages.
fn kind(value: &TypedValue) -> &'static str {
    match value {
        TypedValue::Int(_) => "int",
        TypedValue::Uint(_) => "uint",
        TypedValue::Llong(_) => "llong",
        TypedValue::Ullong(_) => "ullong",
        TypedValue::Double(_) => "double",
        TypedValue::Boolean(_) => "boolean",
        TypedValue::String(_) => "string",
    }
}

/// The values of parameters that may be set, in the order of `names`; all are unsigned numbers.
fn numbers<const N: usize>(params: &[TypedParam], names: [&str; N]) -> Result<[Option<u32>; N]> {
    let wrong = |code, text| Err(Error::new(code, Origin::None, text));
    let mut found = [None; N];
    for TypedParam { field, value } in params {
        let place = names.iter().zip(&mut found).find(|(name, _)| *name == field);
        let Some((_, place)) = place else {
            return wrong(Code::ArgumentUnsupported, format!("parameter '{field}' not supported"));
        };
        let TypedValue::Uint(number) = value else {
            let kind = kind(value);
            let text = format!("invalid type '{kind}' for parameter '{field}', expected 'uint'");
            return wrong(Code::InvalidArg, text);
        };
        if place.replace(*number).is_some() {
            return wrong(Code::InvalidArg, format!("parameter '{field}' occurs multiple times"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let names = ["a", "b"];
        let numbers = |params: &[TypedParam]| numbers(params, names).map_err(|e| e.to_string());
        assert_eq!(numbers(&[TypedParam::new("b", 3_u32)]), Ok([None, Some(3)]));
        let one = TypedParam::new("a", 1_u32);
        let error = numbers(&[one.clone(), one]).unwrap_err();
        assert_eq!(error, "invalid argument: parameter 'a' occurs multiple times");
        let error = numbers(&[TypedParam::new("a", 1_i32)]).unwrap_err();
        assert_eq!(error, "invalid argument: invalid type 'int' for parameter 'a', expected 'uint'");
        assert!(numbers(&[TypedParam::new("c", 1_u32)]).unwrap_err().contains("'c' not supported"));
    }
}
