//! The end of writing, however it comes about.

use types::InodeId;

use crate::NamespaceError;
use crate::handler::{Files, delete};

/// Ends the writing of a published file. It keeps what readers saw: the chunks before the first one that is not
/// committed; the others, and empty ones, are let go.
///
/// # Errors
/// When there is no room.
pub(crate) fn close(files: &mut Files, inode: InodeId) -> Result<(), NamespaceError> {
    let Some(writer) = files.tree.end_writing(inode) else {
        return Ok(());
    };
    files.leases.end(writer.client, inode);
    if writer.has_empty {
        let mut kept = Vec::new();
        for slot in files.tree.committed(inode) {
            match files.chunks.at(slot) {
                Some((id, chunk)) if chunk.len() == Some(0) => files.chunks.free(id),
                _ => kept.push(slot),
            }
        }
        files.tree.set_committed(inode, &kept)?;
    }
    for chunk in writer.tail {
        files.chunks.free(chunk);
    }
    Ok(())
}

/// Ends the writing of a file that will not be completed: an unpublished one is gone, a published one is closed.
///
/// # Errors
/// When there is no room.
pub(crate) fn give_up(files: &mut Files, inode: InodeId) -> Result<(), NamespaceError> {
    let file = files.tree.find(inode).and_then(|found| found.file());
    let writer = file.and_then(|file| file.writer);
    if writer.is_some_and(|writer| writer.unpublished.is_some()) {
        delete::drop_inode(files, inode);
        Ok(())
    } else {
        close(files, inode)
    }
}
