//! Messages of the kernel's route socket: how requests are written and answers are read.
//!
//! Owns: headers, attributes, their alignment. Never: sends anything.

/// Length of the header of every message.
const HEADER: usize = 16;

/// A request that grows.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

/// Attributes and messages start at multiples of this.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

impl Request {
    /// A request of this kind with the fixed part that goes with it.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(1u32.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(fixed);
        let mut request = Request { bytes };
        request.align();
        request
    }

    fn align(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// Adds an attribute.
    pub(super) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value);
        self
    }

    fn put(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.align();
    }

    /// Adds an attribute that is a number.
    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute that is a text.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds an attribute that holds others.
    pub(super) fn nest(mut self, kind: u16, fill: impl FnOnce(Request) -> Request) -> Self {
        let inner = fill(Request { bytes: Vec::new() });
        self.put(kind, &inner.bytes);
        self
    }

    /// The bytes, with their length at the front.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if let Some(front) = self.bytes.first_chunk_mut::<4>() {
            *front = length.to_ne_bytes();
        }
        self.bytes
    }
}

/// One message of an answer.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Its kind.
    pub(super) kind: u16,
    /// What follows the header.
    pub(super) body: &'a [u8],
}

/// The messages of an answer, in order; stops where the bytes make no sense.
pub(super) fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut all = Vec::new();
    while let Some(length) = number(bytes, 0).and_then(|length| usize::try_from(length).ok()) {
        let (Some(kind), Some(body)) = (short(bytes, 4), bytes.get(HEADER..length)) else { break };
        all.push(Message { kind, body });
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    all
}

/// The attributes of a body behind its fixed part, in order.
pub(super) fn attributes(body: &[u8], fixed: usize) -> Vec<(u16, &[u8])> {
    let mut bytes = body.get(aligned(fixed)..).unwrap_or_default();
    let mut all = Vec::new();
    while let (Some(length), Some(kind)) = (short(bytes, 0), short(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        all.push((kind & 0x3fff, value));
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    all
}

/// The number at a place.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(part.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(part.try_into().ok()?))
}

/// The text of an attribute, without the zero at its end.
pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let bytes =
            Request::new(16, 5, &[0; 16]).text(3, "br0").nest(18, |inner| inner.text(1, "bridge")).finish();
        assert_eq!(bytes.len() % 4, 0);
        let all = messages(&bytes);
        assert_eq!((all.len(), all[0].kind), (1, 16));
        let attributes = attributes(all[0].body, 16);
        assert_eq!(attributes[0], (3, &b"br0\0"[..]));
        assert_eq!(attributes[1].0, 18);
        assert_eq!(super::attributes(attributes[1].1, 0), [(1, &b"bridge\0"[..])]);
    }

    #[test]
    fn rubbish_ends_the_reading() {
        assert!(messages(&[1, 0, 0]).is_empty());
        assert!(messages(&[4, 0, 0, 0, 1, 0, 0, 0]).is_empty());
        assert!(messages(&[0xff; 64]).is_empty());
        assert!(attributes(&[3, 0, 1, 0], 0).is_empty());
    }
}
