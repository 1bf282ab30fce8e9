//! Typed parameters, which the main and the administration program share.
//!
//! Owns: their layout. Never: knows which names there are.

use crate::xdr::{xdr_structs, xdr_union};

xdr_structs! {
    SHAPES;

    /// A named value.
    TypedParam {
        /// The name.
        field: String,
        /// The value.
        value: TypedValue,
    }
}

xdr_union! {
    /// A value that says which type it has.
    TypedValue {
        /// A signed 32-bit number.
        Int(i32) = 1,
        /// An unsigned 32-bit number.
        Uint(u32) = 2,
        /// A signed 64-bit number.
        Llong(i64) = 3,
        /// An unsigned 64-bit number.
        Ullong(u64) = 4,
        /// A floating-point number.
        Double(f64) = 5,
        /// Yes or no.
        Boolean(bool) = 6,
        /// A text.
        String(String) = 7,
    }
}

macro_rules! from {
    ($($type:ty => $member:ident;)+) => {$(
        impl From<$type> for TypedValue {
            fn from(value: $type) -> Self {
                TypedValue::$member(value.into())
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

impl TypedParam {
    /// A parameter; the type follows from the value.
    pub fn new(field: impl Into<String>, value: impl Into<TypedValue>) -> Self {
        TypedParam { field: field.into(), value: value.into() }
    }
}
