//! Whether a file may take the place of another, when it is made and again when it gets its name.

use types::{ClientId, FsPath, InodeId};

use crate::NamespaceError;
use crate::handler::Call;
use crate::permission::{self, Access, CHANGE};
use crate::table::Tree;

/// Whether the caller may put a file in the place of `target`, which is in `parent` at `path`.
///
/// The caller needs what removing it takes, and write permission on it. A file that another client writes stays; one
/// that the same client writes is given up.
///
/// # Errors
/// When it may not.
pub(crate) fn check(
    tree: &Tree,
    call: &Call<'_>,
    client: ClientId,
    parent: InodeId,
    target: InodeId,
    path: &FsPath,
    overwrite: bool,
) -> Result<(), NamespaceError> {
    let old = tree.inode(target);
    let Some(file) = old.file() else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    if !overwrite {
        return Err(NamespaceError::Exists(path.clone()));
    }
    let directory = tree.inode(parent);
    permission::require(call.caller, &directory, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(call.caller, &directory, &old, || path.clone())?;
    permission::require(call.caller, &old, &[Access::Write], || path.clone())?;
    match &file.writer {
        Some(writer) if writer.client != client => Err(NamespaceError::BeingWritten {
            path: path.clone(),
            holder: writer.client,
        }),
        _ => Ok(()),
    }
}
