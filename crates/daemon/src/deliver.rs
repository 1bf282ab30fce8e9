//! Telling clients what happened to guests.
//!
//! Owns: which message an event becomes, in either form. Never: decides what an event is.

use std::sync::Arc;

use ostler_engine::events::{Event, Screen, ScreenAddress, What};
use ostler_rpc::access::{Need, Object, Permission, When};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::xdr::List;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

use crate::access::Visible;
use crate::callbacks::{Class, Form, Target};
use crate::daemon::Daemon;
use crate::params::typed;
use crate::session::Session;

/// What a client needs to hear of a guest.
const SEEN: Need = Need { object: Object::Domain, permission: Permission::Getattr, when: When::Always };

/// Tells clients of everything that `events` yields, until there are no more.
pub async fn deliver(daemon: Arc<Daemon>, mut events: Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(event) => tell_all(&daemon, &event),
            Err(RecvError::Lagged(count)) => warn!("{count} events came too fast to be delivered"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// The numbers by which clients ask for such an event.
fn numbers(what: &What) -> &'static [i32] {
    match what {
        What::Lifecycle(_) => &[0],
        What::Reboot => &[1],
        What::RtcChange(_) => &[2],
        What::Watchdog(_) => &[3],
        What::IoError(_) => &[4, IO_ERROR_REASON],
        What::Screen(_) => &[5],
        What::TrayChange(..) => &[10],
        What::PmWakeup => &[11],
        What::PmSuspend => &[12],
        What::BalloonChange(_) => &[13],
        What::PmSuspendDisk => &[14],
        What::DeviceRemoved(_) => &[15],
        What::Agent(..) => &[18],
        What::DeviceRemovalFailed(_) => &[22],
        What::MemoryDeviceSize(..) => &[26],
        What::ControlError => &[7],
        What::BlockJob { .. } => &[8, BLOCK_JOB_BY_DISK],
        What::DiskChange { .. } => &[9],
        What::DeviceAdded(_) => &[19],
        What::Tunable(_) => &[17],
        What::MigrationIteration(_) => &[20],
        What::JobCompleted(_) => &[21],
        What::MetadataChange { .. } => &[23],
        What::BlockThreshold { .. } => &[24],
        What::MemoryFailure { .. } => &[25],
        What::NicMacChange { .. } => &[27],
    }
}

/// An error of a disk with the reason for it.
const IO_ERROR_REASON: i32 = 6;
/// A turn of a job on a disk that is named as in the guest.
const BLOCK_JOB_BY_DISK: i32 = 16;

fn tell_all(daemon: &Daemon, event: &Event) {
    let object = Target::Uuid(event.uuid);
    for session in daemon.listening() {
        if !Visible::to(daemon, &session, Some(SEEN)).shows(&event.name, event.uuid) {
            continue;
        }
        for number in numbers(&event.what) {
            let wanted: Vec<(Form, i32)> = session.with_callbacks(|callbacks| {
                let matching = callbacks.matching(Class::Domain, *number, &object);
                matching.map(|one| (one.form, one.id)).collect()
            });
            for (form, id) in wanted {
                if let Err(error) =
                    tell(To { session: &session, number: *number, form, callback_id: id }, event)
                {
                    warn!(%error, "cannot tell a client of an event");
                }
            }
        }
    }
}

/// Sends the message of an event in the form that the client asked for.
macro_rules! send {
    ($to:expr, $legacy:ident, $callback:ident, $message:ident { $($field:tt)+ }, $with_id:ident $({ $extra:ident })?) => {{
        let To { session, form, callback_id, .. } = $to;
        let msg = wire::$message { $($field)+ };
        match form {
            Form::Legacy => session.connection().send_event::<call::$legacy>(&msg),
            Form::Callback => {
                let msg = wire::$with_id { callback_id, $($extra,)? msg };
                session.connection().send_event::<call::$callback>(&msg)
            }
        }
    }};
}

/// Who is told, of which event, and how.
#[derive(Clone, Copy)]
struct To<'a> {
    session: &'a Session,
    number: i32,
    form: Form,
    callback_id: i32,
}

