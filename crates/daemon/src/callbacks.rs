//! Which events a client wants.
//!
//! Owns: registrations, their ids, which of them an event is for. Never: sends.

use std::sync::atomic::{AtomicI32, Ordering};

use ostler_base::{Code, Error, Origin, Result, Uuid};

/// The most registrations of one client.
const REGISTRATIONS_MAX: usize = 16_384;

/// What kind of object an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A domain.
    Domain,
    /// A network.
    Network,
    /// A storage pool.
    StoragePool,
    /// A device of the host.
    NodeDevice,
    /// A secret.
    Secret,
}

impl Class {
    /// Its word in errors about callbacks.
    fn word(self) -> &'static str {
        match self {
            Class::Domain => "domain",
            Class::Network => "network",
            Class::StoragePool => "storage pool",
            Class::NodeDevice => "node device",
            Class::Secret => "secret",
        }
    }

    /// How many events it has; their numbers count from 0.
    fn events(self) -> i32 {
        match self {
            Class::Domain => 28,
            _ => 2,
        }
    }

    /// Refuses a number that is no event.
    fn check(self, event: i32, events: i32) -> Result<()> {
        if (0..events).contains(&event) {
            return Ok(());
        }
        let word = if self == Class::Domain { String::new() } else { format!("{} ", self.word()) };
        Err(wire(format!("unsupported {word}event ID {event}")))
    }
}

/// Events that the forms without callback ids know.
pub const LEGACY_EVENTS: i32 = 16;

/// The one object that a registration is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By UUID.
    Uuid(Uuid),
    /// By name: devices of the host.
    Name(String),
}

/// How a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With the id of the registration.
    Callback,
    /// Without.
    Legacy,
}

/// A wish to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What kind of object.
    pub class: Class,
    /// Which event.
    pub event: i32,
    /// Which object; `None`: all.
    pub target: Option<Target>,
    /// How the client is told.
    pub form: Form,
    /// Its number.
    pub id: i32,
}

/// The numbers of registrations: one count for each class, for all clients.
#[derive(Debug, Default)]
pub struct Numbers([AtomicI32; 5]);

impl Numbers {
    fn next(&self, class: Class) -> i32 {
        self.0.get(class as usize).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed) & i32::MAX)
    }
}

/// The registrations of one client.
#[derive(Debug, Default)]
pub struct Callbacks(Vec<Registration>);

impl Callbacks {
    /// Adds one; returns its number. The same event of the same object cannot be asked for twice.
    pub fn add(
        &mut self,
        numbers: &Numbers,
        class: Class,
        event: i32,
        target: Option<Target>,
        form: Form,
    ) -> Result<i32> {
        let legacy = form == Form::Legacy;
        class.check(event, if legacy { LEGACY_EVENTS } else { class.events() })?;
        let same = |r: &&Registration| r.class == class && r.event == event && r.target == target;
        if self.0.iter().find(same).is_some() {
            return Err(Error::new(Code::InvalidArg, Origin::None, "event callback already tracked"));
        }
        if self.0.len() >= REGISTRATIONS_MAX {
            return Err(wire(format!("more than {REGISTRATIONS_MAX} event callbacks on one connection")));
        }
        let id = numbers.next(class);
        self.0.push(Registration { class, event, target, form, id });
        Ok(id)
    }

    /// Takes the one with this number out.
    pub fn remove(&mut self, class: Class, id: i32) -> Result<()> {
        let gone = self.take(|r| r.class == class && r.id == id);
        if gone { Ok(()) } else { Err(wire(format!("{} event callback {id} not registered", class.word()))) }
    }

    /// Takes the first one of this event of domains out.
    pub fn remove_event(&mut self, event: i32) -> Result<()> {
        Class::Domain.check(event, LEGACY_EVENTS)?;
        let gone = self.take(|r| r.class == Class::Domain && r.event == event);
        if gone { Ok(()) } else { Err(wire(format!("domain event {event} not registered"))) }
    }

