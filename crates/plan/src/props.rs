//! Ordered properties with two text forms: JSON, and QEMU's `key=value,key=value`.

use ostler_base::{Json, JsonMap};

/// Properties of an object, device or back end, in the order they are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Props(JsonMap);

impl Props {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a property and gives the list back.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds a property where there is a value, and gives the list back.
    pub fn with_opt(mut self, name: &str, value: Option<impl Into<Json>>) -> Self {
        self.set_opt(name, value);
        self
    }

    /// Adds a property, or replaces its value where it stands.
    pub fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Adds a property where there is a value.
    pub fn set_opt(&mut self, name: &str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Takes a property out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.0.shift_remove(name)
    }

    /// The value of a property that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }

    /// The properties in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the properties of another list.
    pub fn extend(&mut self, other: Props) {
        self.0.extend(other.0);
    }

    /// As a JSON object.
    pub fn to_json(&self) -> Json {
        Json::Object(self.0.clone())
    }

    /// `key=value,…`; the value of the property `implied` stands first and without its name.
    /// Objects and arrays become dotted names, booleans `on` and `off`, commas are doubled.
    pub fn to_options(&self, implied: Option<&str>) -> String {
        let mut out = Vec::new();
        if let Some(value) = implied.and_then(|name| self.get(name)) {
            out.push(scalar(value));
        }
        for (name, value) in self.iter().filter(|(name, _)| Some(*name) != implied) {
            flatten(name, value, &mut out);
        }
        out.join(",")
    }
}

impl From<Props> for Json {
    fn from(props: Props) -> Json {
        Json::Object(props.0)
    }
}

impl From<JsonMap> for Props {
    fn from(map: JsonMap) -> Props {
        Props(map)
    }
}

fn flatten(name: &str, value: &Json, out: &mut Vec<String>) {
    match value {
        Json::Object(members) => {
            members.iter().for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, out))
        }
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&format!("{name}.{i}"), value, out));
        }
        value => out.push(format!("{name}={}", scalar(value))),
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::Bool(true) => "on".to_owned(),
        Json::Bool(false) => "off".to_owned(),
        Json::String(text) => text.replace(',', ",,"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn both_forms() {
        let props = Props::new().with("driver", "x").with("a", json!({"b": [1, true]})).with("path", "p,q");
        assert_eq!(props.to_options(Some("driver")), "x,a.b.0=1,a.b.1=on,path=p,,q");
        assert_eq!(props.to_json().to_string(), r#"{"driver":"x","a":{"b":[1,true]},"path":"p,q"}"#);
    }
}
