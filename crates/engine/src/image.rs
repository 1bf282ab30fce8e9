//! Files that hold a saved guest: a header, the definition, a cookie, then the emulator's state.
//!
//! Owns: the layout, which is the reference's. Never: opens a file, or looks into the state.
//!
//! ```text
//! magic 16 | version | length of text | was running | format | place of cookie | 14 words | text | state
//! text: definition, NUL, cookie, NUL, room for a longer definition
//! ```

use ostler_base::{Code, Error, Origin, Result, Word, words};

/// How long the header is, bytes.
pub const HEADER: usize = 92;
/// What a complete file begins with.
const COMPLETE: &[u8; 16] = b"LibvirtQemudSave";
/// What a file begins with while it is written.
const PARTIAL: &[u8; 16] = b"LibvirtQemudPart";
/// The version of the layout.
const VERSION: u32 = 2;
/// Room after the text, bytes, so that a longer definition fits later.
const ROOM: usize = 64 * 1024;
/// The longest text that is read, bytes.
const MAX_TEXT: u32 = 32 * 1024 * 1024;

words! {
    /// How the state of a saved guest is packed.
    pub Packing {
        Raw = "raw", Gzip = "gzip", Bzip2 = "bzip2", Xz = "xz", Lzop = "lzop", Zstd = "zstd",
    }
}

impl Packing {
    /// By its number in a file.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::WORDS.iter().map(|(_, packing)| *packing).find(|packing| *packing as u32 == number)
    }

    /// Its number in a file.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The program that packs, if one is needed; with `-d` it unpacks.
    pub fn program(self) -> Option<&'static str> {
        match self {
            Packing::Raw => None,
            Packing::Gzip => Some("gzip"),
            Packing::Bzip2 => Some("bzip2"),
            Packing::Xz => Some("xz"),
            Packing::Lzop => Some("lzop"),
            Packing::Zstd => Some("zstd"),
        }
    }
}

/// Whether a file has all that belongs into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wholeness {
    /// It has.
    Complete,
    /// It is still being written, or whoever wrote it was interrupted.
    Partial,
}

/// All of a file but the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whether the guest's processors ran when it was saved.
    pub running: bool,
    /// How the state is packed.
    pub packing: Packing,
    /// The definition.
    pub definition: String,
    /// What the driver remembers besides.
    pub cookie: Option<String>,
    /// How long the text may be, bytes, where a file has it already.
    pub room: Option<usize>,
}

fn failed(detail: impl Into<String>) -> Error {
    Error::new(Code::OperationFailed, Origin::Qemu, detail)
}

impl Head {
    /// As it stands in a file. Refuses a text that does not fit the room there is.
    pub fn to_bytes(&self, wholeness: Wholeness) -> Result<Vec<u8>> {
        let mut text = self.definition.clone().into_bytes();
        text.push(0);
        let cookie_at = text.len();
        if let Some(cookie) = &self.cookie {
            text.extend_from_slice(cookie.as_bytes());
            text.push(0);
        }
        let length = self.room.unwrap_or(text.len() + ROOM);
        if text.len() > length {
            return Err(failed("new xml too large to fit in file"));
        }
        text.resize(length, 0);
        let word = |number: usize| u32::try_from(number).map_err(|_| failed("the definition is too long"));
        let cookie_at = if self.cookie.is_some() { word(cookie_at)? } else { 0 };
        let words = [VERSION, word(length)?, u32::from(self.running), self.packing.number(), cookie_at];
        let mut out = Vec::with_capacity(HEADER + length);
        out.extend_from_slice(if wholeness == Wholeness::Complete { COMPLETE } else { PARTIAL });
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.resize(HEADER, 0);
        out.extend_from_slice(&text);
        Ok(out)
    }

