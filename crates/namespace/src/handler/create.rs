//! `Create`: makes a file and opens it for writing.

use types::FsPath;
use types::limits::REPLICATION_MAX;

use crate::handler::mkdir::{check_new, make_parents, new_inode};
use crate::handler::{Answer, Call, Files, delete, overwrite};
use crate::table::{Body, File, Unpublished, Writer};
use crate::{CreateOptions, NamespaceError, OpenedFile, Outcome, Publish, resolve};

/// Makes a file.
pub(crate) fn create(files: &mut Files, call: &Call<'_>, path: &FsPath, options: &CreateOptions) -> Answer {
    let client = call.client()?;
    check_replication(path, options.replication)?;
    let walk = resolve::walk(&files.tree, call.caller, path)?;
    let Some(name) = path.name() else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    let old = walk.target();
    match old {
        Some(target) => overwrite::check(
            &files.tree,
            call,
            client,
            walk.parent,
            target,
            path,
            options.overwrite,
        )?,
        None => check_new(&files.tree, call, &walk, options.parents)?,
    }

    let parent = match old {
        Some(_) => walk.parent,
        None => make_parents(&mut files.tree, call, &walk, directory_mode(options.mode)),
    };
    let at_create = options.publish == Publish::AtCreate;
    if let (Some(old), true) = (old, at_create) {
        delete::remove(files, old, call.at);
    }
    let writer = Writer {
        client,
        user: call.caller.user.as_str().into(),
        unpublished: (!at_create).then(|| Unpublished {
            path: path.clone(),
            overwrite: options.overwrite,
        }),
    };
    let body = Body::File(File {
        replication: options.replication,
        chunk_size: options.chunk_size,
        chunks: Vec::new(),
        committed: 0,
        len: 0,
        writer: Some(Box::new(writer)),
    });
    let inode = new_inode(&files.tree, call, parent, name, options.mode, body);
    let id = files.tree.add(inode);
    if at_create {
        files.tree.publish(id, call.at);
    }
    files.leases.begin(client, id, call.at);
    Ok(Outcome::Opened(OpenedFile {
        inode: id,
        replication: options.replication,
        chunk_size: options.chunk_size,
        len: 0,
    }))
}

/// The mode of directories that are made for a file of `mode`: who may read the file may go there.
const fn directory_mode(mode: u16) -> u16 {
    mode | (mode & 0o444) >> 2
}

/// # Errors
/// When no chunk can have that many replicas.
pub(crate) fn check_replication(path: &FsPath, replication: u16) -> Result<(), NamespaceError> {
    if (1..=REPLICATION_MAX).contains(&replication) {
        return Ok(());
    }
    Err(NamespaceError::Invalid {
        path: path.clone(),
        why: format!("replication {replication} is not from 1 to {REPLICATION_MAX}"),
    })
}
