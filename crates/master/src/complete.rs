//! Waiting until what a writer calls written is on disk on enough datanodes.
//!
//! The writer's acknowledgements say so already, but a file is closed on the word of the datanodes, not of its writer.
//! Their reports come at about the same time as the acknowledgements, so mostly there is nothing to wait for. A waiter is
//! woken by reports about its chunks.

use std::collections::HashMap;
use std::fmt::Write as _;

use namespace::ChunkInfo;
use placement::{Expected, Standing};
use proto::v1::ErrorCode;
use types::{ChunkExtent, ChunkId, ClientId, InodeId, format_duration};

use crate::cluster::Cluster;
use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;
use crate::watch::Watch;

/// A chunk that has to be on disk on `required` datanodes.
#[derive(Debug, Clone, Copy)]
struct Requirement {
    chunk: ChunkId,
    expected: Expected,
    required: usize,
}

/// Waits until every chunk that `client` has written to the file is confirmed by enough datanodes. Also answers when the
/// client does not write the file: then it is the state machine's to say what is wrong, or to repeat its first answer.
///
/// # Errors
/// `NOT_REPLICATED` when it takes too long, `NOT_LEADER` when another master takes over, `NOT_READY` when the master stops.
pub(crate) async fn wait_replicated(
    core: &Core,
    lead: Lead,
    inode: InodeId,
    client: ClientId,
    written: &[ChunkExtent],
) -> Result<(), Rejection> {
    let (requirements, name) = requirements(core, inode, client, written);
    if lacking(&core.cluster(), &requirements).is_none() {
        return Ok(());
    }
    let deadline = tokio::time::Instant::now() + core.config.complete_timeout;
    let watch = Watch::new(core, requirements.iter().map(|requirement| requirement.chunk));
    loop {
        let Some(explanation) = lacking(&core.cluster(), &requirements) else {
            return Ok(());
        };
        tokio::select! {
            () = watch.woken() => {}
            () = core.leadership.ended(lead) => return Err(core.not_leader()),
            () = core.closed() => return Err(Rejection::new(ErrorCode::NotReady, "the master is shutting down")),
            () = tokio::time::sleep_until(deadline) => {
                let waited = format_duration(core.config.complete_timeout);
                return Err(Rejection::new(
                    ErrorCode::NotReplicated,
                    format!("{name} can not be closed yet: {explanation}; waited {waited}; closing it may be tried again"),
                ));
            }
        }
    }
}

/// The chunks to wait for, and what to call the file.
///
/// Of an unpublished file these are all of its chunks. A file that is appended to has older ones, which are repair's
/// concern and must not keep the writer: of it, only those that were written since it was opened.
fn requirements(
    core: &Core,
    inode: InodeId,
    client: ClientId,
    written: &[ChunkExtent],
) -> (Vec<Requirement>, String) {
    let namespace = core.machine.read();
    let Ok(file) = namespace.writer_file(inode, client) else {
        return (Vec::new(), String::new());
    };
    let written: HashMap<_, _> = written.iter().map(|extent| (extent.chunk, extent)).collect();
    let all = namespace.file_chunks(inode).unwrap_or_default();
    drop(namespace);
    let cluster = core.cluster();
    let of_this_writer = |info: &&ChunkInfo| {
        !file.published
            || info.len.is_none()
            || written.contains_key(&info.chunk)
            || cluster
                .pending(info.chunk)
                .is_some_and(|pending| pending.inode == inode)
    };
    let chunks = all.iter().filter(of_this_writer).filter_map(|info| {
        let (generation, len) = match written.get(&info.chunk) {
            Some(extent) => (extent.generation, extent.len),
            // Neither acknowledged now nor before: not to be waited for, the state machine will refuse.
            None => (info.generation, info.len?),
        };
        if len == 0 {
            // It is dropped when the file is closed, and may never have been sent anywhere.
            return None;
        }
        Some(Requirement {
            chunk: info.chunk,
            expected: Expected {
                generation,
                len: Some(len),
            },
            required: core.config.required_replicas().min(info.replication).into(),
        })
    });
    let name = file
        .path
        .map_or_else(|| format!("file {inode}"), |path| path.to_string());
    (chunks.collect(), name)
}

/// What is missing, in words; none when nothing is.
fn lacking(cluster: &Cluster, requirements: &[Requirement]) -> Option<String> {
    let mut missing = requirements
        .iter()
        .filter(|r| cluster.confirmed(r.chunk, r.expected) < r.required);
    let first = missing.next()?;
    let mut text = explain(cluster, first);
    match missing.count() {
        0 => {}
        more => {
            let _ = write!(text, ", and {more} more chunks");
        }
    }
    Some(text)
}

fn explain(cluster: &Cluster, requirement: &Requirement) -> String {
    let Requirement {
        chunk,
        expected,
        required,
    } = requirement;
    let mut text = format!(
        "chunk {chunk} (generation {}, {} bytes) is on disk on {} of {required} required datanodes",
        expected.generation,
        expected.len.unwrap_or_default(),
        cluster.confirmed(*chunk, *expected),
    );
    for replica in cluster.replicas.replicas(*chunk) {
        let Some(node) = cluster.view.owner(replica.storage) else {
            continue;
        };
        let what = match replica.standing(*expected) {
            Standing::Valid if cluster.view.is_usable(replica.storage) => "has it".to_owned(),
            Standing::Valid => "has it, but is not reachable".to_owned(),
            Standing::Newer | Standing::Stale => format!("has generation {}", replica.generation),
            Standing::WrongLength => format!("has {} bytes", replica.len),
            Standing::Corrupt => "has it with bad bytes".to_owned(),
        };
        let _ = write!(text, ", {} {what}", node.address());
    }
    text
}
