//! Chunks, for the master's own use: no permissions apply.

use types::{ChunkId, InodeId};

use crate::table::{Chunk, ChunkState};
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

    /// The same, from a slot on: the lower half of an id.
    pub fn chunks_from(&self, slot: u32) -> impl Iterator<Item = ChunkInfo> + '_ {
        let chunks = self.files.chunks.iter_from(slot);
        chunks.map(|(id, chunk)| self.chunk_info(id, chunk))
    }

    /// All slots of chunks that were ever given out are below this.
    #[must_use]
    pub fn chunk_slots(&self) -> u64 {
        self.files.chunks.slots()
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

    /// The last one of these.
    #[must_use]
    pub fn last_chunk(&self, inode: InodeId) -> Option<ChunkInfo> {
        let tree = &self.files.tree;
        let file = tree.find(inode)?.file().filter(|_| tree.is_there(inode))?;
        if let Some(last) = file.uncommitted_chunks().last() {
            return self.chunk(*last);
        }
        let (id, chunk) = self.files.chunks.at(tree.last_committed(inode)?)?;
        Some(self.chunk_info(id, chunk))
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
            acknowledged: match chunk.state {
                ChunkState::BeingWritten { acknowledged, .. } => acknowledged,
                ChunkState::Committed { .. } => 0,
            },
            owner: tree.id_at(chunk.owner()).unwrap_or_default(),
            replication: tree.replication_at(chunk.owner()),
            pending_generation: chunk.pending(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fs;

    #[test]
    fn chunks_are_read_on_from_any_slot() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[1, 2, 3]);
        let all: Vec<_> = fs.ns.chunks().map(|info| info.chunk).collect();
        assert_eq!(all.len(), 3);
        assert!(
            all.iter()
                .all(|chunk| chunk.as_u64() & 0xffff_ffff < fs.ns.chunk_slots())
        );
        for skip in 0..all.len() {
            let slot = u32::try_from(all[skip].as_u64() & 0xffff_ffff).unwrap();
            let from: Vec<_> = fs.ns.chunks_from(slot).map(|info| info.chunk).collect();
            assert_eq!(from, all[skip..]);
        }
        let behind = u32::try_from(fs.ns.chunk_slots()).unwrap();
        assert_eq!(fs.ns.chunks_from(behind).count(), 0);
    }
}
