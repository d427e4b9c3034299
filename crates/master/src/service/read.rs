//! Questions.

use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{Expected, Liveness, Node, Replica, Standing, Target};
use proto::v1;
use types::{Caller, ChunkExtent, FsPath, PoolId, limits};

use super::{message, question};
use crate::cluster::Cluster;
use crate::core::Core;
use crate::desk::Desk;
use crate::leadership::Lead;
use crate::rejection::Rejection;
use crate::watch::Watch;

/// Replicas in one answer of `Locate`: about 1 MiB.
const LOCATED_REPLICAS_MAX: usize = 8_192;

/// How long `Locate` waits for datanodes to report after a start.
const LOCATE_PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn server_info(
    core: &Core,
    _: v1::ServerInfoRequest,
) -> Result<v1::ServerInfoResponse, Rejection> {
    let soft_limit = core.config.lease_soft_limit.as_millis();
    let cluster = core.cluster_id()?;
    Ok(v1::ServerInfoResponse {
        cluster_id: cluster.to_string(),
        pool_id: PoolId::of(cluster).to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        replication: core.config.replication.into(),
        chunk_size: core.config.chunk_size.bytes(),
        min_replicas: core.config.required_replicas().into(),
        lease_soft_limit_ms: u64::try_from(soft_limit).unwrap_or(u64::MAX),
        superuser: core.config.superuser.clone(),
    })
}

pub(super) async fn stat(core: &Core, request: v1::StatRequest) -> Result<v1::StatResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    stat_at(&core.machine.read(), &caller, &request.path)
}

/// The answer as of one state.
pub(super) fn stat_at(
    namespace: &Namespace,
    caller: &Caller,
    path: &str,
) -> Result<v1::StatResponse, Rejection> {
    let status = namespace.stat(caller, &FsPath::parse(path)?)?;
    Ok(v1::StatResponse {
        status: Some(message::file_status(status)),
    })
}

pub(super) async fn list(core: &Core, request: v1::ListRequest) -> Result<v1::ListResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let start_after = Some(request.start_after.as_str()).filter(|name| !name.is_empty());
    let limit = match usize::try_from(request.limit) {
        Ok(limit @ 1..=limits::LISTING_PAGE_MAX) => limit,
        _ => limits::LISTING_PAGE_MAX,
    };
    let page = core.machine.read().list(&caller, &path, start_after, limit)?;
    Ok(v1::ListResponse {
        entries: page.entries.into_iter().map(message::file_status).collect(),
        more: page.more,
    })
}

pub(super) async fn content_summary(
    core: &Core,
    request: v1::ContentSummaryRequest,
) -> Result<v1::ContentSummaryResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let namespace = core.machine.snapshot();
    // However large the tree is: beside everything else, and as of now.
    let summary = env::blocking(move || namespace.content_summary(&caller, &path)).await?;
    Ok(v1::ContentSummaryResponse {
        files: summary.files,
        directories: summary.directories,
        length: summary.len,
        space: summary.space,
    })
}

pub(super) async fn cluster_space(
    core: &Core,
    request: v1::ClusterSpaceRequest,
) -> Result<v1::ClusterSpaceResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let totals = core.machine.read().totals();
    let now = core.now();
    let cluster = core.cluster();
    let datanodes: Vec<_> = cluster
        .view
        .nodes()
        .map(|node| {
            let silent = node
                .silent_for(now)
                .unwrap_or_else(|| now.saturating_sub(core.started));
            message::datanode_status(node, u64::try_from(silent.as_millis()).unwrap_or(u64::MAX))
        })
        .collect();
    drop(cluster);
    let live = |of: fn(&v1::DatanodeStatus) -> u64| datanodes.iter().filter(|node| node.live).map(of).sum();
    Ok(v1::ClusterSpaceResponse {
        capacity: live(|node| node.capacity),
        used: live(|node| node.used),
        available: live(|node| node.available),
        files: totals.files,
        directories: totals.directories,
        chunks: totals.chunks,
        datanodes,
    })
}

