//! UUIDs in the text forms that libvirt takes and gives.

use std::fmt;

/// A 128-bit identifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Reads 32 hexadecimal digits; hyphens and spaces between bytes are passed over, as the
    /// reference does.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = text.trim().bytes().peekable();
        let mut out = [0u8; 16];
        for byte in &mut out {
            while digits.next_if(|b| matches!(b, b'-' | b' ')).is_some() {}
            let high = char::from(digits.next()?).to_digit(16)?;
            let low = char::from(digits.next()?).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(Uuid(out))
    }

    /// Whether all bytes are equal, which no real identifier is: such UUIDs are refused where a
    /// machine's own identity is meant.
    pub fn is_trivial(&self) -> bool {
        self.0.iter().all(|b| *b == self.0[0])
    }

    /// A random UUID (version 4) from 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let uuid = Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809").unwrap();
        assert_eq!(uuid.to_string(), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
        assert_eq!(Uuid::parse("c7a5fdbdedaf9455926ad65c16db1809"), Some(uuid));
        assert_eq!(Uuid::parse(" c7a5fdbd-edaf-9455-926a-d65c16db1809 "), Some(uuid));
        assert_eq!(Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db180"), None);
        assert_eq!(Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db18091"), None);
    }

    #[test]
    fn random_has_version_and_variant() {
        let bytes = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(Uuid::from_random(bytes).to_string(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }
}
