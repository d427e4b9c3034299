//! Writing files: open, chunk by chunk, close.

use namespace::{Command, CreateOptions, Outcome, Publish};
use placement::Request;
use proto::v1::{self, ErrorCode};
use types::{ChunkExtent, ChunkId, ChunkSize, DatanodeId, FsPath, Generation, InodeId};

use super::attributes::{mode, replication};
use super::{Change, change, message, question};
use crate::complete::wait_replicated;
use crate::core::Core;
use crate::lease;
use crate::rejection::Rejection;
use crate::reserve::{Reservation, Wanted};
use crate::together::Together;

/// The state machine gave an answer of another kind than its command has.
pub(super) fn unexpected(outcome: &Outcome) -> Rejection {
    Rejection::new(
        ErrorCode::Internal,
        format!("unexpected answer of the state machine: {outcome:?}"),
    )
}

fn extents(messages: &[v1::Extent]) -> Result<Vec<ChunkExtent>, Rejection> {
    messages.iter().map(|extent| Ok(proto::extent(extent)?)).collect()
}

pub(super) fn datanodes(messages: &[bytes::Bytes]) -> Result<Vec<DatanodeId>, Rejection> {
    messages.iter().map(|id| Ok(proto::datanode_id(id)?)).collect()
}

pub(super) async fn create(core: &Core, request: v1::CreateRequest) -> Result<v1::CreateResponse, Rejection> {
    create_among(core, request, &Together::alone()).await
}

/// As [`create`], of one of several that came together.
pub(super) async fn create_among(
    core: &Core,
    request: v1::CreateRequest,
    together: &Together,
) -> Result<v1::CreateResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let options = CreateOptions {
        mode: mode(request.mode)?,
        overwrite: request.overwrite,
        parents: request.parents,
        replication: match request.replication {
            0 => core.config.replication,
            wanted => replication(wanted)?,
        },
        chunk_size: match request.chunk_size {
            0 => core.config.chunk_size,
            bytes => ChunkSize::new(bytes)?,
        },
        publish: match request.publish() {
            v1::Publish::AtComplete => Publish::AtComplete,
            v1::Publish::AtCreate | v1::Publish::Unspecified => Publish::AtCreate,
        },
    };
    // Without overwriting, a file that is there is in the way, whoever writes it.
    if options.overwrite {
        Box::pin(lease::yield_to(core, lead, &caller, id.client, &path)).await?;
    }
    let begun = match request.with_chunk {
        true => {
            let exclude = datanodes(&request.exclude)?;
            let wanted = Wanted::of(core, options.replication, options.chunk_size);
            Some(together.take(core, lead, wanted, id, &exclude, &request.host))
        }
        false => None,
    };
    let command = match begun {
        Some(_) => Command::CreateWithChunk { path, options },
        None => Command::Create { path, options },
    };
    let outcome = core.propose(caller, id, command).await?;
    core.drain_freed();
    let (file, extent, targets) = match (outcome, begun) {
        (Outcome::Opened(file), None) => (file, None, Vec::new()),
        (Outcome::Begun { file, chunk }, Some(reservation)) => {
            let targets = reservation.map(|reservation| reservation.begin(chunk.chunk, file.inode));
            (file, Some(chunk), targets.unwrap_or_default())
        }
        (other, _) => return Err(unexpected(&other)),
    };
    Ok(v1::CreateResponse {
        inode: file.inode.as_u64(),
        replication: file.replication.into(),
        chunk_size: file.chunk_size.bytes(),
        extent: extent.map(proto::wire_extent),
        targets: replicas(core, &targets),
        token: bytes::Bytes::new(),
    })
}

/// The targets as clients are told of them.
fn replicas(core: &Core, targets: &[placement::Target]) -> Vec<v1::Replica> {
    if targets.is_empty() {
        return Vec::new();
    }
    let cluster = core.cluster();
    let replica = |target: &placement::Target| {
        Some(message::target(
            cluster.view.node(target.datanode)?,
            target.storage,
        ))
    };
    targets.iter().filter_map(replica).collect()
}

