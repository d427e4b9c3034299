//! `Complete` and `AbandonFile`: the two ways in which a writer closes a file.

use types::{ChunkExtent, InodeId};

use crate::handler::close::{close, give_up};
use crate::handler::commit::Commit;
use crate::handler::writer::{writing, wrong_chunk};
use crate::handler::{Answer, Call, Files, delete, overwrite};
use crate::permission::{self, CHANGE};
use crate::query::status;
use crate::table::{Inode, Unpublished};
use crate::{Completed, NamespaceError, Outcome};

/// Closes a file; an unpublished one gets its name.
///
/// That name goes into the directory that was at the path when the file was created, even when it was renamed since.
/// Whether it may is looked at again: the name may be taken by now.
pub(crate) fn complete(
    files: &mut Files,
    call: &Call<'_>,
    inode: InodeId,
    written: &[ChunkExtent],
) -> Answer {
    let (file, writer) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(file, inode, &files.chunks, written)?;
    if let Some(&chunk) = commit.leaves(file, &files.chunks).first() {
        return Err(wrong_chunk(inode, chunk, "it is not acknowledged yet"));
    }
    let publish = writer.unpublished.is_some();
    let old = match &writer.unpublished {
        Some(unpublished) => check_publish(files, call, inode, unpublished)?,
        None => None,
    };

    commit.carry_out(files, inode, call.at);
    close(files, inode);
    if let Some(old) = old {
        delete::remove(files, old, call.at);
    }
    if publish {
        files.tree.publish(inode, call.at);
    }
    Ok(Outcome::Completed(Completed {
        status: status(inode, files.tree.inode(inode)),
    }))
}

/// Gives a file up.
pub(crate) fn abandon(files: &mut Files, call: &Call<'_>, inode: InodeId, written: &[ChunkExtent]) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(file, inode, &files.chunks, written)?;
    commit.carry_out(files, inode, call.at);
    give_up(files, inode);
    Ok(Outcome::Done)
}

/// Whether an unpublished file may get its name; the file whose place it takes.
fn check_publish(
    files: &Files,
    call: &Call<'_>,
    inode: InodeId,
    unpublished: &Unpublished,
) -> Result<Option<InodeId>, NamespaceError> {
    let client = call.client()?;
    let place = &files.tree.inode(inode).place;
    let Some(directory) = files
        .tree
        .find(place.parent)
        .filter(|found| Inode::is_directory(found))
    else {
        return Err(NamespaceError::NotFound(unpublished.path.clone()));
    };
    let path = files.tree.path(inode).unwrap_or_else(|| unpublished.path.clone());
    let old = files.tree.child(place.parent, &place.name);
    match old {
        Some(target) => {
            let overwrite = unpublished.overwrite;
            overwrite::check(&files.tree, call, client, place.parent, target, &path, overwrite)?;
        }
        None => permission::require(call.caller, directory, &CHANGE, || {
            path.parent().unwrap_or_else(|| path.clone())
        })?,
    }
    Ok(old)
}