    /// Reads the header: whether the file is complete, how long the text after it is, and all but the text.
    pub fn parse(header: &[u8; HEADER], path: &str) -> Result<(Wholeness, usize, Head, usize)> {
        let (magic, rest) = header.split_at(COMPLETE.len());
        let wholeness = match magic {
            magic if magic == COMPLETE => Wholeness::Complete,
            magic if magic == PARTIAL => Wholeness::Partial,
            _ => return Err(failed("image magic is incorrect")),
        };
        let mut words = rest.chunks_exact(4).map(|word| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(word);
            u32::from_le_bytes(bytes)
        });
        let mut next = || words.next().unwrap_or_default();
        let (version, length, running, packing, cookie_at) = (next(), next(), next(), next(), next());
        // Written on a host of the other byte order.
        let swapped = version > VERSION && version.swap_bytes() <= VERSION;
        let right = |word: u32| if swapped { word.swap_bytes() } else { word };
        let (version, length) = (right(version), right(length));
        if version > VERSION {
            return Err(failed(format!("image version is not supported ({version} > {VERSION})")));
        }
        if length == 0 || length > MAX_TEXT {
            return Err(failed(format!("invalid XML length: {}", length.cast_signed())));
        }
        let number = right(packing);
        let packing = Packing::from_number(number).ok_or_else(|| {
            Error::internal(format!("Invalid compressed save format {number} (file '{path}')"))
        })?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let running = right(running) != 0;
        let head = Head { running, packing, definition: String::new(), cookie: None, room: Some(length) };
        Ok((wholeness, length, head, usize::try_from(right(cookie_at)).unwrap_or(usize::MAX)))
    }

    /// The same with the text that follows the header.
    pub fn with_text(mut self, text: &[u8], cookie_at: usize) -> Result<Self> {
        let until_nul = |bytes: &[u8]| {
            let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8(bytes.to_vec()).map_err(|_| failed("the definition in the file is no text"))
        };
        self.definition = until_nul(text)?;
        if cookie_at > 0 {
            let cookie = text.get(cookie_at..).ok_or_else(|| Error::internal("invalid cookieOffset"))?;
            self.cookie = Some(until_nul(cookie)?).filter(|cookie| !cookie.is_empty());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            running: true,
            packing: Packing::Xz,
            definition: "<domain/>\n".into(),
            cookie: Some("<cookie/>\n".into()),
            room: None,
        }
    }

    fn read(bytes: &[u8]) -> Result<(Wholeness, Head)> {
        let header = bytes[..HEADER].try_into().unwrap();
        let (wholeness, length, head, cookie_at) = Head::parse(&header, "f")?;
        Ok((wholeness, head.with_text(&bytes[HEADER..HEADER + length], cookie_at)?))
    }

    #[test]
    fn there_and_back() {
        let bytes = head().to_bytes(Wholeness::Partial).unwrap();
        assert_eq!(bytes.len(), HEADER + 22 + ROOM);
        let (wholeness, again) = read(&bytes).unwrap();
        assert_eq!((wholeness, again.room), (Wholeness::Partial, Some(22 + ROOM)));
        assert_eq!(Head { room: None, ..again.clone() }, head());
        let longer = Head { definition: "x".repeat(ROOM + 12), ..again.clone() };
        assert_eq!(
            longer.to_bytes(Wholeness::Complete).unwrap_err().detail(),
            "new xml too large to fit in file"
        );
        assert_eq!(again.to_bytes(Wholeness::Complete).unwrap().len(), bytes.len());
    }

    #[test]
    fn what_is_no_saved_guest_is_refused() {
        let good = head().to_bytes(Wholeness::Complete).unwrap();
        let error = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            read(&bytes).unwrap_err().detail().to_owned()
        };
        assert_eq!(error(0, b'x'), "image magic is incorrect");
        assert_eq!(error(16, 9), "image version is not supported (9 > 2)");
        assert_eq!(error(23, 0xff), "invalid XML length: -16711658");
        assert_eq!(error(28, 77), "Invalid compressed save format 77 (file 'f')");
        assert!(error(35, 0xff).contains("cookieOffset"));
    }
}
