//! `AddChunk`, `AbandonChunk`, `BumpGeneration`, `UpdatePipeline`: a chunk while it is being written.

use plant::Bug;
use types::limits::FILE_UNCOMMITTED_CHUNKS_MAX;
use types::{ChunkExtent, ChunkId, FsPath, InodeId};

use crate::handler::commit::{Commit, advance, check_extent};
use crate::handler::writer::{writers_chunk, writing, wrong_chunk};
use crate::handler::{Answer, Call, Files};
use crate::table::{ChunkState, GENERATION_MAX};
use crate::{NamespaceError, Outcome};

/// Adds an empty chunk, and commits earlier ones.
pub(crate) fn add(files: &mut Files, call: &Call<'_>, inode: InodeId, written: &[ChunkExtent]) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(&file, inode, &files.chunks, written)?;
    if commit.leaves(&file, &files.chunks).len() >= FILE_UNCOMMITTED_CHUNKS_MAX {
        return Err(NamespaceError::Invalid {
            path: files.tree.path(inode).unwrap_or_else(FsPath::root),
            why: format!(
                "{FILE_UNCOMMITTED_CHUNKS_MAX} chunks are not acknowledged yet; no more can be added before"
            ),
        });
    }
    commit.carry_out(files, inode, call.at)?;
    append_empty(files, inode).map(Outcome::ChunkAdded)
}

/// Puts an empty chunk at the end of a file that is being written.
///
/// # Errors
/// When there is no room.
pub(super) fn append_empty(files: &mut Files, inode: InodeId) -> Result<ChunkExtent, NamespaceError> {
    let chunk = files.chunks.add(inode)?;
    if let Some(writer) = files.tree.writer_mut(inode) {
        writer.tail.push(chunk);
    }
    Ok(ChunkExtent {
        chunk,
        generation: files.chunks.first_generation,
        len: 0,
    })
}

/// Takes a chunk back that holds nothing acknowledged.
pub(crate) fn abandon(files: &mut Files, call: &Call<'_>, inode: InodeId, chunk: ChunkId) -> Answer {
    match writers_chunk(files, call, inode, chunk)?.state {
        ChunkState::BeingWritten { acknowledged: 0, .. } => {}
        ChunkState::BeingWritten { acknowledged, .. } => {
            let why = format!("{acknowledged} bytes of it are acknowledged");
            return Err(wrong_chunk(inode, chunk, why));
        }
        ChunkState::Committed { .. } => return Err(wrong_chunk(inode, chunk, "it is committed")),
    }
    files.chunks.free(chunk);
    if let Some(writer) = files.tree.writer_mut(inode) {
        writer.tail.retain(|id| *id != chunk);
    }
    advance(files, inode, call.at)?;
    Ok(Outcome::Done)
}

/// Gives out a generation.
pub(crate) fn bump(files: &mut Files, call: &Call<'_>, inode: InodeId, id: ChunkId) -> Answer {
    let mut chunk = writers_chunk(files, call, inode, id)?;
    let ChunkState::BeingWritten { highest, .. } = &mut chunk.state else {
        return Err(wrong_chunk(inode, id, "it is committed"));
    };
    if *highest >= GENERATION_MAX {
        let why = format!("all of its {GENERATION_MAX} generations are given out");
        return Err(wrong_chunk(inode, id, why));
    }
    if !plant::is_planted(Bug::ReuseGeneration) {
        *highest = highest.next();
    }
    let given = *highest;
    files.chunks.set(id, chunk);
    Ok(Outcome::Generation(given))
}

