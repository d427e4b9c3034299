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
        file: &File<'_>,
        inode: InodeId,
        chunks: &Chunks,
        written: &[ChunkExtent],
    ) -> Result<Self, NamespaceError> {
        let mut new = BTreeMap::new();
        for &extent in written {
            let id = extent.chunk;
            let chunk = chunks
                .find(id)
                .filter(|chunk| chunk.belongs_to(inode))
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
                    check_extent(file.chunk_size, inode, &chunk, extent)?;
                    new.insert(id, extent);
                }
            }
        }
        Ok(Self(new))
    }

    /// The chunks of the file that will still not be committed, or come behind one that is not.
    pub(crate) fn leaves<'f>(&self, file: &File<'f>, chunks: &Chunks) -> &'f [ChunkId] {
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
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn carry_out(
        self,
        files: &mut Files,
        inode: InodeId,
        at: UnixMillis,
    ) -> Result<(), NamespaceError> {
        for extent in self.0.values() {
            if let Some(mut chunk) = files.chunks.find(extent.chunk) {
                chunk.generation = extent.generation;
                chunk.state = ChunkState::Committed { len: extent.len };
                files.chunks.set(extent.chunk, chunk);
            }
        }
        advance(files, inode, at)
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

/// Makes what is committed visible, up to the first chunk that is not.
///
/// # Errors
/// When there is no room.
pub(crate) fn advance(files: &mut Files, inode: InodeId, at: UnixMillis) -> Result<(), NamespaceError> {
    let Some(writer) = files.tree.writer_mut(inode) else {
        return Ok(());
    };
    let len_of = |id: &ChunkId| Some((*id, files.chunks.find(*id).as_ref().and_then(Chunk::len)?));
    let committed: Vec<_> = writer.tail.iter().map_while(len_of).collect();
    writer.tail.drain(..committed.len());
    writer.has_empty |= committed.iter().any(|(_, len)| *len == 0);
    for &(id, len) in &committed {
        files.tree.commit(inode, id, len)?;
    }
    if committed.iter().any(|(_, len)| *len > 0) {
        files.tree.touch(inode, at);
    }
    Ok(())
}
