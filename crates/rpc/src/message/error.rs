//! The error structure of the wire, made in this one place.
//!
//! Owns: how an [`Error`] looks to a client and what an error from a server means. Never: words
//! an error.

use ostler_base::{Code, Error, Origin};

use crate::programs::remote::{DomainRef, NetworkRef};
use crate::xdr::{STRING_MAX, xdr_structs};

xdr_structs! {
    SHAPES;

    /// An error as it travels.
    WireError {
        /// A [`Code`].
        code: i32,
        /// An [`Origin`].
        domain: i32,
        /// The whole message.
        message: Option<String>,
        /// A [`Level`](ostler_base::Level).
        level: i32,
        /// The domain it is about. The reference never fills it.
        dom: Option<DomainRef>,
        /// The text of the code, with `%1$s` or `%s` where the detail goes.
        str1: Option<String>,
        /// The detail.
        str2: Option<String>,
        /// Nothing.
        str3: Option<String>,
        /// Nothing: -1.
        int1: i32,
        /// Nothing: -1.
        int2: i32,
        /// The network it is about. The reference never fills it.
        net: Option<NetworkRef>,
    }
}

impl From<&Error> for WireError {
    fn from(error: &Error) -> Self {
        let (bare, full) = error.code().texts();
        let detail = error.detail();
        let pattern = match (detail, full) {
            ("", _) => bare.to_owned(),
            (_, "{}") => "%s".to_owned(),
            _ => full.replacen("{}", "%1$s", 1),
        };
        WireError {
            code: error.code().number().cast_signed(),
            domain: error.origin().number().cast_signed(),
            message: Some(clip(error.message())),
            level: (error.level() as u32).cast_signed(),
            dom: None,
            str1: Some(pattern),
            str2: (!detail.is_empty()).then(|| clip(detail.to_owned())),
            str3: None,
            int1: -1,
            int2: -1,
            net: None,
        }
    }
}

impl From<WireError> for Error {
    /// A code or an origin that is not known here becomes an internal error, or none.
    fn from(wire: WireError) -> Self {
        let code = Code::from_number(wire.code.cast_unsigned()).unwrap_or(Code::InternalError);
        let origin = Origin::from_number(wire.domain.cast_unsigned()).unwrap_or(Origin::None);
        let message = wire.message.unwrap_or_default();
        let (bare, full) = code.texts();
        let (before, after) = full.split_once("{}").unwrap_or((full, ""));
        let detail = match message.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) {
            _ if message == bare => "",
            Some(detail) => detail,
            None => &message,
        };
        Error::new(code, origin, detail)
    }
}

/// As much of a text as a string of the wire may hold.
fn clip(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(STRING_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdr::Xdr;

    fn bytes(error: &Error) -> Vec<u8> {
        let mut out = Vec::new();
        WireError::from(error).put(&mut out).unwrap();
        out
    }

    /// Seen on the reference's socket.
    #[test]
    fn bytes_are_the_reference_s() {
        let error = Error::new(Code::NoDomain, Origin::Qemu, "no domain with matching id 77");
        let mut expected = b"\0\0\0\x2a\0\0\0\x0a\0\0\0\x01\0\0\0\x2f".to_vec();
        expected.extend(b"Domain not found: no domain with matching id 77\0");
        expected.extend(b"\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x16Domain not found: %1$s\0\0");
        expected.extend(b"\0\0\0\x01\0\0\0\x1dno domain with matching id 77\0\0\0");
        expected.extend(b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(bytes(&error), expected);

        let error = Error::new(Code::Rpc, Origin::Rpc, "unknown procedure: -1");
        let mut expected = b"\0\0\0\x27\0\0\0\x07\0\0\0\x01\0\0\0\x15unknown procedure: -1\0\0\0".to_vec();
        expected.extend(b"\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x02%s\0\0");
        expected.extend(b"\0\0\0\x01\0\0\0\x15unknown procedure: -1\0\0\0");
        expected.extend(b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(bytes(&error), expected);
    }

    #[test]
    fn there_and_back() {
        let errors = [
            Error::unsupported("no tpm"),
            Error::unsupported(""),
            Error::system("cannot open: it isn't there"),
            Error::new(Code::DomExist, Origin::Domain, "demo"),
        ];
        for error in errors {
            assert_eq!(Error::from(WireError::from(&error)), error);
        }
    }

    #[test]
    fn endless_texts_are_clipped() {
        let error = Error::system("ä".repeat(STRING_MAX));
        let wire = WireError::from(&error);
        assert_eq!(wire.message.as_ref().map(String::len), Some(STRING_MAX));
        assert!(wire.put(&mut Vec::new()).is_ok());
    }
}
