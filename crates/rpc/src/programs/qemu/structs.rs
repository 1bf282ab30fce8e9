//! Structures of the QEMU program.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use crate::programs::remote::DomainRef;
use crate::xdr::xdr_structs;

xdr_structs! {
    SHAPES;

    DomainMonitorCommandArgs { dom: DomainRef, cmd: String, flags: u32 }
    DomainMonitorCommandRet { result: String }
    DomainAttachArgs { pid_value: u32, flags: u32 }
    DomainAttachRet { dom: DomainRef }
    DomainAgentCommandArgs { dom: DomainRef, cmd: String, timeout: i32, flags: u32 }
    DomainAgentCommandRet { result: Option<String> }
    ConnectDomainMonitorEventRegisterArgs {
        dom: Option<DomainRef>, event: Option<String>, flags: u32,
    }
    ConnectDomainMonitorEventRegisterRet { callback_id: i32 }
    ConnectDomainMonitorEventDeregisterArgs { callback_id: i32 }
    DomainMonitorEventMsg {
        callback_id: i32, dom: DomainRef, event: String, seconds: i64, micros: u32,
        details: Option<String>,
    }
    DomainMonitorCommandWithFilesArgs { dom: DomainRef, cmd: String, flags: u32 }
    DomainMonitorCommandWithFilesRet { result: String }
}
