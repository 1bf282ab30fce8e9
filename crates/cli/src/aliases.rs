//! `libvirt.conf`: the URI that is meant where none is given, and short names of URIs.
//!
//! Owns: reading that file. Never: knows what a URI means.

use std::path::PathBuf;

use ostler_base::conf::{self, Value};
use ostler_base::{Code, Error, Origin, Result};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Aliases {
    /// The URI that is meant where none is given.
    pub(crate) default: Option<String>,
    /// Short names, each with its URI.
    pub(crate) aliases: Vec<(String, String)>,
}

fn wrong(path: &std::path::Path, line: u32, what: &str) -> Error {
    Error::new(Code::ConfSyntax, Origin::Conf, format!("{}:{line}: {what}", path.display()))
}

impl Aliases {
    /// Reads the file of this user: root's is the system's.
    pub(crate) fn load(root: bool, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory = match root {
            true => Some(PathBuf::from("/etc")),
            false => set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config"))),
        };
        let Some(path) = directory.map(|directory| directory.join("libvirt/libvirt.conf")) else {
            return Ok(Aliases::default());
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(_) => Ok(Aliases::default()),
        }
    }

    fn parse(text: &str, path: &std::path::Path) -> Result<Self> {
        let mut found = Aliases::default();
        let settings = conf::parse(text).map_err(|error| wrong(path, error.line, error.what))?;
        for setting in settings {
            match (&setting.key[..], setting.value) {
                ("uri_default", Value::Text(uri)) => found.default = Some(uri),
                ("uri_aliases", Value::List(aliases)) => {
                    for alias in aliases {
                        let pair = match &alias {
                            Value::Text(text) => text.split_once('='),
                            _ => None,
                        };
                        let (name, uri) = pair.ok_or_else(|| {
                            wrong(
                                path,
                                setting.line,
                                "expected 'uri_aliases' to hold strings like 'alias=uri://host/path'",
                            )
                        })?;
                        found.aliases.push((name.to_owned(), uri.to_owned()));
                    }
                }
                ("uri_default", _) => {
                    return Err(wrong(path, setting.line, "expected a string for 'uri_default'"));
                }
                ("uri_aliases", _) => {
                    return Err(wrong(path, setting.line, "expected a list for 'uri_aliases'"));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The URI that a name stands for; what is no alias stands for itself.
    pub(crate) fn resolve(&self, uri: &str) -> String {
        let found = self.aliases.iter().find(|(name, _)| name == uri);
        found.map_or(uri, |(_, meant)| meant).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says() {
        let text = "uri_aliases = [\n  \"a=qemu+ssh://h/system\",\n  'b=x?y=z',\n]\nuri_default = \"b\"\nother = 1\n";
        let aliases = Aliases::parse(text, "l.conf".as_ref()).unwrap();
        assert_eq!(aliases.resolve("a"), "qemu+ssh://h/system");
        assert_eq!(aliases.resolve("b"), "x?y=z");
        assert_eq!(aliases.resolve("c"), "c");
        assert_eq!(aliases.default.as_deref(), Some("b"));
        let error = Aliases::parse("\nuri_aliases = [\"a\"]", "l.conf".as_ref()).unwrap_err();
        assert!(error.to_string().contains("l.conf:2: expected 'uri_aliases'"), "{error}");
    }
}
