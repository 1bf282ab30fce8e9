//! Ethernet addresses.

use std::fmt;

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Reads six hexadecimal bytes of one or two digits, separated by colons.
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut out {
            let part = parts.next()?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(MacAddr(out))
    }

    /// Whether it addresses a group instead of one card.
    pub fn is_multicast(&self) -> bool {
        self.0[0] & 1 == 1
    }

    /// An address under QEMU's prefix `52:54:00` from three random bytes.
    pub fn from_random(bytes: [u8; 3]) -> Self {
        MacAddr([0x52, 0x54, 0x00, bytes[0], bytes[1], bytes[2]])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(MacAddr::parse("52:54:0:ab:CD:01").unwrap().to_string(), "52:54:00:ab:cd:01");
        assert_eq!(MacAddr::parse("52:54:00:ab:cd"), None);
        assert_eq!(MacAddr::parse("52:54:00:ab:cd:0x1"), None);
        assert!(MacAddr::parse("01:00:5e:00:00:01").unwrap().is_multicast());
    }
}
