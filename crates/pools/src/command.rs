//! A program to be run, as data.
//!
//! Owns: program, arguments and what the program is to read. Never: runs it.

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, without a directory.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it reads on its standard input.
    pub stdin: Option<String>,
}

impl Command {
    /// A program that reads nothing.
    pub fn new<A: Into<String>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Command { program: program.to_owned(), args: args.into_iter().map(Into::into).collect(), stdin: None }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl Into<String>) {
        self.args.push(arg.into());
    }

    /// Adds arguments.
    pub fn extend<A: Into<String>>(&mut self, args: impl IntoIterator<Item = A>) {
        self.args.extend(args.into_iter().map(Into::into));
    }

    /// The line that runs it in a shell, with quotes where they are needed.
    pub fn to_shell(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args).map(|word| quoted(word));
        words.collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,=+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words() {
        let command = Command::new("nft", ["a b", "!=", "it's", "", "x"]);
        assert_eq!(command.to_shell(), r"nft 'a b' '!=' 'it'\''s' '' x");
    }
}
