//! Datanodes tell what they have: changes at once, fingerprints of all of it from time to time, and lists of what differs.
//!
//! Nobody waits long for the lock of the cluster, however large a report is: it is taken in slices.

use std::collections::HashMap;

use placement::{Buckets, ChunkFate, Report, ReportSummary};
use proto::v1::{self, ReplicaEvent};
use tonic::Streaming;
use types::fingerprint::Fingerprint;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, StorageId};

use super::membership::{term, unknown};
use crate::cluster::Cluster;
use crate::core::Core;
use crate::rejection::Rejection;

/// Entries of a report that are taken, or chunks that are judged, before the locks are let go for others.
const AT_ONCE: usize = 1_000;

/// Chunks that are looked at for what is missing in a report, before the lock is let go: a few nanoseconds each.
const LOOKED_AT_ONCE: usize = 100_000;

/// Storages that one datanode may tell of in one report.
const STORAGES_MAX: usize = 1_000;

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
    {
        let cluster = core.cluster();
        if !changes
            .iter()
            .all(|change| owns(&cluster, datanode, change.storage))
        {
            return Err(unknown(datanode));
        }
    }
    for some in changes.chunks(AT_ONCE) {
        let mut cluster = core.cluster();
        let namespace = core.machine.read();
        for change in some {
            take(core, &mut cluster, datanode, change);
            if cluster.judge(core.now(), &namespace, change.extent.chunk) == ChunkFate::FromTheFuture
                && change.event == ReplicaEvent::Received
            {
                warn_of_future(core, datanode, change.extent.chunk, 1);
            }
            cluster.waiters.wake(change.extent.chunk);
        }
    }
    core.assess_picture();
    // What was waited for may have come: there may be room for the next copies.
    core.jobs.repair.bell.notify_one();
    Ok(v1::IncrementalReportResponse {
        term: term(core).as_u64(),
    })
}

/// What happened to one replica.
fn take(core: &Core, cluster: &mut Cluster, datanode: DatanodeId, change: &Change) {
    let Change {
        event,
        storage,
        extent,
    } = *change;
    let chunk = extent.chunk;
    match event {
        ReplicaEvent::Received => {
            cluster.replicas.received(storage, extent);
            cluster.end_target(chunk, datanode);
            cluster.repair.received(chunk, datanode);
            cluster.balancer.received(core.now(), chunk, storage, datanode);
        }
        ReplicaEvent::Deleted => {
            cluster.replicas.deleted(storage, chunk);
            cluster.forget_order(datanode, chunk);
            cluster.repair.deleted(chunk, datanode);
            cluster.balancer.deleted(core.now(), chunk);
        }
        ReplicaEvent::Corrupt => {
            tracing::warn!(%chunk, generation = %extent.generation, %datanode, "a datanode found a corrupt replica");
            cluster.replicas.corrupt(storage, chunk, extent.generation);
            cluster.repair.verified(chunk, datanode);
        }
        ReplicaEvent::Verified => {
            cluster.replicas.verified(core.now(), storage, extent);
            cluster.repair.verified(chunk, datanode);
        }
        ReplicaEvent::Unspecified => {}
    }
}

/// Compares what a datanode has with what is known of it. What differs is to be listed.
pub(super) fn fingerprints(
    core: &Core,
    request: &v1::FingerprintsRequest,
) -> Result<v1::FingerprintsResponse, Rejection> {
    let datanode = proto::datanode_id(&request.datanode_id)?;
    if request.storages.len() > STORAGES_MAX {
        return Err(Rejection::invalid(format!(
            "fingerprints of {} storages in one report",
            request.storages.len()
        )));
    }
    let mut differing = Vec::new();
    for said in &request.storages {
        let storage = proto::storage_id(&said.storage_id)?;
        let Some(has) = Fingerprint::from_bytes(&said.sums) else {
            return Err(Rejection::invalid(format!(
                "a fingerprint of {} bytes for storage {storage}",
                said.sums.len()
            )));
        };
        let cluster = core.cluster();
        if !owns(&cluster, datanode, storage) {
            return Err(unknown(datanode));
        }
        let buckets = if cluster.replicas.has_reported(storage) {
            cluster.replicas.differing(storage, &has)
        } else {
            // No bucket is all of them.
            differing.push(v1::DifferingBuckets {
                storage_id: said.storage_id.clone(),
                buckets: Vec::new(),
            });
            continue;
        };
        drop(cluster);
        if !buckets.is_empty() {
            tracing::debug!(%datanode, %storage, buckets = buckets.len(), "what is known of a storage is not what it has");
            differing.push(v1::DifferingBuckets {
                storage_id: said.storage_id.clone(),
                buckets,
            });
        }
    }
    Ok(v1::FingerprintsResponse {
        term: term(core).as_u64(),
        differing,
    })
}

