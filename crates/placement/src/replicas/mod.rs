//! Who has which chunk, in which version.
//!
//! Fed by what datanodes report: changes at once ([`ReplicaMap::received`], `deleted`, `corrupt`) and everything a storage
//! has from time to time ([`ReplicaMap::report`]). What the chunks *should* be is not known here: the caller says it
//! ([`Expected`], [`ChunkFate`]) when it asks.
//!
//! A chunk takes about 15 bytes with up to three replicas (see `table`). There is no index from storages to chunks: what
//! a storage has is found by a look at every chunk, a few nanoseconds for each.
//!
//! Invariants:
//! - a storage has at most one replica of a chunk; what is counted of storages and chunks is what there is;
//! - a report removes only what it can be sure of. The snapshot behind a report may have been taken before a change that
//!   arrived earlier than the report. So a replica that was received since the last report of its storage survives one
//!   report that does not have it, but not two;
//! - a replica that was found corrupt stays so until it is received anew, or deleted: reports do not look at the bytes.
//!   A report need not list it: a datanode that knows it to be bad does not. Only the first report after a registration
//!   makes it go when it does not list it;
//! - the fingerprint of a storage is the sum over its replicas that are not known to be bad;
//! - a replica is marked as verified only as long as it is the one that was verified, in the same life of its node.

mod judge;
mod place;
mod report;
mod several;
mod storages;
mod table;
mod verified;

use std::time::Duration;

use compact::Memory;
use types::fingerprint::{Fingerprint, Folded};
use types::{ChunkExtent, ChunkId, Generation, StorageId};

use self::place::Places;
use self::storages::Storages;
use self::table::{Held, Table};
use self::verified::Verified;

pub use judge::{ChunkFate, Excess, Expected, Standing};
pub use place::{Located, Place, Reach};
pub use report::{Buckets, Report, ReportSummary};
pub use several::{Replicas, ReplicasIntoIter};

/// What is known of the bytes of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaState {
    /// On disk under its final name; nothing bad is known.
    Finalized,
    /// A reader, or the datanode, found that its bytes are not those that were written.
    Corrupt,
}

/// One replica of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Where.
    pub storage: StorageId,
    /// In which version.
    pub generation: Generation,
    /// Its length in bytes.
    pub len: u64,
    /// What is known of its bytes.
    pub state: ReplicaState,
}

/// All replicas.
#[derive(Debug, Clone, Default)]
pub struct ReplicaMap {
    table: Table,
    storages: Storages,
    places: Places,
    verified: Verified,
}

