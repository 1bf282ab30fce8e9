//! Internet addresses: text forms, netmasks and prefixes.
//!
//! Owns: the arithmetic. Never: resolves a name or asks the host for anything.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ostler_base::words;

words! {
    /// `family='…'` of an address.
    pub Family { Ipv4 = "ipv4", Ipv6 = "ipv6" }
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// The bits of an address of this family.
    pub fn bits(self) -> u32 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}

/// Reads a numeric address. IPv4 may be short (`10.1`), octal or hexadecimal, as the C library
/// takes it.
pub fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(address));
    }
    parse_v4(text).map(IpAddr::V4)
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(parse_part).collect::<Option<_>>()?;
    let (last, head) = parts.split_last()?;
    if head.len() > 3 || head.iter().any(|part| *part > 255) {
        return None;
    }
    let free_bits = 32 - 8 * u32::try_from(head.len()).ok()?;
    if free_bits < 32 && *last >= 1 << free_bits {
        return None;
    }
    let high = head.iter().fold(0u64, |sum, part| (sum << 8) | u64::from(*part)) << free_bits;
    u32::try_from(high).ok().map(|high| Ipv4Addr::from(high | last))
}

fn parse_part(text: &str) -> Option<u32> {
    let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        None => (10, text),
    };
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// The text of an address, as the C library gives it.
pub fn show(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                let [.., a, b, c, d] = v6.octets();
                format!("::{}", Ipv4Addr::new(a, b, c, d))
            }
            _ => v6.to_string(),
        },
    }
}

/// The mask of the first `prefix` bits, in the family of `like`; `None` where that has fewer bits.
pub fn mask(like: &IpAddr, prefix: u32) -> Option<IpAddr> {
    if prefix > Family::of(like).bits() {
        return None;
    }
    Some(match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(u128::MAX.checked_shl(128 - prefix).unwrap_or(0))),
    })
}

/// The bits of an address that a mask of the same family keeps; `None` for two families.
pub fn apply_mask(address: &IpAddr, mask: &IpAddr) -> Option<IpAddr> {
    match (address, mask) {
        (IpAddr::V4(a), IpAddr::V4(m)) => Some(IpAddr::V4(Ipv4Addr::from(a.to_bits() & m.to_bits()))),
        (IpAddr::V6(a), IpAddr::V6(m)) => Some(IpAddr::V6(Ipv6Addr::from(a.to_bits() & m.to_bits()))),
        _ => None,
    }
}

/// The network of an address: its first `prefix` bits.
pub fn network(address: &IpAddr, prefix: u32) -> Option<IpAddr> {
    apply_mask(address, &mask(address, prefix)?)
}

/// The last address of the network: all bits after the prefix set.
pub fn broadcast(address: &IpAddr, prefix: u32) -> Option<IpAddr> {
    Some(match (address, mask(address, prefix)?) {
        (IpAddr::V4(a), IpAddr::V4(m)) => IpAddr::V4(Ipv4Addr::from(a.to_bits() | !m.to_bits())),
        (IpAddr::V6(a), IpAddr::V6(m)) => IpAddr::V6(Ipv6Addr::from(a.to_bits() | !m.to_bits())),
        _ => return None,
    })
}

/// The length of a netmask; `None` where its ones are not all in front.
pub fn mask_length(netmask: &IpAddr) -> Option<u32> {
    let (ones, total, leading) = match netmask {
        IpAddr::V4(v4) => (v4.to_bits().count_ones(), 32, v4.to_bits().leading_ones()),
        IpAddr::V6(v6) => (v6.to_bits().count_ones(), 128, v6.to_bits().leading_ones()),
    };
    (ones == leading && ones <= total).then_some(ones)
}

/// The prefix of an address that says none: by class for IPv4, 64 for IPv6; `None` for IPv4
/// addresses outside classes A to C.
pub fn natural_prefix(address: &IpAddr) -> Option<u32> {
    match address {
        IpAddr::V6(_) => Some(64),
        IpAddr::V4(v4) => match v4.octets()[0] {
            0..=127 => Some(8),
            128..=191 => Some(16),
            192..=223 => Some(24),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        parse(text).unwrap()
    }

    #[test]
    fn texts() {
        for (given, shown) in [
            ("10.1", "10.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("010.0.0.9", "8.0.0.9"),
            ("4294967295", "255.255.255.255"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::1", "::1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ] {
            assert_eq!(show(&ip(given)), shown);
        }
        for bad in ["", "x", "1.2.3.4.5", "1.2.3.256", "256.1.1.1", "1.2.65536", "08.1.1.1", "1..2", "+1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn masks() {
        assert_eq!(network(&ip("192.168.122.9"), 24), Some(ip("192.168.122.0")));
        assert_eq!(network(&ip("192.168.122.9"), 0), Some(ip("0.0.0.0")));
        assert_eq!(network(&ip("2001:db8::9"), 64), Some(ip("2001:db8::")));
        assert_eq!(network(&ip("2001:db8::9"), 129), None);
        assert_eq!(broadcast(&ip("192.168.122.9"), 24), Some(ip("192.168.122.255")));
        assert_eq!(mask_length(&ip("255.255.240.0")), Some(20));
        assert_eq!(mask_length(&ip("255.0.255.0")), None);
        assert_eq!(mask_length(&ip("0.0.0.0")), Some(0));
        assert_eq!(natural_prefix(&ip("172.16.0.1")), Some(16));
        assert_eq!(natural_prefix(&ip("224.0.0.1")), None);
        assert_eq!(apply_mask(&ip("1.2.3.4"), &ip("ffff::")), None);
    }
}
