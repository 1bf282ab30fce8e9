//! Questions about the QAPI schema that an emulator gives of its own monitor.
//!
//! Owns: the typed form of `query-qmp-schema`, the path language that asks what is in it, and the
//! check of a JSON value against it. Never: knows what an answer is good for.
//!
//! A path begins with a command or event and goes down by steps between slashes:
//!
//! | step | goes to |
//! | --- | --- |
//! | `arg-type`, `ret-type` | the argument or return type of a command or event |
//! | `name`, `*name` | the type of a member; with `*` only if the member is optional |
//! | `+value` | the members that a union has for that value of its tag |
//! | `^value` | a value of an enumeration |
//! | `!type` | a plain type, by the name that JSON gives it |
//! | `$feature` | a feature of what was reached; always the last step |
//!
//! Arrays are passed through to their elements, the branches of an alternate are tried in turn. A
//! name that begins with none of the letters is written with a space before it.

use std::collections::HashMap;

use ostler_base::{Error, Json, Result};

/// Most types that a step may pass through: a schema that refers to itself ends here.
const MAX_DEPTH: usize = 100;

/// A schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    entries: HashMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    kind: Kind,
    features: Vec<String>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A command or event.
    Call {
        arg: Option<String>,
        ret: Option<String>,
    },
    Object {
        members: Vec<Member>,
        tag: Option<String>,
        variants: Vec<(String, String)>,
    },
    Alternate(Vec<String>),
    Array(String),
    Enum(Vec<Value>),
    Plain(String),
}

#[derive(Debug, Clone)]
struct Member {
    name: String,
    of: String,
    optional: bool,
    features: Vec<String>,
}

#[derive(Debug, Clone)]
struct Value {
    name: String,
    features: Vec<String>,
}

impl Schema {
    /// Reads the array that `query-qmp-schema` returns. Entries of a kind that is not known are
    /// left out; an entry without a name is an error.
    pub fn read(reply: &Json) -> Result<Self> {
        let list = reply.as_array().ok_or_else(malformed)?;
        let mut entries = HashMap::with_capacity(list.len());
        for item in list {
            let name = text(item, "name").ok_or_else(malformed)?;
            if let Some(kind) = kind(item) {
                entries.insert(name, Entry { kind, features: features(item) });
            }
        }
        Ok(Schema { entries })
    }

    /// Whether the schema has what a path leads to.
    pub fn has(&self, path: &str) -> bool {
        let (root, steps) = split(path);
        self.go(root, &steps, 0).is_some()
    }

    /// Checks that a value is what the type at the end of a path allows. The error says where in
    /// the value it is not.
    pub fn validate(&self, path: &str, value: &Json) -> Result<()> {
        let (root, steps) = split(path);
        let end = self
            .go(root, &steps, 0)
            .ok_or_else(|| Error::internal(format!("schema for '{path}' not found")))?;
        self.fits(end, value, 0)
            .map_err(|why| Error::internal(format!("'{path}' does not take this value: {why}")))
    }

    /// The name of the entry that the steps lead to from an entry; for a feature or an enumeration
    /// value that of the entry it belongs to.
    fn go<'s>(&'s self, name: &'s str, steps: &[&str], depth: usize) -> Option<&'s str> {
        let entry = self.entries.get(name).filter(|_| depth < MAX_DEPTH)?;
        let Some((step, rest)) = steps.split_first() else { return Some(name) };
        if let Some(feature) = step.strip_prefix('$')
            && !matches!(entry.kind, Kind::Array(_) | Kind::Alternate(_))
        {
            return has_feature(&entry.features, feature, rest).then_some(name);
        }
        match &entry.kind {
            Kind::Call { arg, ret } => {
                let next = match *step {
                    "arg-type" => arg,
                    "ret-type" => ret,
                    _ => return None,
                };
                self.go(next.as_deref()?, rest, depth + 1)
            }
            Kind::Object { members, variants, .. } => match step.strip_prefix('+') {
                Some(case) => {
                    let (_, next) = variants.iter().find(|(value, _)| value == case)?;
                    self.go(next, rest, depth + 1)
                }
                None => {
                    let member = member(members, step)?;
                    if let [feature] = rest
                        && let Some(feature) = feature.strip_prefix('$')
                        && member.features.iter().any(|f| f == feature)
                    {
                        return Some(name);
                    }
                    self.go(&member.of, rest, depth + 1)
                }
            },
            Kind::Alternate(branches) => branches.iter().find_map(|branch| self.go(branch, steps, depth + 1)),
            Kind::Array(element) => self.go(element, steps, depth + 1),
            Kind::Enum(values) => {
                let wanted = step.strip_prefix('^')?;
                let value = values.iter().find(|value| value.name == wanted)?;
                match rest {
                    [] => Some(name),
                    [feature, rest @ ..] => {
                        has_feature(&value.features, feature.strip_prefix('$')?, rest).then_some(name)
                    }
                }
            }
            Kind::Plain(json) => (step.strip_prefix('!')? == json && rest.is_empty()).then_some(name),
        }
    }

