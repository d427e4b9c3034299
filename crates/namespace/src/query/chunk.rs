//! Chunks, for the master's own use: no permissions apply.

use types::{ChunkId, InodeId};

use crate::table::{Chunk, Inode};
use crate::{ChunkInfo, Namespace};

impl Namespace {
    /// What is known of a chunk; none when no file holds it.
    #[must_use]
    pub fn chunk(&self, chunk: ChunkId) -> Option<ChunkInfo> {
        let found = self.files.chunks.find(chunk)?;
        Some(self.chunk_info(chunk, found))
    }

    /// All chunks that files hold, by id.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkInfo> + '_ {
        self.files
            .chunks
            .iter()
            .map(|(id, chunk)| self.chunk_info(id, chunk))
    }

    /// All chunks of a file in order, with those that are being written; none when there is no such file.
    #[must_use]
    pub fn file_chunks(&self, inode: InodeId) -> Option<Vec<ChunkInfo>> {
        let file = self.files.tree.find(inode)?.file()?;
        Some(self.chunk_infos(&file.chunks))
    }

    /// Whether this state has ever given out a chunk of that id. One that it has not comes from a future that this master
    /// has not heard of.
    #[must_use]
    pub fn was_given_out(&self, chunk: ChunkId) -> bool {
        chunk < self.files.chunks.next_id()
    }

    /// The next chunk to be given out: this and anything above it is from the future.
    #[must_use]
    pub fn next_chunk_id(&self) -> ChunkId {
        self.files.chunks.next_id()
    }

    pub(crate) fn chunk_infos(&self, chunks: &[ChunkId]) -> Vec<ChunkInfo> {
        chunks.iter().filter_map(|&id| self.chunk(id)).collect()
    }

    fn chunk_info(&self, id: ChunkId, chunk: &Chunk) -> ChunkInfo {
        let owner = self.files.tree.find(chunk.owner).and_then(Inode::file);
        ChunkInfo {
            chunk: id,
            generation: chunk.generation,
            len: chunk.len(),
            owner: chunk.owner,
            replication: owner.map_or(0, |file| file.replication),
            pending_generation: chunk.pending(),
        }
    }
}
