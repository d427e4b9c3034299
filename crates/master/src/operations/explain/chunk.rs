//! Why a chunk is as it is.

use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{ChunkFate, Located, Reach, Rest, Standing};
use proto::v1::ErrorCode;
use types::{ByteSize, Caller, ChunkId, DatanodeId, about_duration};

use super::{Explanation, Paragraph};
use crate::cluster::{Cluster, expected, fate};
use crate::core::Core;
use crate::rejection::Rejection;

/// Why the replicas of a chunk are where they are, how each of them is, and what is to become of them. Whose chunk it is is told
/// only to who may read that file.
///
/// # Errors
/// `NOT_FOUND` when neither the metadata nor a datanode knows it.
pub(crate) fn explain_chunk(core: &Core, caller: &Caller, chunk: ChunkId) -> Result<Explanation, Rejection> {
    let now = core.now();
    let cluster = core.cluster();
    let namespace = core.machine.read();
    let located: Vec<_> = cluster.replicas.located(chunk).collect();
    let Some(info) = namespace.chunk(chunk) else {
        return unheld(&cluster, &namespace, chunk, &located);
    };
    let replicas = located
        .iter()
        .map(|located| replica(&cluster, &info, located, now));
    let mut paragraphs = vec![
        Paragraph::new("chunk", about(&namespace, caller, &info)),
        Paragraph::new(
            "replicas",
            or_none(replicas.collect(), "no datanode has told of any"),
        ),
    ];
    let next = next(&cluster, chunk, now);
    if !next.is_empty() {
        paragraphs.push(Paragraph::new("repair", next));
    }
    Ok(Explanation {
        subject: format!("chunk {chunk}"),
        condition: Some(cluster.condition(&info)),
        paragraphs,
    })
}

/// Of a chunk that no file holds.
fn unheld(
    cluster: &Cluster,
    namespace: &Namespace,
    chunk: ChunkId,
    located: &[Located],
) -> Result<Explanation, Rejection> {
    let why = match fate(namespace, chunk) {
        ChunkFate::FromTheFuture if located.is_empty() => {
            let why = format!("chunk {chunk} was never given out, and no datanode has it");
            return Err(Rejection::new(ErrorCode::NotFound, why));
        }
        ChunkFate::FromTheFuture => {
            "it was never given out by this metadata, which may be older than the data: its replicas are kept"
        }
        _ => "no file holds it any more: its replicas are deleted",
    };
    let places = located.iter().map(|located| {
        let generation = located.replica.generation;
        format!("{}: generation {generation}", place(cluster, located))
    });
    Ok(Explanation {
        subject: format!("chunk {chunk}"),
        condition: None,
        paragraphs: vec![
            Paragraph::new("chunk", vec![why.to_owned()]),
            Paragraph::new("replicas", or_none(places.collect(), "none is left")),
        ],
    })
}

fn or_none(lines: Vec<String>, none: &str) -> Vec<String> {
    match lines.is_empty() {
        true => vec![none.to_owned()],
        false => lines,
    }
}

fn about(namespace: &Namespace, caller: &Caller, info: &ChunkInfo) -> Vec<String> {
    let path = namespace.paths(&[info.owner]).into_iter().flatten().next();
    let file = match path {
        Some(path) if namespace.locate(caller, &path).is_ok() => format!("of file {path}"),
        Some(_) => format!("of file {}, which {} may not read", info.owner, caller.user),
        None => format!("of file {}, which has no name (any more, or yet)", info.owner),
    };
    let length = match (info.len, info.pending_generation) {
        (Some(len), None) => format!("{} ({len} bytes), generation {}", ByteSize(len), info.generation),
        (_, Some(pending)) => format!(
            "being written: generation {}, and {pending} was given out for a repair of its pipeline",
            info.generation
        ),
        (None, None) => format!("being written: generation {}", info.generation),
    };
    vec![file, length, format!("{} replicas are wanted", info.replication)]
}

fn place(cluster: &Cluster, located: &Located) -> String {
    match located.node.and_then(|id| cluster.view.node(id)) {
        Some(node) => format!("{} in {}", node.address(), node.rack),
        None => format!(
            "storage {}, of no datanode that is known",
            located.replica.storage
        ),
    }
}

/// One line for a replica: where it is, how it is, and what it counts for.
pub(super) fn replica(cluster: &Cluster, info: &ChunkInfo, located: &Located, now: Duration) -> String {
    let replica = &located.replica;
    let standing = match replica.standing(expected(info)) {
        Standing::Valid => "valid".to_owned(),
        Standing::Newer => format!(
            "of generation {}, which is newer than the one in force; kept",
            replica.generation
        ),
        Standing::WrongLength => format!("{} bytes long, which is not its length", replica.len),
        Standing::Stale => format!("stale: of generation {}", replica.generation),
        Standing::Corrupt => "corrupt".to_owned(),
    };
    let reach = match located.reach {
        Reach::Serving => "",
        Reach::Draining => "; its datanode is to leave, so that it does not count",
        Reach::Maintenance => "; its datanode is in maintenance",
        Reach::Away => "; its datanode is away for maintenance, and expected back",
        Reach::Silent => "; its datanode is silent, but not believed to be dead",
        Reach::Gone => "; its datanode or volume can not be reached",
    };
    let verified = match cluster.replicas.verified_at(replica.storage, info.chunk) {
        Some(at) => format!(
            "; read again from disk {} ago",
            about_duration(now.saturating_sub(at))
        ),
        None => String::new(),
    };
    format!("{}: {standing}{reach}{verified}", place(cluster, located))
}

/// What is to become of it.
pub(super) fn next(cluster: &Cluster, chunk: ChunkId, now: Duration) -> Vec<String> {
    let Some(explained) = cluster.repair.explain(chunk) else {
        return Vec::new();
    };
    let address = |id: DatanodeId| {
        cluster
            .view
            .node(id)
            .map_or_else(|| id.to_string(), placement::Node::address)
    };
    let mut lines = vec![format!(
        "in the queue for {} as: {}",
        about_duration(now.saturating_sub(explained.since)),
        explained.priority.name()
    )];
    if let Some((rest, until)) = explained.rest {
        let left = about_duration(until.saturating_sub(now));
        lines.push(match rest {
            Rest::Settling => format!("waits {left} more, for a datanode that may come back"),
            Rest::Copying => format!("is being copied; the copy counts as failed in {left}"),
            Rest::Verifying => {
                "the replicas that stay are being read again from disk before another one goes".to_owned()
            }
            Rest::Deleting => "a replica that is not needed is being deleted".to_owned(),
            Rest::NoSource => format!("no datanode can send it; tried again in {left}"),
            Rest::NoTarget => format!("no datanode can take it; tried again in {left}"),
            Rest::Silent => format!(
                "datanodes that have it are silent, together with too many others to believe that they are dead; looked at \
                 again in {left}"
            ),
            Rest::NothingToDestroy => {
                format!("what is too much can not go without breaking a rule; looked at again in {left}")
            }
        });
    } else if explained.copying.is_empty() {
        lines.push(
            "waits for its turn: the datanodes that can send or take it are busy with other copies"
                .to_owned(),
        );
    }
    for copy in explained.copying {
        lines.push(format!(
            "is copied from {} to {} for {}",
            address(copy.source),
            address(copy.target),
            about_duration(now.saturating_sub(copy.since))
        ));
    }
    lines
}
