//! Parts of a command line, rendered as arguments (cold start) or monitor commands (hot-plug).
//!
//! Owns: both renderings, so that they cannot drift apart. Never: knows why a part is there.

use ostler_base::{Json, json::json};

use crate::{Chardev, Props};

/// One part.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// An option that has no value, or a value made elsewhere.
    Plain {
        /// With its leading hyphen.
        option: &'static str,
        /// Already in QEMU's form.
        value: Option<String>,
    },
    /// An option of `key=value` form.
    Options {
        /// With its leading hyphen.
        option: &'static str,
        /// Its properties.
        props: Props,
        /// The property whose value stands first without its name.
        implied: Option<&'static str>,
    },
    /// `-object` / `object-add`; needs `qom-type` and `id`.
    Object(Props),
    /// `-chardev` / `chardev-add`.
    Chardev(Chardev),
    /// `-blockdev` / `blockdev-add`.
    Blockdev(Props),
    /// `-netdev` / `netdev_add`.
    Netdev(Props),
    /// `-device` / `device_add`; needs `driver`.
    Device(Props),
    /// `-audiodev`; cold only.
    Audiodev(Props),
    /// `-tpmdev`: `key=value` only, cold only.
    Tpmdev(Props),
    /// An argument of the user's own.
    Verbatim(String),
}

/// Which parts the emulator takes as JSON on its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// `-device`.
    pub device_json: bool,
    /// `-netdev`.
    pub netdev_json: bool,
    /// `-object`.
    pub object_json: bool,
    /// `-chardev`.
    pub chardev_json: bool,
}

impl Default for Form {
    fn default() -> Self {
        Form { device_json: true, netdev_json: true, object_json: true, chardev_json: false }
    }
}

impl Part {
    /// An option without a value.
    pub fn flag(option: &'static str) -> Self {
        Part::Plain { option, value: None }
    }

    /// An option with a value in QEMU's form.
    pub fn plain(option: &'static str, value: impl Into<String>) -> Self {
        Part::Plain { option, value: Some(value.into()) }
    }

    /// An option of `key=value` form.
    pub fn options(option: &'static str, implied: Option<&'static str>, props: Props) -> Self {
        Part::Options { option, props, implied }
    }

    /// The identifier that other parts may refer to.
    pub fn id(&self) -> Option<&str> {
        match self {
            Part::Object(p) | Part::Netdev(p) | Part::Device(p) | Part::Audiodev(p) | Part::Tpmdev(p) => {
                p.text("id")
            }
            Part::Blockdev(p) => p.text("node-name"),
            Part::Chardev(c) => Some(&c.id),
            Part::Plain { .. } | Part::Options { .. } | Part::Verbatim(_) => None,
        }
    }

    fn arguments(&self, form: Form, out: &mut Vec<String>) {
        let (option, value) = match self {
            Part::Plain { option, value } => (*option, value.clone()),
            Part::Options { option, props, implied } => (*option, Some(props.to_options(*implied))),
            Part::Object(p) => ("-object", Some(either(p, form.object_json, "qom-type"))),
            Part::Chardev(c) if form.chardev_json => ("-chardev", Some(c.to_json().to_string())),
            Part::Chardev(c) => ("-chardev", Some(c.to_options())),
            Part::Blockdev(p) => ("-blockdev", Some(p.to_json().to_string())),
            Part::Netdev(p) => ("-netdev", Some(either(p, form.netdev_json, "type"))),
            Part::Device(p) => ("-device", Some(either(p, form.device_json, "driver"))),
            Part::Audiodev(p) => ("-audiodev", Some(p.to_json().to_string())),
            Part::Tpmdev(p) => ("-tpmdev", Some(p.to_options(Some("type")))),
            Part::Verbatim(argument) => return out.push(argument.clone()),
        };
        out.push(option.to_owned());
        out.extend(value);
    }

    /// The monitor command and its arguments that add this part; `None` for parts that exist on a
    /// command line only.
    pub fn add_command(&self) -> Option<(&'static str, Json)> {
        match self {
            Part::Object(p) => Some(("object-add", p.to_json())),
            Part::Chardev(c) => Some(("chardev-add", c.to_json())),
            Part::Blockdev(p) => Some(("blockdev-add", p.to_json())),
            Part::Netdev(p) => Some(("netdev_add", p.to_json())),
            Part::Device(p) => Some(("device_add", p.to_json())),
            _ => None,
        }
    }

    /// The monitor command and its arguments that take this part away again.
    pub fn remove_command(&self) -> Option<(&'static str, Json)> {
        let id = self.id()?;
        match self {
            Part::Object(_) => Some(("object-del", json!({ "id": id }))),
            Part::Chardev(_) => Some(("chardev-remove", json!({ "id": id }))),
            Part::Blockdev(_) => Some(("blockdev-del", json!({ "node-name": id }))),
            Part::Netdev(_) => Some(("netdev_del", json!({ "id": id }))),
            Part::Device(_) => Some(("device_del", json!({ "id": id }))),
            _ => None,
        }
    }
}

fn either(props: &Props, as_json: bool, implied: &str) -> String {
    if as_json { props.to_json().to_string() } else { props.to_options(Some(implied)) }
}

/// The arguments that parts make.
pub fn argv(parts: &[Part], form: Form) -> Vec<String> {
    let mut out = Vec::with_capacity(parts.len() * 2);
    for part in parts {
        part.arguments(form, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_two_renderings() {
        let part = Part::Device(Props::new().with("driver", "pvpanic").with("id", "panic0"));
        let parts = [Part::flag("-S"), part];
        assert_eq!(argv(&parts, Form::default()), ["-S", "-device", r#"{"driver":"pvpanic","id":"panic0"}"#]);
        let plain = Form { device_json: false, ..Form::default() };
        assert_eq!(argv(&parts, plain), ["-S", "-device", "pvpanic,id=panic0"]);
        let added = parts[1].add_command();
        assert_eq!(added, Some(("device_add", json!({"driver": "pvpanic", "id": "panic0"}))));
    }
}
