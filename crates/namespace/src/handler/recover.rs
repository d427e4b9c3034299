//! `Recover`, `CommitRecovery`, `LeaveFile`: a file whose writer is gone is closed with what the datanodes have of it.
//!
//! The file changes hands first: from then on its writer is refused, whatever it still sends. Each attempt has generations of
//! its own, and only the latest can commit: so two leaders, or two attempts of one, can not end in two lengths.

use types::{ChunkExtent, InodeId, UnixMillis};

use crate::command::{RECOVERY, TRUNCATION, is_leaders};
use crate::handler::close::{close, give_up};
use crate::handler::commit::{Commit, advance, check_extent};
use crate::handler::writer::{writing, wrong_chunk};
use crate::handler::{Answer, Call, Files};
use crate::query::acknowledged;
use crate::table::{ChunkState, GENERATION_MAX, Inode};
use crate::{NamespaceError, Outcome, Recovering, permission};

/// Takes a file from its writer.
pub(crate) fn recover(files: &mut Files, call: &Call<'_>, inode: InodeId, before: UnixMillis) -> Answer {
    permission::require_superuser(call.caller)?;
    let file = files.tree.find(inode).and_then(Inode::file);
    let file = file.filter(|_| files.tree.is_there(inode));
    let Some(writer) = file.and_then(|file| file.writer) else {
        return Ok(Outcome::Recovering(Vec::new()));
    };
    let (holder, renewed) = (writer.client, files.leases.renewed(writer.client));
    if !is_leaders(holder) && renewed.is_some_and(|renewed| renewed >= before) {
        let path = files.tree.path(inode).unwrap_or_else(types::FsPath::root);
        return Err(NamespaceError::BeingWritten { path, holder });
    }
    take(files, call, inode)
}

/// Gives a file up.
pub(crate) fn leave(files: &mut Files, call: &Call<'_>, inode: InodeId, written: &[ChunkExtent]) -> Answer {
    let (file, _) = writing(&files.tree, call, inode)?;
    let commit = Commit::check(&file, inode, &files.chunks, written)?;
    commit.carry_out(files, inode, call.at)?;
    take(files, call, inode)
}

/// The file is the leader's from now on, if something of it is unfinished; else it is closed.
fn take(files: &mut Files, call: &Call<'_>, inode: InodeId) -> Answer {
    let Some(writer) = files.tree.writer_mut(inode) else {
        return Ok(Outcome::Recovering(Vec::new()));
    };
    if writer.unpublished.is_some() || writer.tail.is_empty() {
        give_up(files, inode)?;
        return Ok(Outcome::Recovering(Vec::new()));
    }
    let (holder, tail) = (writer.client, writer.tail.clone());
    let unfinished = |state| match state {
        ChunkState::BeingWritten { highest, .. } => Some(highest),
        ChunkState::Committed { .. } => None,
    };
    for &id in &tail {
        let highest = files.chunks.find(id).and_then(|chunk| unfinished(chunk.state));
        if highest.is_some_and(|highest| highest >= GENERATION_MAX) {
            let why = format!("all of its {GENERATION_MAX} generations are given out");
            return Err(wrong_chunk(inode, id, why));
        }
    }
    writer_becomes_recovery(files, call, inode, holder);
    let mut recovering = Vec::with_capacity(tail.len());
    for id in tail {
        let Some(mut chunk) = files.chunks.find(id) else {
            continue;
        };
        let mut extent = ChunkExtent {
            chunk: id,
            generation: chunk.generation,
            len: 0,
        };
        let mut generation = None;
        match &mut chunk.state {
            ChunkState::Committed { len } => extent.len = *len,
            ChunkState::BeingWritten {
                acknowledged,
                highest,
            } => {
                extent.len = *acknowledged;
                *highest = highest.next();
                generation = Some(*highest);
            }
        }
        files.chunks.set(id, chunk);
        recovering.push(Recovering { extent, generation });
    }
    Ok(Outcome::Recovering(recovering))
}

