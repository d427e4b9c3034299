//! Replicas by chunk, in few bytes.
//!
//! ```text
//! record of a slot:  birth 2 | generation 2 | length 4 | three times: fresh 1 bit, storage 15 bits (from 1; 0 is none)
//! ```
//!
//! Nearly all chunks have up to three replicas, all of the same version, and none of them is known to be bad. Such a chunk
//! is a record of 14 bytes in an array, under the slot of its id. Everything else is in a map: other chunks of a slot
//! that was given out anew, more replicas, different versions, bad bytes, numbers that do not fit.
//!
//! Invariants:
//! - a chunk is in the array or in the map, or nowhere, and it has at least one replica where it is;
//! - a chunk that fits into the array is there, unless a later chunk of the same slot is, or was when it was changed last;
//! - `with` counts all chunks by the number of their replicas.

use std::collections::HashMap;

use compact::{Fields, FieldsMut, Memory, PagedArray, Record};
use types::{ChunkId, Generation};

/// Replicas that a record has room for.
pub(super) const FEW: usize = 3;
const FRESH: u16 = 1 << 15;

/// A replica, with its storage as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) storage: usize,
    pub(super) generation: Generation,
    pub(super) len: u64,
    pub(super) corrupt: bool,
    /// It was received since the last report of its storage.
    pub(super) fresh: bool,
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    birth: u16,
    generation: u16,
    len: u32,
    storages: [u16; FEW],
}

impl Record for Packed {
    const BYTES: usize = 14;

    #[inline]
    fn write(&self, mut to: FieldsMut<'_>) {
        to.u16(self.birth);
        to.u16(self.generation);
        to.u32(self.len);
        for storage in self.storages {
            to.u16(storage);
        }
    }

    #[inline]
    fn read(mut from: Fields<'_>) -> Self {
        Self {
            birth: from.u16(),
            generation: from.u16(),
            len: from.u32(),
            storages: [from.u16(), from.u16(), from.u16()],
        }
    }
}

/// The slot of a chunk, and its birth.
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
fn parts(chunk: ChunkId) -> (u32, u32) {
    (chunk.as_u64() as u32, (chunk.as_u64() >> 32) as u32)
}

impl Packed {
    /// None when they do not fit.
    fn of(chunk: ChunkId, replicas: &[Held]) -> Option<Self> {
        let first = replicas.first()?;
        let mut packed = Self {
            birth: u16::try_from(parts(chunk).1).ok()?,
            generation: u16::try_from(first.generation.as_u64()).ok()?,
            len: u32::try_from(first.len).ok()?,
            storages: [0; FEW],
        };
        for (at, held) in replicas.iter().enumerate() {
            if held.corrupt || (held.generation, held.len) != (first.generation, first.len) {
                return None;
            }
            let number = u16::try_from(held.storage + 1)
                .ok()
                .filter(|number| number & FRESH == 0)?;
            *packed.storages.get_mut(at)? = number | if held.fresh { FRESH } else { 0 };
        }
        Some(packed)
    }

    fn chunk(self, slot: u32) -> Option<ChunkId> {
        ChunkId::new(u64::from(self.birth) << 32 | u64::from(slot)).ok()
    }

    #[inline]
    fn storages(self) -> impl Iterator<Item = usize> {
        let numbers = self.storages.into_iter();
        numbers.filter_map(|number| usize::from(number & !FRESH).checked_sub(1))
    }

    #[inline]
    fn held(self) -> impl Iterator<Item = Held> + Clone {
        self.storages.into_iter().filter_map(move |number| {
            Some(Held {
                storage: usize::from(number & !FRESH).checked_sub(1)?,
                generation: Generation(self.generation.into()),
                len: self.len.into(),
                corrupt: false,
                fresh: number & FRESH != 0,
            })
        })
    }

    fn unpack(self) -> Vec<Held> {
        self.held().collect()
    }
}

/// Replicas by chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    packed: PagedArray<Packed>,
    odd: HashMap<ChunkId, Vec<Held>>,
    /// How many chunks have so many replicas; what is at 0 counts nothing.
    with: Vec<usize>,
}

impl Table {
    /// The replicas of a chunk, in the order in which they came.
    pub(super) fn load(&self, chunk: ChunkId) -> Vec<Held> {
        match self.record(chunk) {
            Some(packed) => packed.unpack(),
            None => self.odd.get(&chunk).cloned().unwrap_or_default(),
        }
    }

