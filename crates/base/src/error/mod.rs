//! The error every operation ends with: a code, an origin and a text, as clients see it.
//!
//! Owns: the tables of codes and origins (numbers, names and texts of the public interface) and
//! the one type that carries them. Never: decides what is wrong.

use std::fmt;

/// A result whose error is what a client will see.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($name:ident = $number:literal, $symbol:literal, $bare:literal, $full:literal;)+) => {
        /// An error code of the public interface (`virErrorNumber`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Code { $(#[doc = $symbol] $name = $number,)+ }

        impl Code {
            /// Every code, in number order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The name in the public headers.
            pub fn symbol(self) -> &'static str {
                match self { $(Code::$name => $symbol,)+ }
            }

            /// The message text for this code: without detail, and with `{}` where it goes.
            pub fn texts(self) -> (&'static str, &'static str) {
                match self { $(Code::$name => ($bare, $full),)+ }
            }
        }
    };
}

macro_rules! origins {
    ($($name:ident = $number:literal, $symbol:literal, $label:literal;)+) => {
        /// The part of the system that an error comes from (`virErrorDomain`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Origin { $(#[doc = $symbol] $name = $number,)+ }

        impl Origin {
            /// Every origin, in number order.
            pub const ALL: &'static [Origin] = &[$(Origin::$name,)+];

            /// The name in the public headers.
            pub fn symbol(self) -> &'static str {
                match self { $(Origin::$name => $symbol,)+ }
            }

            /// The label that clients and logs show; may be empty.
            pub fn label(self) -> &'static str {
                match self { $(Origin::$name => $label,)+ }
            }
        }
    };
}
mod codes;
mod origins;

pub use codes::Code;
pub use origins::Origin;

impl Code {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The code with this number, if the table has it.
    pub fn from_number(number: u32) -> Option<Code> {
        Self::ALL.iter().copied().find(|c| c.number() == number)
    }

    /// The whole message for a detail; an empty detail gives the bare text.
    pub fn message(self, detail: &str) -> String {
        let (bare, full) = self.texts();
        if detail.is_empty() { bare.to_owned() } else { full.replacen("{}", detail, 1) }
    }
}

impl Origin {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The origin with this number, if the table has it.
    pub fn from_number(number: u32) -> Option<Origin> {
        Self::ALL.iter().copied().find(|o| o.number() == number)
    }
}

/// How bad it is (`virErrorLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// No trouble.
    None = 0,
    /// A warning: the operation went on.
    Warning = 1,
    /// The operation failed.
    Error = 2,
}

/// A place in a text: both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// What a client is told when something does not work.
///
/// `Display` is the whole message, as `virsh` prints it after `error: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Facts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    code: Code,
    origin: Origin,
    level: Level,
    detail: String,
    verbatim: bool,
    at: Option<Position>,
}

impl Error {
    /// An error of level [`Level::Error`].
    pub fn new(code: Code, origin: Origin, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Error(Box::new(Facts { code, origin, level: Level::Error, detail, verbatim: false, at: None }))
    }

    /// The same, with a message that stands without the text of the code before it.
    pub fn verbatim(code: Code, origin: Origin, message: impl Into<String>) -> Self {
        let mut error = Self::new(code, origin, message);
        error.0.verbatim = true;
        error
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The part of the system it comes from.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.0.level
    }

    /// The detail alone, without the text of the code.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Where in the document it is, if that is known.
    pub fn position(&self) -> Option<Position> {
        self.0.at
    }

    /// The whole message.
    pub fn message(&self) -> String {
        if self.0.verbatim { self.0.detail.clone() } else { self.0.code.message(&self.0.detail) }
    }

    /// The same error from another origin.
    pub fn from_origin(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    /// The same error at a place in the document; an earlier place stays.
    pub fn at(mut self, at: Position) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// The same error with more words after the detail.
    pub fn with_suffix(mut self, suffix: &str) -> Self {
        self.0.detail.push_str(suffix);
        self
    }
}

/// Short names for the codes that rules use most. The origin is the usual one; change it with
/// [`Error::from_origin`] where the reference says another.
impl Error {
    /// The document is wrong ([`Code::XmlError`]).
    pub fn xml(detail: impl Into<String>) -> Self {
        Self::new(Code::XmlError, Origin::Domain, detail)
    }

    /// The configuration cannot be had here ([`Code::ConfigUnsupported`]).
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(Code::ConfigUnsupported, Origin::Qemu, detail)
    }

    /// Something that should not happen ([`Code::InternalError`]).
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Code::InternalError, Origin::Qemu, detail)
    }

    /// An argument of the caller is wrong ([`Code::InvalidArg`]).
    pub fn invalid_arg(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidArg, Origin::Qemu, detail)
    }

    /// Not now: the object is in the wrong state ([`Code::OperationInvalid`]).
    pub fn operation_invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::OperationInvalid, Origin::Qemu, detail)
    }

    /// Tried, and failed ([`Code::OperationFailed`]).
    pub fn operation_failed(detail: impl Into<String>) -> Self {
        Self::new(Code::OperationFailed, Origin::Qemu, detail)
    }

    /// Not with this emulator or host ([`Code::OperationUnsupported`]).
    pub fn operation_unsupported(detail: impl Into<String>) -> Self {
        Self::new(Code::OperationUnsupported, Origin::Qemu, detail)
    }

    /// A system call failed; the detail ends with the system's own words ([`Code::SystemError`]).
    pub fn system(detail: impl Into<String>) -> Self {
        Self::new(Code::SystemError, Origin::Qemu, detail)
    }

    /// The driver has no such function ([`Code::NoSupport`]); `function` is its public name.
    pub fn no_support(function: impl Into<String>) -> Self {
        Self::new(Code::NoSupport, Origin::None, function)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// Leaves the function with an error of this kind: `refuse!(unsupported, "no {x}")` is
/// `return Err(Error::unsupported(format!("no {x}")))`.
#[macro_export]
macro_rules! refuse {
    ($kind:ident, $($words:tt)+) => {
        return Err($crate::Error::$kind(format!($($words)+)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_with_and_without_detail() {
        let with = Error::unsupported("no tpm");
        assert_eq!(with.to_string(), "unsupported configuration: no tpm");
        assert_eq!(Error::unsupported("").to_string(), "unsupported configuration");
        let bare = Error::verbatim(Code::InvalidArg, Origin::Qemu, "unsupported flags");
        assert_eq!(bare.to_string(), "unsupported flags");
        assert_eq!(Error::system("cannot open").to_string(), "cannot open");
    }

    #[test]
    fn a_detail_with_braces_is_kept() {
        assert_eq!(Error::xml("a {} b").to_string(), "XML error: a {} b");
    }

    #[test]
    fn numbers_are_dense() {
        assert!(Code::ALL.iter().enumerate().all(|(i, c)| c.number() as usize == i));
        assert!(Origin::ALL.iter().enumerate().all(|(i, o)| o.number() as usize == i));
    }
}
