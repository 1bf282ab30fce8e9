//! What is read from a certificate besides its signature: the name of its subject, when it counts.
//!
//! Owns: reading those parts of the encoding, with bounds. Never: believes a certificate; whoever
//! asks has had it verified.

use std::fmt::Write;

/// The parts of a certificate that are read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The subject's name, as the reference writes it: `C=GB,O=Test\, Org,CN=client1`.
    pub(crate) subject: String,
    /// The last common name of the subject.
    pub(crate) common_name: Option<String>,
    /// Since when it counts, and until when, in seconds since 1970.
    pub(crate) validity: (i64, i64),
    /// Whether it names hosts in the way made for that.
    pub(crate) names_hosts: bool,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const UTC_TIME: u8 = 0x17;
const LONG_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
/// Strings of one byte a character, or of UTF-8: UTF-8, numeric, printable, T61, IA5, visible.
const STRINGS: &[u8] = &[0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a];

/// The object that says under which other names a subject is known.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// The object of common names.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// Kinds of parts of a name.
const ATTRIBUTES: &[(&[u8], &str)] = &[
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 4], "surName"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 42], "givenName"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x55, 4, 65], "pseudonym"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "EMAIL"),
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 0x19], "DC"),
];

/// What is left to read.
#[derive(Debug, Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let length = match *first {
            short @ ..=0x7f => usize::from(short),
            long @ 0x81..=0x83 => {
                let (bytes, after) = rest.split_at_checked(usize::from(long & 0x7f))?;
                rest = after;
                bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Reader(content))
    }

    /// Passes over the next element if it has this tag.
    fn skip(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

impl Certificate {
    /// Reads a certificate; `None`: it is none.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut body = Reader(der).take(SEQUENCE)?.take(SEQUENCE)?;
        body.skip(VERSION);
        // Its number, the kind of its signature, who gave it out.
        for _ in 0..3 {
            body.next()?;
        }
        let mut times = body.take(SEQUENCE)?;
        let validity = (time(times.next()?)?, time(times.next()?)?);
        let subject = body.take(SEQUENCE)?;
        // The key.
        body.next()?;
        let mut names_hosts = false;
        while let Some((tag, content)) = body.next() {
            if tag == EXTENSIONS {
                let mut extensions = Reader(content).take(SEQUENCE)?;
                while let Some(mut extension) = extensions.take(SEQUENCE) {
                    names_hosts |= extension.take(OBJECT).is_some_and(|object| object.0 == ALTERNATIVE_NAMES);
                }
            }
        }
        let (subject, common_name) = name(subject)?;
        Some(Certificate { subject, common_name, validity, names_hosts })
    }
}

/// A name as text, and the last common name in it.
fn name(mut parts: Reader<'_>) -> Option<(String, Option<String>)> {
    let mut text = String::new();
    let mut common_name = None;
    while !parts.0.is_empty() {
        let mut set = parts.take(SET)?;
        let mut separator = ",";
        while !set.0.is_empty() {
            let mut part = set.take(SEQUENCE)?;
            let kind = part.take(OBJECT)?.0;
            let (tag, value) = part.next()?;
            if !text.is_empty() {
                text.push_str(separator);
            }
            separator = "+";
            let known = ATTRIBUTES.iter().find(|(object, _)| *object == kind);
            match (known, string(tag, value)) {
                (Some((object, word)), Some(value)) => {
                    let _ = write!(text, "{word}={}", escaped(&value));
                    if *object == COMMON_NAME {
                        common_name = Some(value);
                    }
                }
                (known, _) => {
                    let word = known.map_or_else(|| dotted(kind), |(_, word)| (*word).to_owned());
                    let _ = write!(text, "{word}=#");
                    for byte in value {
                        let _ = write!(text, "{byte:02X}");
                    }
                }
            }
        }
    }
    Some((text, common_name))
}

fn string(tag: u8, value: &[u8]) -> Option<String> {
    if tag == BMP_STRING {
        let units: Vec<u16> =
            value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        return String::from_utf16(&units).ok();
    }
    STRINGS.contains(&tag).then(|| String::from_utf8(value.to_vec()).ok()).flatten()
}

/// Marks what would end a value, so that no value can pass for another name.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let edge = (at == 0 && matches!(c, ' ' | '#')) || (at == last && c == ' ');
        if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// An object by its numbers.
fn dotted(object: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0_u64;
    for byte in object {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (number / 40).min(2);
            let _ = write!(text, "{first}.{}", number - first * 40);
        } else {
            let _ = write!(text, ".{number}");
        }
        number = 0;
    }
    text
}

/// A time in seconds since 1970.
fn time((tag, digits): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        LONG_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut numbers = [0_i64; 5];
    let mut rest = rest;
    for number in &mut numbers {
        let (digits, after) = rest.split_at_checked(2)?;
        *number = digits.parse().ok()?;
        rest = after;
    }
    let [month, day, hour, minute, second] = numbers;
    // Years begin in March here, so that the leap day is the last of one.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time((UTC_TIME, b"700101000000Z")), Some(0));
        assert_eq!(time((UTC_TIME, b"261125150000Z")), Some(1_795_618_800));
        assert_eq!(time((LONG_TIME, b"20991231235959Z")), Some(4_102_444_799));
        assert_eq!(time((UTC_TIME, b"2611")), None);
    }

    #[test]
    fn names() {
        fn element(tag: u8, content: &[u8]) -> Vec<u8> {
            [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
        }
        let part = |object: &[u8], value: &str| {
            let pair = [element(OBJECT, object), element(0x0c, value.as_bytes())].concat();
            element(SET, &element(SEQUENCE, &pair))
        };
        let parts = [
            part(&[0x55, 4, 6], "GB"),
            part(&[0x55, 4, 10], "Test, Org"),
            part(&[0x2a, 3, 4], "x"),
            part(COMMON_NAME, " client1"),
        ];
        let (text, common) = name(Reader(&parts.concat())).unwrap();
        assert_eq!(text, "C=GB,O=Test\\, Org,1.2.3.4=#78,CN=\\ client1");
        assert_eq!(common.as_deref(), Some(" client1"));
        assert_eq!(name(Reader(&[SET, 5, 1])), None);
    }

    #[test]
    fn garbage_is_none() {
        assert_eq!(Certificate::read(&[]), None);
        assert_eq!(Certificate::read(&[SEQUENCE, 0x84, 1, 1, 1, 1]), None);
        assert_eq!(Certificate::read(&[SEQUENCE, 0x80]), None);
    }
}
