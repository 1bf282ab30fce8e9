//! The rows that procedures are declared by, and the type that each row makes.
//!
//! Owns: what a row can say. Never: decodes a frame, decides for a caller.

use crate::access::{Need, When};
use crate::xdr::{Shape, Xdr, XdrError};

/// A program of the wire: a number, a version, a table of procedures.
#[derive(Debug)]
pub struct Program {
    /// The number that frames carry.
    pub number: u32,
    /// The version that frames carry.
    pub version: u32,
    /// Its short name.
    pub name: &'static str,
    /// Its procedures; the one with number n stands at n - 1.
    pub rows: &'static [&'static Row],
}

impl Program {
    /// The procedure or event with this number.
    pub fn row(&self, number: i32) -> Option<&'static Row> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.rows.get(index).copied()
    }

    /// The procedure with this number, if clients may call it.
    pub fn call(&self, number: i32) -> Option<&'static Row> {
        self.row(number).filter(|row| row.rule.kind == Kind::Call)
    }
}

/// Who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A client calls, the server answers.
    Call,
    /// The server sends it on its own.
    Event,
}

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// It may wait for a free worker, and for a monitor.
    Normal,
    /// It never waits for a guest: the reserved workers of the reference serve it too.
    High,
    /// The table of the reference calls it low.
    Low,
}

/// Whether a client on a read-only socket may call it. Deny is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// It may not.
    Refused,
    /// It may, except when the condition holds.
    AllowedUnless(When),
    /// It may.
    Allowed,
}

/// Which way the data of a call's stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The client sends (an upload; also consoles go both ways under the other name).
    FromClient,
    /// The client receives.
    ToClient,
}

/// The stream that a call opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamUse {
    /// Which way its data goes.
    pub direction: Direction,
    /// Where the stream stands among the arguments of the public function.
    pub argument: u32,
    /// The flag that asks for holes to be sent as holes.
    pub sparse: Option<u32>,
}

/// What a row says besides its number and its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Who sends it.
    pub kind: Kind,
    /// The public function, as named in "this function is not supported by the connection
    /// driver: …"; empty where there is none.
    pub api: &'static str,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether read-only clients may call it.
    pub read_only: ReadOnly,
    /// Every permission that the call needs; empty: none.
    pub needs: &'static [Need],
    /// What a caller needs on each object of an answer to see it there.
    pub filter: Option<Need>,
    /// The stream it opens.
    pub stream: Option<StreamUse>,
}

/// A call of this public function that needs these permissions.
pub(crate) const fn call(api: &'static str, needs: &'static [Need]) -> Rule {
    Rule {
        kind: Kind::Call,
        api,
        priority: Priority::Normal,
        read_only: ReadOnly::Refused,
        needs,
        filter: None,
        stream: None,
    }
}

/// An event.
pub(crate) const fn event() -> Rule {
    Rule { kind: Kind::Event, ..call("", &[]) }
}

impl Rule {
    /// It never waits for a guest.
    pub(crate) const fn high(mut self) -> Self {
        self.priority = Priority::High;
        self
    }

    /// The reference calls it low.
    pub(crate) const fn low(mut self) -> Self {
        self.priority = Priority::Low;
        self
    }

    /// Read-only clients may call it.
    pub(crate) const fn read_only(mut self) -> Self {
        self.read_only = ReadOnly::Allowed;
        self
    }

    /// Read-only clients may call it unless the condition holds.
    pub(crate) const fn read_only_unless(mut self, when: When) -> Self {
        self.read_only = ReadOnly::AllowedUnless(when);
        self
    }

    /// Its answer holds only objects that the caller has this permission on.
    pub(crate) const fn filter(mut self, need: Need) -> Self {
        self.filter = Some(need);
        self
    }

    /// The client receives a stream.
    pub(crate) const fn stream_to_client(mut self, argument: u32) -> Self {
        self.stream = Some(StreamUse { direction: Direction::ToClient, argument, sparse: None });
        self
    }

    /// The client sends a stream.
    pub(crate) const fn stream_from_client(mut self, argument: u32) -> Self {
        self.stream = Some(StreamUse { direction: Direction::FromClient, argument, sparse: None });
        self
    }

    /// The client receives a stream; with this flag, holes too.
    pub(crate) const fn sparse_stream_to_client(mut self, argument: u32, flag: u32) -> Self {
        self.stream = Some(StreamUse { direction: Direction::ToClient, argument, sparse: Some(flag) });
        self
    }