impl ReplicaMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The replicas of a chunk, good and bad.
    #[must_use]
    pub fn replicas(&self, chunk: ChunkId) -> Replicas {
        let held = self.table.load(chunk);
        Replicas::of(held.into_iter().filter_map(|held| {
            let state = match held.corrupt {
                true => ReplicaState::Corrupt,
                false => ReplicaState::Finalized,
            };
            Some(Replica {
                storage: self.storages.get(held.storage)?.id,
                generation: held.generation,
                len: held.len,
                state,
            })
        }))
    }

    /// How many chunks have a replica. O(1).
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.table.len()
    }

    /// How many chunks have at least so many replicas, good and bad (and at least one). O(1).
    #[must_use]
    pub fn chunks_with(&self, replicas: usize) -> usize {
        self.table.with_at_least(replicas)
    }

    /// How many replicas a storage has. O(1).
    #[must_use]
    pub fn storage_count(&self, storage: StorageId) -> usize {
        self.record(storage).map_or(0, |record| record.chunks)
    }

    /// The chunks of a storage, in no order: a look at every chunk.
    pub fn chunks_on(&self, storage: StorageId) -> impl Iterator<Item = ChunkId> + '_ {
        let number = self.storages.number(storage);
        number.into_iter().flat_map(|number| self.table.on(number))
    }

    /// Whether a storage has told all that it has since its datanode registered.
    #[must_use]
    pub fn has_reported(&self, storage: StorageId) -> bool {
        self.record(storage).is_some_and(|record| record.reported)
    }

    /// The datanode of `storage` has registered: what its past life reported last is now certain to be in its next
    /// report, if it is there at all.
    pub fn registered(&mut self, storage: StorageId) {
        let number = self.storages.intern(storage);
        if let Some(record) = self.storages.get_mut(number) {
            record.reported = false;
            record.fresh_only = (record.chunks > 0).then(Default::default);
        }
        self.verified.take_back_all(number);
    }

    /// A replica is on disk under its final name. It takes the place of another version on the same storage.
    pub fn received(&mut self, storage: StorageId, extent: ChunkExtent) {
        let number = self.storages.intern(storage);
        let held = Held {
            storage: number,
            generation: extent.generation,
            len: extent.len,
            corrupt: false,
            fresh: true,
        };
        self.put(extent.chunk, held);
        self.verified.take_back(extent.chunk, number);
        if let Some(only) = self
            .storages
            .get_mut(number)
            .and_then(|record| record.fresh_only.as_mut())
        {
            only.insert(extent.chunk);
        }
    }

    /// A replica is gone. False when it was not known.
    pub fn deleted(&mut self, storage: StorageId, chunk: ChunkId) -> bool {
        let number = self.storages.number(storage);
        number.is_some_and(|number| self.drop_replica(number, chunk))
    }

    /// The bytes of a replica are bad. False when there is none of this generation on this storage.
    pub fn corrupt(&mut self, storage: StorageId, chunk: ChunkId, generation: Generation) -> bool {
        let number = self.storages.number(storage);
        let replicas = self.table.load(chunk);
        let same = |held: &&Held| Some(held.storage) == number && held.generation == generation;
        match replicas.iter().find(same) {
            Some(held) => {
                let bad = Held {
                    corrupt: true,
                    ..*held
                };
                self.put(chunk, bad);
                true
            }
            None => false,
        }
    }

    /// A replica was read again from disk, all of it, and is as it was written. False when it is not known in just this
    /// version, or is known to be bad: then nothing is made of it.
    pub fn verified(&mut self, now: Duration, storage: StorageId, extent: ChunkExtent) -> bool {
        let Some(number) = self.storages.number(storage) else {
            return false;
        };
        let same =
            |held: Held| (held.generation, held.len, held.corrupt) == (extent.generation, extent.len, false);
        let known = self.on(number, extent.chunk).is_some_and(same);
        if known {
            self.verified.mark(now, extent.chunk, number);
        }
        known
    }

    /// What was verified of the replica of a chunk on a storage may not be so any more: it counts as never verified.
    pub fn doubt(&mut self, storage: StorageId, chunk: ChunkId) {
        if let Some(number) = self.storages.number(storage) {
            self.verified.take_back(chunk, number);
        }
    }

    /// When the replica of a chunk on a storage was last verified, if that is known: of the last 65,536 marks.
    #[must_use]
    pub fn verified_at(&self, storage: StorageId, chunk: ChunkId) -> Option<Duration> {
        self.verified.at(chunk, self.storages.number(storage)?)
    }

    /// The sums of the replicas of a storage that are not known to be bad. O(1); none when it has none.
    #[must_use]
    pub fn fingerprint(&self, storage: StorageId) -> Option<&Folded> {
        self.record(storage)?.fingerprint.as_ref()
    }

    /// The buckets in which a storage has something else than what is known of it, and those that share a sum with them.
    #[must_use]
    pub fn differing(&self, storage: StorageId, has: &Fingerprint) -> Vec<u32> {
        match self.fingerprint(storage) {
            Some(known) => known.differing(has),
            None => Folded::default().differing(has),
        }
    }

    /// A storage is not coming back: forgets it and all its replicas, and answers with their chunks. A look at every chunk.
    pub fn forget(&mut self, storage: StorageId) -> Vec<ChunkId> {
        let Some(number) = self.storages.number(storage) else {
            return Vec::new();
        };
        let mut chunks = self.chunks_of(number);
        chunks.sort_unstable();
        for &chunk in &chunks {
            self.drop_replica(number, chunk);
        }
        self.verified.take_back_all(number);
        self.storages.forget(number);
        chunks
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let sums = self.storages.iter().filter(|record| record.fingerprint.is_some());
        let mut memory = self.table.memory();
        memory.overhead += (sums.count() * Folded::BYTES + self.verified.bytes()) as u64;
        memory
    }

    fn record(&self, storage: StorageId) -> Option<&storages::StorageRecord> {
        self.storages.get(self.storages.number(storage)?)
    }

    /// What is known of a chunk on a storage.
    fn on(&self, storage: usize, chunk: ChunkId) -> Option<Held> {
        let replicas = self.table.load(chunk);
        replicas.into_iter().find(|held| held.storage == storage)
    }

    fn chunks_of(&self, storage: usize) -> Vec<ChunkId> {
        match self.storages.get(storage) {
            Some(record) if record.chunks > 0 => self.table.on(storage).collect(),
            _ => Vec::new(),
        }
    }

    /// Keeps a replica, in the place of one on the same storage.
    fn put(&mut self, chunk: ChunkId, new: Held) {
        let mut replicas = self.table.load(chunk);
        let old = match replicas.iter_mut().find(|held| held.storage == new.storage) {
            Some(held) => Some(std::mem::replace(held, new)),
            None => {
                replicas.push(new);
                None
            }
        };
        self.table.store(chunk, replicas);
        self.summed(chunk, old, Some(new));
    }

    fn drop_replica(&mut self, storage: usize, chunk: ChunkId) -> bool {
        let mut replicas = self.table.load(chunk);
        let Some(at) = replicas.iter().position(|held| held.storage == storage) else {
            return false;
        };
        let old = replicas.remove(at);
        self.table.store(chunk, replicas);
        self.summed(chunk, Some(old), None);
        true
    }

    /// Keeps what is summed up of a storage, when `old` became `new` on it.
    fn summed(&mut self, chunk: ChunkId, old: Option<Held>, new: Option<Held>) {
        let Some(number) = old.or(new).map(|held| held.storage) else {
            return;
        };
        let version = |held: Held| (held.generation, held.len, held.corrupt);
        if let (Some(old), Some(new)) = (old, new)
            && version(old) == version(new)
        {
            return;
        }
        self.verified.take_back(chunk, number);
        let Some(record) = self.storages.get_mut(number) else {
            return;
        };
        record.chunks += usize::from(new.is_some());
        record.chunks = record.chunks.saturating_sub(usize::from(old.is_some()));
        let extent = |held: Held| ChunkExtent {
            chunk,
            generation: held.generation,
            len: held.len,
        };
        let sums = record.fingerprint.get_or_insert_default();
        if let Some(old) = old.filter(|held| !held.corrupt) {
            sums.remove(extent(old));
        }
        if let Some(new) = new.filter(|held| !held.corrupt) {
            sums.add(extent(new));
        }
        if record.chunks == 0 {
            record.fingerprint = None;
        }
    }
}

#[cfg(test)]
mod tests;
