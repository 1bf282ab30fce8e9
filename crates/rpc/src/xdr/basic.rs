//! The basic types: numbers, truth, text, UUIDs, options.
//!
//! Owns: their bytes. Never: decides what a value means.

use ostler_base::Uuid;

use super::{STRING_MAX, Shape, Xdr, XdrError};

/// Takes `count` bytes.
pub(super) fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], XdrError> {
    let (head, rest) = input.split_at_checked(count).ok_or(XdrError::Short)?;
    *input = rest;
    Ok(head)
}

/// Takes `count` bytes and the padding that fills the last word.
pub(super) fn take_padded<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], XdrError> {
    let bytes = take(input, count)?;
    take(input, padding(count))?;
    Ok(bytes)
}

/// Appends bytes and the padding that fills the last word.
pub(super) fn put_padded(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 3][..padding(bytes.len())]);
}

/// How many bytes fill the word that `count` bytes end in.
fn padding(count: usize) -> usize {
    count.wrapping_neg() % 4
}

/// Appends a count that has been checked against a bound.
pub(super) fn put_count(count: usize, max: usize, out: &mut Vec<u8>) -> Result<(), XdrError> {
    match u32::try_from(count) {
        Ok(word) if count <= max => word.put(out),
        _ => Err(XdrError::TooLong { count, max }),
    }
}

/// Takes a count: no more than `max`, and no more than the bytes left can hold.
pub(super) fn take_count(input: &mut &[u8], max: usize, each: usize) -> Result<usize, XdrError> {
    let count = usize::try_from(u32::get(input)?).unwrap_or(usize::MAX);
    if count > max {
        return Err(XdrError::TooLong { count, max });
    }
    match count.checked_mul(each) {
        Some(bytes) if bytes <= input.len() => Ok(count),
        _ => Err(XdrError::Short),
    }
}

macro_rules! words {
    ($($type:ty, $bytes:literal, $shape:ident;)+) => {$(
        impl Xdr for $type {
            const MIN: usize = $bytes;
            const SHAPE: &'static Shape = &Shape::$shape;

            fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
                out.extend_from_slice(&self.to_be_bytes());
                Ok(())
            }

            fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
                let (head, rest) = input.split_first_chunk().ok_or(XdrError::Short)?;
                *input = rest;
                Ok(Self::from_be_bytes(*head))
            }
        }
    )+};
}

words! {
    i32, 4, Int;
    u32, 4, Uint;
    i64, 8, Hyper;
    u64, 8, Uhyper;
    f64, 8, Double;
}

/// Numbers that are narrower than the word they travel in; the upper bits are passed over.
macro_rules! narrow {
    ($($type:ty, $wide:ty, $shape:ident;)+) => {$(
        impl Xdr for $type {
            const MIN: usize = 4;
            const SHAPE: &'static Shape = &Shape::$shape;

            fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
                <$wide>::from(*self).put(out)
            }

            fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
                let word = <$wide>::get(input)?.to_le_bytes();
                word.first_chunk().map(|low| Self::from_le_bytes(*low)).ok_or(XdrError::Short)
            }
        }
    )+};
}

narrow! {
    i8, i32, Char;
    u8, u32, Uchar;
    u16, u32, Ushort;
}

/// A C `int` that is used as a truth value.
impl Xdr for bool {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Int;

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        u32::from(*self).put(out)
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        Ok(u32::get(input)? != 0)
    }
}

impl Xdr for () {
    const MIN: usize = 0;
    const SHAPE: &'static Shape = &Shape::Void;

    fn put(&self, _out: &mut Vec<u8>) -> Result<(), XdrError> {
        Ok(())
    }

    fn get(_input: &mut &[u8]) -> Result<Self, XdrError> {
        Ok(())
    }
}

impl Xdr for String {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Text(STRING_MAX);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        put_count(self.len(), STRING_MAX, out)?;
        put_padded(self.as_bytes(), out);
        Ok(())
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let count = take_count(input, STRING_MAX, 1)?;
        let bytes = take_padded(input, count)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        let text = bytes.get(..end).unwrap_or_default();
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| XdrError::NotText)
    }
}

impl Xdr for Uuid {
    const MIN: usize = 16;
    const SHAPE: &'static Shape = &Shape::FixedOpaque(16);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        let (head, rest) = input.split_first_chunk().ok_or(XdrError::Short)?;
        *input = rest;
        Ok(Uuid(*head))
    }
}

impl<T: Xdr> Xdr for Option<T> {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Optional(T::SHAPE);

    fn put(&self, out: &mut Vec<u8>) -> Result<(), XdrError> {
        self.is_some().put(out)?;
        self.as_ref().map_or(Ok(()), |value| value.put(out))
    }

    fn get(input: &mut &[u8]) -> Result<Self, XdrError> {
        if bool::get(input)? { T::get(input).map(Some) } else { Ok(None) }
    }
}
