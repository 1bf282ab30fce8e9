//! Settings: a table of keys with types and defaults, read from a `.conf` file.
//!
//! Owns: how a value gets its type, and the messages for what does not fit. Never: knows a key.

use std::path::Path;

use ostler_base::Word;

use crate::auth::Way;
use ostler_base::conf::{self, Value};

/// Why a configuration cannot be used; the text names the file, the line and the key.
#[derive(Debug)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A type that a setting can have.
pub(crate) trait Typed: Sized {
    /// What messages call it.
    const KIND: &'static str;

    /// The value, if the type and the range fit.
    fn typed(value: Value) -> Option<Self>;

    /// The value as the file would say it; nothing where there is none.
    fn show(&self) -> Option<String>;
}

impl Typed for u32 {
    const KIND: &'static str = "a number from 0 to 4294967295";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Typed for i32 {
    const KIND: &'static str = "a number";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Typed for bool {
    const KIND: &'static str = "0 or 1";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(0) => Some(false),
            Value::Number(1) => Some(true),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(u8::from(*self).to_string())
    }
}

impl Typed for String {
    const KIND: &'static str = "a string";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

impl<T: Typed> Typed for Option<T> {
    const KIND: &'static str = T::KIND;

    fn typed(value: Value) -> Option<Self> {
        T::typed(value).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

impl Typed for Way {
    const KIND: &'static str = "\"none\", \"sasl\" or \"polkit\"";

    fn typed(value: Value) -> Option<Self> {
        String::typed(value).and_then(|text| Way::parse(&text))
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{}\"", self.as_str()))
    }
}

/// A single string counts as a list of one.
impl Typed for Vec<String> {
    const KIND: &'static str = "a list of strings";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::List(values) => values.into_iter().map(String::typed).collect(),
            Value::Text(text) => Some(vec![text]),
            Value::Number(_) => None,
        }
    }

    fn show(&self) -> Option<String> {
        (!self.is_empty())
            .then(|| format!("[{}]", self.iter().filter_map(String::show).collect::<Vec<_>>().join(", ")))
    }
}

/// Any value: keys that take more than one kind.
impl Typed for Value {
    const KIND: &'static str = "a value";

    fn typed(value: Value) -> Option<Self> {
        Some(value)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// What the manual says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: &'static str,
    /// What its value has to be.
    pub kind: &'static str,
    /// The value if the file does not say it, as the file would say it.
    pub default: Option<String>,
    /// What it is for; empty where nothing is said of it.
    pub about: &'static str,
}

/// The settings of a file.
pub trait Settings: Default {
    /// Every key, in the order of the file that explains them.
    const KEYS: &'static [&'static str];

    /// Every key with what its value has to be, what it is if the file does not say it, and what it
    /// is for.
    fn manual() -> Vec<Entry>;

    /// Sets a key. `Ok(false)`: there is no such key; `Err`: what its value should be.
    fn set(&mut self, key: &str, value: Value) -> Result<bool, &'static str>;

    /// Refuses values that cannot be kept; the error is without the name of the file.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Settings, and what their file says that is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The settings.
    pub config: T,
    /// Messages for the log.
    pub warnings: Vec<String>,
}

/// Reads a file's text; `path` is for messages. Keys that are not known are passed over with a
/// warning.
pub fn parse<T: Settings>(text: &str, path: &Path) -> Result<Loaded<T>, ConfigError> {
    let place = |line: u32| format!("{}:{line}", path.display());
    let settings = conf::parse(text).map_err(|e| ConfigError(format!("{}: {}", place(e.line), e.what)))?;
    let mut config = T::default();
    let mut warnings = Vec::new();
    for setting in settings {
        let kind = setting.value.kind();
        let (place, key) = (place(setting.line), setting.key);
        match config.set(&key, setting.value) {
            Ok(true) => {}
            Ok(false) => warnings.push(format!("{place}: unknown key '{key}' is passed over")),
            Err(wanted) => {
                return Err(ConfigError(format!("{place}: '{key}' must be {wanted}, not this {kind}")));
            }
        }
    }
    config.check().map_err(|why| ConfigError(format!("{}: {why}", path.display())))?;
    Ok(Loaded { config, warnings })
}

/// Reads a file. Where none was asked for by name, a missing one means the defaults.
pub fn load<T: Settings>(path: &Path, must_exist: bool) -> Result<Loaded<T>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            Ok(Loaded { config: T::default(), warnings: Vec::new() })
        }
        Err(e) => Err(ConfigError(format!("cannot read configuration file {}: {e}", path.display()))),
    }
}

/// Declares settings: `Name { key: Type = default; … }`, and after `check:` what refuses them.
macro_rules! settings {
    ($(#[$meta:meta])* $config:ident { $($(#[doc = $about:literal])* $name:ident: $type:ty = $default:expr;)+ } $(check: $check:expr)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $config { $(#[doc = concat!("The key `", stringify!($name), "`." $(, $about)*)] pub $name: $type,)+ }

        impl Default for $config {
            fn default() -> Self {
                $config { $($name: $default,)+ }
            }
        }

        impl $crate::settings::Settings for $config {
            const KEYS: &'static [&'static str] = &[$(stringify!($name)),+];

            fn manual() -> Vec<$crate::settings::Entry> {
                use $crate::settings::Typed;
                let defaults = $config::default();
                vec![$($crate::settings::Entry {
                    key: stringify!($name),
                    kind: <$type as Typed>::KIND,
                    default: defaults.$name.show(),
                    about: concat!("" $(, $about)*).trim_ascii(),
                }),+]
            }

            fn set(&mut self, key: &str, value: ostler_base::conf::Value) -> Result<bool, &'static str> {
                use $crate::settings::Typed;
                match key {
                    $(stringify!($name) => {
                        self.$name = Typed::typed(value).ok_or(<$type as Typed>::KIND)?;
                    })+
                    _ => return Ok(false),
                }
                Ok(true)
            }

            $(fn check(&self) -> Result<(), String> {
                $check(self)
            })?
        }
    };
}

pub(crate) use settings;

/// Whether the keys, their types and their defaults are those of the table of facts, where that is
/// present; `passed_over` names keys whose default depends on more than the table says.
#[cfg(test)]
pub(crate) fn compare_with_facts<T: Settings + PartialEq + std::fmt::Debug>(
    name: &str,
    passed_over: &[&str],
) {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/facts");
    let Ok(table) = std::fs::read_to_string(Path::new(table).join(name)) else {
        eprintln!("SKIPPED: no table of facts");
        return;
    };
    let keys: Vec<_> = table.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(T::KEYS, keys);
    let defaults = T::default();
    for line in table.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let (key, default) = (columns[0], columns[2]);
        if default.is_empty() || passed_over.contains(&key) {
            continue;
        }
        let loaded = parse::<T>(&format!("{key} = {default}"), Path::new(name)).unwrap();
        assert_eq!(loaded.config, defaults, "{key}");
    }
}
