//! What the launcher is to do.

use std::io;

use crate::code::{Bytes, Cursor, invalid};

/// As whom the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Which limit of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Size of a core file, in bytes.
    Core,
    /// Size of any file, in bytes.
    FileSize,
    /// Locked memory, in bytes.
    LockedMemory,
    /// Open descriptors.
    OpenFiles,
    /// Processes of the user.
    Processes,
}

impl LimitKind {
    const ALL: [LimitKind; 5] = [
        LimitKind::Core,
        LimitKind::FileSize,
        LimitKind::LockedMemory,
        LimitKind::OpenFiles,
        LimitKind::Processes,
    ];
}

/// A limit of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Which.
    pub kind: LimitKind,
    /// Both bounds; `None` is no limit.
    pub value: Option<u64>,
}

/// What may be done below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Files are read, directories listed.
    Read,
    /// The same, and files executed.
    Execute,
    /// Files are read and written; none is made.
    Write,
    /// Files and sockets are made and removed, too.
    Make,
}

impl Reach {
    const ALL: [Reach; 4] = [Reach::Read, Reach::Execute, Reach::Write, Reach::Make];
}

/// A device node of a private `/dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is on the host; may be a link. One that is not there is passed over.
    pub path: String,
    /// Whether it belongs to the program's user; else it has the host's owner and mode.
    pub assigned: bool,
}

/// A `/dev` of the program's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateDev {
    /// An empty directory on which it is put together.
    pub staging: String,
    /// What is in it.
    pub nodes: Vec<Node>,
}

/// Everything the launcher has to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The program, by its absolute path.
    pub program: String,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// The whole of its environment.
    pub environment: Vec<(String, String)>,
    /// Its directory; where it is absent, `/`.
    pub directory: Option<String>,
    /// Bits that its new files lack.
    pub umask: u32,
    /// As whom it runs; as the daemon itself where absent.
    pub identity: Option<Identity>,
    /// Its limits.
    pub limits: Vec<Limit>,
    /// Give up every capability for good, even where it runs as root.
    pub drop_capabilities: bool,
    /// Never gain rights by starting a program.
    pub no_new_privs: bool,
    /// How willingly the kernel ends it when memory is short, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Its niceness, -20 to 19.
    pub nice: Option<i32>,
    /// The program's own `/dev`; the host's where absent.
    pub private_dev: Option<PrivateDev>,
    /// The only paths that it can reach; all where the list is empty.
    pub reach: Vec<(String, Reach)>,
    /// The number of each descriptor that comes with the order, in the order of their coming; 3 or
    /// more, none twice.
    pub fds: Vec<u32>,
}

