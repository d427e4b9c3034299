//! `AddChunk`, `AbandonChunk`, `BumpGeneration`, `UpdatePipeline`: a chunk while it is being written.

use types::limits::FILE_UNCOMMITTED_CHUNKS_MAX;
use types::{ChunkExtent, ChunkId, FsPath, InodeId};

use crate::command::FIRST_GENERATION;
use crate::handler::commit::{Commit, advance, check_extent};
use crate::handler::writer::{chunk_mut, writing, wrong_chunk};
use crate::handler::{Answer, Call, Files};
use crate::table::ChunkState;
use crate::{NamespaceError, Outcome};

/// Adds an empty chunk, and commits earlier ones.
pub(crate) fn add(files: &mut Files, call: &Call<'_>, inode: InodeId, written: &[ChunkExtent]) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(file, inode, &files.chunks, written)?;
    if commit.leaves(file, &files.chunks).len() >= FILE_UNCOMMITTED_CHUNKS_MAX {
        return Err(NamespaceError::Invalid {
            path: files.tree.path(inode).unwrap_or_else(FsPath::root),
            why: format!(
                "{FILE_UNCOMMITTED_CHUNKS_MAX} chunks are not acknowledged yet; no more can be added before"
            ),
        });
    }
    commit.carry_out(files, inode, call.at);
    let chunk = files.chunks.add(inode);
    if let Some(file) = files.tree.file_mut(inode) {
        file.chunks.push(chunk);
    }
    Ok(Outcome::ChunkAdded(ChunkExtent {
        chunk,
        generation: FIRST_GENERATION,
        len: 0,
    }))
}

/// Takes a chunk back that holds nothing acknowledged.
pub(crate) fn abandon(files: &mut Files, call: &Call<'_>, inode: InodeId, chunk: ChunkId) -> Answer {
    match chunk_mut(files, call, inode, chunk)?.state {
        ChunkState::BeingWritten { acknowledged: 0, .. } => {}
        ChunkState::BeingWritten { acknowledged, .. } => {
            let why = format!("{acknowledged} bytes of it are acknowledged");
            return Err(wrong_chunk(inode, chunk, why));
        }
        ChunkState::Committed { .. } => return Err(wrong_chunk(inode, chunk, "it is committed")),
    }
    files.chunks.free(chunk);
    let grown = files.tree.file_mut(inode).is_some_and(|file| {
        file.chunks.retain(|id| *id != chunk);
        advance(file, &files.chunks)
    });
    if grown {
        files.tree.inode_mut(inode).mtime = call.at;
    }
    Ok(Outcome::Done)
}

/// Gives out a generation.
pub(crate) fn bump(files: &mut Files, call: &Call<'_>, inode: InodeId, chunk: ChunkId) -> Answer {
    match &mut chunk_mut(files, call, inode, chunk)?.state {
        ChunkState::BeingWritten { highest, .. } => {
            *highest = highest.next();
            Ok(Outcome::Generation(*highest))
        }
        ChunkState::Committed { .. } => Err(wrong_chunk(inode, chunk, "it is committed")),
    }
}

/// Puts a generation in force, with what is acknowledged so far.
pub(crate) fn update(files: &mut Files, call: &Call<'_>, inode: InodeId, extent: ChunkExtent) -> Answer {
    let chunk_size = writing(&files.tree, call, inode)?.0.chunk_size;
    let chunk = chunk_mut(files, call, inode, extent.chunk)?;
    check_extent(chunk_size, inode, chunk, extent)?;
    chunk.generation = extent.generation;
    if let ChunkState::BeingWritten { acknowledged, .. } = &mut chunk.state {
        *acknowledged = extent.len;
    }
    Ok(Outcome::Done)
}
