//! Parts as commands for a running emulator, and the way back.
//!
//! Owns: the order, what takes each command back, how descriptors come along. A descriptor that a
//! plan knows by its number travels under a name here: a running emulator numbers what it is handed
//! itself. Never: knows a device.

use ostler_base::{Error, Json, Result, json::json};

use crate::{Numbering, Part, PassedFd};

/// Plans for running emulators number descriptors from here on: far from any number that stands in
/// a plan for another reason.
const FIRST: u32 = 1_900_000_000;

/// How descriptors of a plan for a running emulator are numbered.
pub fn hot_numbering() -> Numbering {
    Numbering::From(FIRST)
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: Option<Json>,
    /// Which of the plan's descriptors goes with it.
    pub fd: Option<usize>,
    /// The command that takes it back.
    pub undo: Option<(&'static str, Json)>,
}

impl Command {
    /// A command that nothing has to take back.
    pub fn new(name: &'static str, arguments: Json) -> Self {
        Command { name, arguments: Some(arguments), fd: None, undo: None }
    }

    /// A question without arguments.
    pub fn ask(name: &'static str) -> Self {
        Command { name, arguments: None, fd: None, undo: None }
    }
}

/// Arguments with one member.
pub fn json_args(name: &str, value: impl Into<Json>) -> Json {
    Json::Object([(name.to_owned(), value.into())].into_iter().collect())
}

/// The commands that add parts, in order. A part that exists on a command line only is an error.
pub fn hot_add(parts: &[Part], fds: &[PassedFd]) -> Result<Vec<Command>> {
    let mut commands = Vec::new();
    let mut sent = vec![false; fds.len()];
    for part in parts.iter().filter(|part| is_setting(part)) {
        add(part, fds, &mut sent, &mut commands)?;
    }
    for part in parts.iter().filter(|part| !is_setting(part)) {
        add(part, fds, &mut sent, &mut commands)?;
    }
    Ok(commands)
}

fn is_setting(part: &Part) -> bool {
    matches!(part, Part::Plain { option: "-watchdog-action", .. })
}

fn add(part: &Part, fds: &[PassedFd], sent: &mut [bool], out: &mut Vec<Command>) -> Result<()> {
    match part {
        Part::Plain { option: "-watchdog-action", value: Some(action) } => {
            out.push(Command::new("set-action", json!({ "watchdog": action })));
            return Ok(());
        }
        Part::Plain { option: "-add-fd", value: Some(value) } => {
            let (set, number, opaque) = member(value)
                .ok_or_else(|| Error::internal(format!("'{value}' is no member of a set of descriptors")))?;
            let at = fds.iter().position(|fd| fd.number == number);
            let at = at.ok_or_else(|| Error::internal(format!("descriptor {number} is not in the plan")))?;
            if let Some(sent) = sent.get_mut(at) {
                *sent = true;
            }
            out.push(Command {
                name: "add-fd",
                arguments: Some(json!({ "fdset-id": set, "opaque": opaque })),
                fd: Some(at),
                undo: Some(("remove-fd", json!({ "fdset-id": set }))),
            });
            return Ok(());
        }
        _ => {}
    }
    let Some((name, mut arguments)) = part.add_command() else {
        return Err(Error::operation_unsupported(format!("a running emulator cannot be given {part:?}")));
    };
    for (at, fd) in fds.iter().enumerate() {
        let known = name_of(at);
        if rename(&mut arguments, fd.number, &known)
            && let Some(sent) = sent.get_mut(at)
            && !std::mem::replace(sent, true)
        {
            out.push(Command {
                name: "getfd",
                arguments: Some(json!({ "fdname": known })),
                fd: Some(at),
                undo: Some(("closefd", json!({ "fdname": known }))),
            });
        }
    }
    out.push(Command { name, arguments: Some(arguments), fd: None, undo: part.remove_command() });
    Ok(())
}

/// The name under which the `at`th descriptor of a plan travels.
fn name_of(at: usize) -> String {
    format!("plan-fd{at}")
}

/// Set, number and label of `set=…,fd=…,opaque=…`.
fn member(value: &str) -> Option<(u32, u32, &str)> {
    let (set, rest) = value.strip_prefix("set=")?.split_once(",fd=")?;
    let (fd, opaque) = rest.split_once(",opaque=")?;
    Some((set.parse().ok()?, fd.parse().ok()?, opaque))
}

/// Puts a name in the place of a number, alone or in a list with colons; whether it stood there.
fn rename(value: &mut Json, number: u32, name: &str) -> bool {
    match value {
        Json::Object(members) => {
            members.iter_mut().fold(false, |found, (_, value)| rename(value, number, name) | found)
        }
        Json::Array(items) => items.iter_mut().fold(false, |found, item| rename(item, number, name) | found),
        Json::Number(there) if there.as_u64() == Some(u64::from(number)) => {
            *value = Json::from(name);
            true
        }
        Json::String(text) => {
            let number = number.to_string();
            if text.split(':').all(|word| *word != number) {
                return false;
            }
            let words: Vec<&str> =
                text.split(':').map(|word| if word == number { name } else { word }).collect();
            *text = words.join(":");
            true
        }
        _ => false,
    }
}

/// The commands that take parts away again once their front end is gone: the last first. Front ends
/// themselves are not among them, nor what an emulator gives up with the part that uses it.
pub fn hot_remove(parts: &[Part]) -> Vec<Command> {
    let owned = |id: &str| {
        let forward = format!("-chardev:{id}");
        let forwards = |part: &Part| match part {
            Part::Netdev(props) => props.get("guestfwd").is_some_and(|g| g.to_string().contains(&forward)),
            _ => false,
        };
        parts.iter().any(forwards)
    };
    let mut commands = Vec::new();
    for part in parts.iter().rev() {
        if matches!(part, Part::Device(_)) || matches!(part, Part::Chardev(chardev) if owned(&chardev.id)) {
            continue;
        }
        if let Some((name, arguments)) = part.remove_command() {
            commands.push(Command::new(name, arguments));
        }
    }
    commands
}

/// The labels of all sets of descriptors among parts.
pub fn set_labels(parts: &[Part]) -> Vec<String> {
    let label = |part: &Part| match part {
        Part::Plain { option: "-add-fd", value: Some(value) } => Some(member(value)?.2.to_owned()),
        _ => None,
    };
    parts.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chardev, ChardevBackend, FdKind, FdSource, PassedFds, Props, SocketAddress};

    fn device() -> Part {
        Part::Device(Props::new().with("driver", "d").with("id", "x"))
    }

    #[test]
    fn descriptors_travel_under_names() {
        let mut fds = PassedFds::new(hot_numbering());
        let socket = fds.add(FdKind::Listen, FdSource::ListenUnix("/s".into()));
        let file = fds.add(FdKind::Log, FdSource::Open("/l".into()));
        let backend = ChardevBackend::Socket {
            address: SocketAddress::Fd(socket.to_string()),
            server: Some(false),
            telnet: false,
            tls_creds: None,
            reconnect: None,
            reconnect_ms: false,
        };
        let parts = [
            Part::plain("-add-fd", format!("set=4,fd={file},opaque=x-log")),
            Part::Chardev(Chardev::new("c", backend)),
            device(),
            Part::plain("-watchdog-action", "reset"),
        ];
        let commands = hot_add(&parts, &fds.into_vec()).unwrap();
        let names: Vec<_> = commands.iter().map(|command| (command.name, command.fd)).collect();
        let expected = [
            ("set-action", None),
            ("add-fd", Some(1)),
            ("getfd", Some(0)),
            ("chardev-add", None),
            ("device_add", None),
        ];
        assert_eq!(names, expected);
        let text = commands[3].arguments.as_ref().unwrap().to_string();
        assert!(text.contains(r#""str":"plan-fd0""#), "{text}");
        assert_eq!(commands[1].undo, Some(("remove-fd", json!({"fdset-id": 4}))));
        assert_eq!(set_labels(&parts), ["x-log"]);
        let back: Vec<_> = hot_remove(&parts).iter().map(|command| command.name).collect();
        assert_eq!(back, ["chardev-remove"]);
    }

    #[test]
    fn what_is_for_a_command_line_only_is_refused() {
        assert!(hot_add(&[Part::plain("-global", "a.b=c")], &[]).is_err());
    }

    #[test]
    fn lists_of_descriptors() {
        let mut value = json!({ "fds": "1900000000:1900000001", "other": "19000000001" });
        assert!(rename(&mut value, 1_900_000_001, "b"));
        assert_eq!(value, json!({ "fds": "1900000000:b", "other": "19000000001" }));
    }
}
