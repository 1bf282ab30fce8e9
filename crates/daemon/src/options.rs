//! The command line of `ostlerd`.
//!
//! Owns: the options, their help text, what is wrong with them. Never: acts on one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Options {
    /// `--config`: the configuration file.
    pub config: Option<PathBuf>,
    /// `--pid-file`: where the process number is written.
    pub pid_file: Option<PathBuf>,
    /// `--root`: the directory below which every path lies.
    pub root: Option<PathBuf>,
    /// `--timeout`: seconds without a client after which the daemon ends.
    pub timeout: Option<u32>,
    /// `--listen`: listen for TCP connections too.
    pub listen: bool,
    /// `--verbose`: log what happens.
    pub verbose: bool,
    /// `--daemon`: go on in the background.
    pub daemon: bool,
    /// `--report-ready`: say so on standard output, then let go of it.
    pub report_ready: bool,
    /// `--version`: print the version.
    pub version: bool,
    /// `--help`: print the help.
    pub help: bool,
}

/// How an option's value gets into [`Options`].
enum Set {
    Flag(fn(&mut Options) -> &mut bool),
    Path(fn(&mut Options) -> &mut Option<PathBuf>),
    Seconds(fn(&mut Options) -> &mut Option<u32>),
}

/// Every option: letter, name, what its value is called, help, effect.
type Row = (Option<char>, &'static str, &'static str, &'static str, Set);

const OPTIONS: &[Row] = &[
    (Some('h'), "help", "", "Display program help", Set::Flag(|o| &mut o.help)),
    (Some('v'), "verbose", "", "Verbose messages", Set::Flag(|o| &mut o.verbose)),
    (Some('d'), "daemon", "", "Run as a daemon and write PID file", Set::Flag(|o| &mut o.daemon)),
    (Some('l'), "listen", "", "Listen for TCP/IP connections", Set::Flag(|o| &mut o.listen)),
    (Some('t'), "timeout", "SECONDS", "Exit after timeout period", Set::Seconds(|o| &mut o.timeout)),
    (Some('f'), "config", "FILE", "Configuration file", Set::Path(|o| &mut o.config)),
    (Some('V'), "version", "", "Display version information", Set::Flag(|o| &mut o.version)),
    (Some('p'), "pid-file", "FILE", "Change name of PID file", Set::Path(|o| &mut o.pid_file)),
    (None, "root", "DIR", "Keep every file and socket below DIR", Set::Path(|o| &mut o.root)),
    (
        None,
        "report-ready",
        "",
        "Print \"ready\" when clients can connect, then close the standard streams",
        Set::Flag(|o| &mut o.report_ready),
    ),
];

impl Options {
    /// Reads the arguments, without the program's name. The error is a message for the user.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let bytes = argument.as_bytes();
            if let Some(name) = bytes.strip_prefix(b"--") {
                let equals = name.iter().position(|b| *b == b'=');
                let (name, value) = name.split_at(equals.unwrap_or(name.len()));
                let row = OPTIONS.iter().find(|row| row.1.as_bytes() == name);
                let value = value.strip_prefix(b"=").map(OsStr::from_bytes);
                let row = row.ok_or_else(|| format!("unknown option '{}'", argument.display()))?;
                options.apply(row, value, &mut arguments)?;
            } else if let Some(letters) = bytes.strip_prefix(b"-").filter(|letters| !letters.is_empty()) {
                options.letters(letters, &mut arguments)?;
            } else {
                return Err(format!("unexpected argument '{}'", argument.display()));
            }
        }
        Ok(options)
    }

    /// Letters of one argument: flags, then at most one with a value, which may follow at once.
    fn letters(&mut self, letters: &[u8], more: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let mut rest = letters;
        while let Some((letter, after)) = rest.split_first() {
            let row = OPTIONS.iter().find(|row| row.0 == Some(char::from(*letter)));
            let row = row.ok_or_else(|| format!("unknown option '-{}'", char::from(*letter)))?;
            if matches!(row.4, Set::Flag(_)) {
                self.apply(row, None, more)?;
                rest = after;
            } else {
                let value = (!after.is_empty()).then(|| OsStr::from_bytes(after));
                return self.apply(row, value, more);
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        row: &Row,
        value: Option<&OsStr>,
        more: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), String> {
        let name = row.1;
        let mut value = value.map(OsStr::to_owned);
        match &row.4 {
            Set::Flag(flag) if value.is_none() => *flag(self) = true,
            Set::Flag(_) => return Err(format!("option '--{name}' takes no value")),
            Set::Path(_) | Set::Seconds(_) => {
                value = value.or_else(|| more.next());
                let value = value.ok_or_else(|| format!("option '--{name}' needs a value"))?;
                match &row.4 {
                    Set::Path(path) => *path(self) = Some(PathBuf::from(value)),
                    Set::Seconds(seconds) => *seconds(self) = Some(parse_seconds(name, value)?),
                    Set::Flag(_) => {}
                }
            }
        }
        Ok(())
    }
}

fn parse_seconds(name: &str, value: OsString) -> Result<u32, String> {
    let text = String::from_utf8_lossy(&value.into_vec()).into_owned();
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(format!("option '--{name}' needs a number of seconds above 0, not '{text}'")),
    }
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = "Usage:\n  ostlerd [options]\n\nOptions:\n".to_owned();
    for (letter, name, value, help, _) in OPTIONS {
        let letter = letter.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let name = if value.is_empty() { format!("--{name}") } else { format!("--{name} <{value}>") };
        text.push_str(&format!("  {letter}{name:<20}  {help}\n"));
    }
    text.push_str("\nIt looks after guests as libvirtd does; see libvirtd.conf for its settings.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn every_form() {
        let options =
            parse(&["-vdt", "30", "-f/x.conf", "--pid-file=/p", "--root", "/r", "--listen"]).unwrap();
        let expected = Options {
            verbose: true,
            daemon: true,
            timeout: Some(30),
            config: Some("/x.conf".into()),
            pid_file: Some("/p".into()),
            root: Some("/r".into()),
            listen: true,
            ..Options::default()
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn refusals() {
        let cases: &[(&[&str], &str)] = &[
            (&["--nope"], "unknown option '--nope'"),
            (&["-x"], "unknown option '-x'"),
            (&["x"], "unexpected argument 'x'"),
            (&["-"], "unexpected argument '-'"),
            (&["--config"], "option '--config' needs a value"),
            (&["-t0"], "option '--timeout' needs a number of seconds above 0, not '0'"),
            (&["--verbose=1"], "option '--verbose' takes no value"),
        ];
        for (arguments, message) in cases {
            assert_eq!(parse(arguments), Err((*message).to_owned()));
        }
    }

    #[test]
    fn help_names_every_option() {
        let text = help();
        assert!(OPTIONS.iter().all(|row| text.contains(&format!("--{}", row.1))));
    }
}
