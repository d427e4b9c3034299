//! The recovery of files whose writers are gone: the leader finds out what datanodes have of the unfinished chunks, and closes
//! the file with it.
//!
//! ```text
//! Recover (log) ─▶ stop, and tell what you have ─▶ the shortest is the length ─▶ finish with it ─▶ CommitRecovery (log)
//!   new generation        every datanode that may have it        those that answered
//! ```
//!
//! A file that is cut inside of a chunk takes the same way, with a length that is known from the beginning.
//!
//! # Guarantees
//! - The old writer is fenced twice: the log refuses it from `Recover` on, datanodes from the moment that they answer.
//! - What any reader has seen of the chunk is in every replica that is asked (see `docs/design/writing.md`), and so in the
//!   shortest one. A file is never shorter than what its writer has told the masters.
//! - A datanode or a leader may die at any point: the next attempt has a newer generation, with which alone it can end.
//! - When nobody who may have bytes can be asked, the file stays open and the attempt is repeated. Nothing is given up.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use namespace::{Command, Outcome, RECOVERY, Recovering, TRUNCATION, WriterFile};
use placement::Liveness;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, InodeId, UnixMillis};

use crate::core::Core;
use crate::desk::{Answer, Order};
use crate::leadership::Lead;
use crate::service;

/// Files that are recovered at once.
const AT_ONCE: usize = 64;

/// How often it is looked whether there is something to recover that nobody told of: after a new master took over.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a new leader waits to hear from the datanodes who has what.
const SETTLE: Duration = Duration::from_secs(2);

/// Recovers files for as long as the master runs.
pub(crate) async fn run(core: &Core) {
    let mut running = FuturesUnordered::new();
    let mut busy = HashSet::new();
    loop {
        tokio::select! {
            Some(inode) = running.next(), if !running.is_empty() => {
                busy.remove(&inode);
                continue;
            }
            () = core.desk.wanted() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
        let Some(lead) = core.leads_now().filter(|_| core.takes_changes()) else {
            continue;
        };
        let namespace = core.machine.snapshot();
        let files = [RECOVERY, TRUNCATION]
            .into_iter()
            .flat_map(|leader| namespace.written_by(leader));
        for inode in files {
            if busy.len() < AT_ONCE && busy.insert(inode) {
                running.push(attempt(core, lead, inode));
            }
        }
    }
}

/// Tries once; after a failure, a pause.
async fn attempt(core: &Core, lead: Lead, inode: InodeId) -> InodeId {
    let tried = tokio::select! {
        tried = recover(core, lead, inode) => tried,
        () = core.leadership.ended(lead) => return inode,
    };
    match tried {
        Ok(()) => core.desk.closed(inode),
        Err(why) => {
            let news = core.desk.waits_for(inode).as_deref() != Some(why.as_str());
            if news {
                tracing::warn!(file = %name(core, inode), %why, "a file can not be recovered yet; trying again");
            }
            let pause = core.desk.failed(inode, why);
            tokio::time::sleep(pause).await;
        }
    }
    inode
}

/// What to call a file.
pub(crate) fn name(core: &Core, inode: InodeId) -> String {
    let path = leaders_file(core, inode).and_then(|(file, _)| file.path);
    path.map_or_else(|| format!("file {inode}"), |path| path.to_string())
}

/// A file that is the leader's, and what it is to be done with.
fn leaders_file(core: &Core, inode: InodeId) -> Option<(WriterFile, Aim)> {
    let namespace = core.machine.read();
    let aims = [(RECOVERY, Aim::Recover), (TRUNCATION, Aim::Cut)];
    let mut files = aims
        .into_iter()
        .filter_map(|(leader, aim)| Some((namespace.writer_file(inode, leader).ok()?, aim)));
    files.next()
}

/// What the length of a chunk is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// What the datanodes have of it.
    Recover,
    /// What is known, and no more.
    Cut,
}

