//! Arguments of a command: `--name value` options, which may be repeated, then input files.

use std::path::PathBuf;

use ostler_base::{Error, Result};

/// Parsed arguments.
#[derive(Debug, Default)]
pub struct Args {
    options: Vec<(String, String)>,
    inputs: Vec<String>,
}

/// Options without a value.
const SWITCHES: &[&str] = &["shallow", "source-only"];

impl Args {
    /// Splits arguments into options and inputs. Every other option has a value; that of one which
    /// another follows is empty.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut args = Args::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = match rest.as_slice() {
                        _ if SWITCHES.contains(&name) => String::new(),
                        [] => return Err(Error::invalid_arg(format!("option --{name} needs a value"))),
                        [next, ..] if next.starts_with("--") => String::new(),
                        _ => rest.next().cloned().unwrap_or_default(),
                    };
                    args.options.push((name.to_owned(), value));
                }
                None => args.inputs.push(argument.clone()),
            }
        }
        Ok(args)
    }

    /// Refuses every option that is not in the list.
    pub fn only(&self, options: &[&str]) -> Result<()> {
        match self.options.iter().find(|(name, _)| !options.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Error::invalid_arg(format!("unknown option --{name}; allowed: {}", options.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The value of an option; the last where it is repeated.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// An option that must be there.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.option(name).ok_or_else(|| Error::invalid_arg(format!("option --{name} is missing")))
    }

    /// All values of an option, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.options.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The values of `--flag` that begin with `KEY=`, without it.
    pub fn flag_values<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s str> {
        self.all("flag").filter_map(move |flag| flag.strip_prefix(key)?.strip_prefix('='))
    }

    /// The same with a flag more.
    pub fn with_flag(&self, name: &str) -> Args {
        let mut args = Args { options: self.options.clone(), inputs: self.inputs.clone() };
        args.options.push(("flag".to_owned(), name.to_owned()));
        args
    }

    /// Whether a flag without a value is given.
    pub fn flag(&self, name: &str) -> bool {
        self.all("flag").any(|flag| flag == name)
    }

    /// Refuses every flag that is not in the list; an entry that ends in `=` or `:` allows any
    /// flag that begins with it.
    pub fn only_flags(&self, flags: &[&str]) -> Result<()> {
        let known =
            |flag: &str| flags.iter().any(|f| f == &flag || (f.ends_with(['=', ':']) && flag.starts_with(f)));
        match self.all("flag").find(|flag| !known(flag)) {
            Some(flag) => {
                Err(Error::invalid_arg(format!("unknown flag '{flag}'; allowed: {}", flags.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The input file at a place, from 0.
    pub fn input(&self, at: usize) -> Result<&str> {
        self.inputs.get(at).map(String::as_str).ok_or_else(|| Error::invalid_arg("an input file is missing"))
    }

    /// All input files.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The text of the input file at a place.
    pub fn read_input(&self, at: usize) -> Result<String> {
        read(self.input(at)?)
    }

    /// The directory of the fake host.
    pub fn fake_host(&self) -> Result<PathBuf> {
        self.required("fakehost").map(PathBuf::from)
    }
}

/// The text of a file that an argument names.
pub(crate) fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::system(format!("cannot read '{path}': {e}")))
}
