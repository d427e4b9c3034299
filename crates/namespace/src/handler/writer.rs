//! Whether a request comes from the writer of a file, and the chunks that it may name.

use types::{ChunkId, InodeId};

use crate::NamespaceError;
use crate::command::is_leaders;
use crate::handler::{Call, Files};
use crate::table::{Chunk, File, Inode, Tree, Writer};

/// The file `inode`, which the call's client writes. The user must be the one who opened it: client ids are no secret.
///
/// # Errors
/// `NotWriter` otherwise, also when the file was removed with a directory above it.
pub(crate) fn writing<'t>(
    tree: &'t Tree,
    call: &Call<'_>,
    inode: InodeId,
) -> Result<(File<'t>, &'t Writer), NamespaceError> {
    let client = call.client()?;
    let file = tree.find(inode).and_then(Inode::file);
    file.and_then(|file| Some((file, file.writer?)))
        .filter(|(_, writer)| {
            !is_leaders(client)
                && writer.client == client
                && (call.caller.superuser || *writer.user == *call.caller.user)
        })
        .filter(|_| tree.is_there(inode))
        .ok_or(NamespaceError::NotWriter { inode, client })
}

/// A chunk of the file `inode` that the call's client writes.
///
/// # Errors
/// `NotWriter`, or `WrongChunk` when it is not one of the file's.
pub(crate) fn writers_chunk(
    files: &Files,
    call: &Call<'_>,
    inode: InodeId,
    chunk: ChunkId,
) -> Result<Chunk, NamespaceError> {
    writing(&files.tree, call, inode)?;
    files
        .chunks
        .find(chunk)
        .filter(|found| found.belongs_to(inode))
        .ok_or_else(|| wrong_chunk(inode, chunk, "it is not one of the file's"))
}

/// The refusal.
pub(crate) fn wrong_chunk(inode: InodeId, chunk: ChunkId, why: impl Into<String>) -> NamespaceError {
    NamespaceError::WrongChunk {
        inode,
        chunk,
        why: why.into(),
    }
}