    fn take(&mut self, test: impl FnMut(&Registration) -> bool) -> bool {
        let place = self.0.iter().position(test);
        if let Some(place) = place {
            self.0.remove(place);
        }
        place.is_some()
    }

    /// The registrations that an event of this object is for.
    pub fn matching<'a>(
        &'a self,
        class: Class,
        event: i32,
        object: &'a Target,
    ) -> impl Iterator<Item = &'a Registration> {
        self.0.iter().filter(move |r| {
            r.class == class && r.event == event && r.target.as_ref().is_none_or(|target| target == object)
        })
    }
}

/// An error of the wire's own.
fn wire(text: String) -> Error {
    Error::internal(text).from_origin(Origin::Rpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn numbers_count_over_all_clients() {
        let numbers = Numbers::default();
        let (mut one, mut two) = (Callbacks::default(), Callbacks::default());
        assert_eq!(one.add(&numbers, Class::Domain, 0, None, Form::Callback), Ok(0));
        assert_eq!(two.add(&numbers, Class::Domain, 0, None, Form::Callback), Ok(1));
        assert_eq!(two.add(&numbers, Class::Secret, 0, None, Form::Callback), Ok(0));
    }

    #[test]
    fn twice_is_refused_whatever_the_form() {
        let numbers = Numbers::default();
        let mut callbacks = Callbacks::default();
        let target = Some(Target::Uuid(Uuid([1; 16])));
        callbacks.add(&numbers, Class::Domain, 0, None, Form::Legacy).unwrap();
        let error = callbacks.add(&numbers, Class::Domain, 0, None, Form::Callback).unwrap_err();
        assert_eq!((error.code(), error.origin()), (Code::InvalidArg, Origin::None));
        assert!(callbacks.add(&numbers, Class::Domain, 0, target.clone(), Form::Callback).is_ok());
        assert!(callbacks.add(&numbers, Class::Domain, 0, target, Form::Callback).is_err());
    }

    #[test]
    fn refusals() {
        let numbers = Numbers::default();
        let mut callbacks = Callbacks::default();
        let add = |callbacks: &mut Callbacks, class, event, form| {
            text(callbacks.add(&numbers, class, event, None, form))
        };
        assert_eq!(
            add(&mut callbacks, Class::Domain, 28, Form::Callback),
            "internal error: unsupported event ID 28"
        );
        assert_eq!(
            add(&mut callbacks, Class::Domain, 16, Form::Legacy),
            "internal error: unsupported event ID 16"
        );
        assert_eq!(
            add(&mut callbacks, Class::StoragePool, -1, Form::Callback),
            "internal error: unsupported storage pool event ID -1"
        );
        assert_eq!(
            text(callbacks.remove(Class::NodeDevice, 3)),
            "internal error: node device event callback 3 not registered"
        );
        assert_eq!(text(callbacks.remove_event(1)), "internal error: domain event 1 not registered");
    }

    #[test]
    fn matching_by_object() {
        let numbers = Numbers::default();
        let mut callbacks = Callbacks::default();
        let (here, there) = (Target::Uuid(Uuid([1; 16])), Target::Uuid(Uuid([2; 16])));
        callbacks.add(&numbers, Class::Domain, 0, None, Form::Callback).unwrap();
        callbacks.add(&numbers, Class::Domain, 0, Some(here.clone()), Form::Callback).unwrap();
        callbacks.add(&numbers, Class::Domain, 1, None, Form::Callback).unwrap();
        assert_eq!(callbacks.matching(Class::Domain, 0, &here).count(), 2);
        assert_eq!(callbacks.matching(Class::Domain, 0, &there).count(), 1);
        callbacks.remove_event(0).unwrap();
        assert_eq!(callbacks.matching(Class::Domain, 0, &there).count(), 0);
    }
}