    /// The same, without a copy.
    pub(super) fn each(&self, chunk: ChunkId) -> impl Iterator<Item = Held> + Clone + '_ {
        let (packed, odd) = match self.record(chunk) {
            Some(packed) => (Some(packed), None),
            None => (None, self.odd.get(&chunk)),
        };
        let odd = odd.map_or(&[] as &[Held], Vec::as_slice).iter().copied();
        packed.into_iter().flat_map(Packed::held).chain(odd)
    }

    /// Gives a chunk other replicas.
    pub(super) fn store(&mut self, chunk: ChunkId, replicas: Vec<Held>) {
        let (slot, birth) = parts(chunk);
        let (before, after) = (self.count(chunk), replicas.len());
        if before != after {
            self.recount(before, |count| *count = count.saturating_sub(1));
            self.recount(after, |count| *count += 1);
        }
        let there = self.packed.get(slot);
        let later = there.is_some_and(|packed| u32::from(packed.birth) > birth);
        match Packed::of(chunk, &replicas).filter(|_| !later) {
            Some(packed) => {
                self.odd.remove(&chunk);
                self.packed.set(slot, packed);
                if let Some(other) = there.filter(|other| other.birth != packed.birth)
                    && let Some(chunk) = other.chunk(slot)
                {
                    self.odd.insert(chunk, other.unpack());
                }
            }
            None => {
                if self.record(chunk).is_some() {
                    self.packed.remove(slot);
                }
                if replicas.is_empty() {
                    self.odd.remove(&chunk);
                } else {
                    self.odd.insert(chunk, replicas);
                }
            }
        }
    }

    /// A storage says that it has a chunk in this version. When just that is known of it, it is no longer fresh, and
    /// the answer is true. Otherwise nothing is done.
    pub(super) fn confirm(
        &mut self,
        chunk: ChunkId,
        storage: usize,
        generation: Generation,
        len: u64,
    ) -> bool {
        let Some(mut packed) = self.record(chunk) else {
            return false;
        };
        if (u64::from(packed.generation), u64::from(packed.len)) != (generation.as_u64(), len) {
            return false;
        }
        let ours = |number: u16| usize::from(number & !FRESH).checked_sub(1) == Some(storage);
        let Some(place) = packed.storages.iter_mut().find(|number| ours(**number)) else {
            return false;
        };
        if *place & FRESH != 0 {
            *place &= !FRESH;
            self.packed.set(parts(chunk).0, packed);
        }
        true
    }

    /// The chunks of a storage, in no order: a look at every chunk.
    pub(super) fn on(&self, storage: usize) -> impl Iterator<Item = ChunkId> + '_ {
        let packed = self.packed.iter().filter_map(move |(slot, packed)| {
            let here = packed.storages().any(|other| other == storage);
            here.then(|| packed.chunk(slot)).flatten()
        });
        packed.chain(self.odd_on(storage))
    }

    /// Those of them that are in the map.
    pub(super) fn odd_on(&self, storage: usize) -> impl Iterator<Item = ChunkId> + '_ {
        self.odd.iter().filter_map(move |(chunk, replicas)| {
            let here = replicas.iter().any(|held| held.storage == storage);
            here.then_some(*chunk)
        })
    }

    /// Those of them that are in the array, from slot `from` on, among so many chunks; and the slot to go on from, if
    /// there are more chunks.
    pub(super) fn packed_on(&self, storage: usize, from: u32, limit: usize) -> (Vec<ChunkId>, Option<u32>) {
        let mut found = Vec::new();
        for (looked, (slot, packed)) in self.packed.iter_from(from).enumerate() {
            if looked >= limit {
                return (found, Some(slot));
            }
            if packed.storages().any(|other| other == storage) {
                found.extend(packed.chunk(slot));
            }
        }
        (found, None)
    }

    /// How many chunks there are.
    pub(super) fn len(&self) -> usize {
        self.packed.len() + self.odd.len()
    }

    /// How many chunks have at least so many replicas.
    pub(super) fn with_at_least(&self, replicas: usize) -> usize {
        self.with.iter().skip(replicas.max(1)).sum()
    }

    pub(super) fn memory(&self) -> Memory {
        let entry = size_of::<(ChunkId, Vec<Held>)>() + 1;
        let replicas = self
            .odd
            .values()
            .map(|replicas| replicas.capacity() * size_of::<Held>());
        let mut memory = self.packed.memory();
        memory.overhead += (self.odd.capacity() * entry * 8 / 7 + replicas.sum::<usize>()) as u64;
        memory
    }

    fn record(&self, chunk: ChunkId) -> Option<Packed> {
        let (slot, birth) = parts(chunk);
        self.packed
            .get(slot)
            .filter(|packed| u32::from(packed.birth) == birth)
    }

    fn count(&self, chunk: ChunkId) -> usize {
        match self.record(chunk) {
            Some(packed) => packed.storages().count(),
            None => self.odd.get(&chunk).map_or(0, Vec::len),
        }
    }

    fn recount(&mut self, replicas: usize, change: impl FnOnce(&mut usize)) {
        if replicas > 0 {
            if self.with.len() <= replicas {
                self.with.resize(replicas + 1, 0);
            }
            if let Some(count) = self.with.get_mut(replicas) {
                change(count);
            }
        }
    }

    /// Panics where an invariant does not hold.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut with = vec![0; self.with.len()];
        for (slot, packed) in self.packed.iter() {
            let chunk = packed.chunk(slot).unwrap();
            assert!(!self.odd.contains_key(&chunk), "in both");
            with[packed.unpack().len()] += 1;
        }
        for (chunk, replicas) in &self.odd {
            with[replicas.len()] += 1;
            assert!(!replicas.is_empty(), "{chunk} has none");
        }
        assert_eq!(with, self.with);
    }
}