pub(super) async fn add_chunk(
    core: &Core,
    request: v1::AddChunkRequest,
) -> Result<v1::AddChunkResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let inode = InodeId(request.inode);
    let written = extents(&request.written)?;
    let exclude = datanodes(&request.exclude)?;
    let wanted = Wanted::by_writer(core, inode, id.client)?;
    // Before the log: a chunk that nobody can take is not added.
    let reservation = Reservation::take(
        core,
        lead,
        wanted,
        &Request {
            now: core.now(),
            key: inode.as_u64().rotate_left(24) ^ written.len() as u64,
            count: wanted.replication.into(),
            bytes: wanted.bytes,
            existing: &[],
            exclude: &exclude,
            client_host: &request.host,
        },
    )?;
    let outcome = core
        .propose(caller, id, Command::AddChunk { inode, written })
        .await?;
    let Outcome::ChunkAdded(extent) = outcome else {
        return Err(unexpected(&outcome));
    };
    let targets = reservation.begin(extent.chunk, inode);
    Ok(v1::AddChunkResponse {
        extent: Some(proto::wire_extent(extent)),
        targets: replicas(core, &targets),
        token: bytes::Bytes::new(),
    })
}

pub(super) async fn abandon_chunk(
    core: &Core,
    request: v1::AbandonChunkRequest,
) -> Result<v1::AbandonChunkResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let (inode, chunk) = (InodeId(request.inode), ChunkId::new(request.chunk)?);
    core.propose(caller, id, Command::AbandonChunk { inode, chunk })
        .await?;
    core.cluster().end_write(chunk);
    core.drain_freed();
    Ok(v1::AbandonChunkResponse {})
}

pub(super) async fn abandon_file(
    core: &Core,
    request: v1::AbandonFileRequest,
) -> Result<v1::AbandonFileResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let inode = InodeId(request.inode);
    let written = extents(&request.written)?;
    let left = core
        .propose(caller, id, Command::LeaveFile { inode, written })
        .await?;
    match left {
        Outcome::Recovering(chunks) if chunks.is_empty() => closed(core, inode, std::iter::empty()),
        Outcome::Recovering(_) => core.desk.want(),
        other => return Err(unexpected(&other)),
    }
    Ok(v1::AbandonFileResponse {})
}

