//! Chunks that come with their ids, in any order.

use compact::{Slab, SlotId};
use types::limits::CHUNK_SIZE_MAX;
use types::{ChunkExtent, InodeId};

use crate::table::chunk::{Chunks, GENERATION_MAX};
use crate::table::record::ChunkRecord;
use crate::table::slot_of;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct ImportedChunks(Vec<(SlotId, ChunkRecord)>);

impl ImportedChunks {
    /// Takes in a committed chunk of a file. False when there can be no such chunk.
    pub(crate) fn add(&mut self, owner: InodeId, chunk: &ChunkExtent) -> bool {
        let fits = chunk.len <= CHUNK_SIZE_MAX && (1..=GENERATION_MAX.0).contains(&chunk.generation.0);
        let (generation, state) = (u32::try_from(chunk.generation.0), u32::try_from(chunk.len));
        let id = SlotId::from_u64(chunk.chunk.as_u64());
        let (true, true, Ok(generation), Ok(state)) = (fits, id.slot > 0, generation, state) else {
            return false;
        };
        let owner = slot_of(owner);
        self.0.push((
            id,
            ChunkRecord {
                owner,
                generation,
                state,
            },
        ));
        true
    }

    /// Puts them into `chunks`, of which there is none yet, as if all slots up to `high` had been given out, and these that
    /// are free now as often as `lives` says.
    ///
    /// # Errors
    /// The id of a chunk that is there twice, or whose birth can not be.
    pub(crate) fn put(
        mut self,
        chunks: &mut Chunks,
        high: u32,
        lives: impl Fn(u32) -> u32,
    ) -> Result<(), u64> {
        self.0.sort_unstable_by_key(|(id, _)| (id.slot, id.birth));
        let last = self.0.last().map_or(0, |(id, _)| id.slot);
        chunks.table = Slab::rebuild(high.max(last), lives, self.0).map_err(SlotId::as_u64)?;
        Ok(())
    }
}
