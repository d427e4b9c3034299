//! `Truncate`: a file is cut.
//!
//! What lies behind the cut is let go at once, and from then on nobody is told that it was there. A chunk that is cut inside
//! becomes the leader's: its replicas still have the old length, and a recovery brings them to the new one, under a newer
//! generation.

use types::{ChunkExtent, FsPath};

use crate::command::TRUNCATION;
use crate::handler::writer::wrong_chunk;
use crate::handler::{Answer, Call, Files};
use crate::permission::{self, Access};
use crate::table::{ChunkState, GENERATION_MAX, Writer};
use crate::{NamespaceError, Outcome, Recovering, resolve};

/// Cuts a file.
pub(crate) fn truncate(files: &mut Files, call: &Call<'_>, path: &FsPath, len: u64) -> Answer {
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
    if len > file.len {
        let why = format!("it has {} bytes, and can not be cut to {len}", file.len);
        return Err(NamespaceError::Invalid {
            path: path.clone(),
            why,
        });
    }
    if len == file.len {
        return Ok(Outcome::Done);
    }
    // From the end: what is kept may be much more than what is cut off.
    let (mut kept, mut start) = (files.tree.committed_count(id), file.len);
    while start > len && kept > 0 {
        kept -= 1;
        let slot = files.tree.committed_at(id, kept);
        let found = slot.and_then(|slot| files.chunks.at(slot));
        start = start.saturating_sub(found.and_then(|(_, chunk)| chunk.len()).unwrap_or_default());
    }
    let inside = len - start;
    if inside > 0
        && let Some(slot) = files.tree.committed_at(id, kept)
        && let Some((chunk, found)) = files.chunks.at(slot)
        && found.generation >= GENERATION_MAX
    {
        let why = format!("all of its {GENERATION_MAX} generations are given out");
        return Err(wrong_chunk(id, chunk, why));
    }

    let taken = files
        .tree
        .cut(id, usize::try_from(kept).unwrap_or_default(), start)?;
    files.tree.touch(id, call.at);
    let (cut, dropped) = taken.split_at(usize::from(inside > 0).min(taken.len()));
    for &slot in dropped {
        files.chunks.free_at(slot);
    }
    let Some((chunk, mut found)) = cut.first().and_then(|slot| files.chunks.at(*slot)) else {
        return Ok(Outcome::Done);
    };
    found.state = ChunkState::BeingWritten {
        acknowledged: inside,
        highest: found.generation,
    };
    files.chunks.set(chunk, found);
    let writer = Writer {
        client: TRUNCATION,
        user: call.caller.user.as_str().into(),
        name: path.name().unwrap_or_default().into(),
        unpublished: None,
        tail: vec![chunk],
        has_empty: false,
    };
    files.tree.begin_writing(id, writer);
    files.leases.begin(TRUNCATION, id, call.at);
    let extent = ChunkExtent {
        chunk,
        generation: found.generation,
        len: inside,
    };
    Ok(Outcome::Recovering(vec![Recovering {
        extent,
        generation: None,
    }]))
}

#[cfg(test)]
mod tests {
    use types::{ChunkExtent, Generation, InodeId, UnixMillis};

    use crate::handler::Answer;
    use crate::testing::{CHUNK_SIZE, Fs, client_of, denied, filled, options, path};
    use crate::{Command, NamespaceError, Outcome, Recovering, TRUNCATION};

    fn truncate(fs: &mut Fs, by: &str, at: &str, len: u64) -> Answer {
        let path = path(at);
        fs.by(by).run(Command::Truncate { path, len })
    }

    fn recover(fs: &mut Fs, inode: InodeId) -> Vec<Recovering> {
        let before = UnixMillis(u64::MAX);
        match fs.by("root").run(Command::Recover { inode, before }) {
            Ok(Outcome::Recovering(chunks)) => chunks,
            other => panic!("{other:?}"),
        }
    }

    fn commit(fs: &mut Fs, inode: InodeId, chunks: &[ChunkExtent]) -> Answer {
        let chunks = chunks.to_vec();
        fs.by("root").run(Command::CommitRecovery { inode, chunks })
    }

