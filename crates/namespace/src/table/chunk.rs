//! Every chunk that a file holds, and those that were just let go.

use compact::{Slab, SlotId};
use imbl::OrdMap;
use types::{ChunkId, Generation, InodeId};

use crate::NamespaceError;
use crate::command::FIRST_GENERATION;
use crate::table::record::{BEING_WRITTEN, ChunkRecord};
use crate::table::slot_of;

/// The highest generation that a chunk can have.
pub(crate) const GENERATION_MAX: Generation = Generation(u32::MAX as u64);

/// A chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The slot of the file that holds it.
    owner: u32,
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

    /// Whether it is of a file, which must be there.
    pub(crate) fn belongs_to(&self, inode: InodeId) -> bool {
        self.owner == slot_of(inode)
    }

    /// The slot of the file that holds it.
    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// All chunks. An id is the slot of a record with its birth, and is never used again.
///
/// # Invariants
/// - The owner of a chunk is a file that is there: chunks go before their file.
/// - `pending` holds the highest generation of those chunks for which that is not the one in force.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    pub(crate) table: Slab<ChunkRecord>,
    pub(crate) pending: OrdMap<u32, u32>,
    /// Whether slots are used again.
    pub(crate) slotted: bool,
    /// The generation that new chunks begin with.
    pub(crate) first_generation: Generation,
    freed: Vec<ChunkId>,
    /// Added, changed or let go; those may be there several times.
    touched: Vec<ChunkId>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            table: Slab::new(),
            pending: OrdMap::new(),
            slotted: false,
            first_generation: FIRST_GENERATION,
            freed: Vec::new(),
            touched: Vec::new(),
        }
    }
}

impl Chunks {
    /// Whether the slots of chunks that are gone are used again, with another birth. To be said before the first chunk.
    pub(crate) const fn use_slots_again(&mut self, slotted: bool) {
        self.slotted = slotted;
    }

    /// Whether the next command may find that there is no room.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.table.high_water() == u32::MAX
    }

    /// A new, empty chunk of `owner`.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn add(&mut self, owner: InodeId) -> Result<ChunkId, NamespaceError> {
        let record = ChunkRecord {
            owner: slot_of(owner),
            generation: packed(self.first_generation.0),
            state: BEING_WRITTEN,
        };
        let added = match self.slotted {
            true => self.table.insert(record),
            false => self.table.append(record),
        };
        let full = |_| NamespaceError::Full(format!("all of its {} chunks are given out", u32::MAX));
        let id = added.map(chunk_id).map_err(full)?;
        self.touched.push(id);
        Ok(id)
    }

    /// Lets a chunk go.
    pub(crate) fn free(&mut self, id: ChunkId) {
        assert!(
            self.find(id).is_some(),
            "chunk {id} is freed but no file holds it"
        );
        let slot = SlotId::from_u64(id.as_u64()).slot;
        self.table.remove(slot);
        self.pending.remove(&slot);
        self.freed.push(id);
        self.touched.push(id);
    }

    /// Gives the chunk in a slot to another file.
    pub(crate) fn give_at(&mut self, slot: u32, to: InodeId) {
        if let (Some(id), Some(record)) = (self.table.id(slot), self.table.get(slot)) {
            let owner = slot_of(to);
            self.table.set(slot, ChunkRecord { owner, ..record });
            self.touched.push(chunk_id(id));
        }
    }

    /// Lets the chunk in a slot go.
    pub(crate) fn free_at(&mut self, slot: u32) {
        let id = self.table.id(slot).map(chunk_id);
        assert!(
            id.is_some(),
            "the chunk in slot {slot} is freed but no file holds it"
        );
        id.into_iter().for_each(|id| self.free(id));
    }

    pub(crate) fn take_freed(&mut self) -> Vec<ChunkId> {
        std::mem::take(&mut self.freed)
    }

    /// Notes that something else is expected of a chunk, though it stays as it is.
    pub(crate) fn touch(&mut self, id: ChunkId) {
        self.touched.push(id);
    }

    pub(crate) fn take_touched(&mut self) -> Vec<ChunkId> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    pub(crate) fn find(&self, id: ChunkId) -> Option<Chunk> {
        let id = SlotId::from_u64(id.as_u64());
        Some(self.unpacked(id.slot, self.table.find(id)?))
    }

    /// The chunk in a slot, with its id.
    pub(crate) fn at(&self, slot: u32) -> Option<(ChunkId, Chunk)> {
        let id = chunk_id(self.table.id(slot)?);
        Some((id, self.unpacked(slot, self.table.get(slot)?)))
    }

    /// Puts a chunk in the place of what it was.
    pub(crate) fn set(&mut self, id: ChunkId, chunk: Chunk) {
        let slot = SlotId::from_u64(id.as_u64()).slot;
        let state = match chunk.state {
            ChunkState::Committed { len } => packed(len),
            ChunkState::BeingWritten { acknowledged, .. } => packed(acknowledged) | BEING_WRITTEN,
        };
        self.touched.push(id);
        match chunk.pending() {
            Some(highest) => self.pending.insert(slot, packed(highest.0)),
            None => self.pending.remove(&slot),
        };
        self.table.set(
            slot,
            ChunkRecord {
                owner: chunk.owner,
                generation: packed(chunk.generation.0),
                state,
            },
        );
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChunkId, Chunk)> + '_ {
        let records = self.table.iter();
        records.map(|(id, record)| (chunk_id(id), self.unpacked(id.slot, record)))
    }

    pub(crate) fn iter_from(&self, slot: u32) -> impl Iterator<Item = (ChunkId, Chunk)> + '_ {
        let records = self.table.iter_from(slot);
        records.map(|(id, record)| (chunk_id(id), self.unpacked(id.slot, record)))
    }

    /// All slots that were ever given out are below.
    pub(crate) fn slots(&self) -> u64 {
        u64::from(self.table.high_water()) + 1
    }

    pub(crate) fn count(&self) -> u64 {
        self.table.len() as u64
    }

    /// Whether a chunk of this id is or was there.
    pub(crate) fn was_given_out(&self, id: ChunkId) -> bool {
        self.table.was_given_out(SlotId::from_u64(id.as_u64()))
    }

    fn unpacked(&self, slot: u32, record: ChunkRecord) -> Chunk {
        let generation = Generation(record.generation.into());
        let len = u64::from(record.state & !BEING_WRITTEN);
        let state = if record.state & BEING_WRITTEN == 0 {
            ChunkState::Committed { len }
        } else {
            let highest = self.pending.get(&slot).copied().unwrap_or(record.generation);
            ChunkState::BeingWritten {
                acknowledged: len,
                highest: Generation(highest.into()),
            }
        };
        Chunk {
            owner: record.owner,
            generation,
            state,
        }
    }
}

const _: () = assert!(
    types::limits::CHUNK_SIZE_MAX < BEING_WRITTEN as u64,
    "the length of a chunk leaves the top bit of its state free"
);

#[expect(clippy::expect_used, reason = "48 bits: births end at 2^16, slots at 2^32")]
fn chunk_id(id: SlotId) -> ChunkId {
    ChunkId::new(id.as_u64()).expect("a slot's id has its top bit clear")
}

/// A length or a generation, which were checked before against what fits.
#[expect(clippy::expect_used, reason = "handlers refuse what does not fit")]
fn packed(number: u64) -> u32 {
    u32::try_from(number).expect("a chunk's numbers fit into its record")
}
