//! The procedures of the QEMU program.
//!
//! Owns: number, types, rights, order of urgency and stream of each. Never: carries one out.

use super::*;
use crate::access::Permission::*;
use crate::access::{connect, domain};
use crate::table::{call, event, procedures};

procedures! {
    super::QEMU;

    1 DomainMonitorCommand(DomainMonitorCommandArgs) -> DomainMonitorCommandRet =>
        call("virDomainQemuMonitorCommand", &[domain(Write)]).low();
    2 DomainAttach(DomainAttachArgs) -> DomainAttachRet =>
        call("virDomainQemuAttach", &[domain(Start), domain(Write)]).low();
    3 DomainAgentCommand(DomainAgentCommandArgs) -> DomainAgentCommandRet =>
        call("virDomainQemuAgentCommand", &[domain(Write)]).low();
    4 ConnectDomainMonitorEventRegister(ConnectDomainMonitorEventRegisterArgs) -> ConnectDomainMonitorEventRegisterRet =>
        call("virConnectDomainQemuMonitorEventRegister", &[connect(SearchDomains), connect(Write)])
            .high().filter(domain(Getattr));
    5 ConnectDomainMonitorEventDeregister(ConnectDomainMonitorEventDeregisterArgs) -> () =>
        call("virConnectDomainQemuMonitorEventDeregister", &[connect(Write)]).high();
    6 DomainMonitorEvent(DomainMonitorEventMsg) -> () => event();
    7 DomainMonitorCommandWithFiles(DomainMonitorCommandWithFilesArgs) -> DomainMonitorCommandWithFilesRet =>
        call("virDomainQemuMonitorCommandWithFiles", &[domain(Write)]).low();
}
