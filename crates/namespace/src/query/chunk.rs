//! Chunks, for the master's own use: no permissions apply.

use types::{ChunkId, InodeId};

use crate::table::Chunk;
use crate::{ChunkInfo, Namespace};

impl Namespace {
    /// What is known of a chunk; none when no file holds it. A file that was removed holds its chunks until it is reaped.
    #[must_use]
    pub fn chunk(&self, chunk: ChunkId) -> Option<ChunkInfo> {
        let found = self.files.chunks.find(chunk)?;
        Some(self.chunk_info(chunk, found))
    }

    /// All chunks that files hold, in the order of their slots.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkInfo> + '_ {
        self.files
            .chunks
            .iter()
            .map(|(id, chunk)| self.chunk_info(id, chunk))
    }

    /// All chunks of a file in order, with those that are being written; none when there is no such file.
    #[must_use]
    pub fn file_chunks(&self, inode: InodeId) -> Option<Vec<ChunkInfo>> {
        let tree = &self.files.tree;
        let file = tree.find(inode)?.file().filter(|_| tree.is_there(inode))?;
        let committed = tree.committed(inode).filter_map(|slot| {
            let (id, chunk) = self.files.chunks.at(slot)?;
            Some(self.chunk_info(id, chunk))
        });
        let tail = file.uncommitted_chunks().iter().filter_map(|&id| self.chunk(id));
        Some(committed.chain(tail).collect())
    }

    /// Whether this state has ever given out a chunk of that id. One that it has not comes from a future that this master
    /// has not heard of.
    #[must_use]
    pub fn was_given_out(&self, chunk: ChunkId) -> bool {
        self.files.chunks.was_given_out(chunk)
    }

    pub(crate) fn chunk_info(&self, id: ChunkId, chunk: Chunk) -> ChunkInfo {
        let tree = &self.files.tree;
        ChunkInfo {
            chunk: id,
            generation: chunk.generation,
            len: chunk.len(),
            owner: tree.id_at(chunk.owner()).unwrap_or_default(),
            replication: tree.replication_at(chunk.owner()),
            pending_generation: chunk.pending(),
        }
    }
}