fn tell(to: To<'_>, event: &Event) -> ostler_base::Result<()> {
    let dom = wire::DomainRef { name: event.name.clone(), uuid: event.uuid, id: event.id.unwrap_or(-1) };
    // Of what changed the power: the public headers know no reasons.
    let reason = 0;
    match &event.what {
        What::Lifecycle(turn) => {
            let (event, detail) = turn.numbers();
            send!(
                to,
                DomainEventLifecycle,
                DomainEventCallbackLifecycle,
                DomainEventLifecycleMsg { dom, event, detail },
                DomainEventCallbackLifecycleMsg
            )
        }
        What::Reboot => send!(
            to,
            DomainEventReboot,
            DomainEventCallbackReboot,
            DomainEventRebootMsg { dom },
            DomainEventCallbackRebootMsg
        ),
        What::RtcChange(offset) => send!(
            to,
            DomainEventRtcChange,
            DomainEventCallbackRtcChange,
            DomainEventRtcChangeMsg { dom, offset: *offset },
            DomainEventCallbackRtcChangeMsg
        ),
        What::Watchdog(action) => send!(
            to,
            DomainEventWatchdog,
            DomainEventCallbackWatchdog,
            DomainEventWatchdogMsg { dom, action: *action },
            DomainEventCallbackWatchdogMsg
        ),
        What::BalloonChange(actual) => send!(
            to,
            DomainEventBalloonChange,
            DomainEventCallbackBalloonChange,
            DomainEventBalloonChangeMsg { dom, actual: *actual },
            DomainEventCallbackBalloonChangeMsg
        ),
        What::PmWakeup => send!(
            to,
            DomainEventPmwakeup,
            DomainEventCallbackPmwakeup,
            DomainEventPmwakeupMsg { dom },
            DomainEventCallbackPmwakeupMsg { reason }
        ),
        What::PmSuspend => send!(
            to,
            DomainEventPmsuspend,
            DomainEventCallbackPmsuspend,
            DomainEventPmsuspendMsg { dom },
            DomainEventCallbackPmsuspendMsg { reason }
        ),
        What::PmSuspendDisk => send!(
            to,
            DomainEventPmsuspendDisk,
            DomainEventCallbackPmsuspendDisk,
            DomainEventPmsuspendDiskMsg { dom },
            DomainEventCallbackPmsuspendDiskMsg { reason }
        ),
        What::ControlError => send!(
            to,
            DomainEventControlError,
            DomainEventCallbackControlError,
            DomainEventControlErrorMsg { dom },
            DomainEventCallbackControlErrorMsg
        ),
        _ => tell_of_device(to, event, dom),
    }
}

/// Events of devices.
fn tell_of_device(to: To<'_>, event: &Event, dom: wire::DomainRef) -> ostler_base::Result<()> {
    match &event.what {
        What::IoError(error) if to.number == IO_ERROR_REASON => send!(
            to,
            DomainEventIoErrorReason,
            DomainEventCallbackIoErrorReason,
            DomainEventIoErrorReasonMsg {
                dom,
                src_path: error.path.clone(),
                dev_alias: error.alias.clone(),
                action: error.action,
                reason: error.reason.clone(),
            },
            DomainEventCallbackIoErrorReasonMsg
        ),
        What::IoError(error) => send!(
            to,
            DomainEventIoError,
            DomainEventCallbackIoError,
            DomainEventIoErrorMsg {
                dom,
                src_path: error.path.clone(),
                dev_alias: error.alias.clone(),
                action: error.action,
            },
            DomainEventCallbackIoErrorMsg
        ),
        What::Screen(screen) => send!(
            to,
            DomainEventGraphics,
            DomainEventCallbackGraphics,
            DomainEventGraphicsMsg {
                dom,
                phase: screen.phase,
                local: address(&screen.local),
                remote: address(&screen.remote),
                auth_scheme: screen.auth.clone(),
                subject: subject(screen),
            },
            DomainEventCallbackGraphicsMsg
        ),
        What::TrayChange(alias, reason) => send!(
            to,
            DomainEventTrayChange,
            DomainEventCallbackTrayChange,
            DomainEventTrayChangeMsg { dom, dev_alias: alias.clone(), reason: *reason },
            DomainEventCallbackTrayChangeMsg
        ),
        What::DeviceRemoved(alias) => send!(
            to,
            DomainEventDeviceRemoved,
            DomainEventCallbackDeviceRemoved,
            DomainEventDeviceRemovedMsg { dom, dev_alias: alias.clone() },
            DomainEventCallbackDeviceRemovedMsg
        ),
        What::BlockJob { path, kind, status, .. } if to.number != BLOCK_JOB_BY_DISK => send!(
            to,
            DomainEventBlockJob,
            DomainEventCallbackBlockJob,
            DomainEventBlockJobMsg { dom, path: path.clone(), kind: *kind, status: *status },
            DomainEventCallbackBlockJobMsg
        ),
        What::DiskChange { old, new, alias, reason } => send!(
            to,
            DomainEventDiskChange,
            DomainEventCallbackDiskChange,
            DomainEventDiskChangeMsg {
                dom,
                old_src_path: old.clone(),
                new_src_path: new.clone(),
                dev_alias: alias.clone(),
                reason: *reason,
            },
            DomainEventCallbackDiskChangeMsg
        ),
        _ => tell_new(to, event, dom),
    }
}