/// How long a call waits for a file to be recovered.
const RECOVERY_PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) async fn recover_lease(
    core: &Core,
    request: v1::RecoverLeaseRequest,
) -> Result<v1::RecoverLeaseResponse, Rejection> {
    let Change { caller, lead, .. } = change(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let inode = core.machine.read().check_write(&caller, &path)?;
    let before = types::UnixMillis(u64::MAX);
    let closed = lease::take_over(core, lead, inode, before, RECOVERY_PATIENCE).await?;
    Ok(v1::RecoverLeaseResponse {
        closed,
        waits_for: core.desk.waits_for(inode).unwrap_or_default(),
    })
}

/// A file is closed: now the generations are final, and what missed a repair of its pipeline is stale.
pub(crate) fn closed(core: &Core, inode: InodeId, chunks: impl Iterator<Item = ChunkId>) {
    core.drain_freed();
    let mut chunks: Vec<_> = chunks.collect();
    let mut cluster = core.cluster();
    let namespace = core.machine.read();
    chunks.extend(cluster.end_file(inode));
    for chunk in chunks {
        cluster.judge(core.now(), &namespace, chunk);
    }
}

pub(super) async fn complete(
    core: &Core,
    request: v1::CompleteRequest,
) -> Result<v1::CompleteResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let inode = InodeId(request.inode);
    let written = extents(&request.written)?;
    wait_replicated(core, lead, inode, id.client, &written).await?;
    let chunks: Vec<_> = written.iter().map(|extent| extent.chunk).collect();
    let outcome = core
        .propose(caller, id, Command::Complete { inode, written })
        .await?;
    closed(core, inode, chunks.into_iter());
    match outcome {
        Outcome::Completed(completed) => Ok(v1::CompleteResponse {
            status: Some(message::file_status(completed.status)),
        }),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn sync(core: &Core, request: v1::SyncRequest) -> Result<v1::SyncResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let inode = InodeId(request.inode);
    let written = extents(&request.written)?;
    let open = request.open.as_ref().map(proto::extent).transpose()?;
    core.propose(caller, id, Command::Sync { inode, written, open })
        .await?;
    Ok(v1::SyncResponse {})
}

pub(super) async fn renew_lease(
    core: &Core,
    request: v1::RenewLeaseRequest,
) -> Result<v1::RenewLeaseResponse, Rejection> {
    // Also in safe mode: it must not cost anybody a file that he could not close meanwhile.
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let id = proto::request_id(request.caller.as_ref())?;
    core.propose(caller, id, Command::RenewLease).await?;
    Ok(v1::RenewLeaseResponse {})
}

pub(super) async fn bump_generation(
    core: &Core,
    request: v1::BumpGenerationRequest,
) -> Result<v1::BumpGenerationResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let command = Command::BumpGeneration {
        inode: InodeId(request.inode),
        chunk: ChunkId::new(request.chunk)?,
    };
    match core.propose(caller, id, command).await? {
        Outcome::Generation(generation) => Ok(v1::BumpGenerationResponse {
            generation: generation.as_u64(),
            token: bytes::Bytes::new(),
        }),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn additional_datanodes(
    core: &Core,
    request: v1::AdditionalDatanodesRequest,
) -> Result<v1::AdditionalDatanodesResponse, Rejection> {
    let Change { id, lead, .. } = change(core, request.caller.as_ref()).await?;
    let (inode, chunk) = (InodeId(request.inode), ChunkId::new(request.chunk)?);
    let existing = datanodes(&request.existing)?;
    let exclude = datanodes(&request.exclude)?;
    let wanted = Wanted::by_writer(core, inode, id.client)?;
    if core
        .machine
        .read()
        .chunk(chunk)
        .is_none_or(|info| info.owner != inode)
    {
        return Err(Rejection::invalid(format!(
            "chunk {chunk} is not one of file {inode}"
        )));
    }
    let reservation = Reservation::take_more(
        core,
        lead,
        wanted,
        &Request {
            now: core.now(),
            key: chunk.as_u64(),
            count: usize::try_from(request.count).unwrap_or(usize::MAX),
            bytes: wanted.bytes,
            existing: &existing,
            exclude: &exclude,
            client_host: "",
        },
    )?;
    let targets = reservation.extend(chunk, inode);
    Ok(v1::AdditionalDatanodesResponse {
        targets: replicas(core, &targets),
    })
}

pub(super) async fn update_pipeline(
    core: &Core,
    request: v1::UpdatePipelineRequest,
) -> Result<v1::UpdatePipelineResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let extent = ChunkExtent {
        chunk: ChunkId::new(request.chunk)?,
        generation: Generation(request.generation),
        len: request.length,
    };
    let pipeline = datanodes(&request.datanodes)?;
    let inode = InodeId(request.inode);
    core.propose(caller, id, Command::UpdatePipeline { inode, extent })
        .await?;
    core.cluster().replace_write(extent.chunk, &pipeline);
    Ok(v1::UpdatePipelineResponse {})
}

/// A reader found bad bytes. It may be the reader's memory, or the way there: the datanode is asked to look at what it has on
/// disk, and its word is believed.
pub(super) async fn report_corrupt(
    core: &Core,
    request: v1::ReportCorruptRequest,
) -> Result<v1::ReportCorruptResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let datanode = proto::datanode_id(&request.datanode_id)?;
    let (chunk, generation) = (ChunkId::new(request.chunk)?, Generation(request.generation));
    let mut cluster = core.cluster();
    if cluster
        .replica_on(datanode, chunk)
        .is_some_and(|replica| replica.generation == generation)
    {
        tracing::info!(%chunk, %generation, %datanode, "a reader found bad bytes; the datanode is to look");
        cluster.suspect(datanode, chunk, generation);
    }
    Ok(v1::ReportCorruptResponse {})
}
