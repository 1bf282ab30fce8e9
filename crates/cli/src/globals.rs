//! The options before the first command.
//!
//! Owns: their names and what they set. Never: acts on them.

/// What the options before the command say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Globals {
    /// Where to connect.
    pub(crate) uri: Option<String>,
    /// Whether to print only what was asked for.
    pub(crate) quiet: bool,
    /// Whether to connect without the right to change anything.
    pub(crate) read_only: bool,
    /// Whether tables are printed as JSON.
    pub(crate) json: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Run what these words say.
    Run(Globals, Vec<String>),
    /// Tell how the program is called.
    Help,
    /// Tell the version.
    Version,
    /// Tell the version, and more.
    LongVersion,
}

/// The table for `--help`: forms, and what they do.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    ("-c | --connect=URI", "hypervisor connection URI"),
    ("-h | --help", "this help"),
    ("-q | --quiet", "quiet mode"),
    ("-r | --readonly", "connect readonly"),
    ("-v", "short version"),
    ("-V", "long version"),
    ("     --version[=TYPE]", "version, TYPE is short or long (default short)"),
    ("     --json", "tables and facts as JSON"),
];

struct Reading {
    globals: Globals,
    words: std::vec::IntoIter<String>,
}

/// Reads the command line. Fails with a complaint.
pub(crate) fn parse(words: Vec<String>) -> Result<Request, String> {
    let mut reading = Reading { globals: Globals::default(), words: words.into_iter() };
    while let Some(word) = reading.words.as_slice().first().cloned() {
        let found = if word == "--" {
            reading.words.next();
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            reading.words.next();
            reading.long(long)?
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            reading.words.next();
            reading.short(letters)?
        } else {
            break;
        };
        if let Some(request) = found {
            return Ok(request);
        }
    }
    Ok(Request::Run(reading.globals, reading.words.collect()))
}

impl Reading {
    fn connect(&mut self, given: Option<&str>) -> Result<Option<Request>, String> {
        let value = given.map(str::to_owned).or_else(|| self.words.next());
        let value = value.ok_or("option '-c'/'--connect' requires an argument")?;
        self.globals.uri = Some(value);
        Ok(None)
    }

    fn long(&mut self, long: &str) -> Result<Option<Request>, String> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        match (name, value) {
            ("connect", value) => return self.connect(value),
            ("quiet", None) => self.globals.quiet = true,
            ("readonly", None) => self.globals.read_only = true,
            ("json", None) => self.globals.json = true,
            ("help", None) => return Ok(Some(Request::Help)),
            ("version", None | Some("short")) => return Ok(Some(Request::Version)),
            ("version", Some("long")) => return Ok(Some(Request::LongVersion)),
            _ => return Err(format!("unsupported option '--{long}'. See --help.")),
        }
        Ok(None)
    }

    fn short(&mut self, letters: &str) -> Result<Option<Request>, String> {
        for (at, letter) in letters.char_indices() {
            match letter {
                'c' => {
                    let rest = letters.get(at + 1..).filter(|rest| !rest.is_empty());
                    return self.connect(rest);
                }
                'q' => self.globals.quiet = true,
                'r' => self.globals.read_only = true,
                'h' => return Ok(Some(Request::Help)),
                'v' => return Ok(Some(Request::Version)),
                'V' => return Ok(Some(Request::LongVersion)),
                other => return Err(format!("unsupported option '-{other}'. See --help.")),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    fn run(uri: Option<&str>, flags: &str, words: &[&str]) -> Request {
        let globals = Globals {
            uri: uri.map(str::to_owned),
            quiet: flags.contains('q'),
            read_only: flags.contains('r'),
            json: flags.contains('j'),
        };
        Request::Run(globals, words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn forms() {
        let table = [
            ("", run(None, "", &[])),
            ("list --all", run(None, "", &["list", "--all"])),
            ("-c x list -q", run(Some("x"), "", &["list", "-q"])),
            ("-cx -rq list", run(Some("x"), "rq", &["list"])),
            ("-rcx list", run(Some("x"), "r", &["list"])),
            ("--connect x --readonly --quiet --json list", run(Some("x"), "rqj", &["list"])),
            ("--connect=x -- list", run(Some("x"), "", &["list"])),
            ("-h list", Request::Help),
            ("--help", Request::Help),
            ("-v", Request::Version),
            ("--version", Request::Version),
            ("--version=short", Request::Version),
            ("-V", Request::LongVersion),
            ("--version=long", Request::LongVersion),
        ];
        for (line, expected) in table {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn complaints() {
        let table = [
            ("-c", "option '-c'/'--connect' requires an argument"),
            ("--connect", "option '-c'/'--connect' requires an argument"),
            ("-Z", "unsupported option '-Z'. See --help."),
            ("--foo list", "unsupported option '--foo'. See --help."),
            ("--quiet=1", "unsupported option '--quiet=1'. See --help."),
        ];
        for (line, complaint) in table {
            assert_eq!(read(line).unwrap_err(), complaint);
        }
    }
}
