//! Acknowledged chunks become part of a file.

use std::collections::BTreeMap;

use types::{ChunkExtent, ChunkId, ChunkSize, InodeId, UnixMillis};

use crate::NamespaceError;
use crate::handler::Files;
use crate::handler::writer::wrong_chunk;
use crate::table::{Chunk, ChunkState, Chunks, File};

/// Extents of one file that were found to fit, and are not committed yet.
#[derive(Debug)]
pub(crate) struct Commit(BTreeMap<ChunkId, ChunkExtent>);

impl Commit {
    /// Looks whether `written` are chunks of the file, in generations and with lengths that they can have. What is
    /// committed already may be named again, as it is.
    ///
    /// # Errors
    /// `WrongChunk` with the first that does not fit.
    pub(crate) fn check(
        file: &File,
        inode: InodeId,
        chunks: &Chunks,
        written: &[ChunkExtent],
    ) -> Result<Self, NamespaceError> {
        let mut new = BTreeMap::new();
        for &extent in written {
            let id = extent.chunk;
            let chunk = chunks
                .find(id)
                .filter(|chunk| chunk.owner == inode)
                .ok_or_else(|| wrong_chunk(inode, id, "it is not one of the file's"))?;
            if new.get(&id).is_some_and(|other| *other != extent) {
                return Err(wrong_chunk(inode, id, "it is named twice, and differently"));
            }
            match chunk.state {
                ChunkState::Committed { len }
                    if (chunk.generation, len) == (extent.generation, extent.len) => {}
                ChunkState::Committed { len } => {
                    let (is, was) = (chunk.generation, extent.generation);
                    let why = format!(
                        "it is committed with generation {is} and {len} bytes, not with generation {was} and {} bytes",
                        extent.len
                    );
                    return Err(wrong_chunk(inode, id, why));
                }
                ChunkState::BeingWritten { .. } => {
                    check_extent(file.chunk_size, inode, chunk, extent)?;
                    new.insert(id, extent);
                }
            }
        }
        Ok(Self(new))
    }

    /// The chunks of the file that will still not be committed, or come behind one that is not.
    pub(crate) fn leaves<'f>(&self, file: &'f File, chunks: &Chunks) -> &'f [ChunkId] {
        let rest = file.uncommitted_chunks();
        let committed = rest
            .iter()
            .take_while(|id| {
                self.0.contains_key(id) || chunks.find(**id).is_some_and(|chunk| chunk.len().is_some())
            })
            .count();
        rest.get(committed..).unwrap_or_default()
    }

    /// Commits them.
    pub(crate) fn carry_out(self, files: &mut Files, inode: InodeId, at: UnixMillis) {
        for extent in self.0.values() {
            if let Some(chunk) = files.chunks.find_mut(extent.chunk) {
                chunk.generation = extent.generation;
                chunk.state = ChunkState::Committed { len: extent.len };
            }
        }
        let grown = files
            .tree
            .file_mut(inode)
            .is_some_and(|file| advance(file, &files.chunks));
        if grown {
            files.tree.inode_mut(inode).mtime = at;
        }
    }
}

/// Whether a chunk that is being written can have this generation and length.
///
/// # Errors
/// `WrongChunk` if not.
pub(crate) fn check_extent(
    chunk_size: ChunkSize,
    inode: InodeId,
    chunk: &Chunk,
    extent: ChunkExtent,
) -> Result<(), NamespaceError> {
    let ChunkState::BeingWritten {
        acknowledged,
        highest,
    } = chunk.state
    else {
        return Err(wrong_chunk(inode, extent.chunk, "it is committed"));
    };
    let wrong = |why| Err(wrong_chunk(inode, extent.chunk, why));
    let (current, given, len) = (chunk.generation, extent.generation, extent.len);
    if given < current {
        return wrong(format!(
            "generation {given} is stale: it is at generation {current}"
        ));
    }
    if given > highest {
        return wrong(format!(
            "generation {given} was never given out: the highest is {highest}"
        ));
    }
    if len > chunk_size.bytes() {
        return wrong(format!(
            "{len} bytes are more than the file's chunk size of {} bytes",
            chunk_size.bytes()
        ));
    }
    if len < acknowledged {
        return wrong(format!(
            "{len} bytes are fewer than the {acknowledged} acknowledged before"
        ));
    }
    Ok(())
}

/// Makes what is committed visible, up to the first chunk that is not; whether there are more bytes now.
pub(crate) fn advance(file: &mut File, chunks: &Chunks) -> bool {
    let before = file.len;
    while let Some(len) = file
        .chunks
        .get(file.committed)
        .and_then(|id| chunks.find(*id))
        .and_then(Chunk::len)
    {
        file.committed += 1;
        file.len += len;
    }
    file.len > before
}
