//! Descriptors of programs that are the back end of a device: QEMU's interchange format.
//!
//! Owns: their form. Which files count is [`crate::firmware::precedence`]'s. Never: opens a file or
//! runs a program.

use ostler_base::json::json;
use ostler_base::{Error, Json, Result, Word, words};

words! {
    /// The kind of device.
    pub BackendType {
        NineP = "9p", Balloon = "balloon", Block = "block", Caif = "caif", Console = "console",
        Crypto = "crypto", Gpu = "gpu", Input = "input", Net = "net", Rng = "rng", Rpmsg = "rpmsg",
        RprocSerial = "rproc-serial", Scsi = "scsi", Vsock = "vsock", Fs = "fs",
    }
}

/// One descriptor; description and tags are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendProgram {
    /// `type`
    pub kind: BackendType,
    /// `binary`
    pub binary: String,
}

impl BackendProgram {
    /// Reads a descriptor; `path` names it in errors.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let document: Json = text
            .parse()
            .map_err(|error| Error::internal(format!("unable to parse json file '{path}': {error}")))?;
        let member = |name: &str| document.get(name).and_then(Json::as_str);
        let kind =
            member("type").ok_or_else(|| Error::internal(format!("failed to get type from '{path}'")))?;
        let kind = BackendType::parse(kind)
            .ok_or_else(|| Error::internal(format!("unknown vhost user type: '{kind}'")))?;
        let binary =
            member("binary").ok_or_else(|| Error::internal(format!("failed to get binary from '{path}'")))?;
        Ok(BackendProgram { kind, binary: binary.to_owned() })
    }

    /// The descriptor as JSON.
    pub fn to_json(&self) -> Json {
        json!({ "type": self.kind.as_str(), "binary": self.binary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_descriptors_name_their_file() {
        for (text, expected) in [
            ("{}", "failed to get type from 'f'"),
            (r#"{"type": "x"}"#, "unknown vhost user type: 'x'"),
            (r#"{"type": "gpu"}"#, "failed to get binary from 'f'"),
        ] {
            assert_eq!(BackendProgram::parse("f", text).unwrap_err().detail(), expected);
        }
    }
}