    /// Why a value does not fit a type, if it does not.
    fn fits(&self, name: &str, value: &Json, depth: usize) -> Result<(), String> {
        let entry = self.entries.get(name).ok_or_else(|| format!("no type '{name}' in the schema"))?;
        if depth >= MAX_DEPTH {
            return Err(format!("type '{name}' is nested too deep"));
        }
        match &entry.kind {
            Kind::Call { .. } => Err(format!("'{name}' is no type")),
            Kind::Plain(json) if is_plain(json, value) => Ok(()),
            Kind::Plain(json) => Err(format!("expected {json}, found {value}")),
            Kind::Enum(values) => match value.as_str() {
                Some(word) if values.iter().any(|value| value.name == word) => Ok(()),
                _ => Err(format!("{value} is none of the values of the enumeration")),
            },
            Kind::Array(element) => value
                .as_array()
                .ok_or_else(|| format!("expected an array, found {value}"))?
                .iter()
                .try_for_each(|item| self.fits(element, item, depth + 1)),
            Kind::Alternate(branches) => {
                if branches.iter().any(|branch| self.fits(branch, value, depth + 1).is_ok()) {
                    Ok(())
                } else {
                    Err(format!("{value} fits no branch of the alternate"))
                }
            }
            Kind::Object { members, tag, variants } => {
                let object = value.as_object().ok_or_else(|| format!("expected an object, found {value}"))?;
                let more = match tag {
                    Some(tag) => {
                        let case = value[tag.as_str()].as_str();
                        let case = case.ok_or_else(|| format!("'{tag}' is missing"))?;
                        let (_, variant) = variants
                            .iter()
                            .find(|(value, _)| value == case)
                            .ok_or_else(|| format!("'{case}' is no value of '{tag}'"))?;
                        self.members(variant)
                    }
                    None => &[],
                };
                let known = || members.iter().chain(more);
                if let Some(lacking) = known().find(|m| !m.optional && !object.contains_key(&m.name)) {
                    return Err(format!("'{}' is missing", lacking.name));
                }
                for (key, item) in object {
                    let member = known().find(|m| m.name == *key);
                    let member = member.ok_or_else(|| format!("'{key}' is not known here"))?;
                    self.fits(&member.of, item, depth + 1).map_err(|why| format!("{key}: {why}"))?;
                }
                Ok(())
            }
        }
    }

    fn members(&self, object: &str) -> &[Member] {
        match self.entries.get(object) {
            Some(Entry { kind: Kind::Object { members, .. }, .. }) => members,
            _ => &[],
        }
    }
}

fn split(path: &str) -> (&str, Vec<&str>) {
    let mut steps = path.split('/');
    (steps.next().unwrap_or_default(), steps.collect())
}

fn has_feature(features: &[String], wanted: &str, rest: &[&str]) -> bool {
    rest.is_empty() && features.iter().any(|feature| feature == wanted)
}

fn member<'m>(members: &'m [Member], step: &str) -> Option<&'m Member> {
    let optional = step.strip_prefix('*');
    let name = optional.or_else(|| step.strip_prefix(' ')).unwrap_or(step);
    members.iter().find(|m| m.name == name).filter(|m| optional.is_none() || m.optional)
}

fn is_plain(json: &str, value: &Json) -> bool {
    match json {
        "string" => value.is_string(),
        "int" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => other == "value",
    }
}

fn malformed() -> Error {
    Error::internal("malformed QMP schema")
}

fn text(item: &Json, key: &str) -> Option<String> {
    item[key].as_str().map(str::to_owned)
}

