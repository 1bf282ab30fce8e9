//! The value of an option: `first,key=value,flag,nokey` or a JSON object.
//!
//! Owns: both spellings read into one list of keys, and which keys were used. Never: what a key means.

use ostler_base::json::Json;

/// Keys and values of one option, in their order. Members of JSON objects have dotted keys
/// (`file.driver`, `host.0.port`), truth is `on` and `off`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone)]
struct Pair {
    key: String,
    value: String,
    used: bool,
}

impl Values {
    /// Reads an option whose first word may stand without its key.
    pub(crate) fn parse(text: &str, first_key: &str) -> Self {
        if text.starts_with('{')
            && let Ok(json) = serde_json_from(text)
        {
            let mut values = Values::default();
            values.flatten(String::new(), &json);
            return values;
        }
        let mut values = Values::default();
        for (n, part) in split_commas(text).into_iter().enumerate() {
            match part.split_once('=') {
                Some((key, value)) => values.push(key, value),
                None if n == 0 && !first_key.is_empty() => values.push(first_key, &part),
                None if part.is_empty() => {}
                None => match part.strip_prefix("no").filter(|key| NEGATED.contains(key)) {
                    Some(key) => values.push(key, "off"),
                    None => values.push(&part, "on"),
                },
            }
        }
        values
    }

    fn flatten(&mut self, key: String, json: &Json) {
        let under = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        match json {
            Json::Object(map) => map.iter().for_each(|(name, value)| self.flatten(under(name), value)),
            Json::Array(list) => {
                list.iter().enumerate().for_each(|(n, value)| self.flatten(under(&n.to_string()), value));
            }
            Json::Bool(truth) => self.push(&key, if *truth { "on" } else { "off" }),
            Json::String(text) => self.push(&key, text),
            Json::Number(number) => self.push(&key, &number.to_string()),
            Json::Null => self.push(&key, ""),
        }
    }

    /// Adds a key.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        self.pairs.push(Pair { key: key.to_owned(), value: value.to_owned(), used: false });
    }

    /// The value of a key, which counts as used from now on. As QEMU does, the last one wins.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let mut found = None;
        for pair in self.pairs.iter_mut().filter(|pair| pair.key == key) {
            pair.used = true;
            found = Some(pair.value.clone());
        }
        found
    }

    /// The value of the first of several spellings that is there; all count as used.
    pub(crate) fn take_any(&mut self, keys: &[&str]) -> Option<String> {
        keys.iter().filter_map(|key| self.take(key)).reduce(|first, _| first)
    }

    /// The value without using it.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
    }

    /// A truth value: on, yes, true and off, no, false.
    pub(crate) fn take_truth(&mut self, key: &str) -> Option<bool> {
        truth(&self.take(key)?)
    }

    /// A number in decimal or hexadecimal.
    pub(crate) fn take_number(&mut self, key: &str) -> Option<u64> {
        number(&self.take(key)?)
    }

    /// Every value of a key that may be repeated.
    pub(crate) fn take_all(&mut self, key: &str) -> Vec<String> {
        let mut all = Vec::new();
        for pair in self.pairs.iter_mut().filter(|pair| pair.key == key) {
            pair.used = true;
            all.push(pair.value.clone());
        }
        all
    }

    /// The members under `key.`, with the prefix taken off; they count as used here.
    pub(crate) fn take_under(&mut self, key: &str) -> Values {
        let mut under = Values::default();
        for pair in &mut self.pairs {
            if let Some(rest) = pair.key.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) {
                pair.used = true;
                under.push(rest, &pair.value);
            }
        }
        under
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Uses up keys that say nothing which the document has to say again.
    pub(crate) fn ignore(&mut self, keys: &[&str]) {
        for pair in self.pairs.iter_mut().filter(|pair| keys.contains(&pair.key.as_str())) {
            pair.used = true;
        }
    }

    /// Uses up a key if it has this value, which is what the daemon sets anyway.
    pub(crate) fn ignore_value(&mut self, key: &str, value: &str) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.key == key && same(&pair.value, value)) {
            pair.used = true;
        }
    }

    /// Keys with values in their order, used or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str()))
    }

    /// What was not used, as `key=value`.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let unused = self.pairs.iter().filter(|pair| !pair.used);
        unused.map(|pair| format!("{}={}", pair.key, pair.value)).collect()
    }
}

fn same(a: &str, b: &str) -> bool {
    a == b || truth(a).is_some() && truth(a) == truth(b)
}

fn serde_json_from(text: &str) -> Result<Json, ()> {
    text.parse::<Json>().map_err(|_| ())
}

/// Flags that may be written with `no` in front of them.
const NEGATED: &[&str] = &["wait", "delay", "server", "nodelay"];

/// Splits at single commas; a doubled comma is a comma of the text.
pub(crate) fn split_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// A truth value in QEMU's words.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "on" | "yes" | "true" | "y" => Some(true),
        "off" | "no" | "false" | "n" => Some(false),
        _ => None,
    }
}

/// A number in decimal or hexadecimal (`0x`).
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A size with QEMU's suffixes (B, K, M, G, T), in bytes; `unit` is that of a bare number.
pub(crate) fn size(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" => unit,
        "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    match digits.split_once('.') {
        None => number(digits)?.checked_mul(factor),
        Some(_) => {
            let amount: f64 = digits.parse().ok()?;
            let bytes = amount * factor as f64;
            (0.0..9e18).contains(&bytes).then_some(bytes as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_list() {
        let mut a = Values::parse("socket,id=c,path=/a,,b,server,nowait", "backend");
        assert_eq!(a.take("path").as_deref(), Some("/a,b"));
        assert_eq!((a.take_truth("server"), a.take_truth("wait")), (Some(true), Some(false)));
        assert_eq!(a.leftovers(), ["backend=socket", "id=c"]);
        let mut b = Values::parse("{\"driver\":\"x\",\"a\":{\"b\":[1,true]}}", "driver");
        assert_eq!(b.take("a.b.0").as_deref(), Some("1"));
        assert_eq!(b.take("a.b.1").as_deref(), Some("on"));
    }

    #[test]
    fn sizes() {
        assert_eq!(size("214", 1 << 20), Some(214 << 20));
        assert_eq!(size("1.5G", 1), Some(3 << 29));
        assert_eq!((size("2x", 1), size("99999999999999T", 1)), (None, None));
    }
}
