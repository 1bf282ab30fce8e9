//! What can go wrong with a command.

use std::fmt;

use ostler_base::{Code, Error, Origin};

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorError {
    /// The connection ended: QEMU closed it or is gone.
    Gone,
    /// No answer within the bound of the caller. The command may still be carried out.
    Timeout {
        /// The command.
        command: String,
    },
    /// QEMU refused the command.
    Qemu {
        /// The command.
        command: String,
        /// QEMU's class of the error (`GenericError`, `CommandNotFound`, …).
        class: String,
        /// QEMU's words.
        desc: String,
    },
    /// What came back is no monitor protocol; the connection is not used any further.
    Protocol(String),
}

impl MonitorError {
    /// Whether QEMU does not know the command.
    pub fn is_unknown_command(&self) -> bool {
        matches!(self, MonitorError::Qemu { class, .. } if class == "CommandNotFound")
    }

    /// Whether QEMU says that the device does not exist.
    pub fn is_unknown_device(&self) -> bool {
        matches!(self, MonitorError::Qemu { class, .. } if class == "DeviceNotFound")
    }

    /// As a client is told, naming the guest where the reference does.
    pub fn of_guest(self, name: &str) -> Error {
        match self {
            MonitorError::Gone => Error::internal(format!("End of file from qemu monitor (vm='{name}')")),
            other => other.into(),
        }
    }
}

impl fmt::Display for MonitorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MonitorError::Gone => f.write_str("End of file from qemu monitor"),
            MonitorError::Timeout { command } => write!(f, "no answer to QEMU command '{command}' in time"),
            MonitorError::Qemu { command, desc, .. } => {
                write!(f, "unable to execute QEMU command '{command}': {desc}")
            }
            MonitorError::Protocol(what) => write!(f, "cannot understand the QEMU monitor: {what}"),
        }
    }
}

impl std::error::Error for MonitorError {}

impl From<MonitorError> for Error {
    fn from(error: MonitorError) -> Error {
        let code = match error {
            MonitorError::Timeout { .. } => Code::OperationTimeout,
            _ => Code::InternalError,
        };
        Error::new(code, Origin::Qemu, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_clients_know_it() {
        let refused = MonitorError::Qemu {
            command: "cont".into(),
            class: "GenericError".into(),
            desc: "Resetting the Virtual Machine is required".into(),
        };
        assert!(!refused.is_unknown_command());
        assert_eq!(
            Error::from(refused).to_string(),
            "internal error: unable to execute QEMU command 'cont': Resetting the Virtual Machine is required"
        );
        assert_eq!(
            MonitorError::Gone.of_guest("a").to_string(),
            "internal error: End of file from qemu monitor (vm='a')"
        );
        let late = MonitorError::Timeout { command: "stop".into() };
        assert_eq!(Error::from(late).code(), Code::OperationTimeout);
    }
}
