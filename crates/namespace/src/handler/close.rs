//! The end of writing, however it comes about.

use types::InodeId;

use crate::handler::{Files, delete};
use crate::table::Chunk;

/// Ends the writing of a published file. It keeps what readers saw: the chunks before the first one that is not
/// committed; the others, and empty ones, are let go.
pub(crate) fn close(files: &mut Files, inode: InodeId) {
    let Some(file) = files.tree.file_mut(inode) else {
        return;
    };
    if let Some(writer) = file.writer.take() {
        files.leases.end(writer.client, inode);
    }
    let chunks = &mut files.chunks;
    let mut position = 0;
    file.chunks.retain(|&id| {
        position += 1;
        let keep = position <= file.committed && chunks.find(id).and_then(Chunk::len) != Some(0);
        if !keep {
            chunks.free(id);
        }
        keep
    });
    file.committed = file.chunks.len();
}

/// Ends the writing of a file that will not be completed: an unpublished one is gone, a published one is closed.
pub(crate) fn give_up(files: &mut Files, inode: InodeId) {
    let unpublished = files
        .tree
        .file_mut(inode)
        .and_then(|file| file.writer.as_ref())
        .is_some_and(|writer| writer.unpublished.is_some());
    if unpublished {
        delete::drop_inode(files, inode);
    } else {
        close(files, inode);
    }
}
