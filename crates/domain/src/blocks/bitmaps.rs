//! The algebra of dirty bitmaps over a chain of images.
//!
//! A checkpoint is a bitmap of the same name in each image that was written to since. Owns: which
//! bitmaps are whole, and the transactions that keep them so while images are merged, copied and
//! removed. Never: talks to an emulator.
//!
//! A chain is a list of names of format nodes, from the top.

use ostler_base::{Json, json::json};

use super::nodes::{Bitmap, Nodes};

/// The bitmap that notes writes between the end of a copy and the switch to it.
pub const ACTIVE_WRITES: &str = "libvirt-tmp-activewrite";

/// Actions of a `transaction`.
pub type Actions = Vec<Json>;

/// The action that makes a bitmap.
pub fn add(node: &str, name: &str, persistent: bool, disabled: bool, granularity: u64) -> Json {
    json!({"type": "block-dirty-bitmap-add", "data": {
        "node": node, "name": name, "persistent": persistent, "disabled": disabled, "granularity": granularity,
    }})
}

/// The action that removes a bitmap.
pub fn remove(node: &str, name: &str) -> Json {
    json!({"type": "block-dirty-bitmap-remove", "data": {"node": node, "name": name}})
}

/// The action that adds what bitmaps (node, name) say to another one.
pub fn merge(node: &str, target: &str, sources: &[(&str, &str)]) -> Json {
    let sources: Vec<Json> = sources.iter().map(|(node, name)| json!({"node": node, "name": name})).collect();
    json!({"type": "block-dirty-bitmap-merge", "data": {"node": node, "target": target, "bitmaps": sources}})
}

/// Whether a bitmap tells of all writes since it was made: it is in the topmost image and in those
/// below it without a gap, kept and noting in each.
pub fn is_whole(chain: &[&str], name: &str, nodes: &Nodes) -> bool {
    let sound = |bitmap: &Bitmap| bitmap.persistent && bitmap.recording && !bitmap.inconsistent;
    let mut found: Vec<Option<&Bitmap>> = chain.iter().map(|node| nodes.bitmap(node, name)).collect();
    while found.last().is_some_and(Option::is_none) {
        found.pop();
    }
    !found.is_empty() && found.into_iter().all(|bitmap| bitmap.is_some_and(sound))
}

/// Which bitmaps are merged, and into what.
#[derive(Debug, Clone, Copy)]
pub struct Merge<'m> {
    /// Images whose bitmaps are merged, from the top.
    pub from: &'m [&'m str],
    /// The whole chain.
    pub chain: &'m [&'m str],
    /// The node that gets the result.
    pub target: &'m str,
    /// The one bitmap that is wanted; all whole ones where absent.
    pub only: Option<&'m str>,
    /// The name of the result, which lasts no longer than a run then; its own where absent.
    pub name: Option<&'m str>,
    /// The node with the bitmap that noted writes in the meantime.
    pub writes: Option<&'m str>,
}

impl Merge<'_> {
    /// The actions, in order.
    pub fn actions(&self, nodes: &Nodes) -> Actions {
        let mut out = Actions::new();
        let top = self.chain.first().and_then(|node| nodes.get(node));
        if let Some(top) = top.filter(|top| !top.bitmaps.is_empty()) {
            let whole = |bitmap: &&Bitmap| is_whole(self.chain, &bitmap.name, nodes);
            let names: Vec<&str> = match self.only {
                Some(name) => vec![name],
                None => top.bitmaps.iter().rev().filter(whole).map(|bitmap| bitmap.name.as_str()).collect(),
            };
            names.into_iter().for_each(|name| self.one(name, nodes, &mut out));
        }
        out.extend(self.writes.map(|node| remove(node, ACTIVE_WRITES)));
        out
    }

    fn one(&self, name: &str, nodes: &Nodes, out: &mut Actions) {
        let there: Vec<(&str, &Bitmap)> =
            self.from.iter().map_while(|node| Some((*node, nodes.bitmap(node, name)?))).collect();
        let granularity = there.iter().map(|(_, bitmap)| bitmap.granularity).max().unwrap_or_default();
        let target = self.name.unwrap_or(name);
        let own = self.name.is_none();
        if !own || nodes.bitmap(self.target, name).is_none() {
            out.push(add(self.target, target, own, !own, granularity));
        }
        let writes = self.writes.map(|node| (node, ACTIVE_WRITES));
        let sources: Vec<(&str, &str)> =
            there.into_iter().map(|(node, _)| (node, name)).chain(writes).collect();
        out.push(merge(self.target, target, &sources));
    }
}

/// The end of a copy to `mirror`; `shallow` keeps what is below the topmost image.
pub fn block_copy(chain: &[&str], mirror: &str, shallow: bool, nodes: &Nodes) -> Actions {
    let from = if shallow { chain.get(..1).unwrap_or_default() } else { chain };
    Merge { from, chain, target: mirror, only: None, name: None, writes: Some(mirror) }.actions(nodes)
}

/// The end of a commit of the images from `top` on into `base`; places in the chain.
pub fn commit(chain: &[&str], top: usize, base: usize, nodes: &Nodes) -> Actions {
    let (Some(upper), Some(from), Some(target)) = (chain.get(top..), chain.get(top..base), chain.get(base))
    else {
        return Actions::new();
    };
    let writes = (top == 0).then_some(*target);
    Merge { from, chain: upper, target, only: None, name: None, writes }.actions(nodes)
}

/// The beginning of a backup of what changed since a checkpoint: a bitmap on `target` that says it.
pub fn backup(chain: &[&str], since: &str, target: &str, name: &str, nodes: &Nodes) -> Actions {
    Merge { from: chain, chain, target, only: Some(since), name: Some(name), writes: None }.actions(nodes)
}

/// The removal of a checkpoint's bitmaps, and the nodes below the topmost that have to be opened
/// for writing meanwhile, from the deepest.
pub fn checkpoint_delete<'c>(chain: &[&'c str], name: &str, nodes: &Nodes) -> (Actions, Vec<&'c str>) {
    let with: Vec<&str> = chain.iter().filter(|node| nodes.bitmap(node, name).is_some()).copied().collect();
    let actions = with.iter().map(|node| remove(node, name)).collect();
    let reopened = with.into_iter().filter(|node| Some(node) != chain.first()).rev().collect();
    (actions, reopened)
}
