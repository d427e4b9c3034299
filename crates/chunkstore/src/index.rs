//! Which replicas there are: chunk → generation, length, volume. In memory; rebuilt from the sidecars at start.
//!
//! # Invariants
//! - Of each open volume, the tally (replicas, bytes, fingerprint) is that of the slots that name it: both change under one
//!   lock, and only here.
//! - No slot names a volume that is closed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::fingerprint::Fingerprint;
use types::{ChunkExtent, ChunkId, Generation, StorageId};

use crate::pack::Spot;
use crate::sidecar;

/// Whether a replica may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// On disk under its final name.
    Finalized,
    /// Known not to be what was written.
    Corrupt,
}

/// A replica under its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Of which chunk.
    pub chunk: ChunkId,
    /// In which version.
    pub generation: Generation,
    /// Bytes of data.
    pub len: u64,
    /// On which storage.
    pub storage: StorageId,
    /// Whether it may be read.
    pub state: ReplicaState,
}

/// Where the bytes of a replica are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a data file, beside a sidecar.
    Files,
    /// In a pack, with those of others.
    Packed(Spot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: Generation,
    pub(crate) len: u64,
    /// The position of the volume in the store's list.
    pub(crate) volume: usize,
    pub(crate) place: Place,
    pub(crate) state: ReplicaState,
}

impl Slot {
    const fn extent(&self, chunk: ChunkId) -> ChunkExtent {
        ChunkExtent {
            chunk,
            generation: self.generation,
            len: self.len,
        }
    }

    /// Whether it is the same replica as it was. What is packed may have been packed anew.
    pub(crate) fn is_still(&self, was: &Self) -> bool {
        let packed = |slot: &Self| matches!(slot.place, Place::Packed(_));
        let same = (self.generation, self.len, self.volume, self.state)
            == (was.generation, was.len, was.volume, was.state);
        same && (self.place == was.place || (packed(self) && packed(was)))
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.state == ReplicaState::Corrupt
    }

    fn is_finalized(&self) -> bool {
        self.state == ReplicaState::Finalized
    }
}

/// What a volume has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Replicas, corrupt ones included.
    pub(crate) chunks: u64,
    /// Their bytes, sidecars included.
    pub(crate) bytes: u64,
    /// Of those that are finalized.
    pub(crate) fingerprint: Fingerprint,
}

impl Tally {
    fn add(&mut self, chunk: ChunkId, slot: &Slot) {
        self.chunks += 1;
        self.bytes += slot.len + sidecar::file_len(slot.len);
        if slot.is_finalized() {
            self.fingerprint.add(slot.extent(chunk));
        }
    }