    /// The client sends a stream; with this flag, holes too.
    pub(crate) const fn sparse_stream_from_client(mut self, argument: u32, flag: u32) -> Self {
        self.stream = Some(StreamUse { direction: Direction::FromClient, argument, sparse: Some(flag) });
        self
    }

    /// Whether a client on a read-only socket may make this call, where `condition` is the
    /// argument that the rights depend on ([`Procedure::condition`]).
    pub fn allows_read_only(&self, condition: u32) -> bool {
        match self.read_only {
            ReadOnly::Refused => false,
            ReadOnly::AllowedUnless(when) => !when.holds(condition),
            ReadOnly::Allowed => true,
        }
    }

    /// The permissions that this call needs, where `condition` is the argument that the rights
    /// depend on ([`Procedure::condition`]).
    pub fn needs(&self, condition: u32) -> impl Iterator<Item = &'static Need> {
        self.needs.iter().filter(move |need| need.when.holds(condition))
    }
}

/// Bytes to value and back: what a tool uses that knows a procedure only by its number.
pub type Recode = fn(&[u8]) -> Result<Vec<u8>, XdrError>;

/// A row of a procedure table.
#[derive(Debug)]
pub struct Row {
    /// The number, from 1.
    pub number: i32,
    /// The name of the type that stands for it.
    pub name: &'static str,
    /// Rights, urgency, stream.
    pub rule: Rule,
    /// The layout of its arguments; of an event, its content.
    pub args: &'static Shape,
    /// The layout of its result.
    pub ret: &'static Shape,
    /// Reads arguments and writes them again.
    pub recode_args: Recode,
    /// Reads a result and writes it again.
    pub recode_ret: Recode,
    /// Reads arguments; yields the one that the rights depend on ([`Procedure::condition`]).
    pub condition: fn(&[u8]) -> Result<u32, XdrError>,
}

/// A procedure, as a type: what a client calls and a server answers with.
pub trait Procedure: 'static {
    /// The program it belongs to.
    const PROGRAM: &'static Program;
    /// Its row in the table.
    const ROW: &'static Row;
    /// Its arguments; of an event, its content.
    type Args: Xdr + Send + 'static;
    /// Its result.
    type Ret: Xdr + Send + 'static;

    /// The argument that the rights of a call depend on; 0 where they depend on none.
    fn condition(_args: &Self::Args) -> u32 {
        0
    }
}

/// Reads a value and writes it again.
pub(crate) fn recode<T: Xdr>(mut bytes: &[u8]) -> Result<Vec<u8>, XdrError> {
    let mut out = Vec::new();
    T::get(&mut bytes)?.put(&mut out)?;
    Ok(out)
}

/// Reads the arguments of a procedure; yields what its rights depend on.
pub(crate) fn condition<P: Procedure>(mut bytes: &[u8]) -> Result<u32, XdrError> {
    P::Args::get(&mut bytes).map(|args| P::condition(&args))
}

/// Declares the procedures of a program:
/// `number Name(Arguments) -> Result[, by argument] => rule;`.
macro_rules! procedures {
    ($program:path; $($number:literal $name:ident($args:ty) -> $ret:ty $(, by $argument:ident)? => $rule:expr;)+) => {
        $(
            #[doc = concat!("Procedure ", stringify!($number), ".")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl $crate::table::Procedure for $name {
                const PROGRAM: &'static $crate::table::Program = &$program;
                const ROW: &'static $crate::table::Row = &$crate::table::Row {
                    number: $number,
                    name: stringify!($name),
                    rule: $rule,
                    args: <$args as $crate::xdr::Xdr>::SHAPE,
                    ret: <$ret as $crate::xdr::Xdr>::SHAPE,
                    recode_args: $crate::table::recode::<$args>,
                    recode_ret: $crate::table::recode::<$ret>,
                    condition: $crate::table::condition::<$name>,
                };
                type Args = $args;
                type Ret = $ret;

                $(fn condition(args: &Self::Args) -> u32 {
                    args.$argument
                })?
            }
        )+

        /// Every row, in number order.
        pub(super) const ROWS: &[&$crate::table::Row] = &[$(<$name as $crate::table::Procedure>::ROW),+];
    };
}

pub(crate) use procedures;
