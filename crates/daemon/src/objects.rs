//! Telling clients what happened to networks, pools and secrets.
//!
//! Owns: which message an event becomes. Never: decides what an event is.

use std::sync::Arc;

use ostler_engine::objects::{Happening, ObjectEvent, Subject};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

use crate::callbacks::{Class, Target};
use crate::daemon::Daemon;
use crate::session::Session;

/// Tells clients of everything that `events` yields, until there are no more.
pub async fn deliver(daemon: Arc<Daemon>, mut events: Receiver<ObjectEvent>) {
    loop {
        match events.recv().await {
            Ok(event) => tell_all(&daemon, &event),
            Err(RecvError::Lagged(count)) => warn!("{count} events came too fast to be delivered"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn tell_all(daemon: &Daemon, event: &ObjectEvent) {
    let (class, uuid) = match &event.subject {
        Subject::Network { uuid, .. } => (Class::Network, *uuid),
        Subject::Pool { uuid, .. } => (Class::StoragePool, *uuid),
        Subject::Secret { uuid, .. } => (Class::Secret, *uuid),
    };
    let number = i32::from(event.what.lifecycle().is_none());
    let object = Target::Uuid(uuid);
    for session in daemon.listening() {
        let wanted: Vec<i32> = session.with_callbacks(|callbacks| {
            callbacks.matching(class, number, &object).map(|one| one.id).collect()
        });
        for id in wanted {
            if let Err(error) = tell(&session, event, id) {
                warn!(%error, "cannot tell a client of an event");
            }
        }
    }
}

fn tell(session: &Session, event: &ObjectEvent, callback_id: i32) -> ostler_base::Result<()> {
    let connection = session.connection();
    let turn = event.what.lifecycle();
    match &event.subject {
        Subject::Network { name, uuid } => {
            let net = wire::NetworkRef { name: name.clone(), uuid: *uuid };
            match (&event.what, turn) {
                (Happening::MetadataChanged { kind, namespace }, _) => {
                    let (kind, nsuri) = (*kind, namespace.clone());
                    let msg = wire::NetworkEventCallbackMetadataChangeMsg { callback_id, net, kind, nsuri };
                    connection.send_event::<call::NetworkEventCallbackMetadataChange>(&msg)
                }
                (_, Some(event)) => {
                    let msg = wire::NetworkEventLifecycleMsg { callback_id, net, event, detail: 0 };
                    connection.send_event::<call::NetworkEventLifecycle>(&msg)
                }
                _ => Ok(()),
            }
        }
        Subject::Pool { name, uuid } => {
            let pool = wire::StoragePoolRef { name: name.clone(), uuid: *uuid };
            match turn {
                Some(event) => {
                    let msg = wire::StoragePoolEventLifecycleMsg { callback_id, pool, event, detail: 0 };
                    connection.send_event::<call::StoragePoolEventLifecycle>(&msg)
                }
                None => {
                    let msg = wire::StoragePoolEventRefreshMsg { callback_id, pool };
                    connection.send_event::<call::StoragePoolEventRefresh>(&msg)
                }
            }
        }
        Subject::Secret { uuid, usage, usage_id } => {
            let (usage_type, usage_id) = (*usage, usage_id.clone());
            let secret = wire::SecretRef { uuid: *uuid, usage_type, usage_id };
            match turn {
                Some(event) => {
                    let msg = wire::SecretEventLifecycleMsg { callback_id, secret, event, detail: 0 };
                    connection.send_event::<call::SecretEventLifecycle>(&msg)
                }
                None => {
                    let msg = wire::SecretEventValueChangedMsg { callback_id, secret };
                    connection.send_event::<call::SecretEventValueChanged>(&msg)
                }
            }
        }
    }
}
