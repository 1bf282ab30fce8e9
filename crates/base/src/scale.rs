//! Sizes with units.

use crate::{Code, Error, Origin, Result};

/// Bytes in a KiB.
pub const KIB: u64 = 1024;
/// Bytes in a MiB.
pub const MIB: u64 = 1024 * 1024;

/// The number of bytes that `value` units are.
///
/// `unit` is `b`, `byte(s)`, or one of `k m g t p e` alone or with `iB` (powers of 1024) or with
/// `B` (powers of 1000), in any case; `None` or empty means units of `default` bytes. More than
/// `limit` bytes is an overflow.
pub fn to_bytes(value: u64, unit: Option<&str>, default: u64, limit: u64) -> Result<u64> {
    let factor = match unit {
        None | Some("") => default,
        Some(unit) => factor(unit)
            .ok_or_else(|| Error::new(Code::InvalidArg, Origin::None, format!("unknown suffix '{unit}'")))?,
    };
    match value.checked_mul(factor) {
        Some(bytes) if bytes <= limit => Ok(bytes),
        _ => Err(Error::new(
            Code::Overflow,
            Origin::None,
            format!("value too large: {value}{}", unit.unwrap_or_default()),
        )),
    }
}

/// The bytes of one unit, `None` for a word that is no unit.
pub fn factor(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    if matches!(lower.as_str(), "b" | "byte" | "bytes") {
        return Some(1);
    }
    let (letter, rest) = lower.split_at_checked(1)?;
    let base = match rest {
        "" | "ib" => 1024u64,
        "b" => 1000,
        _ => return None,
    };
    let power = u32::try_from("kmgtpe".find(letter)?).ok()? + 1;
    base.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(to_bytes(2, Some("GiB"), 1, u64::MAX), Ok(2 << 30));
        assert_eq!(to_bytes(2, Some("kb"), 1, u64::MAX), Ok(2000));
        assert_eq!(to_bytes(2, None, 1024, u64::MAX), Ok(2048));
        assert_eq!(to_bytes(7, Some("bytes"), 1024, u64::MAX), Ok(7));
        let error = to_bytes(1, Some("parsec"), 1, u64::MAX).unwrap_err();
        assert_eq!(error.to_string(), "invalid argument: unknown suffix 'parsec'");
        assert_eq!(to_bytes(u64::MAX, Some("k"), 1, u64::MAX).unwrap_err().code(), Code::Overflow);
    }
}
