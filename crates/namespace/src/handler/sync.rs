//! `Sync`: a writer tells how far it is, so that the length of the file is known before it is closed.

use types::{ChunkExtent, InodeId};

use crate::Outcome;
use crate::handler::commit::{Commit, check_extent};
use crate::handler::writer::{writers_chunk, writing, wrong_chunk};
use crate::handler::{Answer, Call, Files};
use crate::table::ChunkState;

/// Notes what is on disk.
pub(crate) fn sync(
    files: &mut Files,
    call: &Call<'_>,
    inode: InodeId,
    written: &[ChunkExtent],
    open: Option<ChunkExtent>,
) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let chunk_size = file.chunk_size;
    let commit = Commit::check(&file, inode, &files.chunks, written)?;
    if let Some(extent) = open {
        let chunk = writers_chunk(files, call, inode, extent.chunk)?;
        check_extent(chunk_size, inode, &chunk, extent)?;
        if written.iter().any(|other| other.chunk == extent.chunk) {
            return Err(wrong_chunk(inode, extent.chunk, "it is named as finished, too"));
        }
    }
    commit.carry_out(files, inode, call.at)?;
    if let Some(extent) = open {
        let mut chunk = writers_chunk(files, call, inode, extent.chunk)?;
        chunk.generation = extent.generation;
        let mut grown = false;
        if let ChunkState::BeingWritten { acknowledged, .. } = &mut chunk.state {
            grown = extent.len > *acknowledged;
            *acknowledged = extent.len;
        }
        files.chunks.set(extent.chunk, chunk);
        if grown {
            files.tree.touch(inode, call.at);
        }
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use types::{ChunkExtent, UnixMillis};

    use crate::handler::Answer;

    use crate::testing::{CHUNK_SIZE, Fs, client_of, filled, options};
    use crate::{Command, NamespaceError, Outcome};

    fn sync(fs: &mut Fs, by: &str, written: &[ChunkExtent], open: Option<ChunkExtent>) -> Answer {
        let inode = fs.stat("/tmp/f").unwrap().inode;
        let written = written.to_vec();
        fs.by(by).run(Command::Sync { inode, written, open })
    }

    #[test]
    fn a_file_is_as_long_as_what_is_known_to_be_on_disk() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(
            sync(&mut fs, "ann", &[], Some(filled(first, 700))),
            Ok(Outcome::Done)
        );
        let status = fs.stat("/tmp/f").unwrap();
        assert_eq!((status.len, status.mtime), (700, UnixMillis(fs.at)));
        assert_eq!(fs.lens("/tmp/f"), [], "nothing is committed");
        let second = fs.by("ann").add_chunk(inode, &[]).unwrap();
        sync(
            &mut fs,
            "ann",
            &[filled(first, CHUNK_SIZE)],
            Some(filled(second, 9)),
        )
        .unwrap();
        assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE]);
        assert_eq!(fs.stat("/tmp/f").unwrap().len, CHUNK_SIZE + 9);
        sync(&mut fs, "ann", &[], None).unwrap();
        fs.by("ann").complete(inode, &[filled(second, 8)]).unwrap_err();
        fs.by("ann").complete(inode, &[filled(second, 10)]).unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().len, CHUNK_SIZE + 10);
    }

    #[test]
    fn only_what_fits_is_noted() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        sync(&mut fs, "ann", &[], Some(filled(chunk, 10))).unwrap();
        sync(&mut fs, "ann", &[], Some(filled(chunk, 9))).unwrap_err();
        sync(&mut fs, "ann", &[], Some(filled(chunk, CHUNK_SIZE + 1))).unwrap_err();
        let twice = filled(chunk, 11);
        sync(&mut fs, "ann", &[twice], Some(twice)).unwrap_err();
        assert_eq!(fs.stat("/tmp/f").unwrap().len, 10);
        let client = client_of("bob");
        assert_eq!(
            sync(&mut fs, "bob", &[], Some(twice)),
            Err(NamespaceError::NotWriter { inode, client })
        );
    }
}