async fn recover(core: &Core, lead: Lead, inode: InodeId) -> Result<(), String> {
    let before = UnixMillis(u64::MAX);
    let begun = core.propose_own(Command::Recover { inode, before }).await;
    let chunks = match begun.map_err(|rejection| rejection.0.message)? {
        Outcome::Recovering(chunks) => chunks,
        other => return Err(format!("unexpected answer of the state machine: {other:?}")),
    };
    if chunks.is_empty() {
        return Ok(());
    }
    let Some((file, aim)) = leaders_file(core, inode) else {
        return Ok(());
    };
    let chunk_size = file.chunk_size.bytes();
    let recovered = join_all(chunks.iter().map(|chunk| recover_chunk(core, lead, aim, chunk))).await;
    let mut kept = Vec::with_capacity(chunks.len());
    for (chunk, extent) in chunks.iter().zip(recovered) {
        let extent = extent?;
        kept.push(extent);
        // A writer begins with the next chunk when one is full. Where it is not, the next one's bytes were never flushed.
        if chunk.generation.is_some() && extent.len < chunk_size {
            break;
        }
    }
    let len: u64 = kept.iter().map(|extent| extent.len).sum();
    let committed = core
        .propose_own(Command::CommitRecovery {
            inode,
            chunks: kept.clone(),
        })
        .await;
    committed.map_err(|rejection| rejection.0.message)?;
    tracing::info!(%inode, chunks = kept.len(), bytes = len, "a file was recovered");
    service::closed(core, inode, kept.iter().map(|extent| extent.chunk));
    Ok(())
}

/// Ends the desk's part of a recovery, however it ends.
struct AtDesk<'a> {
    core: &'a Core,
    chunk: ChunkId,
    recovery: Generation,
}

impl Drop for AtDesk<'_> {
    fn drop(&mut self) {
        self.core.desk.end(self.chunk, self.recovery);
    }
}

async fn recover_chunk(core: &Core, lead: Lead, aim: Aim, part: &Recovering) -> Result<ChunkExtent, String> {
    let Some(recovery) = part.generation else {
        return Ok(part.extent);
    };
    let (chunk, known) = (part.extent.chunk, part.extent.len);
    let extent = |len| ChunkExtent {
        chunk,
        generation: recovery,
        len,
    };
    let pipeline_is_known = !core.cluster().writers_of(chunk).is_empty();
    let who_has_it_is_known = pipeline_is_known || (aim == Aim::Cut && is_seen(core, chunk));
    if !who_has_it_is_known {
        let heard = SETTLE + core.config.heartbeat_interval * 2;
        let age = core.now().saturating_sub(lead.since);
        tokio::time::sleep(heard.saturating_sub(age)).await;
    }
    let unfinished = core.desk.holders(chunk, Generation(0));
    let holders = core.cluster().may_have(chunk, unfinished);
    core.desk.begin(chunk, recovery);
    let _at_desk = AtDesk {
        core,
        chunk,
        recovery,
    };
    let order = |len| Order {
        chunk,
        generation: part.extent.generation,
        recovery,
        len,
    };
    if aim == Aim::Cut {
        return finish(core, &holders, order(Some(known))).await.map(extent);
    }
    for &holder in &holders {
        core.desk.order(holder, order(None));
    }
    let answers = gather(core, chunk, recovery, &holders).await;
    let (mut found, mut left) = (BTreeMap::new(), BTreeMap::new());
    let mut missing = Vec::new();
    for holder in &holders {
        match answers.get(holder) {
            Some(Answer::Unfinished(len) | Answer::Finished(len)) if *len >= known => {
                found.insert(*holder, *len);
            }
            Some(Answer::Left(len)) if *len >= known => {
                left.insert(*holder, *len);
            }
            Some(Answer::Nothing) => {}
            other => missing.push(describe(core, *holder, other)),
        }
    }
    if found.is_empty() {
        // All have restarted: what each has synced is all there is. Else it is no measure for what the others have shown.
        found = left;
    }
    let Some(&len) = found.values().min() else {
        return if known == 0 && missing.is_empty() && (pipeline_is_known || everybody_is_heard(core)) {
            // Nobody has begun with it.
            Ok(extent(0))
        } else {
            Err(format!(
                "chunk {chunk}: no datanode that answers has it ({known} bytes are known to be acknowledged): {}",
                if missing.is_empty() {
                    "not all datanodes are there".to_owned()
                } else {
                    missing.join(", ")
                }
            ))
        };
    };
    if len == 0 {
        return Ok(extent(0));
    }
    let participants = found.into_keys().collect();
    finish(core, &participants, order(Some(len))).await.map(extent)
}

