//! What happens to networks, pools, volumes' pools and secrets, as clients are told.
//!
//! Owns: these events with their numbers in the public headers. Never: knows a client or a wire.

use ostler_base::Uuid;
use tokio::sync::broadcast;

/// How many events a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 1024;

/// Which object an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A network.
    Network {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: Uuid,
    },
    /// A storage pool.
    Pool {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: Uuid,
    },
    /// A secret.
    Secret {
        /// Its UUID.
        uuid: Uuid,
        /// Number of what it is used for.
        usage: i32,
        /// Which one of its kind.
        usage_id: String,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It was defined.
    Defined,
    /// Its definition was removed.
    Undefined,
    /// It was started.
    Started,
    /// It was stopped.
    Stopped,
    /// A pool was built.
    Created,
    /// A pool was deleted.
    Deleted,
    /// The volumes of a pool were looked for anew.
    Refreshed,
    /// The value of a secret changed.
    ValueChanged,
    /// A part of a network's metadata changed.
    MetadataChanged {
        /// Number of the kind of metadata.
        kind: i32,
        /// Namespace of an element.
        namespace: Option<String>,
    },
}

impl Happening {
    /// The number of a turn in the life of an object in the public headers; `None` for what is no
    /// such turn.
    pub fn lifecycle(&self) -> Option<i32> {
        Some(match self {
            Happening::Defined => 0,
            Happening::Undefined => 1,
            Happening::Started => 2,
            Happening::Stopped => 3,
            Happening::Created => 4,
            Happening::Deleted => 5,
            Happening::Refreshed | Happening::ValueChanged | Happening::MetadataChanged { .. } => {
                return None;
            }
        })
    }
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    /// To which.
    pub subject: Subject,
    /// What.
    pub what: Happening,
}

/// Tells whoever listens. Clones tell the same listeners.
#[derive(Debug, Clone)]
pub struct Teller(broadcast::Sender<ObjectEvent>);

impl Default for Teller {
    fn default() -> Self {
        Teller(broadcast::Sender::new(EVENTS_KEPT))
    }
}

impl Teller {
    /// Tells of something.
    pub fn tell(&self, subject: Subject, what: Happening) {
        // Nobody listens: nobody is told.
        drop(self.0.send(ObjectEvent { subject, what }));
    }

    /// From now on, everything that happens.
    pub fn subscribe(&self) -> broadcast::Receiver<ObjectEvent> {
        self.0.subscribe()
    }
}
