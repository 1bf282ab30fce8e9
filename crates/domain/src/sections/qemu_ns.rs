//! `<qemu:commandline>` and its kin: what the user says to the emulator himself.

use ostler_base::{Error, Result};
use ostler_plan::Part;
use ostler_xml::{El, Element};

/// The namespace of these elements.
pub const NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// Words of the user's own for the emulator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passthrough {
    /// `<qemu:arg value=…>`
    pub arguments: Vec<String>,
    /// `<qemu:env name= value=>`
    pub environment: Vec<(String, Option<String>)>,
    /// `<qemu:capabilities>`: flags added to and taken from the emulator's.
    pub capabilities: Vec<(bool, String)>,
    /// `<qemu:deprecation behavior=…>`
    pub deprecation: Option<String>,
}

impl Passthrough {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let mut out = Passthrough::default();
        for el in root.foreign(NAMESPACE) {
            match el.name() {
                "commandline" => {
                    for arg in el.children("arg") {
                        let value = arg
                            .attr("value")
                            .ok_or_else(|| Error::internal("No qemu command-line argument specified"))?;
                        out.arguments.push(value.to_owned());
                    }
                    for env in el.children("env") {
                        let name = env.attr("name").filter(|name| !name.is_empty());
                        let name =
                            name.ok_or_else(|| Error::internal("No qemu environment name specified"))?;
                        out.environment.push((name.to_owned(), env.attr("value").map(str::to_owned)));
                    }
                }
                "capabilities" => {
                    for (word, add) in [("add", true), ("del", false)] {
                        for flag in el.children(word) {
                            out.capabilities.push((add, flag.require("capability")?.to_owned()));
                        }
                    }
                }
                "deprecation" => out.deprecation = el.attr("behavior").map(str::to_owned),
                _ => {}
            }
        }
        Ok(out)
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
        let deprecation = El::new("qemu:deprecation").attr_opt("behavior", self.deprecation.as_ref());
        let elements: Vec<El> =
            [commandline, capabilities, deprecation].into_iter().filter(|e| !e.is_bare()).collect();
        if !elements.is_empty() {
            root.set("xmlns:qemu", NAMESPACE);
            root.extend(elements);
        }
    }

    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.arguments.iter().cloned().map(Part::Verbatim));
    }
}