    fn remove(&mut self, chunk: ChunkId, slot: &Slot) {
        self.chunks = self.chunks.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(slot.len + sidecar::file_len(slot.len));
        if slot.is_finalized() {
            self.fingerprint.remove(slot.extent(chunk));
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    slots: BTreeMap<ChunkId, Slot>,
    /// By the position of the volume; none of a volume that is closed.
    tallies: Vec<Option<Tally>>,
}

impl Inner {
    fn tally(&mut self, volume: usize) -> Option<&mut Tally> {
        self.tallies.get_mut(volume).and_then(Option::as_mut)
    }

    fn take(&mut self, chunk: ChunkId) -> Option<Slot> {
        let slot = self.slots.remove(&chunk)?;
        if let Some(tally) = self.tally(slot.volume) {
            tally.remove(chunk, &slot);
        }
        Some(slot)
    }
}

impl Index {
    /// The volume at this position may have replicas.
    pub(crate) fn open(&self, volume: usize) {
        let mut inner = self.lock();
        if inner.tallies.len() <= volume {
            inner.tallies.resize_with(volume + 1, || None);
        }
        if let Some(tally) = inner.tallies.get_mut(volume) {
            *tally = Some(Tally::default());
        }
    }

    /// The volume at this position has no replicas (any more), and gets none. Says how many leave.
    pub(crate) fn close(&self, volume: usize) -> u64 {
        let mut inner = self.lock();
        let Some(tally) = inner.tallies.get_mut(volume).and_then(Option::take) else {
            return 0;
        };
        if tally.chunks > 0 {
            inner.slots.retain(|_, slot| slot.volume != volume);
        }
        tally.chunks
    }

    pub(crate) fn find(&self, chunk: ChunkId) -> Option<Slot> {
        self.lock().slots.get(&chunk).copied()
    }

    /// Puts a replica in, in the place of what was there. False, and nothing changes, when its volume is closed.
    pub(crate) fn put(&self, chunk: ChunkId, slot: Slot) -> bool {
        let mut inner = self.lock();
        if inner.tally(slot.volume).is_none() {
            return false;
        }
        inner.take(chunk);
        if let Some(tally) = inner.tally(slot.volume) {
            tally.add(chunk, &slot);
        }
        inner.slots.insert(chunk, slot);
        true
    }

    pub(crate) fn remove(&self, chunk: ChunkId) {
        self.lock().take(chunk);
    }

    /// Marks the replica, when it is still this generation. Gives what it was, when it was there and not marked before.
    pub(crate) fn mark_corrupt(&self, chunk: ChunkId, generation: Generation) -> Option<Slot> {
        let mut inner = self.lock();
        let slot = inner.slots.get_mut(&chunk)?;
        if slot.generation != generation || !slot.is_finalized() {
            return None;
        }
        let was = *slot;
        slot.state = ReplicaState::Corrupt;
        if let Some(tally) = inner.tally(was.volume) {
            tally.fingerprint.remove(was.extent(chunk));
        }
        Some(was)
    }

    /// What the volume has; nothing when it is closed.
    pub(crate) fn tally(&self, volume: usize) -> (u64, u64) {
        let mut inner = self.lock();
        inner
            .tally(volume)
            .map_or((0, 0), |tally| (tally.chunks, tally.bytes))
    }

    /// The fingerprint of the volume's finalized replicas.
    pub(crate) fn fingerprint(&self, volume: usize) -> Fingerprint {
        let mut inner = self.lock();
        let tally = inner.tally(volume);
        tally.map(|tally| tally.fingerprint.clone()).unwrap_or_default()
    }

    /// Up to `limit` entries with ids above `after`, in the order of ids.
    pub(crate) fn page(&self, after: Option<ChunkId>, limit: usize) -> Vec<(ChunkId, Slot)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let inner = self.lock();
        let page = inner.slots.range((from, Bound::Unbounded)).take(limit);
        page.map(|(&chunk, &slot)| (chunk, slot)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u64, u64, u64, usize, bool),
        Remove(u64),
        Corrupt(u64, u64),
        Close(usize),
        Open(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (chunk, generation, volume) = (1..20u64, 1..3u64, 0..3usize);
        prop_oneof![
            6 => (chunk.clone(), generation.clone(), 0..9u64, volume.clone(), any::<bool>())
                .prop_map(|(c, g, l, v, corrupt)| Step::Put(c, g, l, v, corrupt)),
            3 => chunk.clone().prop_map(Step::Remove),
            2 => (chunk, generation).prop_map(|(c, g)| Step::Corrupt(c, g)),
            1 => volume.clone().prop_map(Step::Close),
            1 => volume.prop_map(Step::Open),
        ]
    }

    proptest! {
        #[test]
        fn the_tally_is_that_of_a_recount(steps in prop::collection::vec(step(), 0..200)) {
            let index = Index::default();
            let mut open = [true; 3];
            (0..3).for_each(|volume| index.open(volume));
            for step in steps {
                match step {
                    Step::Put(chunk, generation, len, volume, corrupt) => {
                        let slot = Slot {
                            generation: Generation(generation),
                            len,
                            volume,
                            place: Place::Files,
                            state: if corrupt { ReplicaState::Corrupt } else { ReplicaState::Finalized },
                        };
                        prop_assert_eq!(index.put(ChunkId::new(chunk).unwrap(), slot), open[volume]);
                    }
                    Step::Remove(chunk) => index.remove(ChunkId::new(chunk).unwrap()),
                    Step::Corrupt(chunk, generation) => {
                        let _ = index.mark_corrupt(ChunkId::new(chunk).unwrap(), Generation(generation));
                    }
                    Step::Close(volume) => {
                        index.close(volume);
                        open[volume] = false;
                    }
                    Step::Open(volume) if !open[volume] => {
                        index.open(volume);
                        open[volume] = true;
                    }
                    Step::Open(_) => {}
                }
                for volume in 0..3 {
                    let mut recount = Tally::default();
                    for (chunk, slot) in index.page(None, 1_000) {
                        prop_assert!(open[slot.volume]);
                        if slot.volume == volume {
                            recount.add(chunk, &slot);
                        }
                    }
                    prop_assert_eq!(index.tally(volume), (recount.chunks, recount.bytes));
                    prop_assert_eq!(index.fingerprint(volume), recount.fingerprint);
                }
            }
        }
    }
}
