//! The form of questions and answers.
//!
//! Owns: reading and writing fields, with bounds. Never: knows what they mean.

/// The most bytes of a message.
pub(crate) const MAX: usize = 4 << 20;

/// A message that is being written.
#[derive(Debug)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A message of this kind, without fields.
    pub(crate) fn new(kind: u8) -> Self {
        Message(vec![kind])
    }

    /// Adds a field; nothing is a field that is not there.
    pub(crate) fn text(mut self, bytes: Option<&[u8]>) -> Self {
        let length = bytes.map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).unwrap_or(0));
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes.unwrap_or_default());
        self
    }

    /// Adds a number.
    pub(crate) fn number(self, number: u32) -> Self {
        self.text(Some(&number.to_be_bytes()))
    }

    /// The message with its length before it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(0);
        [&length.to_be_bytes()[..], &self.0].concat()
    }
}

/// Fields that are still to be read.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field, which may not be there; nothing: the message is broken.
    pub(crate) fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        if length == u32::MAX {
            self.0 = rest;
            return Some(None);
        }
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(field))
    }

    /// The next field, as text.
    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()??.to_vec()).ok()
    }

    /// The next field, as a number.
    pub(crate) fn number(&mut self) -> Option<u32> {
        self.bytes()??.try_into().ok().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let message = Message::new(b'x').text(Some(b"ab")).text(None).number(7).text(Some(b"")).bytes();
        let mut fields = Fields(&message[5..]);
        assert_eq!(fields.text().as_deref(), Some("ab"));
        assert_eq!(fields.bytes(), Some(None));
        assert_eq!(fields.number(), Some(7));
        assert_eq!(fields.bytes(), Some(Some(&b""[..])));
        assert_eq!(fields.bytes(), None);
        assert_eq!(Fields(&[0, 0, 0, 9, 1]).bytes(), None);
    }
}
