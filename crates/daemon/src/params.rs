//! Named values on the wire.
//!
//! Owns: how the engine's values become a client's and back. Never: knows which names there are.

use ostler_engine::params::{Param, Value};
use ostler_rpc::programs::{TypedParam, TypedValue};

macro_rules! both_ways {
    ($($member:ident),+) => {
        /// As clients are told.
        pub fn typed(param: Param) -> TypedParam {
            let value = match param.value { $(Value::$member(value) => TypedValue::$member(value)),+ };
            TypedParam { field: param.name, value }
        }

        /// As a client says.
        pub fn untyped(param: TypedParam) -> Param {
            let value = match param.value { $(TypedValue::$member(value) => Value::$member(value)),+ };
            Param { name: param.field, value }
        }
    };
}

both_ways!(Int, Uint, Llong, Ullong, Double, Boolean, String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for param in [Param::new("a", 1u32), Param::new("b", "x"), Param::new("c", true)] {
            assert_eq!(untyped(typed(param.clone())), param);
        }
    }
}
