//! The grammar of `.conf` files: `key = value` lines, where a value is a number, a text in single,
//! double or triple double quotes, or a list in brackets; `#` begins a comment.
//!
//! Owns: the grammar and the place of each word in the file. Never: knows a key, opens a file.

use std::fmt;

/// The most bytes a file may have.
pub const FILE_MAX: usize = 1 << 20;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// A text; it stands on one line unless it is in triple quotes.
    Text(String),
    /// Values in brackets.
    List(Vec<Value>),
}

impl Value {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "list",
        }
    }
}

/// One setting and the line it stands on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The line, from 1.
    pub line: u32,
}

/// What is wrong with a file, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfError {
    /// The line, from 1.
    pub line: u32,
    /// What was expected there.
    pub what: &'static str,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ConfError {}

/// The settings of a file, in order. Where a key stands twice, both are returned: the last counts.
pub fn parse(text: &str) -> Result<Vec<Setting>, ConfError> {
    let mut reader = Reader { rest: text, line: 1 };
    if text.len() > FILE_MAX {
        return Err(reader.error("the file is larger than a megabyte"));
    }
    let mut settings = Vec::new();
    loop {
        reader.skip_blank();
        if reader.rest.is_empty() {
            return Ok(settings);
        }
        let line = reader.line;
        let key = reader.key()?;
        reader.skip_spaces();
        if !reader.eat('=') {
            return Err(reader.error("expecting an assignment"));
        }
        reader.skip_spaces();
        let value = reader.value(true)?;
        settings.push(Setting { key, value, line });
        reader.end_of_line()?;
    }
}

/// What is left of the text, and where it begins.
struct Reader<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Reader<'a> {
    fn error(&self, what: &'static str) -> ConfError {
        ConfError { line: self.line, what }
    }

    /// Takes the longest front whose characters pass the test.
    fn take(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !test(c)).unwrap_or(self.rest.len());
        let (front, rest) = self.rest.split_at(end);
        self.advance(front, rest);
        front
    }

    fn advance(&mut self, gone: &str, rest: &'a str) {
        let lines = gone.bytes().filter(|b| *b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = rest;
    }

    fn eat(&mut self, wanted: char) -> bool {
        let stripped = self.rest.strip_prefix(wanted);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn skip_spaces(&mut self) {
        self.take(|c| c == ' ' || c == '\t');
    }

    /// Passes over spaces, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            self.take(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    /// A comment may follow on the line of a value, nothing else.
    fn end_of_line(&mut self) -> Result<(), ConfError> {
        self.skip_spaces();
        match self.rest.chars().next() {
            None | Some('\n' | '\r' | '#') => Ok(()),
            Some(_) => Err(self.error("expecting a separator")),
        }
    }

    fn key(&mut self) -> Result<String, ConfError> {
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(self.error("expecting a name"));
        }
        Ok(self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')).to_owned())
    }

    /// A value; a list cannot stand in a list.
    fn value(&mut self, list: bool) -> Result<Value, ConfError> {
        match self.rest.chars().next() {
            Some('"' | '\'') => self.text().map(Value::Text),
            Some('[') if list => self.list().map(Value::List),
            Some('[') => Err(self.error("lists not allowed in lists")),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number().map(Value::Number),
            _ => Err(self.error("expecting a value")),
        }
    }

    fn number(&mut self) -> Result<i64, ConfError> {
        let sign = if self.eat('-') { "-" } else { "" };
        let digits = self.take(|c| c.is_ascii_digit());
        let digits = if digits.is_empty() { return Err(self.error("expecting a number")) } else { digits };
        format!("{sign}{digits}").parse().map_err(|_| self.error("the number is too large"))
    }

    fn text(&mut self) -> Result<String, ConfError> {
        let (quote, many_lines) = match self.rest {
            rest if rest.starts_with("\"\"\"") => ("\"\"\"", true),
            rest if rest.starts_with('"') => ("\"", false),
            _ => ("'", false),
        };
        let body = self.rest.get(quote.len()..).unwrap_or_default();
        let unterminated = self.error("unterminated string");
        let (text, rest) = body.split_once(quote).ok_or(unterminated.clone())?;
        if !many_lines && text.contains('\n') {
            return Err(unterminated);
        }
        self.advance(text, rest);
        Ok(text.to_owned())
    }

    fn list(&mut self) -> Result<Vec<Value>, ConfError> {
        self.eat('[');
        let mut values = Vec::new();
        loop {
            self.skip_blank();
            if self.eat(']') {
                return Ok(values);
            }
            values.push(self.value(false)?);
            self.skip_blank();
            if !self.eat(',') && !self.rest.starts_with(']') {
                return Err(self.error("expecting a separator in list"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, Value)> {
        parse(text).unwrap().into_iter().map(|s| (s.key, s.value)).collect()
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn every_kind_of_value() {
        let all = "# head\n\na = 1 # one\nb=-2\nc = \"x # y\"\nd = 'z \"q\"'\ne = [ \"k\", # first\n  3,\n]\nf=[]\ng = \"\"\"two\nlines\"\"\"";
        assert_eq!(
            values(all),
            [
                ("a".to_owned(), Value::Number(1)),
                ("b".to_owned(), Value::Number(-2)),
                ("c".to_owned(), text("x # y")),
                ("d".to_owned(), text("z \"q\"")),
                ("e".to_owned(), Value::List(vec![text("k"), Value::Number(3)])),
                ("f".to_owned(), Value::List(Vec::new())),
                ("g".to_owned(), text("two\nlines")),
            ]
        );
    }

    #[test]
    fn lines_are_counted() {
        let settings = parse("a = \"\"\"1\n2\"\"\"\n\n#\nb = [\n1,\n2\n]\nc = 1\r\nd = 2").unwrap();
        let lines: Vec<_> = settings.iter().map(|s| s.line).collect();
        assert_eq!(lines, [1, 5, 9, 10]);
    }

    #[test]
    fn errors_name_their_line() {
        let cases = [
            ("\n= 1", 2, "expecting a name"),
            ("a 1", 1, "expecting an assignment"),
            ("a =\nb = 1", 1, "expecting a value"),
            ("a = 1 b = 2", 1, "expecting a separator"),
            ("\n\na = \"x\n\"", 3, "unterminated string"),
            ("a = [1 2]", 1, "expecting a separator in list"),
            ("a = [\n[1]]", 2, "lists not allowed in lists"),
            ("a = [1,\n", 2, "expecting a value"),
            ("a = -", 1, "expecting a number"),
            ("a = 99999999999999999999", 1, "the number is too large"),
        ];
        for (text, line, what) in cases {
            assert_eq!(parse(text), Err(ConfError { line, what }), "{text:?}");
        }
    }
}
