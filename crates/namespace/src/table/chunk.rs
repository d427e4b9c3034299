//! Every chunk that a file holds, and those that were just let go.

use std::collections::BTreeMap;

use types::{ChunkId, Generation, InodeId};

use crate::command::FIRST_GENERATION;

/// A chunk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Chunk {
    /// The file that holds it.
    pub(crate) owner: InodeId,
    pub(crate) generation: Generation,
    pub(crate) state: ChunkState,
}

impl Chunk {
    /// Its committed length.
    pub(crate) const fn len(&self) -> Option<u64> {
        match self.state {
            ChunkState::Committed { len } => Some(len),
            ChunkState::BeingWritten { .. } => None,
        }
    }

    /// The highest generation that was given out and is not in force.
    pub(crate) fn pending(&self) -> Option<Generation> {
        match self.state {
            ChunkState::BeingWritten { highest, .. } if highest > self.generation => Some(highest),
            _ => None,
        }
    }
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum ChunkState {
    /// Whole; never changes any more.
    Committed { len: u64 },
    /// Growing.
    BeingWritten {
        /// Bytes that the writer has said to be acknowledged: the chunk will not be committed with fewer.
        acknowledged: u64,
        /// The highest generation given out.
        highest: Generation,
    },
}

/// All chunks. Ids rise and are never used again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Chunks {
    table: BTreeMap<ChunkId, Chunk>,
    next: u64,
    freed: Vec<ChunkId>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            table: BTreeMap::new(),
            next: 1,
            freed: Vec::new(),
        }
    }
}

impl Chunks {
    #[expect(
        clippy::expect_used,
        reason = "at a billion chunks a second, the 63 bits last for 292 years"
    )]
    pub(crate) fn next_id(&self) -> ChunkId {
        ChunkId::new(self.next).expect("chunk ids do not run out")
    }

    /// A new, empty chunk of `owner`.
    pub(crate) fn add(&mut self, owner: InodeId) -> ChunkId {
        let id = self.next_id();
        self.next += 1;
        let state = ChunkState::BeingWritten {
            acknowledged: 0,
            highest: FIRST_GENERATION,
        };
        let chunk = Chunk {
            owner,
            generation: FIRST_GENERATION,
            state,
        };
        self.table.insert(id, chunk);
        id
    }

    /// Lets a chunk go.
    pub(crate) fn free(&mut self, id: ChunkId) {
        let chunk = self.table.remove(&id);
        assert!(chunk.is_some(), "chunk {id} is freed but no file holds it");
        self.freed.push(id);
    }

    pub(crate) fn take_freed(&mut self) -> Vec<ChunkId> {
        std::mem::take(&mut self.freed)
    }

    pub(crate) fn find(&self, id: ChunkId) -> Option<&Chunk> {
        self.table.get(&id)
    }

    pub(crate) fn find_mut(&mut self, id: ChunkId) -> Option<&mut Chunk> {
        self.table.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChunkId, &Chunk)> + '_ {
        self.table.iter().map(|(&id, chunk)| (id, chunk))
    }

    pub(crate) fn count(&self) -> u64 {
        self.table.len() as u64
    }
}
