//! Versions, as people read them.
//!
//! Owns: which version of the interface this program speaks. Never: asks a server.

/// The version of the interface that this program speaks: that of the reference.
pub(crate) const API: u64 = 11_003_000;

/// A version number with dots.
pub(crate) fn dotted(number: u64) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dots() {
        assert_eq!(super::dotted(10_000_002), "10.0.2");
    }
}
