//! Named values: how tunings and figures are told.
//!
//! Owns: the types of values, as the public interface has them. Never: knows which names there are.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A signed 32-bit number.
    Int(i32),
    /// An unsigned 32-bit number.
    Uint(u32),
    /// A signed 64-bit number.
    Llong(i64),
    /// An unsigned 64-bit number.
    Ullong(u64),
    /// A floating-point number.
    Double(f64),
    /// Yes or no.
    Boolean(bool),
    /// A text.
    String(String),
}

/// A named value.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

macro_rules! from {
    ($($type:ty => $member:ident;)+) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$member(value.into())
            }
        }
    )+};
}

from! {
    i32 => Int;
    u32 => Uint;
    i64 => Llong;
    u64 => Ullong;
    f64 => Double;
    bool => Boolean;
    String => String;
    &str => String;
}

impl Param {
    /// A named value; the type follows from the value.
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Param { name: name.into(), value: value.into() }
    }
}