/// Has datanodes finish their replicas with a length, and gives that. Some may fail, or have died meanwhile: as many must do it
/// as an acknowledgement promises, or all of those that can.
async fn finish(core: &Core, participants: &BTreeSet<DatanodeId>, order: Order) -> Result<u64, String> {
    let Order { chunk, recovery, .. } = order;
    let len = order.len.unwrap_or_default();
    for &participant in participants {
        core.desk.order(participant, order);
    }
    let answers = gather(core, chunk, recovery, participants).await;
    let finished = answers
        .values()
        .filter(|answer| **answer == Answer::Finished(len));
    // One that has nothing to finish is as unable as one that failed: a replica that it had is stale or corrupt.
    let unable = |id: DatanodeId| matches!(answers.get(&id), Some(Answer::Failed(_) | Answer::Nothing));
    let able = participants
        .iter()
        .filter(|&&id| !unable(id) && !is_dead(core, id));
    let able = able.count();
    let wanted = usize::from(core.config.required_replicas()).min(able).max(1);
    if finished.count() >= wanted {
        return Ok(len);
    }
    let all = participants
        .iter()
        .map(|node| describe(core, *node, answers.get(node)));
    let all: Vec<_> = all.collect();
    Err(format!(
        "chunk {chunk}: fewer than {wanted} datanodes could finish it with {len} bytes: {}",
        if all.is_empty() {
            "no datanode has told of a replica".to_owned()
        } else {
            all.join(", ")
        }
    ))
}

/// Whether enough replicas of a finished chunk are known to begin with.
fn is_seen(core: &Core, chunk: ChunkId) -> bool {
    let wanted = core
        .machine
        .read()
        .chunk(chunk)
        .map_or(1, |info| info.replication);
    core.cluster().replicas.replicas(chunk).len() >= usize::from(wanted)
}

/// Whether there is no datanode that might have what nobody has told of.
fn everybody_is_heard(core: &Core) -> bool {
    let cluster = core.cluster();
    let mut nodes = cluster.view.nodes();
    cluster.all_have_reported() && nodes.all(|node| node.liveness == Liveness::Live)
}

/// Waits until all of `asked` have answered but those that are dead; not for ever.
async fn gather(
    core: &Core,
    chunk: ChunkId,
    recovery: Generation,
    asked: &BTreeSet<DatanodeId>,
) -> BTreeMap<DatanodeId, Answer> {
    let mut changes = core.desk.changes();
    // A datanode asks all the time; it may have to stop a stream first.
    let patience =
        (core.config.heartbeat_interval * 4).clamp(Duration::from_secs(2), Duration::from_secs(12));
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let answers = core.desk.answers(chunk, recovery);
        if asked
            .iter()
            .all(|id| answers.contains_key(id) || is_dead(core, *id))
        {
            return answers;
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = tokio::time::sleep_until(deadline) => return answers,
        }
    }
}

fn is_dead(core: &Core, id: DatanodeId) -> bool {
    let cluster = core.cluster();
    let node = cluster.view.node(id);
    node.is_none_or(|node| node.liveness == Liveness::Dead)
}

fn describe(core: &Core, datanode: DatanodeId, answer: Option<&Answer>) -> String {
    let cluster = core.cluster();
    let address = cluster
        .view
        .node(datanode)
        .map_or_else(|| datanode.to_string(), placement::Node::address);
    match answer {
        None => format!("{address} does not answer"),
        Some(Answer::Nothing) => format!("{address} has none"),
        Some(Answer::Unfinished(len) | Answer::Left(len) | Answer::Finished(len)) => {
            format!("{address} has {len} bytes")
        }
        Some(Answer::Failed(why)) => format!("{address}: {why}"),
    }
}