fn writer_becomes_recovery(files: &mut Files, call: &Call<'_>, inode: InodeId, holder: types::ClientId) {
    let leader = if holder == TRUNCATION { holder } else { RECOVERY };
    if let Some(writer) = files.tree.writer_mut(inode) {
        writer.client = leader;
    }
    files.leases.end(holder, inode);
    files.leases.begin(leader, inode, call.at);
}

/// Closes a file with what was recovered.
pub(crate) fn commit(files: &mut Files, call: &Call<'_>, inode: InodeId, chunks: &[ChunkExtent]) -> Answer {
    permission::require_superuser(call.caller)?;
    let client = RECOVERY;
    let file = files.tree.find(inode).and_then(Inode::file);
    let file = file.filter(|_| files.tree.is_there(inode));
    let file = file.filter(|file| file.writer.is_some_and(|writer| is_leaders(writer.client)));
    let file = file.ok_or(NamespaceError::NotWriter { inode, client })?;
    let cut = file.writer.is_some_and(|writer| writer.client == TRUNCATION);
    let tail = file.uncommitted_chunks();
    if let Some(&chunk) = tail.first().filter(|_| cut) {
        let len = acknowledged(&file, &files.chunks);
        let as_wanted = |extent: &ChunkExtent| (extent.chunk, extent.len) == (chunk, len);
        if chunks.len() != 1 || !chunks.iter().all(as_wanted) {
            return Err(wrong_chunk(
                inode,
                chunk,
                format!("it is to be cut to {len} bytes"),
            ));
        }
    }
    for (position, &extent) in chunks.iter().enumerate() {
        let wrong = |why: String| Err(wrong_chunk(inode, extent.chunk, why));
        if tail.get(position) != Some(&extent.chunk) {
            return wrong("it is not the next of those that are recovered".to_owned());
        }
        let Some(chunk) = files.chunks.find(extent.chunk) else {
            return wrong("it is gone".to_owned());
        };
        match chunk.state {
            ChunkState::Committed { len } if (chunk.generation, len) == (extent.generation, extent.len) => {}
            ChunkState::BeingWritten { highest, .. } if highest != extent.generation => {
                return wrong(format!(
                    "generation {} is of an earlier recovery; the latest has {highest}",
                    extent.generation
                ));
            }
            ChunkState::Committed { .. } | ChunkState::BeingWritten { .. } => {
                check_extent(file.chunk_size, inode, &chunk, extent)?;
            }
        }
    }
    for &extent in chunks {
        if let Some(mut chunk) = files.chunks.find(extent.chunk) {
            chunk.generation = extent.generation;
            chunk.state = ChunkState::Committed { len: extent.len };
            files.chunks.set(extent.chunk, chunk);
        }
    }
    // What is behind those was finished before them, or is not wanted.
    let kept: Vec<_> = chunks.iter().map(|extent| extent.chunk).collect();
    if let Some(writer) = files.tree.writer_mut(inode) {
        let dropped: Vec<_> = writer
            .tail
            .iter()
            .copied()
            .filter(|id| !kept.contains(id))
            .collect();
        writer.tail.retain(|id| kept.contains(id));
        for id in dropped {
            files.chunks.free(id);
        }
    }
    advance(files, inode, call.at)?;
    close(files, inode)?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use types::{ChunkExtent, Generation, InodeId, UnixMillis};

    use crate::handler::Answer;
    use crate::testing::{CHUNK_SIZE, Fs, client_of, filled, options, unpublished};
    use crate::{Command, NamespaceError, Outcome, RECOVERY, Recovering};

    fn recover(fs: &mut Fs, inode: InodeId, before: u64) -> Answer {
        let before = UnixMillis(before);
        fs.by("root").run(Command::Recover { inode, before })
    }

    fn commit(fs: &mut Fs, inode: InodeId, chunks: &[ChunkExtent]) -> Answer {
        let chunks = chunks.to_vec();
        fs.by("root").run(Command::CommitRecovery { inode, chunks })
    }

    fn recovering(extent: ChunkExtent, generation: u64) -> Recovering {
        Recovering {
            extent,
            generation: Some(Generation(generation)),
        }
    }

    fn at(extent: ChunkExtent, generation: u64, len: u64) -> ChunkExtent {
        ChunkExtent {
            generation: Generation(generation),
            ..filled(extent, len)
        }
    }

    fn file(fs: &mut Fs) -> (InodeId, ChunkExtent) {
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        (inode, fs.by("ann").add_chunk(inode, &[]).unwrap())
    }

    #[test]
    fn a_file_is_closed_with_what_was_recovered_and_its_writer_is_fenced() {
        let mut fs = Fs::new();
        let (inode, chunk) = file(&mut fs);
        assert_eq!(
            recover(&mut fs, inode, u64::MAX),
            Ok(Outcome::Recovering(vec![recovering(chunk, 2)]))
        );
        let refusal = NamespaceError::NotWriter {
            inode,
            client: client_of("ann"),
        };
        assert_eq!(
            fs.by("ann").complete(inode, &[filled(chunk, 5)]),
            Err(refusal.clone())
        );
        assert_eq!(fs.by("ann").bump(inode, chunk.chunk), Err(refusal));
        let holders: Vec<_> = fs.ns.leases().map(|lease| lease.holder).collect();
        assert_eq!(holders, [RECOVERY]);
        assert!(fs.stat("/tmp/f").unwrap().being_written);
        assert_eq!(commit(&mut fs, inode, &[at(chunk, 2, 700)]), Ok(Outcome::Done));
        assert_eq!(fs.lens("/tmp/f"), [700]);
        assert!(!fs.stat("/tmp/f").unwrap().being_written);
        assert_eq!(fs.ns.leases().count(), 0);
        fs.by("bob").append("/tmp/f").unwrap_err();
        fs.by("ann").append("/tmp/f").unwrap();
    }

    #[test]
    fn of_two_recoveries_only_the_later_can_commit() {
        let mut fs = Fs::new();
        let (inode, chunk) = file(&mut fs);
        fs.by("ann").bump(inode, chunk.chunk).unwrap();
        assert_eq!(
            recover(&mut fs, inode, u64::MAX),
            Ok(Outcome::Recovering(vec![recovering(chunk, 3)]))
        );
        assert_eq!(
            recover(&mut fs, inode, 0),
            Ok(Outcome::Recovering(vec![recovering(chunk, 4)])),
            "the leader's own is not kept by any lease"
        );
        for generation in [1, 2, 3, 5] {
            let late = commit(&mut fs, inode, &[at(chunk, generation, 7)]);
            assert!(
                matches!(late, Err(NamespaceError::WrongChunk { .. })),
                "{generation}"
            );
        }
        commit(&mut fs, inode, &[at(chunk, 4, 7)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [7]);
        let client = RECOVERY;
        let over = Err(NamespaceError::NotWriter { inode, client });
        assert_eq!(commit(&mut fs, inode, &[at(chunk, 4, 7)]), over);
        assert_eq!(
            recover(&mut fs, inode, u64::MAX),
            Ok(Outcome::Recovering(Vec::new()))
        );
    }

    #[test]
    fn a_writer_that_has_shown_itself_keeps_its_file() {
        let mut fs = Fs::new();
        let (inode, _) = file(&mut fs);
        let renewed = fs.at;
        let refused = recover(&mut fs, inode, renewed);
        assert!(matches!(refused, Err(NamespaceError::BeingWritten { .. })));
        recover(&mut fs, inode, renewed + 1).unwrap();
    }

    #[test]
    fn what_needs_no_recovery_is_over_at_once() {
        let mut fs = Fs::new();
        let none = Ok(Outcome::Recovering(Vec::new()));
        let inode = fs.by("ann").create("/tmp/a", unpublished()).unwrap().inode;
        fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(recover(&mut fs, inode, u64::MAX), none);
        assert_eq!(fs.freed(), [1]);
        let inode = fs.by("ann").create("/tmp/b", options()).unwrap().inode;
        assert_eq!(recover(&mut fs, inode, u64::MAX), none);
        assert!(!fs.stat("/tmp/b").unwrap().being_written);
        let inode = fs.by("ann").create("/tmp/c", options()).unwrap().inode;
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let written = vec![filled(chunk, 9)];
        assert_eq!(fs.by("ann").run(Command::LeaveFile { inode, written }), none);
        assert_eq!(fs.lens("/tmp/c"), [9]);
        assert_eq!(fs.ns.leases().count(), 0);
    }

    #[test]
    fn who_leaves_a_file_leaves_what_was_flushed_to_a_recovery() {
        let mut fs = Fs::new();
        let (inode, first) = file(&mut fs);
        let second = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let third = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let written = vec![filled(first, CHUNK_SIZE), filled(third, 3)];
        let left = fs.by("ann").run(Command::LeaveFile { inode, written });
        let finished = Recovering {
            extent: filled(third, 3),
            generation: None,
        };
        assert_eq!(
            left,
            Ok(Outcome::Recovering(vec![recovering(second, 2), finished]))
        );
        commit(&mut fs, inode, &[filled(third, 3)]).unwrap_err();
        let full = at(second, 2, CHUNK_SIZE);
        commit(&mut fs, inode, &[full, filled(third, 4)]).unwrap_err();
        commit(&mut fs, inode, &[full, filled(third, 3)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [CHUNK_SIZE, CHUNK_SIZE, 3]);
    }

    #[test]
    fn what_is_not_named_is_let_go_and_empty_chunks_too() {
        let mut fs = Fs::new();
        let (inode, first) = file(&mut fs);
        fs.by("ann").add_chunk(inode, &[]).unwrap();
        recover(&mut fs, inode, u64::MAX).unwrap();
        commit(&mut fs, inode, &[at(first, 2, 10)]).unwrap();
        assert_eq!((fs.lens("/tmp/f"), fs.freed()), (vec![10], vec![2]));
        let inode = fs.by("ann").create("/tmp/g", options()).unwrap().inode;
        let only = fs.by("ann").add_chunk(inode, &[]).unwrap();
        recover(&mut fs, inode, u64::MAX).unwrap();
        commit(&mut fs, inode, &[at(only, 2, 0)]).unwrap();
        assert_eq!((fs.lens("/tmp/g"), fs.freed()), (vec![], vec![3]));
    }

    #[test]
    fn it_is_never_shorter_than_what_is_known() {
        let mut fs = Fs::new();
        let (inode, chunk) = file(&mut fs);
        let (written, open) = (Vec::new(), Some(filled(chunk, 100)));
        fs.by("ann").run(Command::Sync { inode, written, open }).unwrap();
        recover(&mut fs, inode, u64::MAX).unwrap();
        commit(&mut fs, inode, &[at(chunk, 2, 99)]).unwrap_err();
        assert_eq!(fs.stat("/tmp/f").unwrap().len, 100);
        commit(&mut fs, inode, &[at(chunk, 2, 100)]).unwrap();
    }

    #[test]
    fn only_the_leader_recovers() {
        let mut fs = Fs::new();
        let (inode, chunk) = file(&mut fs);
        let before = UnixMillis(u64::MAX);
        fs.by("ann").run(Command::Recover { inode, before }).unwrap_err();
        recover(&mut fs, inode, u64::MAX).unwrap();
        let chunks = vec![at(chunk, 2, 1)];
        fs.by("ann")
            .run(Command::CommitRecovery { inode, chunks })
            .unwrap_err();
        let mut entry = fs.by("ann").entry(Command::AddChunk {
            inode,
            written: Vec::new(),
        });
        if let Some(request) = &mut entry.request {
            request.client = RECOVERY;
        }
        assert!(
            matches!(fs.ns.apply(&entry), Err(NamespaceError::NotWriter { .. })),
            "no client is called so"
        );
    }
}
