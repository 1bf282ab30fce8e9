//! Secrets: what is known of them, and their values.
//!
//! Owns: their files; values are never printed. Never: hands a private value to a client.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid, base64};
use ostler_domain::Entropy as _;
use ostler_pools::secret::Secret as Model;
pub use ostler_pools::secret::UsageType;
use ostler_pools::{ReadMode, Schema};

use crate::engine::Random;
use crate::files::{self, Durability};
use crate::objects::{Happening, Subject, Teller};
use crate::paths::Paths;

/// A value. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Vec<u8>);

impl Value {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// A secret as it is at one moment.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What is known of it.
    pub model: Model,
    value: Option<Value>,
}

impl Secret {
    fn subject(&self) -> Subject {
        let (usage, usage_id) = self.model.usage_id();
        Subject::Secret { uuid: self.model.uuid, usage: usage as i32, usage_id: usage_id.to_owned() }
    }
}

/// The secrets of a host. Clones share them.
#[derive(Debug, Clone)]
pub struct Secrets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    all: RwLock<BTreeMap<Uuid, Arc<Secret>>>,
    teller: Teller,
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoSecret, Origin::Secret, detail)
}

impl Secrets {
    /// Reads the secrets that are kept.
    pub fn open(paths: &Paths, teller: Teller) -> Result<Self> {
        let secrets =
            Secrets(Arc::new(Inner { directory: paths.etc.join("secrets"), all: RwLock::default(), teller }));
        for stem in files::xml_stems(&secrets.0.directory)? {
            if let Err(error) = secrets.load(&stem) {
                tracing::error!(name = stem, %error, "cannot load a secret");
            }
        }
        Ok(secrets)
    }

    fn load(&self, stem: &str) -> Result<()> {
        let Some(uuid) = Uuid::parse(stem) else { return Ok(()) };
        let text = files::read(&self.definition(uuid))?.unwrap_or_default();
        let model = Model::parse(&text, &ReadMode::new(uuid))?;
        if model.uuid != uuid {
            return Err(Error::internal("the file's name is not its secret's UUID"));
        }
        let value = files::read(&self.value_file(uuid))?.and_then(|text| base64::decode(&text)).map(Value);
        self.put(Secret { model, value });
        Ok(())
    }

    fn definition(&self, uuid: Uuid) -> PathBuf {
        self.0.directory.join(format!("{uuid}.xml"))
    }

    fn value_file(&self, uuid: Uuid) -> PathBuf {
        self.0.directory.join(format!("{uuid}.base64"))
    }

    fn put(&self, secret: Secret) -> Arc<Secret> {
        let secret = Arc::new(secret);
        let mut all = self.0.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(secret.model.uuid, Arc::clone(&secret));
        secret
    }

    /// Every secret, in the order of UUIDs.
    pub fn all(&self) -> Vec<Arc<Secret>> {
        self.0.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The secret with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Secret>> {
        let all = self.0.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&uuid).cloned().ok_or_else(|| missing(format!("no secret with matching uuid '{uuid}'")))
    }

    /// The secret for this use.
    pub fn by_usage(&self, kind: UsageType, id: &str) -> Result<Arc<Secret>> {
        let found = self.all().into_iter().find(|secret| secret.model.usage_id() == (kind, id));
        found.ok_or_else(|| missing(format!("no secret with matching usage '{id}'")))
    }

    /// Makes a secret, or replaces what is known of one; its value stays.
    pub fn define(&self, xml: &str, schema: Schema) -> Result<Arc<Secret>> {
        let mut mode = ReadMode::new(Random.uuid());
        mode.schema = schema;
        let model = Model::parse(xml, &mode)?;
        let known = self.by_uuid(model.uuid).ok();
        match &known {
            Some(known) => known.model.check_redefinition(&model)?,
            None => self.check_usage(&model)?,
        }
        let value = known.as_ref().and_then(|known| known.value.clone());
        if model.ephemeral {
            if known.as_ref().is_some_and(|known| !known.model.ephemeral) {
                files::remove(&self.definition(model.uuid))?;
                files::remove(&self.value_file(model.uuid))?;
            }
        } else {
            files::make_directory(&self.0.directory, 0o700)?;
            if let Some(value) = &value {
                self.write_value(model.uuid, value)?;
            }
            files::replace(&self.definition(model.uuid), &model.to_xml(), Durability::Durable)?;
        }
        let secret = self.put(Secret { model, value });
        self.0.teller.tell(secret.subject(), Happening::Defined);
        Ok(secret)
    }

