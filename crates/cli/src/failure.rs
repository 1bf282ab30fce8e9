//! Why a command did not work, as it is told to its user.
//!
//! Owns: the two lines of a complaint. Never: prints.

use ostler_base::Error;

/// Why a command did not work: what this program says about it, then the error behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    said: Option<String>,
    cause: Option<Error>,
}

impl Failure {
    /// A failure with nothing behind it.
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Failure { said: Some(said.into()), cause: None }
    }

    /// A failure that has been told already, or that needs no words.
    pub(crate) fn silent() -> Self {
        Failure::default()
    }

    /// The complaint, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.said.iter().cloned().chain(self.cause.iter().map(Error::to_string)).collect()
    }
}

impl From<Error> for Failure {
    fn from(cause: Error) -> Self {
        Failure { said: None, cause: Some(cause) }
    }
}

/// Adds what was tried to the error that it ended with.
pub(crate) trait OrSay<T> {
    /// The value, or a failure that begins with these words.
    fn or_say(self, words: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> OrSay<T> for ostler_base::Result<T> {
    fn or_say(self, words: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|cause| Failure { said: Some(words()), cause: Some(cause) })
    }
}
