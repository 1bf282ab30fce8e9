//! Sets of small numbers in the form `0-3,^2,8`: CPUs, NUMA nodes, vCPUs, IOThreads.

use std::collections::BTreeSet;
use std::fmt;

/// The highest number that such a set may hold; more is refused when it is read.
pub const MAX_ID: u32 = 65_535;

/// A set of numbers.
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct IdSet(BTreeSet<u32>);

impl IdSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `0-3,^2,8`; spaces are passed over. `None` for anything else, and for numbers above
    /// [`MAX_ID`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let part = part.trim();
            if let Some(gone) = part.strip_prefix('^') {
                set.remove(&number(gone)?);
            } else if let Some((from, to)) = part.split_once('-') {
                let (from, to) = (number(from)?, number(to)?);
                if from > to {
                    return None;
                }
                set.extend(from..=to);
            } else {
                set.insert(number(part)?);
            }
        }
        Some(IdSet(set))
    }

    /// Adds a number.
    pub fn insert(&mut self, id: u32) {
        self.0.insert(id);
    }

    /// Takes a number out; whether it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        self.0.remove(&id)
    }

    /// Whether a number is in it.
    pub fn contains(&self, id: u32) -> bool {
        self.0.contains(&id)
    }

    /// How many numbers are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// The lowest number.
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// The highest number.
    pub fn last(&self) -> Option<u32> {
        self.0.last().copied()
    }

    /// Whether every number of this set is in the other.
    pub fn is_subset(&self, other: &IdSet) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether the two sets share a number.
    pub fn overlaps(&self, other: &IdSet) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// Maximal runs `(first, last)` of consecutive numbers.
    pub fn runs(&self) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for id in self.iter() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == id => *last = id,
                _ => runs.push((id, id)),
            }
        }
        runs
    }

    /// The set as little-endian bits, as long as the highest number needs.
    pub fn to_bits(&self) -> Vec<u8> {
        let mut bits = vec![0u8; self.last().map_or(0, |last| last as usize / 8 + 1)];
        for id in self.iter() {
            bits[id as usize / 8] |= 1 << (id % 8);
        }
        bits
    }

    /// The set that little-endian bits stand for; bits above [`MAX_ID`] are left out.
    pub fn from_bits(bits: &[u8]) -> Self {
        let all = bits.iter().zip((0u32..).step_by(8)).flat_map(|(byte, base)| {
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| base + bit)
        });
        IdSet(all.take_while(|id| *id <= MAX_ID).collect())
    }
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= MAX_ID)
}

impl FromIterator<u32> for IdSet {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        IdSet(ids.into_iter().collect())
    }
}

impl fmt::Display for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.runs().into_iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(IdSet::parse("0-3,^2, 8").unwrap().to_string(), "0-1,3,8");
        assert_eq!(IdSet::parse("5,4,3").unwrap().to_string(), "3-5");
        assert_eq!(IdSet::parse("3-1"), None);
        assert_eq!(IdSet::parse(""), None);
        assert_eq!(IdSet::parse("0-4294967295"), None);
    }

    #[test]
    fn bits() {
        let set = IdSet::parse("0,9").unwrap();
        assert_eq!(set.to_bits(), [1, 2]);
        assert_eq!(IdSet::from_bits(&[1, 2]), set);
    }
}
