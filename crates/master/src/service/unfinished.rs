//! Datanodes tell what they have not finished, and are told what is to become of it.
//!
//! Guarantee: an order leaves only while this master leads, by the group's word at that moment, with the term of that lead. A
//! replica is dropped only when no file holds its chunk any more, or the chunk has moved on to a newer generation.

use std::time::Duration;

use namespace::Namespace;
use placement::ChunkFate;
use proto::v1;
use types::{ChunkExtent, ChunkId, Generation};

use super::membership::{term, unknown};
use crate::cluster::{self, Cluster};
use crate::core::Core;
use crate::desk::{Answer, Order};
use crate::rejection::Rejection;

/// The longest that a datanode is kept waiting: less than it waits for an answer.
const HOLD_MAX: Duration = Duration::from_secs(5);

/// Replicas of which one datanode may tell.
const REPLICAS_MAX: usize = 100_000;

pub(super) async fn unfinished(
    core: &Core,
    request: v1::UnfinishedRequest,
) -> Result<v1::UnfinishedResponse, Rejection> {
    let datanode = proto::datanode_id(&request.datanode_id)?;
    let known = {
        let cluster = core.cluster();
        let node = cluster.view.node(datanode);
        node.is_some_and(|node| node.last_heartbeat.is_some())
    };
    if !known {
        return Err(unknown(datanode));
    }
    if request.replicas.len() > REPLICAS_MAX {
        return Err(Rejection::invalid(format!(
            "{} unfinished replicas",
            request.replicas.len()
        )));
    }
    let told: Vec<ChunkExtent> = request
        .replicas
        .iter()
        .map(|extent| Ok::<_, Rejection>(proto::extent(extent)?))
        .collect::<Result<_, _>>()?;
    let mut changes = core.desk.changes();
    core.desk.told(datanode, told.clone());
    for answer in &request.answers {
        let chunk = ChunkId::new(answer.chunk)?;
        let what = match (answer.length, answer.failure.is_empty()) {
            (_, false) => Answer::Failed(answer.failure.clone()),
            (None, true) => Answer::Nothing,
            (Some(len), true) if answer.finished => Answer::Finished(len),
            (Some(len), true) if answer.restarted => Answer::Left(len),
            (Some(len), true) => Answer::Unfinished(len),
        };
        core.desk
            .answered(datanode, chunk, Generation(answer.recovery), what);
    }
    let hold = core.config.heartbeat_interval.min(HOLD_MAX);
    let until = tokio::time::Instant::now() + hold;
    loop {
        let over = tokio::time::Instant::now() >= until;
        let lead = core.leads_now().filter(|_| core.takes_changes());
        if lead.is_some() {
            core.drain_freed();
        }
        let orders = lead.map_or_else(Vec::new, |_| core.desk.take_orders(datanode));
        let useless = match lead {
            Some(_) if over => useless(core, &told),
            _ => Vec::new(),
        };
        if over || !orders.is_empty() {
            return Ok(v1::UnfinishedResponse {
                term: lead.map_or_else(|| term(core), |lead| lead.term).as_u64(),
                leads: lead.is_some(),
                recover: orders.iter().map(message).collect(),
                drop: useless,
            });
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = core.closed() => return Err(core.not_leader()),
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

fn message(order: &Order) -> v1::RecoverReplica {
    v1::RecoverReplica {
        chunk: order.chunk.as_u64(),
        generation: order.generation.as_u64(),
        recovery: order.recovery.as_u64(),
        length: order.len,
    }
}

fn useless(core: &Core, told: &[ChunkExtent]) -> Vec<v1::ReplicaVersion> {
    let namespace = core.machine.read();
    let cluster = core.cluster();
    let useless = told
        .iter()
        .filter(|extent| is_useless(&namespace, &cluster, extent));
    useless
        .map(|extent| v1::ReplicaVersion {
            chunk: extent.chunk.as_u64(),
            generation: extent.generation.as_u64(),
            only_corrupt: false,
        })
        .collect()
}

fn is_useless(namespace: &Namespace, cluster: &Cluster, extent: &ChunkExtent) -> bool {
    let Some(info) = namespace.chunk(extent.chunk) else {
        return cluster::fate(namespace, extent.chunk) == ChunkFate::Freed;
    };
    let stale = extent.generation < info.generation;
    let needed = usize::from(info.replication).min(1);
    match info.len {
        // Its pipeline has gone on without it.
        None => stale,
        // The others have finished it.
        Some(_) => {
            let finished = cluster.confirmed(extent.chunk, cluster::expected(&info)) >= needed;
            finished && info.pending_generation.is_none() && extent.generation <= info.generation
        }
    }
}
