//! Secrets: which there are, what is known of them, their values.
//!
//! Owns: how calls name a secret, and which flags each call knows. Never: keeps a value.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result, Word};
use ostler_engine::secrets::{Secret, UsageType};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::table::Procedure;
use ostler_rpc::xdr::Opaque;

use super::{act, answer, count, listed, only_flags, passes, room, schema};
use crate::daemon::Daemon;
use crate::dispatch::{Find, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::ConnectNumOfSecrets;
    answer call::ConnectListSecrets;
    answer call::ConnectListAllSecrets;
    answer call::SecretLookupByUuid;
    answer call::SecretLookupByUsage;
    answer call::SecretGetXmlDesc;
    answer call::SecretGetValue;
    act call::SecretDefineXml;
    act call::SecretSetValue;
    act call::SecretUndefine;
}

/// Of a definition: what nobody knows is refused.
const VALIDATE: u32 = 1;

/// Every filter of the list of all secrets.
const LIST_FLAGS: u32 = 0xf;

/// Arguments that name a secret.
pub trait NamesSecret {
    /// The secret, as the client knows it.
    fn secret(&self) -> &wire::SecretRef;
}

macro_rules! names_secret {
    ($($args:ident)+) => {
        $(impl NamesSecret for wire::$args {
            fn secret(&self) -> &wire::SecretRef {
                &self.secret
            }
        })+
    };
}

names_secret! { SecretGetXmlDescArgs SecretGetValueArgs SecretSetValueArgs SecretUndefineArgs }

/// The secret that a call names.
#[derive(Debug)]
pub struct Named(Arc<Secret>);

impl<P: Procedure> Find<P> for Named
where
    P::Args: NamesSecret,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        daemon.engine.secrets().by_uuid(args.secret().uuid).map(Named)
    }
}

fn reference(secret: &Secret) -> wire::SecretRef {
    let (usage, id) = secret.model.usage_id();
    let usage_type = i32::try_from(usage.index()).unwrap_or_default();
    wire::SecretRef { uuid: secret.model.uuid, usage_type, usage_id: id.to_owned() }
}

answer!(Host; ConnectNumOfSecrets, |daemon, _, ()| {
    Ok(wire::ConnectNumOfSecretsRet { num: count(daemon.engine.secrets().all().len()) })
});

answer!(Host; ConnectListSecrets, |daemon, _, args| {
    let all = daemon.engine.secrets().all().into_iter().take(room(args.maxuuids));
    Ok(wire::ConnectListSecretsRet { uuids: all.map(|secret| secret.model.uuid.to_string()).collect() })
});

answer!(Host; ConnectListAllSecrets, |daemon, _, args| {
    only_flags(args.flags, LIST_FLAGS, "secretConnectListAllSecrets", Origin::Secret)?;
    let wanted = daemon.engine.secrets().all().into_iter().filter(|secret| {
        passes(args.flags, &[(secret.model.ephemeral, 1, 2), (secret.model.private, 4, 8)])
    });
    let (secrets, ret) = listed(wanted.map(|secret| reference(&secret)).collect(), args.need_results);
    Ok(wire::ConnectListAllSecretsRet { secrets, ret })
});

answer!(Host; SecretLookupByUuid, |daemon, _, args| {
    Ok(wire::SecretLookupByUuidRet { secret: reference(&*daemon.engine.secrets().by_uuid(args.uuid)?) })
});

answer!(Host; SecretLookupByUsage, |daemon, _, args| {
    let kind = usize::try_from(args.usage_type).ok().and_then(|place| UsageType::WORDS.get(place));
    let unknown = || Error::new(Code::InvalidArg, Origin::Secret, format!("unknown usage type {}", args.usage_type));
    let (_, kind) = kind.ok_or_else(unknown)?;
    let secret = daemon.engine.secrets().by_usage(*kind, &args.usage_id)?;
    Ok(wire::SecretLookupByUsageRet { secret: reference(&secret) })
});

answer!(Named; SecretGetXmlDesc, |_, secret, args| {
    only_flags(args.flags, 0, "secretGetXMLDesc", Origin::Secret)?;
    Ok(wire::SecretGetXmlDescRet { xml: secret.0.model.to_xml() })
});

answer!(Named; SecretGetValue, |daemon, secret, args| {
    only_flags(args.flags, 0, "secretGetValue", Origin::Secret)?;
    let value = daemon.engine.secrets().value_for_client(&secret.0)?;
    Ok(wire::SecretGetValueRet { value: Opaque(value.bytes().to_vec()) })
});

act!(Host; SecretDefineXml, |daemon, _, args| {
    only_flags(args.flags, VALIDATE, "secretDefineXML", Origin::Secret)?;
    let secret = daemon.engine.secrets().define(&args.xml, schema(args.flags, VALIDATE))?;
    Ok(wire::SecretDefineXmlRet { secret: reference(&secret) })
});

act!(Named; SecretSetValue, |daemon, secret, args| {
    only_flags(args.flags, 0, "secretSetValue", Origin::Secret)?;
    daemon.engine.secrets().set_value(secret.0.model.uuid, args.value.0)
});

act!(Named; SecretUndefine, |daemon, secret, _| daemon.engine.secrets().undefine(secret.0.model.uuid));
