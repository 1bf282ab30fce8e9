//! Every command, in groups.
//!
//! Owns: the list of groups, and how a command finds the domain it is about. Never: holds a
//! command itself.

mod device;
mod domain;
mod events;
mod host;
mod lifecycle;
mod monitor;
mod native;
mod network;
mod shell;

use ostler_base::Uuid;
use ostler_rpc::programs::remote::procedures::{DomainLookupById, DomainLookupByName, DomainLookupByUuid};
use ostler_rpc::programs::remote::{
    DomainLookupByIdArgs, DomainLookupByNameArgs, DomainLookupByUuidArgs, DomainRef,
};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::{Command, Group};

/// Every group.
pub(crate) const GROUPS: &[Group] =
    &[domain::GROUP, monitor::GROUP, events::GROUP, host::GROUP, network::GROUP, shell::GROUP];

/// Every command.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|group| group.commands)
}

/// The command with this name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// By what a domain may be named.
#[derive(Debug, Clone, Copy)]
struct By {
    id: bool,
    uuid: bool,
    name: bool,
}

impl By {
    const ANY: By = By { id: true, uuid: true, name: true };
}

/// The domain that the command is about.
fn domain(session: &mut Session, arguments: &Arguments<'_>) -> Result<DomainRef, Failure> {
    look_up(session, arguments.needed("domain")?, By::ANY)
}

fn look_up(session: &mut Session, word: &str, by: By) -> Result<DomainRef, Failure> {
    if let Some(id) = word.parse::<i32>().ok().filter(|id| by.id && *id >= 0)
        && let Ok(found) = session.call::<DomainLookupById>(&DomainLookupByIdArgs { id })
    {
        return Ok(found.dom);
    }
    if let Some(uuid) = Uuid::parse(word).filter(|_| by.uuid && word.len() == 36)
        && let Ok(found) = session.call::<DomainLookupByUuid>(&DomainLookupByUuidArgs { uuid })
    {
        return Ok(found.dom);
    }
    if by.name {
        let args = DomainLookupByNameArgs { name: word.to_owned() };
        if let Ok(found) = session.call::<DomainLookupByName>(&args) {
            return Ok(found.dom);
        }
    }
    Err(Failure::new(format!("failed to get domain '{word}'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Kind;

    #[test]
    fn rows_make_sense() {
        let mut names: Vec<&str> = all().map(|c| c.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "two commands have one name");
        for command in all() {
            for (index, option) in command.options.iter().enumerate() {
                let first = command.options.iter().position(|other| other.name == option.name);
                assert_eq!(first, Some(index), "{} --{}", command.name, option.name);
                assert!(!option.help.is_empty(), "{} --{}", command.name, option.name);
                assert!(!option.positional || option.kind != Kind::Flag, "{}", command.name);
            }
        }
    }
}
