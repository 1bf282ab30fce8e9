//! Which domains there are.
//!
//! Owns: looking one up and listing them. Never: waits.

use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_engine::domain::Status;
use ostler_engine::{Guest, View};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    ConnectListAllDomainsArgs, ConnectListAllDomainsRet, ConnectListDefinedDomainsArgs,
    ConnectListDefinedDomainsRet, ConnectListDomainsArgs, ConnectListDomainsRet,
    ConnectNumOfDefinedDomainsRet, ConnectNumOfDomainsRet, DomainLookupByIdArgs, DomainLookupByIdRet,
    DomainLookupByNameArgs, DomainLookupByNameRet, DomainLookupByUuidArgs, DomainLookupByUuidRet,
};

use super::{missing, reference, subject};
use crate::access::{Allowed, Subject, Visible};
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Find, handlers};
use crate::handlers::only_flags;
use crate::session::Session;

handlers! {
    answer call::ConnectNumOfDomains;
    answer call::ConnectListDomains;
    answer call::ConnectNumOfDefinedDomains;
    answer call::ConnectListDefinedDomains;
    answer call::ConnectListAllDomains;
    answer call::DomainLookupById;
    answer call::DomainLookupByUuid;
    answer call::DomainLookupByName;
}

/// Every filter of the list of all domains.
const LIST_FLAGS: u32 = 0xffff;

