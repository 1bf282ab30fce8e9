//! What the emulator says of its block nodes.
//!
//! Owns: the reading of `query-named-block-nodes`, as far as operations need it. Never: asks.

use std::collections::BTreeMap;

use ostler_base::Json;

/// A dirty bitmap: which parts of a node were written to since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Its name.
    pub name: String,
    /// Whether writes are noted.
    pub recording: bool,
    /// Whether something uses it just now.
    pub busy: bool,
    /// Whether it is kept in the image.
    pub persistent: bool,
    /// Whether it is of no use any more, since the image was not closed.
    pub inconsistent: bool,
    /// How many bytes a bit stands for.
    pub granularity: u64,
    /// How many bytes are dirty.
    pub dirty: u64,
}

/// A snapshot inside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalSnapshot {
    /// Its name.
    pub name: String,
    /// Whether the memory of the guest is in it.
    pub with_memory: bool,
}

/// A block node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Bytes that the guest sees.
    pub capacity: u64,
    /// Bytes that the file has.
    pub physical: u64,
    /// Bytes of a cluster; 0 where there are none.
    pub cluster_size: u64,
    /// Whether it is a qcow2 image of the old version, which holds no bitmaps.
    pub old_qcow2: bool,
    /// Its bitmaps, as the emulator lists them.
    pub bitmaps: Vec<Bitmap>,
    /// Snapshots inside it.
    pub snapshots: Vec<InternalSnapshot>,
}

/// All block nodes by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nodes(BTreeMap<String, Node>);

impl Nodes {
    /// Reads the answer to `query-named-block-nodes`; what is no node is passed over.
    pub fn read(answer: &Json) -> Self {
        let nodes = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        Nodes(nodes.iter().filter_map(|node| Some((text(node, "node-name")?, Node::read(node)))).collect())
    }

    /// The node of a name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0.get(name)
    }

    /// A bitmap of a node.
    pub fn bitmap(&self, node: &str, name: &str) -> Option<&Bitmap> {
        self.get(node)?.bitmaps.iter().find(|bitmap| bitmap.name == name)
    }
}

fn text(value: &Json, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn truth(value: &Json, key: &str) -> bool {
    value.get(key).and_then(Json::as_bool).unwrap_or_default()
}

fn number(value: &Json, key: &str) -> u64 {
    value.get(key).and_then(Json::as_u64).unwrap_or_default()
}

fn list<'j>(value: &'j Json, key: &str) -> &'j [Json] {
    value.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl Node {
    fn read(value: &Json) -> Self {
        let empty = Json::Null;
        let image = value.get("image").unwrap_or(&empty);
        let format = image.pointer("/format-specific/data/compat").and_then(Json::as_str);
        Node {
            capacity: number(image, "virtual-size"),
            physical: number(image, "actual-size"),
            cluster_size: number(image, "cluster-size"),
            old_qcow2: format == Some("0.10"),
            bitmaps: list(value, "dirty-bitmaps").iter().filter_map(Bitmap::read).collect(),
            snapshots: list(image, "snapshots").iter().filter_map(InternalSnapshot::read).collect(),
        }
    }
}

impl Bitmap {
    fn read(value: &Json) -> Option<Self> {
        Some(Bitmap {
            name: text(value, "name")?,
            recording: truth(value, "recording"),
            busy: truth(value, "busy"),
            persistent: truth(value, "persistent"),
            inconsistent: truth(value, "inconsistent"),
            granularity: number(value, "granularity"),
            dirty: number(value, "count"),
        })
    }
}

impl InternalSnapshot {
    fn read(value: &Json) -> Option<Self> {
        Some(InternalSnapshot {
            name: text(value, "name")?,
            with_memory: number(value, "vm-state-size") != 0,
        })
    }
}
