//! Bounded sequences: lists, bytes, and characters that take a word each.
//!
//! Owns: their bounds, checked both ways. Never: makes room before a count is checked.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::basic::{put_count, put_padded, take_count, take_padded};
use super::{Shape, Xdr, XdrError};

/// At most `MAX` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T, const MAX: usize> From<Vec<T>> for List<T, MAX> {
    fn from(values: Vec<T>) -> Self {
        List(values)
    }
}

impl<T, const MAX: usize> FromIterator<T> for List<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        List(values.into_iter().collect())
    }
}

impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T, const MAX: usize> DerefMut for List<T, MAX> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Xdr, const MAX: usize> Xdr for List<T, MAX> {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::List(T::SHAPE, MAX);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        put_count(self.0.len(), MAX, out)?;
        self.0.iter().try_for_each(|value| value.put(out))
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let count = take_count(input, MAX, T::MIN)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(T::get(input)?);
        }
        Ok(List(values))
    }
}

/// At most `MAX` bytes. What they are is not printed: they may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Opaque<const MAX: usize>(pub Vec<u8>);

impl<const MAX: usize> Xdr for Opaque<MAX> {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Opaque(MAX);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        put_count(self.0.len(), MAX, out)?;
        put_padded(&self.0, out);
        Ok(())
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let count = take_count(input, MAX, 1)?;
        take_padded(input, count).map(|bytes| Opaque(bytes.to_vec()))
    }
}

/// At most `MAX` characters, each in a word of its own. What they are is not printed: they carry
/// what proves who a client is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Chars<const MAX: usize>(pub Vec<u8>);

impl<const MAX: usize> Xdr for Chars<MAX> {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::List(&Shape::Char, MAX);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        put_count(self.0.len(), MAX, out)?;
        self.0.iter().try_for_each(|byte| byte.cast_signed().put(out))
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let count = take_count(input, MAX, <i8 as Xdr>::MIN)?;
        let mut bytes = Vec::with_capacity(count);
        for _ in 0..count {
            bytes.push(i8::get(input)?.cast_unsigned());
        }
        Ok(Chars(bytes))
    }
}

macro_rules! length_only {
    ($($type:ident),+) => {$(
        impl<const MAX: usize> fmt::Debug for $type<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} bytes", self.0.len())
            }
        }

        impl<const MAX: usize> From<Vec<u8>> for $type<MAX> {
            fn from(bytes: Vec<u8>) -> Self {
                $type(bytes)
            }
        }
    )+};
}

length_only!(Opaque, Chars);

/// Exactly `COUNT` characters, each in a word of its own; a shorter text is filled with NULs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedChars<const COUNT: usize>(pub [u8; COUNT]);

impl<const COUNT: usize> FixedChars<COUNT> {
    /// As much of a text as fits before a closing NUL.
    pub fn new(text: &str) -> Self {
        let mut chars = [0; COUNT];
        let room = chars.iter_mut().rev().skip(1).rev();
        room.zip(text.bytes()).for_each(|(slot, byte)| *slot = byte);
        FixedChars(chars)
    }

    /// The text up to the first NUL; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(COUNT);
        String::from_utf8_lossy(self.0.get(..end).unwrap_or_default()).into_owned()
    }
}

impl<const COUNT: usize> Xdr for FixedChars<COUNT> {
    const MIN: usize = 4 * COUNT;
    const SHAPE: &'static Shape = &Shape::Fixed(&Shape::Char, COUNT);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        self.0.iter().try_for_each(|byte| byte.cast_signed().put(out))
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let mut chars = [0; COUNT];
        for slot in &mut chars {
            *slot = i8::get(input)?.cast_unsigned();
        }
        Ok(FixedChars(chars))
    }
}

/// A string that is never printed: a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl Xdr for Hidden {
    const MIN: usize = String::MIN;
    const SHAPE: &'static Shape = String::SHAPE;

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        self.0.put(out)
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        String::get(input).map(Hidden)
    }
}