/// Events that have one form only.
fn tell_new(to: To<'_>, event: &Event, dom: wire::DomainRef) -> ostler_base::Result<()> {
    let To { session, callback_id, .. } = to;
    let connection = session.connection();
    match &event.what {
        What::Agent(state, reason) => {
            let (state, reason) = (*state, *reason);
            let msg = wire::DomainEventCallbackAgentLifecycleMsg { callback_id, dom, state, reason };
            connection.send_event::<call::DomainEventCallbackAgentLifecycle>(&msg)
        }
        What::DeviceRemovalFailed(alias) => {
            let dev_alias = alias.clone();
            let msg = wire::DomainEventCallbackDeviceRemovalFailedMsg { callback_id, dom, dev_alias };
            connection.send_event::<call::DomainEventCallbackDeviceRemovalFailed>(&msg)
        }
        What::MemoryDeviceSize(alias, size) => {
            let (alias, size) = (alias.clone(), *size);
            let msg = wire::DomainEventMemoryDeviceSizeChangeMsg { callback_id, dom, alias, size };
            connection.send_event::<call::DomainEventMemoryDeviceSizeChange>(&msg)
        }
        What::BlockJob { disk, kind, status, .. } => {
            let (dst, kind, status) = (disk.clone(), *kind, *status);
            let msg = wire::DomainEventBlockJob2Msg { callback_id, dom, dst, kind, status };
            connection.send_event::<call::DomainEventBlockJob2>(&msg)
        }
        What::DeviceAdded(alias) => {
            let dev_alias = alias.clone();
            let msg = wire::DomainEventCallbackDeviceAddedMsg { callback_id, dom, dev_alias };
            connection.send_event::<call::DomainEventCallbackDeviceAdded>(&msg)
        }
        What::Tunable(params) => {
            let params = params.iter().cloned().map(typed).collect();
            let msg = wire::DomainEventCallbackTunableMsg { callback_id, dom, params };
            connection.send_event::<call::DomainEventCallbackTunable>(&msg)
        }
        What::MigrationIteration(iteration) => {
            let iteration = *iteration;
            let msg = wire::DomainEventCallbackMigrationIterationMsg { callback_id, dom, iteration };
            connection.send_event::<call::DomainEventCallbackMigrationIteration>(&msg)
        }
        What::JobCompleted(params) => {
            let params = params.iter().cloned().map(typed).collect();
            let msg = wire::DomainEventCallbackJobCompletedMsg { callback_id, dom, params };
            connection.send_event::<call::DomainEventCallbackJobCompleted>(&msg)
        }
        What::MetadataChange { kind, uri } => {
            let (kind, nsuri) = (*kind, uri.clone());
            let msg = wire::DomainEventCallbackMetadataChangeMsg { callback_id, dom, kind, nsuri };
            connection.send_event::<call::DomainEventCallbackMetadataChange>(&msg)
        }
        What::BlockThreshold { device, path, threshold, excess } => {
            let (dev, path, threshold, excess) = (device.clone(), path.clone(), *threshold, *excess);
            let msg = wire::DomainEventBlockThresholdMsg { callback_id, dom, dev, path, threshold, excess };
            connection.send_event::<call::DomainEventBlockThreshold>(&msg)
        }
        What::MemoryFailure { recipient, action, flags } => {
            let (recipient, action, flags) = (*recipient, *action, *flags);
            let msg = wire::DomainEventMemoryFailureMsg { callback_id, dom, recipient, action, flags };
            connection.send_event::<call::DomainEventMemoryFailure>(&msg)
        }
        What::NicMacChange { alias, old, new } => {
            let (alias, old_mac, new_mac) = (alias.clone(), old.clone(), new.clone());
            let msg = wire::DomainEventNicMacChangeMsg { callback_id, dom, alias, old_mac, new_mac };
            connection.send_event::<call::DomainEventNicMacChange>(&msg)
        }
        _ => Ok(()),
    }
}

fn address(of: &ScreenAddress) -> wire::DomainEventGraphicsAddress {
    let (node, service) = (of.node.clone(), of.service.clone());
    wire::DomainEventGraphicsAddress { family: of.family, node, service }
}

fn subject<const MOST: usize>(screen: &Screen) -> List<wire::DomainEventGraphicsIdentity, MOST> {
    let identity = |(kind, name): &(String, String)| wire::DomainEventGraphicsIdentity {
        kind: kind.clone(),
        name: name.clone(),
    };
    screen.subject.iter().map(identity).collect::<Vec<_>>().into()
}