/// The report of one storage, as far as it came.
struct Incoming {
    report: Report,
    /// What the first part said: it holds for all of them.
    buckets: Vec<u32>,
    listed: usize,
    summary: ReportSummary,
    /// The first chunk that was never given out, and how many there are.
    future: Option<(ChunkId, usize)>,
}

impl Incoming {
    fn new(storage: StorageId, buckets: &[u32]) -> Self {
        let of = match buckets {
            [] => Buckets::all(),
            some => Buckets::of(some),
        };
        Self {
            report: Report::new(storage, of),
            buckets: buckets.to_vec(),
            listed: 0,
            summary: ReportSummary::default(),
            future: None,
        }
    }
}

pub(super) async fn full(
    core: &Core,
    mut parts: Streaming<v1::BlockReportPart>,
) -> Result<v1::BlockReportResponse, Rejection> {
    let mut incoming: HashMap<StorageId, Incoming> = HashMap::new();
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
        let listed = entries(&part)?;
        let of_storage = incoming
            .entry(storage)
            .or_insert_with(|| Incoming::new(storage, &part.buckets));
        if of_storage.buckets != part.buckets {
            return Err(Rejection::invalid(format!(
                "the parts of the block report of storage {storage} are of different buckets"
            )));
        }
        list(core, datanode, of_storage, &listed).await;
        if part.last_of_storage
            && let Some(all) = incoming.remove(&storage)
        {
            finish(core, datanode, storage, all).await;
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

/// Takes what a part lists.
async fn list(core: &Core, datanode: DatanodeId, incoming: &mut Incoming, listed: &[ChunkExtent]) {
    for some in listed.chunks(AT_ONCE) {
        incoming.listed += some.len();
        {
            let mut cluster = core.cluster();
            let namespace = core.machine.read();
            let summary = incoming.report.add(&mut cluster.replicas, some);
            for &chunk in &summary.appeared {
                cluster.end_target(chunk, datanode);
                cluster.waiters.wake(chunk);
            }
            for extent in some {
                if cluster.judge(core.now(), &namespace, extent.chunk) == ChunkFate::FromTheFuture {
                    let (_, count) = incoming.future.get_or_insert((extent.chunk, 0));
                    *count += 1;
                }
            }
            incoming.summary.append(summary);
        }
        tokio::task::yield_now().await;
    }
}

/// All is listed: what is not is gone.
async fn finish(core: &Core, datanode: DatanodeId, storage: StorageId, mut incoming: Incoming) {
    incoming.report.seal();
    loop {
        let (summary, done) = incoming
            .report
            .finish(&mut core.cluster().replicas, LOOKED_AT_ONCE);
        for some in summary.gone.chunks(AT_ONCE) {
            {
                let mut cluster = core.cluster();
                let namespace = core.machine.read();
                for &chunk in some {
                    tracing::debug!(%chunk, %datanode, "a replica is gone");
                    cluster.judge(core.now(), &namespace, chunk);
                }
            }
            tokio::task::yield_now().await;
        }
        incoming.summary.append(summary);
        if done {
            break;
        }
        tokio::task::yield_now().await;
    }
    if let Some((chunk, count)) = incoming.future {
        warn_of_future(core, datanode, chunk, count);
    }
    core.assess_picture();
    let ReportSummary {
        appeared,
        gone,
        unsure,
    } = &incoming.summary;
    tracing::debug!(
        %datanode, %storage, buckets = incoming.buckets.len(), replicas = incoming.listed, appeared = appeared.len(),
        gone = gone.len(), unsure, "block report"
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
