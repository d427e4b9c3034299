//! `Append`: opens a complete file for more bytes. What it has stays visible; new bytes go into new chunks.

use types::FsPath;

use crate::handler::{Answer, Call, Files};
use crate::permission::{self, Access};
use crate::table::Writer;
use crate::{NamespaceError, OpenedFile, Outcome, resolve};

/// Opens a file.
pub(crate) fn append(files: &mut Files, call: &Call<'_>, path: &FsPath) -> Answer {
    let client = call.client()?;
    let id = resolve::existing(&files.tree, call.caller, path)?.found;
    let inode = files.tree.inode(id);
    permission::require(call.caller, inode, &[Access::Write], || path.clone())?;
    let Some(file) = files.tree.file_mut(id) else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    if let Some(writer) = &file.writer {
        return Err(NamespaceError::BeingWritten {
            path: path.clone(),
            holder: writer.client,
        });
    }
    file.writer = Some(Box::new(Writer {
        client,
        user: call.caller.user.as_str().into(),
        unpublished: None,
    }));
    let opened = OpenedFile {
        inode: id,
        replication: file.replication,
        chunk_size: file.chunk_size,
        len: file.len,
    };
    files.leases.begin(client, id, call.at);
    Ok(Outcome::Opened(opened))
}