/// Puts a generation in force, with what is acknowledged so far.
pub(crate) fn update(files: &mut Files, call: &Call<'_>, inode: InodeId, extent: ChunkExtent) -> Answer {
    let chunk_size = writing(&files.tree, call, inode)?.0.chunk_size;
    let mut chunk = writers_chunk(files, call, inode, extent.chunk)?;
    check_extent(chunk_size, inode, &chunk, extent)?;
    chunk.generation = extent.generation;
    if let ChunkState::BeingWritten { acknowledged, .. } = &mut chunk.state {
        *acknowledged = extent.len;
    }
    files.chunks.set(extent.chunk, chunk);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use types::limits::FILE_UNCOMMITTED_CHUNKS_MAX;
    use types::{ChunkExtent, Generation, InodeId};

    use crate::NamespaceError;
    use crate::testing::{CHUNK_SIZE, Fs, client_of, filled, options};

    fn file() -> (Fs, InodeId) {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        (fs, inode)
    }

    fn why(refusal: Result<impl std::fmt::Debug, NamespaceError>) -> String {
        match refusal.unwrap_err() {
            NamespaceError::WrongChunk { why, .. } | NamespaceError::Invalid { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn chunks_are_visible_once_they_are_acknowledged() {
        let (mut fs, inode) = file();
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!((first.generation, first.len), (Generation(1), 0));
        assert_eq!(fs.ns.chunk(first.chunk).unwrap().len, None);
        let second = fs
            .by("ann")
            .add_chunk(inode, &[filled(first, CHUNK_SIZE)])
            .unwrap();
        assert!(second.chunk > first.chunk);
        assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE]);
        assert_eq!(fs.ns.chunk(first.chunk).unwrap().len, Some(CHUNK_SIZE));
        assert_eq!(fs.ns.file_chunks(inode).unwrap().len(), 2);
        assert!(fs.ns.was_given_out(second.chunk));
    }

    #[test]
    fn readers_never_see_past_a_gap() {
        let (mut fs, inode) = file();
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let second = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let third = fs.by("ann").add_chunk(inode, &[filled(second, 20)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), []);
        fs.by("ann").add_chunk(inode, &[filled(first, 10)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [10, 20]);
        fs.by("ann").abandon_chunk(inode, third.chunk).unwrap();
        assert_eq!(fs.freed(), [3]);
    }

    #[test]
    fn taking_a_chunk_back_closes_the_gap() {
        let (mut fs, inode) = file();
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let second = fs.by("ann").add_chunk(inode, &[]).unwrap();
        fs.by("ann").add_chunk(inode, &[filled(second, 20)]).unwrap();
        fs.by("ann").abandon_chunk(inode, first.chunk).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [20]);
    }

    #[test]
    fn a_writer_may_run_ahead_only_so_far() {
        let (mut fs, inode) = file();
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        for _ in 1..FILE_UNCOMMITTED_CHUNKS_MAX {
            fs.by("ann").add_chunk(inode, &[]).unwrap();
        }
        assert!(why(fs.by("ann").add_chunk(inode, &[])).contains("not acknowledged yet"));
        fs.by("ann").add_chunk(inode, &[filled(first, 1)]).unwrap();
    }

    #[test]
    fn extents_must_fit() {
        let (mut fs, inode) = file();
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let mut add = |extents: &[ChunkExtent]| why(fs.by("ann").add_chunk(inode, extents));
        assert!(add(&[filled(chunk, CHUNK_SIZE + 1)]).contains("chunk size"));
        let other = |generation| ChunkExtent {
            generation: Generation(generation),
            ..chunk
        };
        assert!(add(&[other(0)]).contains("stale"));
        assert!(add(&[other(2)]).contains("never given out"));
        assert!(add(&[filled(chunk, 1), filled(chunk, 2)]).contains("differently"));
        let stranger = fs.by("ann").put("/tmp/other", &[5]);
        let stranger = fs.ns.file_chunks(stranger).unwrap()[0].chunk;
        let extent = ChunkExtent {
            chunk: stranger,
            ..filled(chunk, 5)
        };
        assert!(why(fs.by("ann").add_chunk(inode, &[extent])).contains("not one of the file's"));
    }

    #[test]
    fn what_is_committed_may_be_said_again_but_not_changed() {
        let (mut fs, inode) = file();
        let first = filled(fs.by("ann").add_chunk(inode, &[]).unwrap(), 10);
        fs.by("ann").add_chunk(inode, &[first]).unwrap();
        fs.by("ann").add_chunk(inode, &[first]).unwrap();
        assert!(why(fs.by("ann").add_chunk(inode, &[filled(first, 11)])).contains("committed"));
        assert!(why(fs.by("ann").abandon_chunk(inode, first.chunk)).contains("committed"));
        assert!(why(fs.by("ann").bump(inode, first.chunk)).contains("committed"));
        assert!(why(fs.by("ann").update(inode, first)).contains("committed"));
    }

    #[test]
    fn a_repaired_pipeline_has_a_new_generation() {
        let (mut fs, inode) = file();
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(fs.by("ann").bump(inode, chunk.chunk), Ok(Generation(2)));
        assert_eq!(fs.by("ann").bump(inode, chunk.chunk), Ok(Generation(3)));
        let info = fs.ns.chunk(chunk.chunk).unwrap();
        assert_eq!(
            (info.generation, info.pending_generation),
            (Generation(1), Some(Generation(3)))
        );

        let repaired = ChunkExtent {
            generation: Generation(3),
            ..filled(chunk, 600)
        };
        fs.by("ann").update(inode, repaired).unwrap();
        let info = fs.ns.chunk(chunk.chunk).unwrap();
        assert_eq!((info.generation, info.pending_generation), (Generation(3), None));
        let old = filled(chunk, 700);
        assert!(why(fs.by("ann").complete(inode, &[old])).contains("stale"));
        let short = filled(repaired, 599);
        assert!(why(fs.by("ann").complete(inode, &[short])).contains("acknowledged before"));
        assert!(why(fs.by("ann").abandon_chunk(inode, chunk.chunk)).contains("acknowledged"));
        fs.by("ann").complete(inode, &[filled(repaired, 700)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [700]);
    }

    #[test]
    fn a_pending_generation_may_be_named_by_the_commit() {
        let (mut fs, inode) = file();
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let generation = fs.by("ann").bump(inode, chunk.chunk).unwrap();
        let extent = ChunkExtent {
            generation,
            ..filled(chunk, 9)
        };
        fs.by("ann").complete(inode, &[extent]).unwrap();
        assert_eq!(fs.ns.chunk(chunk.chunk).unwrap().generation, generation);
    }

    #[test]
    fn only_the_writer_may_write() {
        let (mut fs, inode) = file();
        let refusal = |client| Err(NamespaceError::NotWriter { inode, client });
        assert_eq!(fs.by("bob").add_chunk(inode, &[]), refusal(client_of("bob")));
        let other = !client_of("ann").0;
        assert_eq!(
            fs.by_other_client("ann").add_chunk(inode, &[]),
            refusal(types::ClientId(other))
        );
        let mut entry = fs.by("ann").entry(crate::Command::AddChunk {
            inode,
            written: Vec::new(),
        });
        entry.caller = crate::testing::caller("bob");
        assert_eq!(
            fs.ns.apply(&entry).unwrap_err(),
            NamespaceError::NotWriter {
                inode,
                client: client_of("ann")
            },
            "knowing the client's id is not enough"
        );
        entry.request = None;
        assert_eq!(fs.ns.apply(&entry), Err(NamespaceError::NoClient));
        fs.by("ann").delete("/tmp/f").unwrap();
        assert_eq!(fs.by("ann").add_chunk(inode, &[]), refusal(client_of("ann")));
    }

    #[test]
    fn a_slot_that_is_used_again_knows_nothing_of_the_chunk_before() {
        let mut fs = Fs::slotted();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        let old = fs.by("ann").add_chunk(inode, &[]).unwrap().chunk;
        fs.by("ann").bump(inode, old).unwrap();
        assert!(fs.ns.chunk(old).unwrap().pending_generation.is_some());
        fs.by("ann").abandon_chunk(inode, old).unwrap();
        let new = fs.by("ann").add_chunk(inode, &[]).unwrap().chunk;
        assert_eq!(
            new.as_u64(),
            1 << 32 | old.as_u64(),
            "the slot in its second life"
        );
        assert_eq!(fs.ns.chunk(new).unwrap().pending_generation, None);
        assert_eq!(fs.ns.chunk(old), None);
        assert!(fs.ns.was_given_out(old) && fs.ns.was_given_out(new));
    }
}
