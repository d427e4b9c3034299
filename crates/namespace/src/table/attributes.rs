//! Sets of attributes, each kept once however many inodes have it.
//!
//! # Invariants
//! - a set is kept as long as something has it: `users` counts these, and is never 0;
//! - a new set takes the lowest number that is free, so that numbers depend on what is kept alone.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use types::ChunkSize;

use crate::NamespaceError;
use crate::table::record::U24_END;

/// Whose something is, who may do what, and how a file is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Bits of [`MODE_MASK`](crate::table::MODE_MASK).
    pub(crate) mode: u16,
    /// Replicas of each chunk; of a directory, 0.
    pub(crate) replication: u16,
    /// Of a directory, the default.
    pub(crate) chunk_size: ChunkSize,
    pub(crate) owner: Arc<str>,
    pub(crate) group: Arc<str>,
}

/// The number of a set; below 2^24.
pub(crate) type SetNumber = u32;

#[derive(Debug, Clone)]
struct Kept {
    set: Arc<Attributes>,
    users: u64,
}

/// All sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributeSets {
    sets: OrdMap<SetNumber, Kept>,
    numbers: OrdMap<Arc<Attributes>, SetNumber>,
    /// Numbers below `end` that are free.
    free: OrdSet<SetNumber>,
    end: SetNumber,
}

impl AttributeSets {
    /// How many sets there are.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The number of a set that one more has from now on.
    ///
    /// # Errors
    /// When there are too many different sets.
    pub(crate) fn take(&mut self, set: Attributes) -> Result<SetNumber, NamespaceError> {
        if let Some(&number) = self.numbers.get(&set) {
            if let Some(kept) = self.sets.get_mut(&number) {
                kept.users += 1;
            }
            return Ok(number);
        }
        let number = match self.free.get_min() {
            Some(&lowest) => lowest,
            None if u64::from(self.end) < U24_END => self.end,
            None => {
                return Err(NamespaceError::Full(format!(
                    "there are {U24_END} different sets of owner, group, mode, replication and chunk size"
                )));
            }
        };
        if self.free.remove(&number).is_none() {
            self.end = number + 1;
        }
        let set = Arc::new(set);
        self.numbers.insert(Arc::clone(&set), number);
        self.sets.insert(number, Kept { set, users: 1 });
        Ok(number)
    }

    /// One fewer has the set.
    pub(crate) fn release(&mut self, number: SetNumber) {
        let Some(kept) = self.sets.get_mut(&number) else {
            return;
        };
        kept.users -= 1;
        if kept.users == 0
            && let Some(kept) = self.sets.remove(&number)
        {
            self.numbers.remove(&kept.set);
            self.free.insert(number);
        }
    }

    /// A set that must be there, because an inode has it.
    #[expect(
        clippy::expect_used,
        reason = "an inode without attributes is our own mistake: stop before it spreads"
    )]
    pub(crate) fn set(&self, number: SetNumber) -> &Attributes {
        &self
            .sets
            .get(&number)
            .expect("an inode's attributes are kept")
            .set
    }

    /// What is to be saved: each set with its number and how many have it.
    pub(crate) fn saved(&self) -> Vec<(SetNumber, u64, &Attributes)> {
        let saved = self.sets.iter();
        saved
            .map(|(number, kept)| (*number, kept.users, &*kept.set))
            .collect()
    }

    /// What was saved. None when numbers or sets come twice, or out of their order.
    pub(crate) fn loaded(saved: Vec<(SetNumber, u64, Attributes)>) -> Option<Self> {
        let mut sets = Self::default();
        for (number, users, set) in saved {
            if number < sets.end || u64::from(number) >= U24_END || users == 0 {
                return None;
            }
            sets.free.extend(sets.end..number);
            sets.end = number + 1;
            let set = Arc::new(set);
            if sets.numbers.insert(Arc::clone(&set), number).is_some() {
                return None;
            }
            sets.sets.insert(number, Kept { set, users });
        }
        Some(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(mode: u16) -> Attributes {
        Attributes {
            mode,
            replication: 3,
            chunk_size: ChunkSize::default(),
            owner: "ann".into(),
            group: "staff".into(),
        }
    }

    #[test]
    fn equal_sets_are_one_until_nobody_has_it() {
        let mut sets = AttributeSets::default();
        let numbers = [7, 5, 7, 6].map(|mode| sets.take(set(mode)).unwrap());
        assert_eq!(numbers, [0, 1, 0, 2]);
        sets.release(0);
        assert_eq!(sets.set(0), &set(7));
        sets.release(0);
        assert_eq!(sets.len(), 2);
        sets.release(1);
        assert_eq!(sets.take(set(8)), Ok(0), "the lowest that is free");
        assert_eq!(sets.take(set(9)), Ok(1));
        assert_eq!(sets.take(set(10)), Ok(3));
        assert_eq!(sets.len(), 4);
    }

    #[test]
    fn numbers_go_on_after_loading_as_before() {
        let mut sets = AttributeSets::default();
        for mode in 0..9 {
            sets.take(set(mode)).unwrap();
        }
        for number in [8, 2, 5] {
            sets.release(number);
        }
        let saved = sets.saved().into_iter();
        let saved = saved.map(|(number, users, set)| (number, users, set.clone()));
        let mut loaded = AttributeSets::loaded(saved.collect()).unwrap();
        for mode in 20..25 {
            assert_eq!(loaded.take(set(mode)), sets.take(set(mode)));
        }
        assert_eq!(loaded.saved(), sets.saved());
    }

    #[test]
    fn what_can_not_have_been_saved_is_refused() {
        for bad in [
            vec![(1, 1, set(1)), (0, 1, set(2))],
            vec![(0, 1, set(1)), (1, 1, set(1))],
            vec![(0, 0, set(1))],
            vec![(1 << 24, 1, set(1))],
        ] {
            assert!(AttributeSets::loaded(bad).is_none());
        }
    }
}
