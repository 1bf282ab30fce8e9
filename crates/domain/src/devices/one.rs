//! One device among those that a guest has: found by a description, given a name of its own.

use ostler_base::Result;

use super::graphics::GraphicsType;
use super::{Devices, Info, Kind};
use crate::{Head, Setting};

/// The place of the device that is meant. What was said of address, alias and boot order counts.
pub(super) fn find_kind<K: Kind + Clone>(
    all: &[K],
    said: &K,
    head: &Head,
    setting: &Setting<'_>,
) -> Result<Option<usize>> {
    let mut whole = said.clone();
    whole.complete(head, setting)?;
    for (at, device) in all.iter().enumerate() {
        let mut device = device.clone();
        device.complete(head, setting)?;
        if agrees(device.info(), said.info()) && device.is_meant(said, &whole) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn agrees(known: &Info, said: &Info) -> bool {
    let alias = said.alias.is_none() || said.alias == known.alias;
    let address = said.address.is_none() || said.address == known.address;
    alias && address
}

/// Gives devices that have no alias the next ones of their series.
pub(super) fn new_aliases<K: Kind>(new: &mut [K], others: &[K], head: &Head) {
    let mut used: Vec<String> = others.iter().filter_map(|d| d.info().alias.clone()).collect();
    for device in new.iter_mut().filter(|device| device.info().alias.is_none()) {
        let series = device.alias(0, head);
        if series == device.alias(1, head) {
            device.info_mut().alias = Some(series).filter(|alias| !alias.is_empty());
            continue;
        }
        let prefix = series.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = |alias: &String| alias.strip_prefix(prefix)?.parse::<usize>().ok();
        let last = used.iter().filter_map(number).max();
        // One of another series stands for the first of this one.
        let foreign = used.iter().filter(|alias| !alias.starts_with("ua-")).count();
        let nth = last.map_or(foreign, |last| last.saturating_add(1));
        let alias = device.alias(nth, head);
        used.push(alias.clone());
        device.info_mut().alias = Some(alias);
    }
}

impl Devices {
    /// Takes the device at a place out, as a list of its own.
    pub(crate) fn split_off_at(&mut self, at: usize) -> Devices {
        let mut place = 0;
        self.split_off(|_| {
            place += 1;
            place == at + 1
        })
    }

    /// The place of the screen of a kind.
    pub(crate) fn place_of_screen(&self, kind: GraphicsType) -> Option<usize> {
        let screen = self.graphics.iter().find(|screen| screen.kind == kind)?;
        let screen: *const dyn super::Device = screen;
        self.iter().position(|device| std::ptr::addr_eq(device, screen))
    }
}
