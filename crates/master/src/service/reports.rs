//! Datanodes tell what they have.

use std::collections::HashMap;

use placement::ChunkFate;
use proto::v1::{self, ReplicaEvent};
use tonic::Streaming;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, StorageId};

use super::membership::{term, unknown};
use crate::cluster::Cluster;
use crate::core::Core;
use crate::rejection::Rejection;

/// Chunks that are judged before the locks are let go for others.
const JUDGED_AT_ONCE: usize = 1_000;

/// Changes of which one incremental report may tell.
const CHANGES_MAX: usize = 100_000;

struct Change {
    event: ReplicaEvent,
    storage: StorageId,
    extent: ChunkExtent,
}

fn change(message: &v1::ReplicaChange) -> Result<Change, Rejection> {
    Ok(Change {
        event: message.event(),
        storage: proto::storage_id(&message.storage_id)?,
        extent: proto::extent(
            message
                .extent
                .as_ref()
                .ok_or(proto::Malformed::Missing("extent"))?,
        )?,
    })
}

/// Whether `storage` is one that `datanode` has registered.
fn owns(cluster: &Cluster, datanode: DatanodeId, storage: StorageId) -> bool {
    let registered = |node: &placement::Node| node.id == datanode && node.last_heartbeat.is_some();
    cluster.view.owner(storage).is_some_and(registered)
}

pub(super) fn incremental(
    core: &Core,
    request: &v1::IncrementalReportRequest,
) -> Result<v1::IncrementalReportResponse, Rejection> {
    let datanode = proto::datanode_id(&request.datanode_id)?;
    if request.changes.len() > CHANGES_MAX {
        return Err(Rejection::invalid(format!(
            "{} changes in one report",
            request.changes.len()
        )));
    }
    let changes: Vec<Change> = request.changes.iter().map(change).collect::<Result<_, _>>()?;
    let namespace = core.machine.read();
    let mut cluster = core.cluster();
    if !changes
        .iter()
        .all(|change| owns(&cluster, datanode, change.storage))
    {
        return Err(unknown(datanode));
    }
    for Change {
        event,
        storage,
        extent,
    } in changes
    {
        let chunk = extent.chunk;
        match event {
            ReplicaEvent::Received => {
                cluster.replicas.received(storage, extent);
                cluster.end_target(chunk, datanode);
                if cluster.reconsider(&namespace, chunk, core.config.required_replicas())
                    == ChunkFate::FromTheFuture
                {
                    warn_of_future(core, datanode, chunk, 1);
                }
            }
            ReplicaEvent::Deleted => {
                cluster.replicas.deleted(storage, chunk);
                cluster.forget_order(datanode, chunk);
            }
            ReplicaEvent::Corrupt => {
                tracing::warn!(%chunk, generation = %extent.generation, %datanode, "a datanode found a corrupt replica");
                cluster.replicas.corrupt(storage, chunk, extent.generation);
            }
            ReplicaEvent::Verified | ReplicaEvent::Unspecified => {}
        }
        cluster.waiters.wake(chunk);
    }
    drop(cluster);
    core.assess_picture();
    Ok(v1::IncrementalReportResponse {
        term: term(core).as_u64(),
    })
}

pub(super) async fn full(
    core: &Core,
    mut parts: Streaming<v1::BlockReportPart>,
) -> Result<v1::BlockReportResponse, Rejection> {
    let mut gathered: HashMap<StorageId, Vec<ChunkExtent>> = HashMap::new();
    loop {
        let part = parts.message().await.map_err(|status| {
            Rejection::invalid(format!("the block report broke off: {}", status.message()))
        })?;
        let Some(part) = part else {
            break;
        };
        let datanode = proto::datanode_id(&part.datanode_id)?;
        let storage = proto::storage_id(&part.storage_id)?;
        if !owns(&core.cluster(), datanode, storage) {
            return Err(unknown(datanode));
        }
        gathered.entry(storage).or_default().extend(entries(&part)?);
        if part.last_of_storage {
            let listed = gathered.remove(&storage).unwrap_or_default();
            apply(core, datanode, storage, &listed).await;
        }
    }
    Ok(v1::BlockReportResponse {
        term: term(core).as_u64(),
    })
}

fn entries(part: &v1::BlockReportPart) -> Result<Vec<ChunkExtent>, Rejection> {
    if part.chunks.len() != part.generations.len() || part.chunks.len() != part.lengths.len() {
        return Err(Rejection::invalid(format!(
            "a block report with {} chunks, {} generations and {} lengths",
            part.chunks.len(),
            part.generations.len(),
            part.lengths.len()
        )));
    }
    let entry = |((&chunk, &generation), &len): ((&u64, &u64), &u64)| {
        Ok(ChunkExtent {
            chunk: ChunkId::new(chunk)?,
            generation: Generation(generation),
            len,
        })
    };
    part.chunks
        .iter()
        .zip(&part.generations)
        .zip(&part.lengths)
        .map(entry)
        .collect()
}

async fn apply(core: &Core, datanode: DatanodeId, storage: StorageId, listed: &[ChunkExtent]) {
    let summary = {
        let mut cluster = core.cluster();
        let summary = cluster
            .replicas
            .report(storage, &placement::Buckets::all(), listed);
        for &chunk in &summary.appeared {
            cluster.end_target(chunk, datanode);
            cluster.waiters.wake(chunk);
        }
        summary
    };
    for chunk in &summary.gone {
        tracing::debug!(%chunk, %datanode, "a replica is gone");
    }
    let mut future = None;
    for judged in listed.chunks(JUDGED_AT_ONCE) {
        {
            let namespace = core.machine.read();
            let mut cluster = core.cluster();
            for extent in judged {
                let fate = cluster.reconsider(&namespace, extent.chunk, core.config.required_replicas());
                if fate == ChunkFate::FromTheFuture {
                    let (_, count) = future.get_or_insert((extent.chunk, 0usize));
                    *count += 1;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    if let Some((chunk, count)) = future {
        warn_of_future(core, datanode, chunk, count);
    }
    core.assess_picture();
    tracing::debug!(
        %datanode, %storage, replicas = listed.len(), appeared = summary.appeared.len(),
        gone = summary.gone.len(), unsure = summary.unsure, "block report"
    );
}

fn warn_of_future(core: &Core, datanode: DatanodeId, chunk: ChunkId, count: usize) {
    if core.leads_now().is_none() {
        // A master that does not lead may hear of a chunk from a datanode before it does from the leader.
        return;
    }
    tracing::error!(
        %datanode, %chunk, count,
        "a datanode has chunks that this master has never given out: its log may be older than the data. Nothing of it \
         is deleted; check that the master runs on its own, newest directory"
    );
}
