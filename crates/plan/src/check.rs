//! The plan checker: reads any plan without knowing how it was made.
//!
//! Owns: rules that hold for every plan: identifiers are defined once, and no secret stands on the
//! command line. Never: repairs a plan.

use std::collections::BTreeSet;

use crate::{Launch, Part};

/// What is wrong with a plan; empty for a sound one.
pub fn check(launch: &Launch) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for part in &launch.parts {
        if let Some(id) = part.id()
            && !ids.insert((kind(part), id.to_owned()))
        {
            faults.push(format!("the {} '{id}' is defined twice", kind(part)));
        }
        if let Part::Object(props) = part
            && props.text("qom-type") == Some("secret")
            && props.get("data").is_some()
            && props.get("keyid").is_none()
        {
            faults.push(format!("secret '{}' stands on the command line", part.id().unwrap_or("?")));
        }
    }
    faults
}

/// Identifiers are unique within these name spaces of QEMU.
fn kind(part: &Part) -> &'static str {
    match part {
        Part::Object(_) => "object",
        Part::Chardev(_) => "chardev",
        Part::Blockdev(_) => "block node",
        Part::Netdev(_) => "netdev",
        Part::Audiodev(_) => "audiodev",
        Part::Tpmdev(_) => "tpmdev",
        _ => "device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Props;

    #[test]
    fn double_ids_and_bare_secrets_are_found() {
        let device = |id: &str| Part::Device(Props::new().with("driver", "x").with("id", id));
        let secret =
            Part::Object(Props::new().with("qom-type", "secret").with("id", "s").with("data", "hush"));
        let launch = Launch { parts: vec![device("a"), device("a"), secret], ..Launch::default() };
        assert_eq!(
            check(&launch),
            ["the device 'a' is defined twice", "secret 's' stands on the command line"]
        );
    }
}
