//! Packet filters and their bindings.
//!
//! Owns: how calls name a filter or a binding, and which flags each call knows. Never: makes a rule.

use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_engine::filters::{Binding, Filter};
use ostler_pools::Schema;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::table::Procedure;

use super::{act, answer, count, listed, only_flags, room, schema};
use crate::daemon::Daemon;
use crate::dispatch::{Find, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::ConnectNumOfNwfilters;
    answer call::ConnectListNwfilters;
    answer call::ConnectListAllNwfilters;
    answer call::NwfilterLookupByName;
    answer call::NwfilterLookupByUuid;
    answer call::NwfilterGetXmlDesc;
    answer call::ConnectListAllNwfilterBindings;
    answer call::NwfilterBindingLookupByPortDev;
    answer call::NwfilterBindingGetXmlDesc;
    act call::NwfilterDefineXml;
    act call::NwfilterDefineXmlFlags;
    act call::NwfilterUndefine;
    act call::NwfilterBindingCreateXml;
    act call::NwfilterBindingDelete;
}

/// Of a definition: what nobody knows is refused.
const VALIDATE: u32 = 1;

/// The filter that a call names.
#[derive(Debug)]
pub struct Named(Arc<Filter>);

/// The binding that a call names.
#[derive(Debug)]
pub struct NamedBinding(Binding);

macro_rules! finds {
    ($($args:ident)+) => {
        $(impl NamesFilter for wire::$args {
            fn filter(&self) -> &wire::NwfilterRef {
                &self.nwfilter
            }
        })+
    };
}

/// Arguments that name a filter.
pub trait NamesFilter {
    /// The filter, as the client knows it.
    fn filter(&self) -> &wire::NwfilterRef;
}

finds! { NwfilterUndefineArgs NwfilterGetXmlDescArgs }

impl<P: Procedure> Find<P> for Named
where
    P::Args: NamesFilter,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        let named = args.filter();
        let found = daemon.engine.filters().by_uuid(named.uuid).map(Named);
        found.map_err(|error| error.with_suffix(&format!(" ({})", named.name)))
    }
}

/// Arguments that name a binding.
pub trait NamesBinding {
    /// The binding, as the client knows it.
    fn binding(&self) -> &wire::NwfilterBindingRef;
}

impl NamesBinding for wire::NwfilterBindingDeleteArgs {
    fn binding(&self) -> &wire::NwfilterBindingRef {
        &self.nwfilter
    }
}

impl NamesBinding for wire::NwfilterBindingGetXmlDescArgs {
    fn binding(&self) -> &wire::NwfilterBindingRef {
        &self.nwfilter
    }
}

impl<P: Procedure> Find<P> for NamedBinding
where
    P::Args: NamesBinding,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        daemon.engine.filters().binding(&args.binding().portdev).map(NamedBinding)
    }
}

fn reference(filter: &Filter) -> wire::NwfilterRef {
    wire::NwfilterRef { name: filter.name.clone(), uuid: filter.uuid }
}

fn binding_reference(binding: &Binding) -> wire::NwfilterBindingRef {
    wire::NwfilterBindingRef {
        portdev: binding.portdev.clone(),
        filtername: binding.filterref.filter.clone(),
    }
}

answer!(Host; ConnectNumOfNwfilters, |daemon, _, ()| {
    Ok(wire::ConnectNumOfNwfiltersRet { num: count(daemon.engine.filters().all().len()) })
});

answer!(Host; ConnectListNwfilters, |daemon, _, args| {
    let all = daemon.engine.filters().all().into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListNwfiltersRet { names: all.map(|filter| filter.name.clone()).collect() })
});

answer!(Host; ConnectListAllNwfilters, |daemon, _, args| {
    only_flags(args.flags, 0, "nwfilterConnectListAllNWFilters", Origin::Nwfilter)?;
    let all = daemon.engine.filters().all().iter().map(|filter| reference(filter)).collect();
    let (filters, ret) = listed(all, args.need_results);
    Ok(wire::ConnectListAllNwfiltersRet { filters, ret })
});

answer!(Host; NwfilterLookupByName, |daemon, _, args| {
    Ok(wire::NwfilterLookupByNameRet { nwfilter: reference(&*daemon.engine.filters().by_name(&args.name)?) })
});

answer!(Host; NwfilterLookupByUuid, |daemon, _, args| {
    Ok(wire::NwfilterLookupByUuidRet { nwfilter: reference(&*daemon.engine.filters().by_uuid(args.uuid)?) })
});

answer!(Named; NwfilterGetXmlDesc, |_, filter, args| {
    only_flags(args.flags, 0, "nwfilterGetXMLDesc", Origin::Nwfilter)?;
    Ok(wire::NwfilterGetXmlDescRet { xml: filter.0.to_xml() })
});

answer!(Host; ConnectListAllNwfilterBindings, |daemon, _, args| {
    only_flags(args.flags, 0, "nwfilterConnectListAllNWFilterBindings", Origin::Nwfilter)?;
    let all = daemon.engine.filters().bindings().iter().map(binding_reference).collect();
    let (bindings, ret) = listed(all, args.need_results);
    Ok(wire::ConnectListAllNwfilterBindingsRet { bindings, ret })
});

answer!(Host; NwfilterBindingLookupByPortDev, |daemon, _, args| {
    let binding = daemon.engine.filters().binding(&args.name)?;
    Ok(wire::NwfilterBindingLookupByPortDevRet { nwfilter: binding_reference(&binding) })
});

answer!(NamedBinding; NwfilterBindingGetXmlDesc, |_, binding, args| {
    only_flags(args.flags, 0, "nwfilterBindingGetXMLDesc", Origin::Nwfilter)?;
    Ok(wire::NwfilterBindingGetXmlDescRet { xml: binding.0.to_xml() })
});

act!(Host; NwfilterDefineXml, |daemon, _, args| {
    let filter = daemon.engine.filters().define(&args.xml, Schema::Lenient)?;
    Ok(wire::NwfilterDefineXmlRet { nwfilter: reference(&filter) })
});

act!(Host; NwfilterDefineXmlFlags, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "nwfilterDefineXMLFlags", Origin::Nwfilter)?;
    let filter = daemon.engine.filters().define(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::NwfilterDefineXmlFlagsRet { nwfilter: reference(&filter) })
});

act!(Named; NwfilterUndefine, |daemon, filter, _| daemon.engine.filters().undefine(&filter.0.name));

act!(Host; NwfilterBindingCreateXml, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "nwfilterBindingCreateXML", Origin::Nwfilter)?;
    let binding = daemon.engine.filters().create_binding(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::NwfilterBindingCreateXmlRet { nwfilter: binding_reference(&binding) })
});

act!(NamedBinding; NwfilterBindingDelete, |daemon, binding, _| {
    daemon.engine.filters().unbind(&binding.0.portdev)
});
