//! A long list: pages of its own.

use std::io;

use super::{KIND, ROOMS};
use crate::stream::bytes;
use crate::{LoadError, Memory, PagedArray};

/// A list longer than this is not long, and lies in a cell.
const LEN_MIN: usize = {
    let [.., largest] = ROOMS;
    largest / 4
};

/// Invariant: the records are as many as the items need, two in each; the missing half of the last is 0.
#[derive(Debug, Clone)]
pub(super) struct Long {
    /// Two items in each record, the first in its lower half.
    pairs: PagedArray<u64>,
    len: usize,
}

fn place(index: usize) -> (u32, u32) {
    let pair = u32::try_from(index / 2).unwrap_or(u32::MAX);
    (pair, if index.is_multiple_of(2) { 0 } else { 32 })
}

impl Long {
    pub(super) fn of(items: &[u32]) -> Self {
        let mut list = Self {
            pairs: PagedArray::new(),
            len: 0,
        };
        for item in items {
            list.push(*item);
        }
        list
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub(super) fn items(&self, from: usize) -> impl Iterator<Item = u32> + '_ {
        let (first, _) = place(from);
        let pairs = self.pairs.iter_from(first);
        let items = pairs.flat_map(|(_, pair)| [pair as u32, (pair >> 32) as u32]);
        items.skip(from % 2).take(self.len.saturating_sub(from))
    }

    pub(super) fn set(&mut self, index: usize, item: u32) {
        let (slot, shift) = place(index);
        let rest = self.pairs.get(slot).unwrap_or(0) & !(u64::from(u32::MAX) << shift);
        self.pairs.set(slot, rest | u64::from(item) << shift);
    }

    pub(super) fn push(&mut self, item: u32) {
        self.set(self.len, item);
        self.len += 1;
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for slot in len.div_ceil(2)..self.len.div_ceil(2) {
            self.pairs.remove(place(2 * slot).0);
        }
        if len % 2 == 1 {
            self.set(len, 0);
        }
        self.len = len;
    }

    pub(super) fn memory(&self) -> Memory {
        self.pairs.memory()
    }

    pub(super) fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&(self.len as u64).to_le_bytes())?;
        self.pairs.save(out)
    }

    pub(super) fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let len = u64::from_le_bytes(bytes(input)?);
        let pairs = PagedArray::<u64>::load(input)?;
        let last = len
            .div_ceil(2)
            .checked_sub(1)
            .and_then(|last| u32::try_from(last).ok());
        let last = last.ok_or_else(|| KIND.corrupt("a long list has no length"))?;
        let is_whole = pairs.len() == last as usize + 1
            && pairs
                .get(last)
                .is_some_and(|pair| len.is_multiple_of(2) || pair >> 32 == 0);
        let len = usize::try_from(len).unwrap_or(0);
        if is_whole && pairs.iter_from(last).count() == 1 && len > LEN_MIN {
            Ok(Self { pairs, len })
        } else {
            Err(KIND.corrupt("a long list is not one"))
        }
    }

    /// Panics where an invariant does not hold.
    #[cfg(any(test, feature = "checks"))]
    pub(super) fn check_invariants(&self) {
        self.pairs.check_invariants();
        assert_eq!(self.pairs.len(), self.len.div_ceil(2));
        assert!(self.len > LEN_MIN);
        let last = self.pairs.iter().last();
        assert_eq!(last.map(|(slot, _)| slot as usize), Some((self.len - 1) / 2));
        assert!(self.len.is_multiple_of(2) || last.is_some_and(|(_, pair)| pair >> 32 == 0));
    }
}
