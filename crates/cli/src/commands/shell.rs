//! Commands about this program itself.
//!
//! Owns: `echo`, `exit`, `help`, `quit`. Never: connects.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::help;
use crate::session::Session;
use crate::table::{Command, Group, Kind, flag, named, placed};

pub(super) const GROUP: Group =
    Group { title: "Virsh itself", keyword: "virsh", commands: &[ECHO, EXIT, HELP, QUIT] };

const ECHO: Command = Command {
    name: "echo",
    summary: "echo arguments. Used for internal testing.",
    description: "Echo back arguments, possibly with quoting. Used for internal testing.",
    options: &[
        flag("shell", "escape for shell use"),
        flag("xml", "escape for XML use"),
        flag("err", "output to stderr"),
        named("prefix", Kind::Text, "prefix the message"),
        placed("string", Kind::Rest, "arguments to echo"),
    ],
    connects: false,
    run: echo,
};

const EXIT: Command = Command {
    name: "exit",
    summary: "quit this interactive terminal",
    description: "",
    options: &[],
    connects: false,
    run: leave,
};

const QUIT: Command = Command { name: "quit", ..EXIT };

const HELP: Command = Command {
    name: "help",
    summary: "print help",
    description: "Prints global help, command specific help, or help for a\n    group of related commands",
    options: &[
        placed(
            "command",
            Kind::Text,
            "Prints global help, command specific help, or help for a group of related commands",
        ),
        flag("markdown", "print the whole reference as a page in Markdown"),
    ],
    connects: false,
    run: show_help,
};

fn echo(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let mut words: Vec<String> = arguments.all("string").map(str::to_owned).collect();
    if arguments.flag("xml") {
        words = words.iter().map(|word| xml(word)).collect();
    }
    if arguments.flag("shell") {
        words = words.iter().map(|word| shell(word)).collect();
    }
    let prefix = arguments.text("prefix")?;
    let text = prefix.map(|prefix| format!("{prefix} ")).unwrap_or_default() + &words.join(" ");
    match arguments.flag("err") {
        true => session.complain(&[text]),
        false => session.print(&text),
    }
    Ok(())
}

fn xml(word: &str) -> String {
    let escape = |c| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&apos;".to_owned(),
        other => String::from(other),
    };
    word.chars().map(escape).collect()
}

fn shell(word: &str) -> String {
    let harmless = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    match !word.is_empty() && word.chars().all(harmless) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Nothing is left to do: whoever runs commands stops after this one.
fn leave(_session: &mut Session, _arguments: &Arguments<'_>) -> Result<(), Failure> {
    Ok(())
}

fn show_help(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    if arguments.flag("markdown") {
        session.print(help::markdown().trim_end_matches('\n'));
        return Ok(());
    }
    match arguments.text("command")? {
        None => session.print(&help::all()),
        Some(word) => {
            let text = help::about(word);
            let unknown = || Failure::new(format!("command or command group '{word}' doesn't exist"));
            session.print(&text.ok_or_else(unknown)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell("a-b"), "a-b");
        assert_eq!(shell(""), "''");
        assert_eq!(xml("<a & 'b'>"), "&lt;a &amp; &apos;b&apos;&gt;");
    }
}