/// Whether a domain passes the filters; of each group, one that holds is enough, and a group of
/// which none is set lets all pass.
pub(super) fn passes(view: &View, flags: u32) -> bool {
    let group = |all: u32, holds: u32| flags & all == 0 || flags & holds != 0;
    let pick = |what: bool, yes: u32, no: u32| if what { yes } else { no };
    let state = match view.status {
        Status::Running(_) => 16,
        Status::Paused(_) => 32,
        Status::Shutoff(_) => 64,
        _ => 128,
    };
    group(3, pick(view.is_active(), 1, 2))
        && group(12, pick(view.persistent, 4, 8))
        && group(240, state)
        && group(768, pick(view.managed_save, 256, 512))
        && group(3072, pick(view.autostart, 1024, 2048))
        && group(0x3000, 0x2000)
        && group(0xc000, 0x8000)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn bound(most: i32) -> usize {
    usize::try_from(most).unwrap_or_default()
}

impl Answer<call::ConnectNumOfDomains> for Daemon {
    type On = Visible;

    fn answer(&self, _: &Arc<Session>, seen: Allowed<Visible>, _args: ()) -> Result<ConnectNumOfDomainsRet> {
        let active = self.engine.registry().active();
        let seen = active.iter().map(|guest| guest.view()).filter(|view| seen.shows(&view.name, view.uuid));
        Ok(ConnectNumOfDomainsRet { num: count(seen.count()) })
    }
}

impl Answer<call::ConnectListDomains> for Daemon {
    type On = Visible;

    fn answer(
        &self,
        _: &Arc<Session>,
        seen: Allowed<Visible>,
        args: ConnectListDomainsArgs,
    ) -> Result<ConnectListDomainsRet> {
        let guests = self.engine.registry().active();
        let views = guests.iter().map(|guest| guest.view()).filter(|view| seen.shows(&view.name, view.uuid));
        let ids = views.filter_map(|view| view.id).take(bound(args.maxids));
        Ok(ConnectListDomainsRet { ids: ids.collect() })
    }
}

impl Answer<call::ConnectNumOfDefinedDomains> for Daemon {
    type On = Visible;

    fn answer(
        &self,
        _: &Arc<Session>,
        seen: Allowed<Visible>,
        _args: (),
    ) -> Result<ConnectNumOfDefinedDomainsRet> {
        let views = self.engine.registry().all().into_iter().map(|guest| guest.view());
        let inactive = views.filter(|view| !view.is_active() && seen.shows(&view.name, view.uuid));
        Ok(ConnectNumOfDefinedDomainsRet { num: count(inactive.count()) })
    }
}

impl Answer<call::ConnectListDefinedDomains> for Daemon {
    type On = Visible;

    fn answer(
        &self,
        _: &Arc<Session>,
        seen: Allowed<Visible>,
        args: ConnectListDefinedDomainsArgs,
    ) -> Result<ConnectListDefinedDomainsRet> {
        let views = self.engine.registry().all().into_iter().map(|guest| guest.view());
        let inactive = views
            .filter(|view| !view.is_active() && seen.shows(&view.name, view.uuid))
            .take(bound(args.maxnames));
        Ok(ConnectListDefinedDomainsRet { names: inactive.map(|view| view.name.to_string()).collect() })
    }
}

impl Answer<call::ConnectListAllDomains> for Daemon {
    type On = Visible;

    fn answer(
        &self,
        _: &Arc<Session>,
        seen: Allowed<Visible>,
        args: ConnectListAllDomainsArgs,
    ) -> Result<ConnectListAllDomainsRet> {
        only_flags(args.flags, LIST_FLAGS, "qemuConnectListAllDomains", Origin::Qemu)?;
        let views = self.engine.registry().all().into_iter().map(|guest| guest.view());
        let wanted = views.filter(|view| passes(view, args.flags) && seen.shows(&view.name, view.uuid));
        let mut domains = Vec::new();
        let ret = if args.need_results == 0 {
            wanted.count()
        } else {
            domains.extend(wanted.map(|view| reference(&view)));
            domains.len()
        };
        Ok(ConnectListAllDomainsRet { domains: domains.into(), ret: u32::try_from(ret).unwrap_or(u32::MAX) })
    }
}

/// A domain that a call looks for.
#[derive(Debug)]
pub struct LookedUp(Arc<Guest>);

impl Find<call::DomainLookupById> for LookedUp {
    fn find(daemon: &Daemon, _session: &Session, args: &DomainLookupByIdArgs) -> Result<Self> {
        let found = daemon.engine.registry().by_id(args.id);
        found.map(LookedUp).ok_or_else(|| missing(format!("no domain with matching id {}", args.id)))
    }

    fn subject(&self) -> Subject {
        subject(&self.0.view())
    }
}

impl Answer<call::DomainLookupById> for Daemon {
    type On = LookedUp;

    fn answer(
        &self,
        _: &Arc<Session>,
        on: Allowed<LookedUp>,
        _args: DomainLookupByIdArgs,
    ) -> Result<DomainLookupByIdRet> {
        Ok(DomainLookupByIdRet { dom: reference(&on.0.view()) })
    }
}

impl Find<call::DomainLookupByUuid> for LookedUp {
    fn find(daemon: &Daemon, _session: &Session, args: &DomainLookupByUuidArgs) -> Result<Self> {
        let found = daemon.engine.registry().by_uuid(args.uuid);
        found.map(LookedUp).ok_or_else(|| missing(format!("no domain with matching uuid '{}'", args.uuid)))
    }

    fn subject(&self) -> Subject {
        subject(&self.0.view())
    }
}

impl Answer<call::DomainLookupByUuid> for Daemon {
    type On = LookedUp;

    fn answer(
        &self,
        _: &Arc<Session>,
        on: Allowed<LookedUp>,
        _args: DomainLookupByUuidArgs,
    ) -> Result<DomainLookupByUuidRet> {
        Ok(DomainLookupByUuidRet { dom: reference(&on.0.view()) })
    }
}

impl Find<call::DomainLookupByName> for LookedUp {
    fn find(daemon: &Daemon, _session: &Session, args: &DomainLookupByNameArgs) -> Result<Self> {
        let found = daemon.engine.registry().by_name(&args.name);
        found.map(LookedUp).ok_or_else(|| missing(format!("no domain with matching name '{}'", args.name)))
    }

    fn subject(&self) -> Subject {
        subject(&self.0.view())
    }
}

impl Answer<call::DomainLookupByName> for Daemon {
    type On = LookedUp;

    fn answer(
        &self,
        _: &Arc<Session>,
        on: Allowed<LookedUp>,
        _args: DomainLookupByNameArgs,
    ) -> Result<DomainLookupByNameRet> {
        Ok(DomainLookupByNameRet { dom: reference(&on.0.view()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::Uuid;
    use ostler_engine::domain::status::{Paused, Shutoff};

    fn view(status: Status, persistent: bool, autostart: bool) -> View {
        let id = (!matches!(status, Status::Shutoff(_))).then_some(1);
        let (name, uuid) = ("a".into(), Uuid::default());
        View {
            name,
            uuid,
            id,
            status,
            persistent,
            autostart,
            autostart_once: false,
            managed_save: false,
            pid: None,
            live: None,
            inactive: None,
        }
    }

    #[test]
    fn filters_by_group() {
        let off = view(Status::Shutoff(Shutoff::Unknown), true, true);
        let paused = view(Status::Paused(Paused::User), false, false);
        for (flags, expected) in [
            (0, (true, true)),
            (1, (false, true)),
            (2, (true, false)),
            (3, (true, true)),
            (4, (true, false)),
            (8, (false, true)),
            (16, (false, false)),
            (32, (false, true)),
            (64, (true, false)),
            (96, (true, true)),
            (128, (false, false)),
            (256, (false, false)),
            (512, (true, true)),
            (1024, (true, false)),
            (2048, (false, true)),
            (4096, (false, false)),
            (8192, (true, true)),
            (0x4000, (false, false)),
            (0x8000, (true, true)),
            (1 | 4, (false, false)),
        ] {
            assert_eq!((passes(&off, flags), passes(&paused, flags)), expected, "{flags:#x}");
        }
    }
}