pub(super) async fn locate(core: &Core, request: v1::LocateRequest) -> Result<v1::LocateResponse, Rejection> {
    let (caller, lead) = question(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let located = core.machine.read().locate(&caller, &path)?;
    let end = match request.length {
        0 => u64::MAX,
        length => request.offset.saturating_add(length),
    };
    let touched = touching(&located.chunks, request.offset, end);
    wait_for_reports(core, lead, &touched).await?;

    let mut cluster = core.cluster();
    let mut chunks = Vec::new();
    let mut replicas = 0;
    for (offset, extent) in touched {
        if replicas >= LOCATED_REPLICAS_MAX {
            break;
        }
        let found = best_first(&mut cluster, extent, &request.host);
        replicas += found.len().max(1);
        chunks.push(v1::LocatedChunk {
            extent: Some(proto::wire_extent(extent)),
            offset,
            replicas: found,
            token: bytes::Bytes::new(),
            open: false,
        });
    }
    if request.length == 0 {
        let committed = located.chunks.iter().map(|extent| extent.len).sum();
        let open = open_chunks(&mut cluster, &core.desk, &located.open, committed, &request.host);
        chunks.extend(open);
    }
    Ok(v1::LocateResponse {
        status: Some(message::file_status(located.status)),
        chunks,
    })
}

/// The chunks that are being written, from `offset` on, with the datanodes that write them or have finished.
fn open_chunks(
    cluster: &mut Cluster,
    desk: &Desk,
    open: &[ChunkInfo],
    mut offset: u64,
    client_host: &str,
) -> Vec<v1::LocatedChunk> {
    let mut chunks = Vec::with_capacity(open.len());
    for info in open {
        let extent = ChunkExtent {
            chunk: info.chunk,
            generation: info.generation,
            len: info.len.unwrap_or(info.acknowledged),
        };
        let mut replicas = best_first(cluster, extent, client_host);
        for replica in writing(cluster, desk, info) {
            if replicas.iter().all(|known| known.datanode != replica.datanode) {
                replicas.push(replica);
            }
        }
        chunks.push(v1::LocatedChunk {
            extent: Some(proto::wire_extent(extent)),
            offset,
            replicas,
            token: bytes::Bytes::new(),
            open: true,
        });
        offset = offset.saturating_add(extent.len);
    }
    chunks
}

/// The datanodes that write a chunk. A write that began before this master led, or started, is known from what they say that they have
/// not finished.
fn writing(cluster: &Cluster, desk: &Desk, info: &ChunkInfo) -> Vec<v1::Replica> {
    let pipeline = cluster.writers_of(info.chunk);
    if !pipeline.is_empty() {
        let target = |target: Target| {
            let node = cluster.view.node(target.datanode)?;
            Some(message::target(node, target.storage))
        };
        return pipeline.into_iter().filter_map(target).collect();
    }
    let holders = desk.holders(info.chunk, info.generation).into_iter();
    let mut nodes: Vec<_> = holders.filter_map(|id| cluster.view.node(id)).collect();
    nodes.sort_by_key(|node| node.liveness != Liveness::Live);
    nodes.into_iter().map(message::unfinished).collect()
}

/// The chunks that hold bytes from `start` to `end`, with their offset in the file.
fn touching(chunks: &[ChunkExtent], start: u64, end: u64) -> Vec<(u64, ChunkExtent)> {
    let mut offset = 0u64;
    let mut touched = Vec::new();
    for &extent in chunks {
        let chunk_end = offset.saturating_add(extent.len);
        if chunk_end > start && offset < end {
            touched.push((offset, extent));
        }
        offset = chunk_end;
    }
    touched
}

/// After a start, chunks of which nobody has told yet are waited for, a little.
///
/// # Errors
/// `NOT_LEADER` when another master takes over.
async fn wait_for_reports(core: &Core, lead: Lead, touched: &[(u64, ChunkExtent)]) -> Result<(), Rejection> {
    let all_known = || {
        let cluster = core.cluster();
        touched
            .iter()
            .all(|(_, extent)| !cluster.replicas.replicas(extent.chunk).is_empty())
    };
    if core.settled() || all_known() {
        return Ok(());
    }
    let patience = tokio::time::Instant::now() + LOCATE_PATIENCE;
    let watch = Watch::new(core, touched.iter().map(|(_, extent)| extent.chunk));
    while !core.settled() && !all_known() {
        tokio::select! {
            () = watch.woken() => {}
            () = core.leadership.ended(lead) => return Err(core.not_leader()),
            () = core.closed() => break,
            () = tokio::time::sleep_until(patience) => break,
        }
    }
    Ok(())
}

/// The replicas of a chunk, those first that a reader should try first: reachable ones before silent ones, near ones before
/// far ones, on idle nodes before busy ones. Bad ones are left out, unless there is no other.
fn best_first(cluster: &mut Cluster, extent: ChunkExtent, client_host: &str) -> Vec<v1::Replica> {
    let expected = Expected {
        generation: extent.generation,
        len: Some(extent.len),
    };
    let replicas = cluster.replicas.replicas(extent.chunk).to_vec();
    let mut ranked: Vec<(Rank, Replica)> = replicas
        .into_iter()
        .map(|replica| {
            let tie = cluster.tie_breaker();
            (rank(cluster, &replica, expected, client_host, tie), replica)
        })
        .collect();
    ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
    let good = |(rank, _): &(Rank, Replica)| rank.standing == Standing::Valid && rank.reachable != Reach::No;
    if ranked.first().is_some_and(good) {
        // A node that is held to be dead may be back before anybody knows: its replica stays, as the last.
        ranked.retain(|(rank, _)| rank.standing == Standing::Valid);
    }
    let message = |(_, replica): &(Rank, Replica)| {
        let node = cluster.view.owner(replica.storage)?;
        Some(message::replica(node, replica))
    };
    ranked.iter().filter_map(message).collect()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Yes,
    Doubtful,
    No,
}

/// Smaller is better.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    standing: Standing,
    reachable: Reach,
    elsewhere: bool,
    streams: u32,
    tie: u32,
}

fn rank(cluster: &Cluster, replica: &Replica, expected: Expected, client_host: &str, tie: u32) -> Rank {
    let node: Option<&Node> = cluster.view.owner(replica.storage);
    let reachable = match node.map(|node| node.liveness) {
        _ if !cluster.view.is_usable(replica.storage) => Reach::No,
        Some(Liveness::Live) => Reach::Yes,
        _ => Reach::Doubtful,
    };
    Rank {
        standing: replica.standing(expected),
        reachable,
        elsewhere: client_host.is_empty() || node.is_none_or(|node| node.host != client_host),
        streams: node.map_or(0, Node::busy_streams),
        tie,
    }
}
