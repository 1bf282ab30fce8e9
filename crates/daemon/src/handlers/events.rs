//! Registrations for events of every class.
//!
//! Owns: those handlers. Never: sends an event.

use std::sync::Arc;

use ostler_base::Result;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use crate::access::Allowed;
use crate::callbacks::{Class, Form, Target};
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::ConnectDomainEventRegister;
    answer call::ConnectDomainEventDeregister;
    answer call::ConnectDomainEventRegisterAny;
    answer call::ConnectDomainEventDeregisterAny;
    answer call::ConnectDomainEventCallbackRegisterAny;
    answer call::ConnectDomainEventCallbackDeregisterAny;
    answer call::ConnectNetworkEventRegisterAny;
    answer call::ConnectNetworkEventDeregisterAny;
    answer call::ConnectStoragePoolEventRegisterAny;
    answer call::ConnectStoragePoolEventDeregisterAny;
    answer call::ConnectNodeDeviceEventRegisterAny;
    answer call::ConnectNodeDeviceEventDeregisterAny;
    answer call::ConnectSecretEventRegisterAny;
    answer call::ConnectSecretEventDeregisterAny;
}

/// The event that the oldest form is about.
const LIFECYCLE: i32 = 0;

impl Daemon {
    fn register(
        &self,
        session: &Arc<Session>,
        class: Class,
        event: i32,
        target: Option<Target>,
        form: Form,
    ) -> Result<i32> {
        let id = session.with_callbacks(|all| all.add(&self.numbers, class, event, target, form))?;
        self.listens(session);
        Ok(id)
    }
}

impl Answer<call::ConnectDomainEventRegister> for Daemon {
    type On = Host;

    fn answer(
        &self,
        session: &Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<wire::ConnectDomainEventRegisterRet> {
        self.register(session, Class::Domain, LIFECYCLE, None, Form::Legacy)?;
        Ok(wire::ConnectDomainEventRegisterRet { cb_registered: 0 })
    }
}

impl Answer<call::ConnectDomainEventDeregister> for Daemon {
    type On = Host;

    fn answer(
        &self,
        session: &Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<wire::ConnectDomainEventDeregisterRet> {
        session.with_callbacks(|all| all.remove_event(LIFECYCLE))?;
        Ok(wire::ConnectDomainEventDeregisterRet { cb_registered: 0 })
    }
}

impl Answer<call::ConnectDomainEventRegisterAny> for Daemon {
    type On = Host;

    fn answer(
        &self,
        session: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectDomainEventRegisterAnyArgs,
    ) -> Result<()> {
        self.register(session, Class::Domain, args.event_id, None, Form::Legacy).map(|_| ())
    }
}

impl Answer<call::ConnectDomainEventDeregisterAny> for Daemon {
    type On = Host;

    fn answer(
        &self,
        session: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectDomainEventDeregisterAnyArgs,
    ) -> Result<()> {
        session.with_callbacks(|all| all.remove_event(args.event_id))
    }
}

/// The two handlers of a class: register for the events of all its objects or of one, and back.
macro_rules! class {
    ($class:ident, $register:ident, $args:ident, $ret:ident, $deregister:ident, $dargs:ident, |$it:ident| $target:expr) => {
        impl Answer<call::$register> for Daemon {
            type On = Host;

            fn answer(
                &self,
                session: &Arc<Session>,
                _on: Allowed<Host>,
                $it: wire::$args,
            ) -> Result<wire::$ret> {
                let event = $it.event_id;
                let callback_id = self.register(session, Class::$class, event, $target, Form::Callback)?;
                Ok(wire::$ret { callback_id })
            }
        }

        impl Answer<call::$deregister> for Daemon {
            type On = Host;

            fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, args: wire::$dargs) -> Result<()> {
                session.with_callbacks(|all| all.remove(Class::$class, args.callback_id))
            }
        }
    };
}

class!(
    Domain,
    ConnectDomainEventCallbackRegisterAny,
    ConnectDomainEventCallbackRegisterAnyArgs,
    ConnectDomainEventCallbackRegisterAnyRet,
    ConnectDomainEventCallbackDeregisterAny,
    ConnectDomainEventCallbackDeregisterAnyArgs,
    |args| args.dom.map(|dom| Target::Uuid(dom.uuid))
);
class!(
    Network,
    ConnectNetworkEventRegisterAny,
    ConnectNetworkEventRegisterAnyArgs,
    ConnectNetworkEventRegisterAnyRet,
    ConnectNetworkEventDeregisterAny,
    ConnectNetworkEventDeregisterAnyArgs,
    |args| args.net.map(|net| Target::Uuid(net.uuid))
);
class!(
    StoragePool,
    ConnectStoragePoolEventRegisterAny,
    ConnectStoragePoolEventRegisterAnyArgs,
    ConnectStoragePoolEventRegisterAnyRet,
    ConnectStoragePoolEventDeregisterAny,
    ConnectStoragePoolEventDeregisterAnyArgs,
    |args| args.pool.map(|pool| Target::Uuid(pool.uuid))
);
class!(
    NodeDevice,
    ConnectNodeDeviceEventRegisterAny,
    ConnectNodeDeviceEventRegisterAnyArgs,
    ConnectNodeDeviceEventRegisterAnyRet,
    ConnectNodeDeviceEventDeregisterAny,
    ConnectNodeDeviceEventDeregisterAnyArgs,
    |args| args.dev.map(|dev| Target::Name(dev.name))
);
class!(
    Secret,
    ConnectSecretEventRegisterAny,
    ConnectSecretEventRegisterAnyArgs,
    ConnectSecretEventRegisterAnyRet,
    ConnectSecretEventDeregisterAny,
    ConnectSecretEventDeregisterAnyArgs,
    |args| args.secret.map(|secret| Target::Uuid(secret.uuid))
);
