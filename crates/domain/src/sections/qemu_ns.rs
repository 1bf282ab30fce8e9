//! `<qemu:commandline>` and its kin: what the user says to the emulator himself.
//!
//! Owns: the XML, and how the user's words change flags and properties. Never: judges them.

use ostler_base::{Error, Json, Result, Word, refuse, words};
use ostler_caps::emulator::{Flag, Flags};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element, Number};

/// The namespace of these elements.
pub const NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

words! {
    /// `<qemu:deprecation behavior='…'>`
    pub Deprecation { None = "none", Omit = "omit", Reject = "reject", Crash = "crash" }
    /// `<qemu:property type='…'>`
    pub PropertyType { String = "string", Unsigned = "unsigned", Signed = "signed", Bool = "bool", Remove = "remove" }
}

/// Words of the user's own for the emulator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passthrough {
    /// `<qemu:arg value=…>`
    pub arguments: Vec<String>,
    /// `<qemu:env name= value=>`
    pub environment: Vec<(String, Option<String>)>,
    /// `<qemu:capabilities>`: flags added to and taken from the emulator's.
    ///
    /// Names that no flag has any more stay as they are; they stand for what every emulator can do.
    pub capabilities: Vec<(bool, String)>,
    /// `<qemu:override>`: changes of properties, by the alias of the device.
    pub overrides: Vec<(String, Vec<Property>)>,
    /// `<qemu:deprecation behavior=…>`
    pub deprecation: Option<Deprecation>,
}

/// `<qemu:property name= type= value=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// `name`
    pub name: String,
    /// What it becomes; `None`: it goes.
    pub value: Option<PropertyValue>,
}

/// What a property becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A text.
    String(String),
    /// A number that is not negative.
    Unsigned(u64),
    /// A number.
    Signed(i64),
    /// Whether it is so.
    Bool(bool),
}

impl Property {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(name) = el.attr("name").filter(|name| !name.is_empty()) else {
            refuse!(xml, "missing 'name' attribute for qemu:property");
        };
        let kind: PropertyType = el.require_word("type")?;
        let text = el.attr("value").unwrap_or_default();
        if text.is_empty() && !matches!(kind, PropertyType::Remove | PropertyType::String) {
            refuse!(xml, "missing 'value' attribute for 'qemu:property'");
        }
        let invalid =
            || Error::xml(format!("invalid value '{text}' of 'value' attribute of 'qemu:property'"));
        let value = match kind {
            PropertyType::Remove if !text.is_empty() => refuse!(
                xml,
                "setting 'value' attribute of 'qemu:property' doesn't make sense with 'remove' type"
            ),
            PropertyType::Remove => None,
            PropertyType::String => Some(PropertyValue::String(text.to_owned())),
            PropertyType::Unsigned => Some(PropertyValue::Unsigned(u64::read(text, 10).ok_or_else(invalid)?)),
            PropertyType::Signed => Some(PropertyValue::Signed(i64::read(text, 10).ok_or_else(invalid)?)),
            PropertyType::Bool => match text {
                "true" | "yes" | "on" | "1" => Some(PropertyValue::Bool(true)),
                "false" | "no" | "off" | "0" => Some(PropertyValue::Bool(false)),
                _ => return Err(invalid()),
            },
        };
        Ok(Property { name: name.to_owned(), value })
    }

    fn format(&self) -> El {
        let (kind, text) = match &self.value {
            None => (PropertyType::Remove, None),
            Some(PropertyValue::String(text)) => (PropertyType::String, Some(text.clone())),
            Some(PropertyValue::Unsigned(number)) => (PropertyType::Unsigned, Some(number.to_string())),
            Some(PropertyValue::Signed(number)) => (PropertyType::Signed, Some(number.to_string())),
            Some(PropertyValue::Bool(value)) => (PropertyType::Bool, Some(value.to_string())),
        };
        El::new("qemu:property").attr("name", &self.name).attr("type", kind).attr_opt("value", text)
    }

    fn apply(&self, props: &mut Props) {
        let value: Json = match &self.value {
            None => {
                props.remove(&self.name);
                return;
            }
            Some(PropertyValue::String(text)) => text.as_str().into(),
            Some(PropertyValue::Unsigned(number)) => (*number).into(),
            Some(PropertyValue::Signed(number)) => (*number).into(),
            Some(PropertyValue::Bool(value)) => (*value).into(),
        };
        props.set(&self.name, value);
    }
}

