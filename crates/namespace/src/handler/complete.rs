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
    let commit = Commit::check(&file, inode, &files.chunks, written)?;
    if let Some(&chunk) = commit.leaves(&file, &files.chunks).first() {
        return Err(wrong_chunk(inode, chunk, "it is not acknowledged yet"));
    }
    let name = writer.name.clone();
    let publish = match &writer.unpublished {
        Some(unpublished) => {
            let old = check_publish(files, call, inode, &name, unpublished)?;
            Some((unpublished.parent, old))
        }
        None => None,
    };

    commit.carry_out(files, inode, call.at)?;
    close(files, inode)?;
    if let Some((parent, old)) = publish {
        if old.is_some() {
            delete::remove(files, parent, &name, None, call.at);
        }
        files.tree.publish(inode, parent, &name, call.at);
    }
    Ok(Outcome::Completed(Completed {
        status: status(&name, &files.tree.inode(inode), &files.chunks),
    }))
}

/// Gives a file up.
pub(crate) fn abandon(files: &mut Files, call: &Call<'_>, inode: InodeId, written: &[ChunkExtent]) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(&file, inode, &files.chunks, written)?;
    commit.carry_out(files, inode, call.at)?;
    give_up(files, inode)?;
    Ok(Outcome::Done)
}

/// Whether an unpublished file may get its name; the file whose place it takes.
fn check_publish(
    files: &Files,
    call: &Call<'_>,
    inode: InodeId,
    name: &str,
    unpublished: &Unpublished,
) -> Result<Option<InodeId>, NamespaceError> {
    let client = call.client()?;
    let (tree, parent) = (&files.tree, unpublished.parent);
    let directory = tree.find(parent).filter(Inode::is_directory);
    let Some(directory) = directory.filter(|_| tree.is_there(parent)) else {
        return Err(NamespaceError::NotFound(unpublished.path.clone()));
    };
    let path = tree.path(inode).unwrap_or_else(|| unpublished.path.clone());
    let old = tree.child(parent, name);
    match old {
        Some(target) => {
            let overwrite = unpublished.overwrite;
            overwrite::check(tree, call, client, parent, target, &path, overwrite)?;
        }
        None => permission::require(call.caller, &directory, &CHANGE, || {
            path.parent().unwrap_or_else(|| path.clone())
        })?,
    }
    Ok(old)
}

#[cfg(test)]
mod tests {
    use types::InodeId;

    use crate::testing::{Fs, client_of, denied, filled, options, path, unpublished};
    use crate::{CreateOptions, NamespaceError};

    fn overwriting() -> CreateOptions {
        CreateOptions {
            overwrite: true,
            ..unpublished()
        }
    }

    fn begun(fs: &mut Fs, at: &str, how: CreateOptions) -> InodeId {
        fs.by("ann").create(at, how).unwrap().inode
    }

    #[test]
    fn every_chunk_must_be_acknowledged() {
        let mut fs = Fs::new();
        let inode = begun(&mut fs, "/tmp/f", options());
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let second = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let missing = fs.by("ann").complete(inode, &[filled(second, 1)]).unwrap_err();
        assert!(matches!(missing, NamespaceError::WrongChunk { chunk, .. } if chunk == first.chunk));
        let status = fs
            .by("ann")
            .complete(inode, &[filled(first, 3), filled(second, 1)])
            .unwrap();
        assert_eq!((status.len, status.being_written), (4, false));
        let (again, client) = (fs.by("ann").complete(inode, &[]), client_of("ann"));
        assert_eq!(again, Err(NamespaceError::NotWriter { inode, client }));
        assert_eq!(fs.ns.leases().count(), 0);
    }

    #[test]
    fn empty_chunks_are_dropped() {
        let mut fs = Fs::new();
        let inode = begun(&mut fs, "/tmp/f", options());
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let second = fs.by("ann").add_chunk(inode, &[first]).unwrap();
        let third = fs.by("ann").add_chunk(inode, &[filled(second, 5)]).unwrap();
        fs.by("ann").complete(inode, &[third]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [5]);
        assert_eq!(fs.freed(), [1, 3]);
    }

