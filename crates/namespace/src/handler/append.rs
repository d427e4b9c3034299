//! `Append`, `AppendChunk`: more bytes for a complete file. What it has stays visible; new bytes go into new chunks, or behind
//! those of the last one, which is being written again then.

use types::{ChunkExtent, FsPath, InodeId};

use crate::handler::writer::{writing, wrong_chunk};
use crate::handler::{Answer, Call, Files};
use crate::permission::{self, Access};
use crate::table::{ChunkState, GENERATION_MAX, Writer};
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

/// Goes on with the last chunk.
pub(crate) fn chunk(files: &mut Files, call: &Call<'_>, inode: InodeId) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let (len, chunk_size) = (file.len, file.chunk_size.bytes());
    let committed = files.tree.committed_count(inode);
    let last = match file.uncommitted_chunks() {
        [] => {
            let slot = files.tree.last_committed(inode);
            slot.and_then(|slot| files.chunks.at(slot))
        }
        [only] => files.chunks.find(*only).map(|chunk| (*only, chunk)),
        [_, ..] => None,
    };
    let Some((id, mut chunk)) = last else {
        return Err(NamespaceError::Invalid {
            path: files.tree.path(inode).unwrap_or_else(FsPath::root),
            why: "it has no last chunk that could be appended to".to_owned(),
        });
    };
    let (acknowledged, highest) = match chunk.state {
        ChunkState::Committed { len } => (len, chunk.generation),
        ChunkState::BeingWritten {
            acknowledged,
            highest,
        } => (acknowledged, highest),
    };
    if acknowledged >= chunk_size {
        let why = format!("its {acknowledged} bytes are all that a chunk of the file may have");
        return Err(wrong_chunk(inode, id, why));
    }
    if highest >= GENERATION_MAX {
        let why = format!("all of its {GENERATION_MAX} generations are given out");
        return Err(wrong_chunk(inode, id, why));
    }
    if let ChunkState::Committed { .. } = chunk.state {
        let kept = usize::try_from(committed - 1).unwrap_or_default();
        files.tree.cut(inode, kept, len - acknowledged)?;
        if let Some(writer) = files.tree.writer_mut(inode) {
            writer.tail.push(id);
        }
    }
    let generation = highest.next();
    chunk.state = ChunkState::BeingWritten {
        acknowledged,
        highest: generation,
    };
    files.chunks.set(id, chunk);
    let extent = ChunkExtent {
        chunk: id,
        generation: chunk.generation,
        len: acknowledged,
    };
    Ok(Outcome::Reopened { extent, generation })
}

#[cfg(test)]
mod tests {
    use types::{ChunkExtent, Generation, UnixMillis};

    use crate::testing::{CHUNK_SIZE, Fs, client_of, denied, filled, options, path};
    use crate::{Command, NamespaceError, Outcome};

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
    fn the_last_chunk_is_gone_on_with() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[CHUNK_SIZE, 100]);
        fs.by("ann").append("/tmp/f").unwrap();
        let old = fs.ns.file_chunks(inode).unwrap()[1];
        let extent = ChunkExtent {
            chunk: old.chunk,
            generation: Generation(1),
            len: 100,
        };
        for generation in [2, 3] {
            let reopened = fs.by("ann").run(Command::AppendChunk { inode });
            let generation = Generation(generation);
            assert_eq!(reopened, Ok(Outcome::Reopened { extent, generation }));
            assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE]);
            assert_eq!(fs.stat("/tmp/f").unwrap().len, CHUNK_SIZE + 100);
        }
        let at = |generation, len| ChunkExtent {
            generation: Generation(generation),
            ..filled(extent, len)
        };
        fs.by("ann").complete(inode, &[at(3, 99)]).unwrap_err();
        fs.by("ann").abandon_chunk(inode, extent.chunk).unwrap_err();
        fs.by("ann").update(inode, at(3, 100)).unwrap();
        let next = fs.by("ann").add_chunk(inode, &[at(3, CHUNK_SIZE)]).unwrap();
        fs.by("ann").complete(inode, &[filled(next, 5)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE, CHUNK_SIZE, 5]);
        assert!(fs.freed().is_empty());
    }

    #[test]
    fn what_was_there_stays_when_the_writer_is_lost() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[100]);
        fs.by("ann").append("/tmp/f").unwrap();
        fs.by("ann").run(Command::AppendChunk { inode }).unwrap();
        let (inode, before) = (inode, UnixMillis(u64::MAX));
        let begun = fs.by("root").run(Command::Recover { inode, before });
        let Ok(Outcome::Recovering(chunks)) = begun else {
            panic!("{begun:?}")
        };
        assert_eq!(
            (chunks[0].extent.len, chunks[0].generation),
            (100, Some(Generation(3)))
        );
        let short = ChunkExtent {
            generation: Generation(3),
            ..filled(chunks[0].extent, 99)
        };
        let commit = |chunks: &[ChunkExtent]| Command::CommitRecovery {
            inode,
            chunks: chunks.to_vec(),
        };
        fs.by("root").run(commit(&[short])).unwrap_err();
        fs.by("root").run(commit(&[filled(short, 100)])).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [100]);
    }

    #[test]
    fn only_a_last_chunk_that_is_not_full_is_gone_on_with() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[100, CHUNK_SIZE]);
        let client = client_of("ann");
        let refusal = Err(NamespaceError::NotWriter { inode, client });
        assert_eq!(fs.by("ann").run(Command::AppendChunk { inode }), refusal);
        fs.by("ann").append("/tmp/f").unwrap();
        let full = fs.by("ann").run(Command::AppendChunk { inode });
        assert!(matches!(full, Err(NamespaceError::WrongChunk { .. })));
        let empty = fs.by("ann").create("/tmp/g", options()).unwrap().inode;
        let none = fs.by("ann").run(Command::AppendChunk { inode: empty });
        assert!(matches!(none, Err(NamespaceError::Invalid { .. })));
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
