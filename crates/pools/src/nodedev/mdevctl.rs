//! The commands that make, change and list mediated devices.
//!
//! Owns: their arguments, what they read, and what their lists mean. Never: runs one.

use ostler_base::{Code, Error, Json, JsonMap, Origin, Result, Uuid};

use super::mdev::{Mdev, MdevConfig, name};
use super::{Capability, NodeDevice, ParentWwn};
use crate::Command;

/// Which form of a device is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affected {
    /// The definition.
    Defined,
    /// The running device.
    Live,
    /// Both.
    Both,
}

/// Which devices are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Definitions.
    Defined,
    /// Running devices.
    Active,
}

/// Makes and starts a device that is not defined. `parent` is the address of the device it is on.
pub fn create(mdev: &Mdev, parent: &str) -> Command {
    with_config("start", mdev, parent, &mdev.active)
}

/// Defines a device.
pub fn define(mdev: &Mdev, parent: &str) -> Command {
    with_config("define", mdev, parent, &mdev.defined)
}

/// Changes a device: `mdev` is what it is to be.
pub fn modify(mdev: &Mdev, parent: &str, affected: Affected) -> Command {
    let mut command = with_config("modify", mdev, parent, &mdev.defined);
    if affected != Affected::Live {
        command.arg("--defined");
    }
    if affected != Affected::Defined {
        command.arg("--live");
    }
    command
}

/// Starts a defined device.
pub fn start(uuid: &Uuid) -> Command {
    by_uuid("start", uuid)
}

/// Stops a device.
pub fn stop(uuid: &Uuid) -> Command {
    by_uuid("stop", uuid)
}

/// Forgets the definition of a device.
pub fn undefine(uuid: &Uuid) -> Command {
    by_uuid("undefine", uuid)
}

/// Makes a device start with the host, or not.
pub fn set_autostart(uuid: &Uuid, autostart: bool) -> Command {
    let when = if autostart { "--auto" } else { "--manual" };
    Command::new("mdevctl", ["modify", "--uuid", &uuid.to_string(), when])
}

/// Lists devices; [`parse_list`] reads the answer.
pub fn list(listed: Listed) -> Command {
    let mut command = Command::new("mdevctl", ["list", "--dumpjson"]);
    if listed == Listed::Defined {
        command.arg("--defined");
    }
    command
}

fn by_uuid(verb: &str, uuid: &Uuid) -> Command {
    Command::new("mdevctl", [verb.to_owned(), format!("--uuid={uuid}")])
}

fn with_config(verb: &str, mdev: &Mdev, parent: &str, config: &MdevConfig) -> Command {
    let mut command = Command::new("mdevctl", [verb, &format!("--parent={parent}"), "--jsonfile=/dev/stdin"]);
    if let Some(uuid) = &mdev.uuid {
        command.arg(format!("--uuid={uuid}"));
    }
    command.stdin = Some(to_json(config, mdev.autostart).to_string());
    command
}

fn to_json(config: &MdevConfig, autostart: bool) -> Json {
    let mut json = JsonMap::new();
    json.insert("mdev_type".to_owned(), config.kind.clone().into());
    json.insert("start".to_owned(), if autostart { "auto" } else { "manual" }.into());
    if !config.attributes.is_empty() {
        let attributes = config.attributes.iter().map(|(name, value)| {
            Json::Object(JsonMap::from_iter([(name.clone(), Json::from(value.clone()))]))
        });
        json.insert("attrs".to_owned(), attributes.collect());
    }
    Json::Object(json)
}

/// The devices of a list. `parent_name` gives the name of the device at an address.
pub fn parse_list(text: &str, parent_name: impl Fn(&str) -> Option<String>) -> Result<Vec<NodeDevice>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let json: Json = text.parse().map_err(|_| fault("mdevctl JSON response contains no devices"))?;
    let outer = json.as_array().ok_or_else(|| fault("mdevctl JSON response contains no devices"))?;
    let Some(parents) = outer.first() else { return Ok(Vec::new()) };
    let parents = parents.as_object().ok_or_else(|| fault("Unexpected format for mdevctl response"))?;
    let mut devices = Vec::new();
    for (parent, children) in parents {
        let children =
            children.as_array().ok_or_else(|| fault("Parent device's JSON object data is not an array"))?;
        for child in children {
            devices.push(parse_device(parent, child, &parent_name)?);
        }
    }
    Ok(devices)
}

fn parse_device(
    parent: &str,
    child: &Json,
    parent_name: &impl Fn(&str) -> Option<String>,
) -> Result<NodeDevice> {
    let malformed = || fault("Unexpected format for mdevctl response");
    let (id, properties) = child.as_object().and_then(|map| map.iter().next()).ok_or_else(malformed)?;
    let uuid = Uuid::parse(id).ok_or_else(malformed)?;
    let kind = properties["mdev_type"].as_str().ok_or_else(malformed)?.to_owned();
    let mut attributes = Vec::new();
    for attribute in properties["attrs"].as_array().into_iter().flatten() {
        let pairs = attribute.as_object().ok_or_else(malformed)?;
        for (name, value) in pairs {
            attributes.push((name.clone(), value.as_str().ok_or_else(malformed)?.to_owned()));
        }
    }
    let config = MdevConfig { kind, attributes };
    let mdev = Mdev {
        uuid: Some(uuid),
        parent_addr: Some(parent.to_owned()),
        iommu_group: 0,
        active: config.clone(),
        defined: config,
        autostart: properties["start"].as_str() == Some("auto"),
    };
    Ok(NodeDevice {
        name: name(&uuid, parent),
        path: None,
        devnode: None,
        devlinks: Vec::new(),
        parent: Some(parent_name(parent).unwrap_or_else(|| "computer".to_owned())),
        parent_wwn: ParentWwn::default(),
        driver: None,
        capabilities: vec![Capability::Mdev(mdev)],
    })
}

fn fault(words: &str) -> Error {
    Error::new(Code::InternalError, Origin::Nodedev, words)
}
