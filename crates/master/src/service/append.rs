//! More bytes for files that are complete.

use namespace::{ChunkInfo, Command, Outcome};
use placement::{Liveness, Target};
use proto::v1::{self, ErrorCode};
use types::{FsPath, InodeId};

use super::write::{datanodes, unexpected};
use super::{Change, change, message};
use crate::cluster::expected;
use crate::core::Core;
use crate::lease;
use crate::rejection::Rejection;
use crate::reserve::Wanted;

pub(super) async fn append(core: &Core, request: v1::AppendRequest) -> Result<v1::AppendResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    lease::yield_to(core, lead, &caller, id.client, &path).await?;
    match core.propose(caller, id, Command::Append { path }).await? {
        Outcome::Opened(file) => {
            let chunk_size = file.chunk_size.bytes();
            let last = core
                .machine
                .read()
                .last_chunk(file.inode)
                .and_then(|info| info.len);
            Ok(v1::AppendResponse {
                inode: file.inode.as_u64(),
                replication: file.replication.into(),
                chunk_size,
                length: file.len,
                last_length: last.filter(|len| *len < chunk_size).unwrap_or_default(),
            })
        }
        other => Err(unexpected(&other)),
    }
}

/// Goes on with the last chunk, unless too few of the datanodes that have it can: then a new one is the better place, and the old
/// one is repair's concern.
pub(super) async fn append_chunk(
    core: &Core,
    request: v1::AppendChunkRequest,
) -> Result<v1::AppendChunkResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let inode = InodeId(request.inode);
    let exclude = datanodes(&request.exclude)?;
    let wanted = Wanted::by_writer(core, inode, id.client)?;
    let last = core.machine.read().last_chunk(inode);
    let finished = last.filter(|info| info.len.is_some());
    let mut targets = Vec::new();
    if let Some(info) = finished {
        targets = holders(core, &info, &request.host);
        targets.retain(|target| !exclude.contains(&target.datanode));
        if targets.len() < usize::from(wanted.required) {
            return Ok(v1::AppendChunkResponse::default());
        }
    }
    let outcome = core.propose(caller, id, Command::AppendChunk { inode }).await?;
    let Outcome::Reopened { extent, generation } = outcome else {
        return Err(unexpected(&outcome));
    };
    if targets.is_empty() {
        // It was opened already, by this call when it was made before, and maybe at another master.
        let info = core.machine.read().chunk(extent.chunk);
        targets = info.map_or_else(Vec::new, |info| holders(core, &info, &request.host));
        targets.retain(|target| !exclude.contains(&target.datanode));
    }
    let mut cluster = core.cluster();
    let bytes = wanted.bytes.saturating_sub(extent.len);
    let mut pipeline = cluster.writers_of(extent.chunk);
    if pipeline.is_empty() {
        if core.leadership.current() != Some(lead) {
            return Err(core.not_leader());
        }
        if targets.is_empty() {
            let why = format!(
                "chunk {}: no datanode that has it can be reached now",
                extent.chunk
            );
            return Err(Rejection::new(ErrorCode::NotReady, why));
        }
        cluster.reserve(&targets, bytes);
        pipeline = cluster.begin_write(extent.chunk, inode, bytes, targets);
    }
    let target = |target: &Target| {
        let node = cluster.view.node(target.datanode)?;
        Some(message::target(node, target.storage))
    };
    Ok(v1::AppendChunkResponse {
        extent: Some(proto::wire_extent(extent)),
        generation: generation.as_u64(),
        targets: pipeline.iter().filter_map(target).collect(),
        token: bytes::Bytes::new(),
    })
}

/// The datanodes that have the chunk as it is, and can be reached; one on the client's host first.
fn holders(core: &Core, info: &ChunkInfo, client_host: &str) -> Vec<Target> {
    let cluster = core.cluster();
    let valid = cluster.replicas.valid(info.chunk, expected(info));
    let mut found: Vec<_> = valid
        .filter(|replica| cluster.view.is_usable(replica.storage))
        .filter_map(|replica| {
            let node = cluster.view.owner(replica.storage)?;
            let elsewhere = node.host != client_host;
            let target = Target {
                datanode: node.id,
                storage: replica.storage,
            };
            (node.liveness == Liveness::Live).then_some((elsewhere, target))
        })
        .collect();
    found.sort_by_key(|(elsewhere, _)| *elsewhere);
    found.into_iter().map(|(_, target)| target).collect()
}