    #[test]
    fn of_two_exclusive_writers_the_first_to_complete_wins() {
        let mut fs = Fs::new();
        let slow = begun(&mut fs, "/tmp/f", unpublished());
        let fast = begun(&mut fs, "/tmp/f", unpublished());
        fs.by("ann").write(fast, &[1]);
        let exists = Err(NamespaceError::Exists(path("/tmp/f")));
        assert_eq!(fs.by("ann").complete(slow, &[]), exists);
        fs.by("ann").abandon_file(slow, &[]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [1]);
    }

    #[test]
    fn of_two_overwriting_writers_the_last_to_complete_wins() {
        let mut fs = Fs::new();
        let one = begun(&mut fs, "/tmp/f", overwriting());
        let two = begun(&mut fs, "/tmp/f", overwriting());
        fs.by("ann").write(one, &[1]);
        fs.by("ann").write(two, &[2]);
        assert_eq!(fs.lens("/tmp/f"), [2]);
        assert_eq!(fs.freed(), [1]);
    }

    #[test]
    fn a_name_that_is_in_use_by_now_is_refused() {
        let mut fs = Fs::new();
        let inode = begun(&mut fs, "/tmp/f", overwriting());
        fs.by_other_client("ann").create("/tmp/f", options()).unwrap();
        let busy = fs.by("ann").complete(inode, &[]).unwrap_err();
        assert!(matches!(busy, NamespaceError::BeingWritten { .. }));
        fs.by("ann").delete("/tmp/f").unwrap();
        fs.by("ann").mkdir("/tmp/f").unwrap();
        let directory = Err(NamespaceError::IsDirectory(path("/tmp/f")));
        assert_eq!(fs.by("ann").complete(inode, &[]), directory);
    }

    #[test]
    fn the_name_goes_into_the_directory_that_was_meant() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        let inode = begun(&mut fs, "/tmp/d/f", unpublished());
        fs.by("ann").rename("/tmp/d", "/tmp/e").unwrap();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        fs.by("ann").complete(inode, &[]).unwrap();
        assert!(fs.exists("/tmp/e/f"));
        assert!(!fs.exists("/tmp/d/f"));
    }

    #[test]
    fn a_directory_that_is_gone_is_not_found() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        let inode = begun(&mut fs, "/tmp/d/f", unpublished());
        assert_eq!(
            fs.ns.writer_file(inode, client_of("ann")).unwrap().path,
            Some(path("/tmp/d/f"))
        );
        fs.by("ann").delete("/tmp/d").unwrap();
        assert_eq!(fs.ns.writer_file(inode, client_of("ann")).unwrap().path, None);
        fs.by("ann").mkdir("/tmp/d").unwrap();
        let gone = Err(NamespaceError::NotFound(path("/tmp/d/f")));
        assert_eq!(fs.by("ann").complete(inode, &[]), gone);
        fs.by("ann").abandon_file(inode, &[]).unwrap();
    }

    #[test]
    fn permission_is_looked_at_again() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        let inode = begun(&mut fs, "/tmp/d/f", unpublished());
        fs.by("ann").chmod("/tmp/d", 0o555).unwrap();
        let refusal = Err(denied("/tmp/d", "ann", "write permission"));
        assert_eq!(fs.by("ann").complete(inode, &[]), refusal);
    }

    #[test]
    fn an_unpublished_file_given_up_leaves_nothing() {
        let mut fs = Fs::new();
        let inode = begun(&mut fs, "/tmp/f", unpublished());
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        fs.by("ann").add_chunk(inode, &[filled(first, 5)]).unwrap();
        fs.by("ann").abandon_file(inode, &[]).unwrap();
        assert!(!fs.exists("/tmp/f"));
        assert_eq!(fs.freed(), [1, 2]);
        assert_eq!(fs.ns.totals().chunks, 0);
        assert_eq!(fs.ns.leases().count(), 0);
    }

    #[test]
    fn a_published_file_given_up_keeps_what_is_written() {
        let mut fs = Fs::new();
        let inode = begun(&mut fs, "/tmp/f", options());
        let chunks: Vec<_> = (0..4)
            .map(|_| fs.by("ann").add_chunk(inode, &[]).unwrap())
            .collect();
        let written = [filled(chunks[0], 5), filled(chunks[1], 6), filled(chunks[3], 8)];
        fs.by("ann").abandon_file(inode, &written).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [5, 6], "nothing from behind the gap");
        assert_eq!(fs.freed(), [3, 4]);
        assert!(!fs.stat("/tmp/f").unwrap().being_written);
    }
}
