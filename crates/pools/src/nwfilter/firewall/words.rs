//! A rule with the values of its variables, word by word.
//!
//! Owns: how values are written in commands. Never: knows an option.

use ostler_base::Result;

use crate::nwfilter::instance::Instance;
use crate::nwfilter::value::Value;
use crate::nwfilter::vars::{VarAccess, combinations};
use crate::nwfilter::{Item, Rule};

/// A rule and the values of its variables.
pub(super) struct Words<'a> {
    pub(super) rule: &'a Rule,
    accesses: Vec<&'a VarAccess>,
    values: Vec<String>,
}

/// The rule for each combination of its variables.
pub(super) fn expand<'a>(instance: &Instance<'a>) -> Result<Vec<Words<'a>>> {
    let accesses = instance.rule.accesses();
    let all = combinations(&accesses, &instance.variables)?;
    Ok(all
        .into_iter()
        .map(|values| Words { rule: instance.rule, accesses: accesses.clone(), values })
        .collect())
}

impl<'a> Words<'a> {
    /// Whether an attribute is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.rule.item(name).is_some()
    }

    /// `!`, where an attribute must not match.
    pub(super) fn not(&self, name: &str) -> Option<&'static str> {
        self.rule.item(name).filter(|item| item.negated).map(|_| "!")
    }

    /// The value of an attribute; numbers in decimal.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.rule.item(name).map(|item| self.show(item, false))
    }

    /// The value of an attribute; numbers in hexadecimal.
    pub(super) fn hex(&self, name: &str) -> Option<String> {
        self.rule.item(name).map(|item| self.show(item, true))
    }

    /// `FIRST` or `FIRST+SEPARATOR+SECOND`.
    pub(super) fn pair(&self, first: &str, separator: &str, second: &str) -> Option<String> {
        let mut text = self.text(first)?;
        if let Some(second) = self.text(second) {
            text.push_str(separator);
            text.push_str(&second);
        }
        Some(text)
    }

    fn show(&self, item: &Item, hex: bool) -> String {
        match &item.value {
            Value::Variable(access) => {
                let place = self.accesses.iter().position(|known| *known == access);
                place.and_then(|place| self.values.get(place)).cloned().unwrap_or_default()
            }
            Value::Number(number, _) if hex => format!("0x{number:x}"),
            Value::Number(number, _) => number.to_string(),
            value => value.to_text(item.kind),
        }
    }
}
