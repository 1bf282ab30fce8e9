//! Events that the server sends.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use super::limits::*;
use super::objects::{DomainRef, NetworkRef, NodeDeviceRef, SecretRef, StoragePoolRef};
use crate::programs::TypedParam;
use crate::xdr::{List, xdr_structs};

xdr_structs! {
    SHAPES;

    DomainEventLifecycleMsg { dom: DomainRef, event: i32, detail: i32 }
    DomainEventCallbackLifecycleMsg { callback_id: i32, msg: DomainEventLifecycleMsg }
    DomainEventRebootMsg { dom: DomainRef }
    DomainEventCallbackRebootMsg { callback_id: i32, msg: DomainEventRebootMsg }
    DomainEventRtcChangeMsg { dom: DomainRef, offset: i64 }
    DomainEventCallbackRtcChangeMsg { callback_id: i32, msg: DomainEventRtcChangeMsg }
    DomainEventWatchdogMsg { dom: DomainRef, action: i32 }
    DomainEventCallbackWatchdogMsg { callback_id: i32, msg: DomainEventWatchdogMsg }
    DomainEventIoErrorMsg { dom: DomainRef, src_path: String, dev_alias: String, action: i32 }
    DomainEventCallbackIoErrorMsg { callback_id: i32, msg: DomainEventIoErrorMsg }
    DomainEventIoErrorReasonMsg {
        dom: DomainRef, src_path: String, dev_alias: String, action: i32, reason: String,
    }
    DomainEventCallbackIoErrorReasonMsg { callback_id: i32, msg: DomainEventIoErrorReasonMsg }
    DomainEventGraphicsAddress { family: i32, node: String, service: String }
    DomainEventGraphicsIdentity { kind: String, name: String }
    DomainEventGraphicsMsg {
        dom: DomainRef, phase: i32, local: DomainEventGraphicsAddress,
        remote: DomainEventGraphicsAddress, auth_scheme: String,
        subject: List<DomainEventGraphicsIdentity, DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX>,
    }
    DomainEventCallbackGraphicsMsg { callback_id: i32, msg: DomainEventGraphicsMsg }
    DomainEventBlockJobMsg { dom: DomainRef, path: String, kind: i32, status: i32 }
    DomainEventCallbackBlockJobMsg { callback_id: i32, msg: DomainEventBlockJobMsg }
    DomainEventDiskChangeMsg {
        dom: DomainRef, old_src_path: Option<String>, new_src_path: Option<String>,
        dev_alias: String, reason: i32,
    }
    DomainEventCallbackDiskChangeMsg { callback_id: i32, msg: DomainEventDiskChangeMsg }
    DomainEventTrayChangeMsg { dom: DomainRef, dev_alias: String, reason: i32 }
    DomainEventCallbackTrayChangeMsg { callback_id: i32, msg: DomainEventTrayChangeMsg }
    DomainEventPmwakeupMsg { dom: DomainRef }
    DomainEventCallbackPmwakeupMsg { callback_id: i32, reason: i32, msg: DomainEventPmwakeupMsg }
    DomainEventPmsuspendMsg { dom: DomainRef }
    DomainEventCallbackPmsuspendMsg { callback_id: i32, reason: i32, msg: DomainEventPmsuspendMsg }
    DomainEventBalloonChangeMsg { dom: DomainRef, actual: u64 }
    DomainEventCallbackBalloonChangeMsg { callback_id: i32, msg: DomainEventBalloonChangeMsg }
    DomainEventPmsuspendDiskMsg { dom: DomainRef }
    DomainEventCallbackPmsuspendDiskMsg {
        callback_id: i32, reason: i32, msg: DomainEventPmsuspendDiskMsg,
    }
    DomainEventControlErrorMsg { dom: DomainRef }
    DomainEventCallbackControlErrorMsg { callback_id: i32, msg: DomainEventControlErrorMsg }
    DomainEventDeviceRemovedMsg { dom: DomainRef, dev_alias: String }
    DomainEventCallbackDeviceRemovedMsg { callback_id: i32, msg: DomainEventDeviceRemovedMsg }
    DomainEventBlockJob2Msg {
        callback_id: i32, dom: DomainRef, dst: String, kind: i32, status: i32,
    }
    DomainEventBlockThresholdMsg {
        callback_id: i32, dom: DomainRef, dev: String, path: Option<String>, threshold: u64,
        excess: u64,
    }
    DomainEventCallbackTunableMsg {
        callback_id: i32, dom: DomainRef, params: List<TypedParam, DOMAIN_EVENT_TUNABLE_MAX>,
    }
    DomainEventCallbackDeviceAddedMsg { callback_id: i32, dom: DomainRef, dev_alias: String }
    ConnectEventConnectionClosedMsg { reason: i32 }
    NetworkEventLifecycleMsg { callback_id: i32, net: NetworkRef, event: i32, detail: i32 }
    NetworkEventCallbackMetadataChangeMsg {
        callback_id: i32, net: NetworkRef, kind: i32, nsuri: Option<String>,
    }
    StoragePoolEventLifecycleMsg { callback_id: i32, pool: StoragePoolRef, event: i32, detail: i32 }
    StoragePoolEventRefreshMsg { callback_id: i32, pool: StoragePoolRef }
    NodeDeviceEventLifecycleMsg { callback_id: i32, dev: NodeDeviceRef, event: i32, detail: i32 }
    NodeDeviceEventUpdateMsg { callback_id: i32, dev: NodeDeviceRef }
    DomainEventCallbackAgentLifecycleMsg {
        callback_id: i32, dom: DomainRef, state: i32, reason: i32,
    }
    DomainEventCallbackMigrationIterationMsg { callback_id: i32, dom: DomainRef, iteration: i32 }
    DomainEventCallbackJobCompletedMsg {
        callback_id: i32, dom: DomainRef, params: List<TypedParam, DOMAIN_JOB_STATS_MAX>,
    }
    DomainEventCallbackDeviceRemovalFailedMsg {
        callback_id: i32, dom: DomainRef, dev_alias: String,
    }
    DomainEventCallbackMetadataChangeMsg {
        callback_id: i32, dom: DomainRef, kind: i32, nsuri: Option<String>,
    }
    DomainEventMemoryFailureMsg {
        callback_id: i32, dom: DomainRef, recipient: i32, action: i32, flags: u32,
    }
    SecretEventLifecycleMsg { callback_id: i32, secret: SecretRef, event: i32, detail: i32 }
    SecretEventValueChangedMsg { callback_id: i32, secret: SecretRef }
    DomainEventMemoryDeviceSizeChangeMsg {
        callback_id: i32, dom: DomainRef, alias: String, size: u64,
    }
    DomainEventNicMacChangeMsg {
        callback_id: i32, dom: DomainRef, alias: String, old_mac: String, new_mac: String,
    }
}