    #[test]
    fn at_the_edge_of_a_chunk_it_is_done_at_once() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[CHUNK_SIZE, 100, CHUNK_SIZE, 7]);
        for (len, lens, freed) in [
            (
                CHUNK_SIZE * 2 + 107,
                &[CHUNK_SIZE, 100, CHUNK_SIZE, 7][..],
                &[][..],
            ),
            (CHUNK_SIZE * 2 + 100, &[CHUNK_SIZE, 100, CHUNK_SIZE], &[4]),
            (CHUNK_SIZE, &[CHUNK_SIZE], &[2, 3]),
            (0, &[], &[1]),
            (0, &[], &[]),
        ] {
            assert_eq!(truncate(&mut fs, "ann", "/tmp/f", len), Ok(Outcome::Done));
            assert_eq!(fs.lens("/tmp/f"), lens);
            assert_eq!(fs.freed(), freed);
            let status = fs.stat("/tmp/f").unwrap();
            assert_eq!((status.len, status.being_written), (len, false));
        }
        assert_eq!(fs.ns.totals().chunks, 0);
        assert_eq!(fs.ns.leases().count(), 0);
        let inode = fs.by("ann").append("/tmp/f").unwrap().inode;
        fs.by("ann").write(inode, &[5]);
        assert_eq!(fs.lens("/tmp/f"), [5]);
    }

    #[test]
    fn inside_of_a_chunk_readers_see_the_end_at_once_and_a_recovery_brings_it_about() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").put("/tmp/f", &[CHUNK_SIZE, 900, 7]);
        let chunk = fs.ns.file_chunks(inode).unwrap()[1];
        let extent = ChunkExtent {
            chunk: chunk.chunk,
            generation: Generation(1),
            len: 300,
        };
        let begun = truncate(&mut fs, "ann", "/tmp/f", CHUNK_SIZE + 300);
        let generation = None;
        let recovering = vec![Recovering { extent, generation }];
        assert_eq!(begun, Ok(Outcome::Recovering(recovering)));
        assert_eq!(fs.freed(), [3]);
        for attempt in 2..4 {
            assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE, 300]);
            let status = fs.stat("/tmp/f").unwrap();
            assert_eq!((status.len, status.being_written), (CHUNK_SIZE + 300, true));
            let generation = Some(Generation(attempt));
            assert_eq!(recover(&mut fs, inode), [Recovering { extent, generation }]);
        }
        let at = |generation, len| ChunkExtent {
            generation: Generation(generation),
            ..filled(extent, len)
        };
        for wrong in [&[][..], &[at(3, 301)], &[at(3, 299)], &[at(2, 300)]] {
            commit(&mut fs, inode, wrong).unwrap_err();
        }
        assert_eq!(commit(&mut fs, inode, &[at(3, 300)]), Ok(Outcome::Done));
        assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE, 300]);
        assert!(!fs.stat("/tmp/f").unwrap().being_written);
        assert_eq!(fs.ns.leases().count(), 0);
        let info = fs.ns.chunk(chunk.chunk).unwrap();
        assert_eq!((info.generation, info.len), (Generation(3), Some(300)));
    }

    #[test]
    fn meanwhile_nobody_writes_it_and_nothing_but_its_removal_ends_it() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[900]);
        truncate(&mut fs, "ann", "/tmp/f", 300).unwrap();
        let busy = NamespaceError::BeingWritten {
            path: path("/tmp/f"),
            holder: TRUNCATION,
        };
        assert_eq!(truncate(&mut fs, "ann", "/tmp/f", 200), Err(busy.clone()));
        assert_eq!(fs.by("ann").append("/tmp/f"), Err(busy));
        assert_eq!(fs.expire(u64::MAX), 0);
        assert_eq!(fs.lens("/tmp/f"), [300]);
        fs.by("ann").delete("/tmp/f").unwrap();
        assert_eq!(fs.freed(), [1]);
        assert_eq!(fs.ns.leases().count(), 0);
    }

    #[test]
    fn it_takes_a_closed_file_that_is_long_enough_and_write_permission() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[100]);
        let refusal = Err(denied("/tmp/f", "bob", "write permission"));
        assert_eq!(truncate(&mut fs, "bob", "/tmp/f", 1), refusal);
        let directory = Err(NamespaceError::IsDirectory(path("/tmp")));
        assert_eq!(truncate(&mut fs, "root", "/tmp", 0), directory);
        let missing = Err(NamespaceError::NotFound(path("/tmp/x")));
        assert_eq!(truncate(&mut fs, "root", "/tmp/x", 0), missing);
        let longer = truncate(&mut fs, "ann", "/tmp/f", 101).unwrap_err();
        assert!(matches!(&longer, NamespaceError::Invalid { why, .. } if why.contains("100 bytes")));
        fs.by("ann").create("/tmp/open", options()).unwrap();
        let busy = Err(NamespaceError::BeingWritten {
            path: path("/tmp/open"),
            holder: client_of("ann"),
        });
        assert_eq!(truncate(&mut fs, "ann", "/tmp/open", 0), busy);
    }
}