    fn check_usage(&self, model: &Model) -> Result<()> {
        let (kind, id) = model.usage_id();
        let other = self.by_usage(kind, id).ok().filter(|_| kind != UsageType::None);
        match other {
            Some(other) => {
                let detail =
                    format!("a secret with UUID {} already defined for use with {id}", other.model.uuid);
                Err(Error::internal(detail).from_origin(Origin::Secret))
            }
            None => Ok(()),
        }
    }

    fn write_value(&self, uuid: Uuid, value: &Value) -> Result<()> {
        files::make_directory(&self.0.directory, 0o700)?;
        files::replace(&self.value_file(uuid), &base64::encode(&value.0), Durability::Durable)
    }

    /// Gives a secret a value.
    pub fn set_value(&self, uuid: Uuid, value: Vec<u8>) -> Result<()> {
        let known = self.by_uuid(uuid)?;
        let value = Value(value);
        if !known.model.ephemeral {
            self.write_value(uuid, &value)?;
        }
        let secret = self.put(Secret { model: known.model.clone(), value: Some(value) });
        self.0.teller.tell(secret.subject(), Happening::ValueChanged);
        Ok(())
    }

    /// The value for a client: not that of a private secret.
    pub fn value_for_client(&self, secret: &Secret) -> Result<Value> {
        if secret.model.private {
            return Err(Error::new(Code::InvalidSecret, Origin::Secret, "secret is private"));
        }
        self.value(secret)
    }

    /// The value for ourselves.
    pub fn value(&self, secret: &Secret) -> Result<Value> {
        let value = secret.value.clone();
        value.ok_or_else(|| missing(format!("secret '{}' does not have a value", secret.model.uuid)))
    }

    /// Forgets a secret with its value.
    pub fn undefine(&self, uuid: Uuid) -> Result<()> {
        let known = self.by_uuid(uuid)?;
        files::remove(&self.definition(uuid))?;
        files::remove(&self.value_file(uuid))?;
        self.0.all.write().unwrap_or_else(PoisonError::into_inner).remove(&uuid);
        self.0.teller.tell(known.subject(), Happening::Undefined);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_and_not_printed() {
        let root = std::env::temp_dir().join(format!("ostler-engine-secrets-{}", std::process::id()));
        let paths = Paths::below(&root);
        let secrets = Secrets::open(&paths, Teller::default()).unwrap();
        let xml = |private: &str, ephemeral: &str, name: &str| {
            format!(
                "<secret private='{private}' ephemeral='{ephemeral}'><usage type='ceph'><name>{name}</name>\
                 </usage></secret>"
            )
        };
        let open = secrets.define(&xml("no", "no", "a"), Schema::Lenient).unwrap();
        assert!(secrets.define(&xml("no", "no", "a"), Schema::Lenient).is_err(), "one secret for one use");
        let private = secrets.define(&xml("yes", "no", "b"), Schema::Lenient).unwrap();
        let fleeting = secrets.define(&xml("no", "yes", "c"), Schema::Lenient).unwrap();
        for secret in [&open, &private, &fleeting] {
            assert_eq!(
                secrets.value_for_client(secret).unwrap_err().code() == Code::NoSecret,
                !secret.model.private
            );
            secrets.set_value(secret.model.uuid, b"word".to_vec()).unwrap();
        }
        let again = Secrets::open(&paths, Teller::default()).unwrap();
        assert_eq!(again.all().len(), 2);
        let open = again.by_usage(UsageType::Ceph, "a").unwrap();
        assert_eq!(again.value_for_client(&open).unwrap().bytes(), b"word");
        assert!(!format!("{open:?}").contains("word"));
        let private = again.by_uuid(private.model.uuid).unwrap();
        assert_eq!(again.value_for_client(&private).unwrap_err().code(), Code::InvalidSecret);
        assert_eq!(again.value(&private).unwrap().bytes(), b"word");
        again.undefine(open.model.uuid).unwrap();
        assert!(again.by_uuid(open.model.uuid).is_err());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
