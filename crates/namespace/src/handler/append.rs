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
    permission::require(call.caller, &inode, &[Access::Write], || path.clone())?;
    let Some(file) = inode.file() else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    if let Some(writer) = file.writer {
        return Err(NamespaceError::BeingWritten {
            path: path.clone(),
            holder: writer.client,
        });
    }
    let opened = OpenedFile {
        inode: id,
        replication: file.replication,
        chunk_size: file.chunk_size,
        len: file.len,
    };
    let writer = Writer {
        client,
        user: call.caller.user.as_str().into(),
        name: path.name().unwrap_or_default().into(),
        unpublished: None,
        tail: Vec::new(),
        has_empty: false,
    };
    files.tree.begin_writing(id, writer);
    files.leases.begin(client, id, call.at);
    Ok(Outcome::Opened(opened))
}

#[cfg(test)]
mod tests {
    use crate::NamespaceError;
    use crate::testing::{Fs, client_of, denied, filled, options, path};

    #[test]
    fn new_bytes_go_into_new_chunks_behind_the_old_ones() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[100]);
        let opened = fs.by("ann").append("/tmp/f").unwrap();
        assert_eq!((opened.inode, opened.len), (inode, 100));
        let extent = fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [100], "readers still see what was there");
        fs.by("ann").complete(inode, &[filled(extent, 7)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [100, 7]);
        assert!(!fs.stat("/tmp/f").unwrap().being_written);
    }

    #[test]
    fn one_writer_at_a_time() {
        let mut fs = Fs::new();
        fs.by("ann").create("/tmp/f", options()).unwrap();
        let refusal = Err(NamespaceError::BeingWritten {
            path: path("/tmp/f"),
            holder: client_of("ann"),
        });
        assert_eq!(fs.by("ann").append("/tmp/f"), refusal);
        assert_eq!(fs.by("root").append("/tmp/f"), refusal);
    }

    #[test]
    fn it_takes_a_file_and_write_permission() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        let refusal = Err(denied("/tmp/f", "bob", "write permission"));
        assert_eq!(fs.by("bob").append("/tmp/f"), refusal);
        let directory = Err(NamespaceError::IsDirectory(path("/tmp")));
        assert_eq!(fs.by("root").append("/tmp"), directory);
        let missing = Err(NamespaceError::NotFound(path("/tmp/x")));
        assert_eq!(fs.by("root").append("/tmp/x"), missing);
    }

    #[test]
    fn a_writer_that_is_lost_leaves_what_was_there() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[100]);
        fs.by("ann").append("/tmp/f").unwrap();
        fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(fs.expire(u64::MAX), 1);
        assert_eq!(fs.lens("/tmp/f"), [100]);
        assert_eq!(fs.freed(), [2]);
        fs.by("bob").append("/tmp/f").unwrap_err();
        fs.by("ann").append("/tmp/f").unwrap();
    }
}
