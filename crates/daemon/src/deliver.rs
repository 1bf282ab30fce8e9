//! Telling clients what happened to guests.
//!
//! Owns: which message an event becomes, in either form. Never: decides what an event is.

use std::sync::Arc;

use ostler_engine::events::{Event, What};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

use crate::callbacks::{Class, Form, Target};
use crate::daemon::Daemon;
use crate::session::Session;

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

/// The number by which clients ask for such an event.
fn number(what: &What) -> i32 {
    match what {
        What::Lifecycle(_) => 0,
        What::Reboot => 1,
        What::RtcChange(_) => 2,
        What::Watchdog(_) => 3,
        What::BalloonChange(_) => 13,
    }
}

fn tell_all(daemon: &Daemon, event: &Event) {
    let object = Target::Uuid(event.uuid);
    let number = number(&event.what);
    for session in daemon.listening() {
        let wanted: Vec<(Form, i32)> = session.with_callbacks(|callbacks| {
            callbacks.matching(Class::Domain, number, &object).map(|one| (one.form, one.id)).collect()
        });
        for (form, id) in wanted {
            if let Err(error) = tell(&session, event, form, id) {
                warn!(%error, "cannot tell a client of an event");
            }
        }
    }
}

fn tell(session: &Session, event: &Event, form: Form, callback_id: i32) -> ostler_base::Result<()> {
    let dom = wire::DomainRef { name: event.name.clone(), uuid: event.uuid, id: event.id.unwrap_or(-1) };
    let connection = session.connection();
    /// Sends the message in the form that the client asked for.
    macro_rules! send {
        ($legacy:ident, $callback:ident, $message:ident { $($field:ident),+ }, $with_id:ident) => {{
            let msg = wire::$message { $($field),+ };
            match form {
                Form::Legacy => connection.send_event::<call::$legacy>(&msg),
                Form::Callback => connection.send_event::<call::$callback>(&wire::$with_id { callback_id, msg }),
            }
        }};
    }
    match event.what {
        What::Lifecycle(turn) => {
            let (event, detail) = turn.numbers();
            send!(
                DomainEventLifecycle,
                DomainEventCallbackLifecycle,
                DomainEventLifecycleMsg { dom, event, detail },
                DomainEventCallbackLifecycleMsg
            )
        }
        What::Reboot => send!(
            DomainEventReboot,
            DomainEventCallbackReboot,
            DomainEventRebootMsg { dom },
            DomainEventCallbackRebootMsg
        ),
        What::RtcChange(offset) => send!(
            DomainEventRtcChange,
            DomainEventCallbackRtcChange,
            DomainEventRtcChangeMsg { dom, offset },
            DomainEventCallbackRtcChangeMsg
        ),
        What::Watchdog(action) => send!(
            DomainEventWatchdog,
            DomainEventCallbackWatchdog,
            DomainEventWatchdogMsg { dom, action },
            DomainEventCallbackWatchdogMsg
        ),
        What::BalloonChange(actual) => send!(
            DomainEventBalloonChange,
            DomainEventCallbackBalloonChange,
            DomainEventBalloonChangeMsg { dom, actual },
            DomainEventCallbackBalloonChangeMsg
        ),
    }
}
