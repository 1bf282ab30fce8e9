//! The declarations that structures, enumerations and unions of the wire are written with.
//!
//! Owns: that a layout is written once, and codec and [`Shape`](super::Shape) follow from it.

/// Declares structures: `Name { field: Type, … }` in wire order.
macro_rules! xdr_structs {
    ($list:ident; $($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),* $(,)? })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq)]
            pub struct $name { $($(#[$fmeta])* pub $field: $type),* }

            impl $crate::xdr::Xdr for $name {
                const MIN: usize = 0 $(+ <$type as $crate::xdr::Xdr>::MIN)*;
                const SHAPE: &'static $crate::xdr::Shape =
                    &$crate::xdr::Shape::Struct(&$crate::xdr::Layout {
                        name: stringify!($name),
                        fields: &[$((stringify!($field), <$type as $crate::xdr::Xdr>::SHAPE)),*],
                    });

                fn put(&self, out: &mut Vec<u8>) -> Result<(), $crate::xdr::XdrError> {
                    $($crate::xdr::Xdr::put(&self.$field, out)?;)*
                    Ok(())
                }

                fn get(input: &mut &[u8]) -> Result<Self, $crate::xdr::XdrError> {
                    Ok(Self { $($field: $crate::xdr::Xdr::get(input)?),* })
                }
            }
        )+

        /// Every structure declared here.
        #[cfg(test)]
        pub(crate) const $list: &[&$crate::xdr::Shape] =
            &[$(<$name as $crate::xdr::Xdr>::SHAPE),+];
    };
}

/// Declares an enumeration: `Name { Member = number, … }`. Other numbers cannot be read.
macro_rules! xdr_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $member:ident = $number:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(i32)]
        pub enum $name { $($(#[$vmeta])* $member = $number),+ }

        impl $name {
            /// The member with this number.
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some($name::$member),)+ _ => None }
            }
        }

        impl $crate::xdr::Xdr for $name {
            const MIN: usize = 4;
            const SHAPE: &'static $crate::xdr::Shape =
                &$crate::xdr::Shape::Enum(stringify!($name), &[$((stringify!($member), $number)),+]);

            fn put(&self, out: &mut Vec<u8>) -> Result<(), $crate::xdr::XdrError> {
                (*self as i32).put(out)
            }

            fn get(input: &mut &[u8]) -> Result<Self, $crate::xdr::XdrError> {
                let number = i32::get(input)?;
                Self::from_number(number).ok_or($crate::xdr::XdrError::Unknown(number))
            }
        }
    };
}

/// Declares a union: `Name { Member(Type) = number, … }`. Other numbers cannot be read.
macro_rules! xdr_union {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $member:ident($type:ty) = $number:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name { $($(#[$vmeta])* $member($type)),+ }

        impl $crate::xdr::Xdr for $name {
            const MIN: usize = 8;
            const SHAPE: &'static $crate::xdr::Shape = &$crate::xdr::Shape::Union(
                stringify!($name),
                &[$(($number, <$type as $crate::xdr::Xdr>::SHAPE)),+],
            );

            fn put(&self, out: &mut Vec<u8>) -> Result<(), $crate::xdr::XdrError> {
                match self {
                    $($name::$member(value) => {
                        i32::put(&$number, out)?;
                        value.put(out)
                    })+
                }
            }

            fn get(input: &mut &[u8]) -> Result<Self, $crate::xdr::XdrError> {
                match i32::get(input)? {
                    $($number => <$type as $crate::xdr::Xdr>::get(input).map($name::$member),)+
                    other => Err($crate::xdr::XdrError::Unknown(other)),
                }
            }
        }
    };
}

pub(crate) use {xdr_enum, xdr_structs, xdr_union};
