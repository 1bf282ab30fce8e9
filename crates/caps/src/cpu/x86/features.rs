//! Sets of x86 features.
//!
//! Owns: set arithmetic. Never: knows a name; a feature is its place in the map.

use std::ops::{BitAnd, BitOr, Sub};

/// Words of a set.
const WORDS: usize = 8;

/// Most features that the map may have.
pub(super) const MAX_FEATURES: usize = WORDS * 64;

/// A set of features, each by its place in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FeatureSet([u64; WORDS]);

impl FeatureSet {
    /// Adds a feature; one that no map can have is left out.
    pub(super) fn insert(&mut self, feature: usize) {
        if let Some(word) = self.0.get_mut(feature / 64) {
            *word |= 1 << (feature % 64);
        }
    }

    /// Takes a feature out.
    pub(super) fn remove(&mut self, feature: usize) {
        if let Some(word) = self.0.get_mut(feature / 64) {
            *word &= !(1 << (feature % 64));
        }
    }

    /// Whether it has a feature.
    pub(super) fn contains(&self, feature: usize) -> bool {
        self.0.get(feature / 64).is_some_and(|word| word & (1 << (feature % 64)) != 0)
    }

    /// Whether it has none.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many it has.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether all of these are in the other.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        (*self - *other).is_empty()
    }

    /// The features, in the map's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..MAX_FEATURES).filter(|feature| self.contains(*feature))
    }
}

impl FromIterator<usize> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = usize>>(features: I) -> Self {
        let mut set = FeatureSet::default();
        features.into_iter().for_each(|feature| set.insert(feature));
        set
    }
}

impl BitOr for FeatureSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        FeatureSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl BitAnd for FeatureSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        FeatureSet(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }
}

impl Sub for FeatureSet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        FeatureSet(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let a: FeatureSet = [0, 63, 64, 300].into_iter().collect();
        let b: FeatureSet = [63, 300, 301].into_iter().collect();
        assert_eq!((a & b).iter().collect::<Vec<_>>(), [63, 300]);
        assert_eq!((a - b).iter().collect::<Vec<_>>(), [0, 64]);
        assert_eq!((a | b).len(), 5);
        assert!((a & b).is_subset(&a) && !b.is_subset(&a));
        assert!(!a.contains(MAX_FEATURES) && (a - a).is_empty());
    }
}