impl Order {
    /// As bytes; fails where something is too long to be counted.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut out = Bytes::default();
        out.text(&self.program)?;
        out.count(self.arguments.len())?;
        self.arguments.iter().try_for_each(|argument| out.text(argument))?;
        out.count(self.environment.len())?;
        for (name, value) in &self.environment {
            out.text(name)?;
            out.text(value)?;
        }
        out.flag(self.directory.is_some());
        self.directory.iter().try_for_each(|directory| out.text(directory))?;
        out.number(self.umask);
        out.flag(self.identity.is_some());
        if let Some(identity) = &self.identity {
            out.number(identity.uid);
            out.number(identity.gid);
            out.count(identity.groups.len())?;
            identity.groups.iter().for_each(|group| out.number(*group));
        }
        out.count(self.limits.len())?;
        for limit in &self.limits {
            out.count(LimitKind::ALL.iter().position(|kind| *kind == limit.kind).unwrap_or_default())?;
            out.option(limit.value, Bytes::large);
        }
        out.flag(self.drop_capabilities);
        out.flag(self.no_new_privs);
        out.option(self.oom_score_adj, Bytes::signed);
        out.option(self.nice, Bytes::signed);
        out.flag(self.private_dev.is_some());
        if let Some(dev) = &self.private_dev {
            out.text(&dev.staging)?;
            out.count(dev.nodes.len())?;
            for node in &dev.nodes {
                out.text(&node.path)?;
                out.flag(node.assigned);
            }
        }
        out.count(self.reach.len())?;
        for (path, reach) in &self.reach {
            out.text(path)?;
            out.count(Reach::ALL.iter().position(|known| known == reach).unwrap_or_default())?;
        }
        out.count(self.fds.len())?;
        self.fds.iter().for_each(|number| out.number(*number));
        Ok(out.0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Order> {
        let mut from = Cursor(bytes);
        let order = Order {
            program: from.text()?,
            arguments: from.list(Cursor::text)?,
            environment: from.list(|from| Ok((from.text()?, from.text()?)))?,
            directory: from.option(Cursor::text)?,
            umask: from.number()?,
            identity: from.option(|from| {
                Ok(Identity { uid: from.number()?, gid: from.number()?, groups: from.list(Cursor::number)? })
            })?,
            limits: from.list(|from| {
                let kind = usize::try_from(from.number()?).ok().and_then(|kind| LimitKind::ALL.get(kind));
                let kind = *kind.ok_or_else(|| invalid("an unknown limit"))?;
                Ok(Limit { kind, value: from.option(Cursor::large)? })
            })?,
            drop_capabilities: from.flag()?,
            no_new_privs: from.flag()?,
            oom_score_adj: from.option(Cursor::signed)?,
            nice: from.option(Cursor::signed)?,
            private_dev: from.option(|from| {
                let node = |from: &mut Cursor<'_>| Ok(Node { path: from.text()?, assigned: from.flag()? });
                Ok(PrivateDev { staging: from.text()?, nodes: from.list(node)? })
            })?,
            reach: from.list(|from| {
                let path = from.text()?;
                let reach = usize::try_from(from.number()?).ok().and_then(|reach| Reach::ALL.get(reach));
                Ok((path, *reach.ok_or_else(|| invalid("an unknown kind of reach"))?))
            })?,
            fds: from.list(Cursor::number)?,
        };
        from.end()?;
        let mut numbers = order.fds.clone();
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(invalid("a descriptor's number twice"));
        }
        if numbers.iter().any(|number| *number < 3 || i32::try_from(*number).is_err()) {
            return Err(invalid("a descriptor's number out of range"));
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Order {
        Order {
            program: "/bin/q".into(),
            arguments: vec!["-S".into(), String::new()],
            environment: vec![("A".into(), "b=c".into())],
            directory: Some("/var".into()),
            umask: 0o27,
            identity: Some(Identity { uid: 1, gid: 2, groups: vec![3, 4] }),
            limits: vec![
                Limit { kind: LimitKind::LockedMemory, value: None },
                Limit { kind: LimitKind::OpenFiles, value: Some(u64::MAX) },
            ],
            drop_capabilities: true,
            no_new_privs: false,
            oom_score_adj: Some(-5),
            nice: None,
            private_dev: Some(PrivateDev {
                staging: "/run/d".into(),
                nodes: vec![Node { path: "/dev/null".into(), assigned: false }],
            }),
            reach: vec![("/usr".into(), Reach::Execute), ("/a".into(), Reach::Make)],
            fds: vec![101, 100],
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        for order in [full(), Order::default()] {
            assert_eq!(Order::decode(&order.encode().unwrap()).unwrap(), order);
        }
    }

    #[test]
    fn every_cut_and_every_broken_number_is_refused() {
        let bytes = full().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(Order::decode(&bytes[..length]).is_err(), "{length}");
        }
        for fds in [vec![5, 5], vec![2], vec![u32::MAX]] {
            assert!(Order::decode(&Order { fds, ..full() }.encode().unwrap()).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Order::decode(&longer).is_err());
        // Any byte may be wrong; what comes of it is an order or an error.
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0xff;
            drop(Order::decode(&broken));
        }
    }
}