impl Passthrough {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let mut out = Passthrough::default();
        for el in root.foreign(NAMESPACE) {
            match el.name() {
                "commandline" => out.read_commandline(&el)?,
                "capabilities" => {
                    for (word, add) in [("add", true), ("del", false)] {
                        for flag in el.children(word) {
                            out.capabilities.push((add, read_flag(&flag)?));
                        }
                    }
                }
                "override" => {
                    for device in el.children("device") {
                        out.overrides.push(read_override(&device)?);
                    }
                }
                "deprecation" => {
                    let Some(text) = el.attr("behavior").filter(|text| !text.is_empty()) else { continue };
                    let known = Deprecation::parse(text);
                    out.deprecation =
                        Some(known.ok_or_else(|| {
                            Error::xml(format!("unsupported deprecation behavior '{text}'"))
                        })?);
                }
                _ => {}
            }
        }
        Ok(out)
    }

    fn read_commandline(&mut self, el: &Element<'_>) -> Result<()> {
        for arg in el.children("arg") {
            let value = arg
                .attr("value")
                .ok_or_else(|| Error::internal("No qemu command-line argument specified"))?;
            self.arguments.push(value.to_owned());
        }
        for env in el.children("env") {
            let name = env.attr("name").filter(|name| !name.is_empty());
            let Some(name) = name else { refuse!(internal, "No qemu environment name specified") };
            if name.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
                refuse!(internal, "Invalid environment name, it must begin with a letter or underscore");
            }
            if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                refuse!(
                    internal,
                    "Invalid environment name, it must contain only alphanumerics and underscore"
                );
            }
            self.environment.push((name.to_owned(), env.attr("value").map(str::to_owned)));
        }
        Ok(())
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut commandline = El::new("qemu:commandline");
        commandline.extend(self.arguments.iter().map(|value| El::new("qemu:arg").attr("value", value)));
        commandline.extend(
            self.environment.iter().map(|(name, value)| {
                El::new("qemu:env").attr("name", name).attr_opt("value", value.as_ref())
            }),
        );
        let mut capabilities = El::new("qemu:capabilities");
        capabilities.extend(
            self.capabilities.iter().map(|(add, flag)| {
                El::new(if *add { "qemu:add" } else { "qemu:del" }).attr("capability", flag)
            }),
        );
        let mut overrides = El::new("qemu:override");
        overrides.extend(self.overrides.iter().map(|(alias, properties)| {
            let mut frontend = El::new("qemu:frontend");
            frontend.extend(properties.iter().map(Property::format));
            El::new("qemu:device").attr("alias", alias).child(frontend)
        }));
        let deprecation = El::new("qemu:deprecation").attr_opt("behavior", self.deprecation);
        let elements: Vec<El> = [commandline, capabilities, overrides, deprecation]
            .into_iter()
            .filter(|e| !e.is_bare())
            .collect();
        if !elements.is_empty() {
            root.set("xmlns:qemu", NAMESPACE);
            root.extend(elements);
        }
    }

    /// The emulator's flags as the user changes them; `None` where he does not.
    pub(crate) fn change(&self, flags: &Flags) -> Option<Flags> {
        if self.capabilities.is_empty() {
            return None;
        }
        let mut flags = *flags;
        for (add, name) in &self.capabilities {
            match (Flag::parse(name), add) {
                (Some(flag), true) => flags.insert(flag),
                (Some(flag), false) => flags.remove(flag),
                (None, _) => {}
            }
        }
        Some(flags)
    }

    /// Changes the properties of devices.
    pub(crate) fn apply(&self, parts: &mut [Part]) {
        for (alias, properties) in &self.overrides {
            for part in parts.iter_mut() {
                if let Part::Device(props) = part
                    && props.text("id") == Some(alias)
                {
                    properties.iter().for_each(|property| property.apply(props));
                }
            }
        }
    }

    /// `-compat`, which comes early: it is about everything after it.
    pub(crate) fn compat_part(&self) -> Option<Part> {
        let input = match self.deprecation? {
            Deprecation::None => return None,
            Deprecation::Omit => None,
            Deprecation::Reject => Some("reject"),
            Deprecation::Crash => Some("crash"),
        };
        let props = Props::new().with("deprecated-output", "hide").with_opt("deprecated-input", input);
        Some(Part::plain("-compat", props.to_json().to_string()))
    }

    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.arguments.iter().cloned().map(Part::Verbatim));
    }
}

fn read_flag(el: &Element<'_>) -> Result<String> {
    match el.attr("capability") {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => refuse!(internal, "missing capability name"),
    }
}

fn read_override(el: &Element<'_>) -> Result<(String, Vec<Property>)> {
    let Some(alias) = el.attr("alias").filter(|alias| !alias.is_empty()) else {
        refuse!(xml, "missing 'alias' attribute for qemu:device");
    };
    let frontend = el.child("frontend");
    let properties = frontend.iter().flat_map(|frontend| frontend.children("property"));
    let properties: Vec<Property> =
        properties.map(|property| Property::parse(&property)).collect::<Result<_>>()?;
    Ok((alias.to_owned(), properties))
}
