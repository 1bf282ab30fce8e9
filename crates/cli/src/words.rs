//! A command line taken apart into words, as the shell of virsh does it.
//!
//! Owns: quotes, backslashes, comments and what ends a command. Never: knows a command.

/// The words of each command in `text`: commands end at `;` and at the end of a line, `#` begins a
/// comment, and quotes and backslashes keep characters from meaning something.
///
/// Fails with a complaint where a quote stays open.
pub(crate) fn split(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut commands = vec![Vec::new()];
    let mut rest = text.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            ';' | '\n' => {
                rest.next();
                commands.push(Vec::new());
            }
            ' ' | '\t' | '\r' => {
                rest.next();
            }
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            _ => {
                let word = word(&mut rest)?;
                if let Some(command) = commands.last_mut() {
                    command.push(word);
                }
            }
        }
    }
    commands.retain(|command| !command.is_empty());
    Ok(commands)
}

fn word(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut out = String::new();
    let mut quote: Option<char> = None;
    while let Some(&next) = rest.peek() {
        if quote.is_none() && matches!(next, ' ' | '\t' | '\r' | '\n' | ';') {
            break;
        }
        rest.next();
        match (quote, next) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => quote = Some(next),
            (None | Some('"'), '\\') => match rest.next() {
                Some(kept) => out.push(kept),
                None => return Err("dangling \\".to_owned()),
            },
            _ => out.push(next),
        }
    }
    match quote {
        Some(open) => Err(format!("missing {open}")),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_commands() {
        let table: &[(&str, &[&[&str]])] = &[
            ("", &[]),
            (" ; ;; ", &[]),
            ("list", &[&["list"]]),
            ("list --all;list", &[&["list", "--all"], &["list"]]),
            ("echo a\necho b", &[&["echo", "a"], &["echo", "b"]]),
            (r#"echo a\ b "c \" d"'e \ '"#, &[&["echo", "a b", r#"c " de \ "#]]),
            ("echo 'a;b' # c ; d\nlist", &[&["echo", "a;b"], &["list"]]),
            ("start ''", &[&["start", ""]]),
        ];
        for (text, expected) in table {
            assert_eq!(split(text).unwrap(), *expected, "{text:?}");
        }
    }

    #[test]
    fn what_stays_open() {
        let table = [("echo \"a", "missing \""), ("echo 'a", "missing '"), ("echo a\\", "dangling \\")];
        for (text, complaint) in table {
            assert_eq!(split(text).unwrap_err(), complaint);
        }
    }
}