fn list(item: &Json, key: &str) -> Vec<Json> {
    item[key].as_array().cloned().unwrap_or_default()
}

fn features(item: &Json) -> Vec<String> {
    list(item, "features").iter().filter_map(|f| f.as_str().map(str::to_owned)).collect()
}

/// The typed form of an entry; `None` where its kind is not known or a part of it is missing.
fn kind(item: &Json) -> Option<Kind> {
    match item["meta-type"].as_str()? {
        "command" | "event" => Some(Kind::Call { arg: text(item, "arg-type"), ret: text(item, "ret-type") }),
        "object" => Some(Kind::Object {
            members: list(item, "members").iter().filter_map(read_member).collect(),
            tag: text(item, "tag"),
            variants: list(item, "variants")
                .iter()
                .filter_map(|v| Some((text(v, "case")?, text(v, "type")?)))
                .collect(),
        }),
        "alternate" => {
            Some(Kind::Alternate(list(item, "members").iter().filter_map(|m| text(m, "type")).collect()))
        }
        "array" => Some(Kind::Array(text(item, "element-type")?)),
        "enum" => Some(Kind::Enum(read_values(item))),
        "builtin" => Some(Kind::Plain(text(item, "json-type")?)),
        _ => None,
    }
}

fn read_member(item: &Json) -> Option<Member> {
    Some(Member {
        name: text(item, "name")?,
        of: text(item, "type")?,
        optional: item.get("default").is_some(),
        features: features(item),
    })
}

/// The values of an enumeration: `members` with features, or only `values` in an older schema.
fn read_values(item: &Json) -> Vec<Value> {
    let members = list(item, "members");
    if members.is_empty() {
        let plain = |v: &Json| Some(Value { name: v.as_str()?.to_owned(), features: Vec::new() });
        return list(item, "values").iter().filter_map(plain).collect();
    }
    members.iter().filter_map(|m| Some(Value { name: text(m, "name")?, features: features(m) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    fn schema() -> Schema {
        Schema::read(&json!([
            {"name": "add", "meta-type": "command", "arg-type": "1", "ret-type": "2", "features": ["fast"]},
            {"name": "1", "meta-type": "object", "tag": "driver", "variants": [{"case": "file", "type": "3"}],
             "members": [{"name": "driver", "type": "4"},
                         {"name": "id", "type": "str", "default": null, "features": ["old"]}]},
            {"name": "2", "meta-type": "array", "element-type": "1"},
            {"name": "3", "meta-type": "object", "members": [{"name": "backing", "type": "5"}]},
            {"name": "4", "meta-type": "enum", "values": ["file"], "members": [{"name": "file", "features": ["x"]}]},
            {"name": "5", "meta-type": "alternate", "members": [{"type": "str"}, {"type": "1"}, {"type": "5"}]},
            {"name": "str", "meta-type": "builtin", "json-type": "string"},
        ]))
        .unwrap()
    }

    #[test]
    fn paths() {
        let schema = schema();
        for path in [
            "add",
            "add/$fast",
            "add/arg-type/driver/^file",
            "add/arg-type/driver/^file/$x",
            "add/ret-type/*id",
            "add/ret-type/ id/!string",
            "add/arg-type/id/$old",
            "add/arg-type/+file/backing/+file/backing/driver",
            "add/arg-type/+file/backing/!string",
        ] {
            assert!(schema.has(path), "{path}");
        }
        for path in [
            "",
            "sub",
            "add/$slow",
            "add/arg-type/*driver",
            "add/arg-type/driver/^qcow2",
            "add/arg-type/id/!int",
            "add/arg-type/+file/backing/nothing",
            "add/other",
        ] {
            assert!(!schema.has(path), "{path}");
        }
    }

    #[test]
    fn values() {
        let schema = schema();
        let check = |value: Json| schema.validate("add/arg-type", &value);
        assert_eq!(check(json!({"driver": "file", "backing": {"driver": "file", "backing": "a"}})), Ok(()));
        assert!(check(json!({"driver": "file"})).is_err());
        assert!(check(json!({"driver": "file", "backing": 1})).is_err());
        assert!(check(json!({"driver": "file", "backing": "a", "more": 1})).is_err());
        assert!(check(json!({"backing": "a"})).is_err());
        assert!(check(json!([])).is_err());
        assert!(schema.validate("add/nothing", &json!(1)).is_err());
    }
}
