//! What `help` prints, and the reference page: both are read off the table of commands.
//!
//! Owns: their layout. Never: knows a command.

use std::fmt::Write;

use crate::commands;
use crate::globals;
use crate::table::{Command, Group, Kind, Opt};

/// How an option stands in a synopsis.
fn synopsis(option: &Opt) -> String {
    let Opt { name, kind, .. } = option;
    let value = kind.placeholder();
    match (kind, option.required, option.positional) {
        (Kind::Flag, ..) => format!("[--{name}]"),
        (Kind::Rest, ..) => format!("[{value}]..."),
        (_, true, true) => format!("<{name}>"),
        (_, false, true) => format!("[<{name}>]"),
        (_, true, false) => format!("--{name} {value}"),
        (_, false, false) => format!("[--{name} {value}]"),
    }
}

/// How an option stands in the list of options.
fn form(option: &Opt) -> String {
    let Opt { name, kind, .. } = option;
    let value = kind.placeholder();
    match (kind, option.positional) {
        (Kind::Flag, _) => format!("--{name}"),
        (Kind::Rest, _) => format!("[--{name}] {value}..."),
        (_, true) => format!("[--{name}] {value}"),
        (_, false) => format!("--{name} {value}"),
    }
}

/// The name of a command and its options.
fn usage(command: &Command) -> String {
    let words = command.options.iter().map(|option| format!(" {}", synopsis(option)));
    format!("{}{}", command.name, words.collect::<String>())
}

fn command(command: &Command) -> String {
    let mut out = format!("  NAME\n    {} - {}\n", command.name, command.summary);
    out += &format!("\n  SYNOPSIS\n    {}\n", usage(command));
    if !command.description.is_empty() {
        out += &format!("\n  DESCRIPTION\n    {}\n", command.description);
    }
    if !command.options.is_empty() {
        out += "\n  OPTIONS\n";
        out.extend(command.options.iter().map(|o| format!("    {:<15}  {}\n", form(o), o.help)));
    }
    out
}

fn group(group: &Group) -> String {
    let mut out = format!(" {} (help keyword '{}'):\n", group.title, group.keyword);
    out.extend(group.commands.iter().map(|c| format!("    {:<30} {}\n", c.name, c.summary)));
    out
}

/// Every command, with a line each.
pub(crate) fn all() -> String {
    let groups = commands::GROUPS.iter().map(|g| group(g) + "\n");
    format!("Grouped commands:\n\n{}", groups.collect::<String>())
}

/// About a command, or a group of commands.
pub(crate) fn about(word: &str) -> Option<String> {
    let by_name = |g: &&Group| g.keyword == word || g.title == word;
    commands::find(word).map(command).or_else(|| commands::GROUPS.iter().find(by_name).map(group))
}

/// How the program is called.
pub(crate) fn program() -> String {
    let mut out = String::from(
        "\nostler [options]... [<command_string>]\nostler [options]... <command> [args...]\nostler conformance [args...]\n\n  options:\n",
    );
    out.extend(globals::OPTIONS.iter().map(|(form, help)| format!("    {form:<23} {help}\n")));
    out += "  commands (non interactive mode):\n\n";
    for group in commands::GROUPS {
        out += &format!(" {} (help keyword '{}')\n", group.title, group.keyword);
        out.extend(group.commands.iter().map(|c| format!("    {:<30} {}\n", c.name, c.summary)));
        out += "\n";
    }
    out += "\n  (specify help <group> for details about the commands in the group)\n";
    out += "\n  (specify help <command> for details about the command)\n\n";
    out
}

/// The reference page.
pub(crate) fn markdown() -> String {
    let mut out = String::from(
        "# Commands of `ostler`\n\nMade by `ostler help --markdown`. \
         An option in `<…>` need not be named; `--name value` and `--name=value` both work.\n\n\
         `ostler [options]... <command> [args...]`\n\n| option | |\n|---|---|\n",
    );
    for (form, help) in globals::OPTIONS {
        let form = form.trim().replace(" | ", "`, `");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{form}` | {help} |");
    }
    for group in commands::GROUPS {
        let _ = writeln!(out, "\n## {}", group.title);
        for command in group.commands {
            out += &section(command);
        }
    }
    out
}

fn section(command: &Command) -> String {
    let mut out = format!("\n### {}\n\n{}\n\n    {}\n", command.name, command.summary, usage(command));
    if !command.description.is_empty() {
        out += &format!("\n{}\n", command.description.replace("\n    ", "\n"));
    }
    if !command.options.is_empty() {
        out += "\n| option | |\n|---|---|\n";
        let row = |o: &Opt| format!("| `{}` | {} |\n", form(o), o.help.replace('|', "\\|"));
        out.extend(command.options.iter().map(row));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command() {
        let text = "  NAME\n    shutdown - gracefully shutdown a domain\n\n  SYNOPSIS\n    \
                    shutdown <domain> [<mode>]\n\n  DESCRIPTION\n    Run shutdown in the target domain.\n\n  \
                    OPTIONS\n    [--domain] <string>  domain name, id or uuid\n    \
                    [--mode] <string>  shutdown mode: acpi|agent|initctl|signal|paravirt\n";
        assert_eq!(about("shutdown").as_deref(), Some(text));
        assert_eq!(about("no such thing"), None);
    }

    #[test]
    fn one_group() {
        let text = about("events").unwrap();
        assert_eq!(
            text,
            " Domain Events (help keyword 'events'):\n    event                          Domain Events\n"
        );
        assert_eq!(about("Domain Events"), Some(text));
    }
}
