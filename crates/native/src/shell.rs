//! Words of a shell command line.
//!
//! Owns: splitting and quoting by the rules of a POSIX shell. Never: expands a variable, runs anything.

use ostler_base::{Error, Result};

/// Longest command line that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// Splits a command line into words: quotes, backslashes, continued lines and comments as a shell takes
/// them. An unfinished quote is an error.
pub fn split(text: &str) -> Result<Vec<String>> {
    if text.len() > LONGEST {
        return Err(Error::invalid_arg(format!("the command line is longer than {LONGEST} bytes")));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(unfinished("a backslash stands at the end")),
            },
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

fn quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<()> {
    for c in chars.by_ref() {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err(unfinished("a ' has no end"))
}

fn double_quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<()> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(unfinished("a \" has no end"))
}

fn unfinished(what: &str) -> Error {
    Error::invalid_arg(format!("the command line cannot be split into words: {what}"))
}

/// The word as a shell has to be given it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_-+=:,./".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        let text = "A=1 \\\n/bin/q -a 'x y' \"z\\\" \\n\" b\\ c '' # the rest\n-d";
        assert_eq!(split(text).unwrap(), ["A=1", "/bin/q", "-a", "x y", "z\" \\n", "b c", "", "-d"]);
        assert!(split("a 'b").is_err() && split("a \"b").is_err() && split("a\\").is_err());
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        for word in ["", "a b", "it's", "{\"a\":1}", "x;y", "plain-1.2,3"] {
            assert_eq!(split(&quote(word)).unwrap(), [word]);
        }
    }
}
