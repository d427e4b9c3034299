//! Replicas against what the chunks should be: which are good, and which are to be deleted.
//!
//! Nothing is ever deleted on a doubt: not a replica of a chunk from the future (this master's metadata may be the one that
//! is behind), not one that is newer or corrupt or of another length than expected (it may be the last that is left), and
//! a stale one only when enough good ones are confirmed elsewhere.

use types::{ChunkId, Generation, StorageId};

use super::{Replica, ReplicaMap, ReplicaState};

/// The version that the replicas of a chunk should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The generation in force.
    pub generation: Generation,
    /// The committed length; none while the chunk is being written.
    pub len: Option<u64>,
}

/// How a replica stands to what is expected. In the order in which readers should try them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// As expected.
    Valid,
    /// Of a higher generation: a repair of the pipeline that was not brought to its end.
    Newer,
    /// Of the right generation, but another length.
    WrongLength,
    /// Of a lower generation: it missed a part of the writing.
    Stale,
    /// Its bytes are bad.
    Corrupt,
}

/// What the metadata says of a chunk that somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFate {
    /// A file holds it.
    Held(Expected),
    /// No file holds it any more.
    Freed,
    /// It has not been given out yet, as far as this master knows: its id is too high.
    FromTheFuture,
}

/// A replica that is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Excess {
    /// Where.
    pub storage: StorageId,
    /// Which chunk.
    pub chunk: ChunkId,
    /// Only in exactly this version.
    pub generation: Generation,
}

impl Replica {
    /// How this replica stands to what is expected.
    #[must_use]
    pub fn standing(&self, expected: Expected) -> Standing {
        if self.state == ReplicaState::Corrupt {
            return Standing::Corrupt;
        }
        match self.generation.cmp(&expected.generation) {
            std::cmp::Ordering::Less => Standing::Stale,
            std::cmp::Ordering::Greater => Standing::Newer,
            std::cmp::Ordering::Equal if expected.len.is_some_and(|len| len != self.len) => {
                Standing::WrongLength
            }
            std::cmp::Ordering::Equal => Standing::Valid,
        }
    }
}

impl ReplicaMap {
    /// The replicas of `chunk` that are as expected.
    pub fn valid(&self, chunk: ChunkId, expected: Expected) -> impl Iterator<Item = Replica> + use<> {
        self.replicas(chunk)
            .into_iter()
            .filter(move |replica| replica.standing(expected) == Standing::Valid)
    }

    /// The replicas of `chunk` that are to be deleted, when `min_replicas` good ones count as enough. Only those that are
    /// on storages for which `usable` is true are counted as good.
    pub fn excess(
        &self,
        chunk: ChunkId,
        fate: ChunkFate,
        min_replicas: usize,
        usable: impl Fn(StorageId) -> bool,
    ) -> Vec<Excess> {
        let doomed = |replica: &Replica| match fate {
            ChunkFate::FromTheFuture => false,
            ChunkFate::Freed => true,
            ChunkFate::Held(expected) => expected.len.is_some() && replica.generation < expected.generation,
        };
        let enough = match fate {
            ChunkFate::Held(expected) => {
                self.valid(chunk, expected)
                    .filter(|replica| usable(replica.storage))
                    .count()
                    >= min_replicas
            }
            ChunkFate::Freed | ChunkFate::FromTheFuture => true,
        };
        if !enough {
            return Vec::new();
        }
        let excess = self
            .replicas(chunk)
            .into_iter()
            .filter(doomed)
            .map(|replica| Excess {
                storage: replica.storage,
                chunk,
                generation: replica.generation,
            });
        excess.collect()
    }
}
