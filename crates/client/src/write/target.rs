//! The file that is written, as the masters know it: every question that a writer asks them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::v1;
use transfer::Node;
use types::{ChunkExtent, ChunkId, ChunkSize, DatanodeId, FsPath, Generation, InodeId};

use crate::fs::Inner;
use crate::rpc::call;
use crate::status::{FileStatus, ServerInfo, node_from_wire};
use crate::{Attempt, Error, ErrorKind, together};

/// How long a chunk may be acknowledged before the masters know of it. As long as they do not, it is not repaired.
const TOLD_AFTER: Duration = Duration::from_secs(1);

pub(crate) struct Target {
    pub(crate) inner: Arc<Inner>,
    pub(crate) info: ServerInfo,
    pub(crate) path: FsPath,
    pub(crate) inode: InodeId,
    /// Datanodes without which a chunk is not acknowledged.
    pub(crate) required: usize,
    /// The largest length of its chunks: datanodes keep room for so much.
    pub(crate) chunk_size: ChunkSize,
    /// Chunks that are acknowledged, and that the masters were not told of.
    unreported: Mutex<Vec<ChunkExtent>>,
    /// The chunk that came with the file, until it is used.
    first: Mutex<Option<Allocated>>,
}

/// A chunk to be written, and its pipeline.
pub(crate) struct Allocated {
    pub(crate) extent: ChunkExtent,
    pub(crate) nodes: Vec<Node>,
}

/// A chunk that was finished, and is written on.
pub(crate) struct Reopened {
    /// As its replicas are.
    pub(crate) extent: ChunkExtent,
    /// The generation that they are to get.
    pub(crate) generation: Generation,
    pub(crate) nodes: Vec<Node>,
}

/// Datanodes, as masters are told of them.
pub(crate) fn wire_ids(nodes: &[DatanodeId]) -> Vec<bytes::Bytes> {
    nodes.iter().map(|id| id.0.as_bytes().to_vec().into()).collect()
}

fn nodes(operation: &'static str, replicas: Vec<v1::Replica>) -> Result<Vec<Node>, Error> {
    replicas
        .into_iter()
        .map(|replica| node_from_wire(operation, replica.datanode))
        .collect()
}

impl Target {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        info: ServerInfo,
        path: &FsPath,
        inode: InodeId,
        replication: u16,
        chunk_size: ChunkSize,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            required: info.min_replicas.min(replication).max(1).into(),
            info,
            path: path.clone(),
            inode,
            chunk_size,
            unreported: Mutex::default(),
            first: Mutex::default(),
        }
    }

    /// The same, with the chunk that the masters gave with the file.
    pub(crate) fn with_first(self, answer: &mut v1::CreateResponse) -> Result<Self, Error> {
        let operation = "create";
        let Some(extent) = &answer.extent else {
            return Ok(self);
        };
        let malformed = |why: String| Error::Protocol { operation, why };
        let first = Allocated {
            extent: proto::extent(extent).map_err(|error| malformed(error.to_string()))?,
            nodes: nodes(operation, std::mem::take(&mut answer.targets))?,
        };
        Ok(Self {
            first: Mutex::new(Some(first)),
            ..self
        })
    }

    /// The chunk that came with the file, if it is not used yet. It may be without datanodes.
    pub(crate) fn take_first(&self) -> Option<Allocated> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same, if it is one that is `wanted`; else it stays.
    pub(crate) fn take_first_if(&self, wanted: impl FnOnce(&Allocated) -> bool) -> Option<Allocated> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.take_if(|first| wanted(first))
    }

    /// It was not used after all.
    pub(crate) fn keep_first(&self, allocated: Allocated) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(allocated);
    }

    fn unreported(&self) -> std::sync::MutexGuard<'_, Vec<ChunkExtent>> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunk is on disk on every datanode of its pipeline.
    pub(crate) fn acknowledged(&self, extent: ChunkExtent) {
        self.unreported().push(extent);
    }

    /// Sees to it that the masters get to know what is acknowledged by now. Mostly the next chunk or the end of the file tells
    /// them, and then nothing is sent: but a program may write slowly, or close a file that waits for a datanode that is gone.
    pub(crate) fn tell_soon(self: &Arc<Self>) {
        let target = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TOLD_AFTER).await;
                let Some(target) = target.upgrade() else { return };
                if target.unreported().is_empty() {
                    return;
                }
                match target.sync(None).await {
                    Ok(()) => return,
                    Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::ReadOnly) => {
                        tracing::info!(path = %target.path, %error, "the masters do not know yet what is acknowledged");
                    }
                    // It was closed meanwhile, or taken away: then the next call of the writer says why.
                    Err(error) => {
                        tracing::debug!(path = %target.path, %error, "the masters are not told what is acknowledged");
                        return;
                    }
                }
            }
        });
    }

    fn written(&self) -> Vec<v1::Extent> {
        self.unreported()
            .iter()
            .copied()
            .map(proto::wire_extent)
            .collect()
    }

    /// The masters know of these now.
    fn reported(&self, written: &[v1::Extent]) {
        self.unreported()
            .retain(|extent| !written.iter().any(|known| known.chunk == extent.chunk.as_u64()));
    }

    /// Allocates the next chunk. Datanodes in `failed` are not used, nor, if it can be helped, those that failed
    /// elsewhere a short while ago.
    pub(crate) async fn add_chunk(&self, failed: &[DatanodeId]) -> Result<Allocated, Error> {
        match self.take_first() {
            Some(first) if !first.nodes.is_empty() => return Ok(first),
            // Too few could take it; by now perhaps they can, or the masters say why not.
            Some(first) => self.abandon_chunk(first.extent.chunk).await?,
            None => {}
        }
        let mut exclude = self.inner.plane.suspects();
        exclude.retain(|id| !failed.contains(id));
        let cautious = !exclude.is_empty();
        exclude.extend_from_slice(failed);
        match self.try_add_chunk(&exclude).await {
            Err(Error::WriteDenied(_)) if cautious => self.try_add_chunk(failed).await,
            done => done,
        }
    }

    async fn try_add_chunk(&self, exclude: &[DatanodeId]) -> Result<Allocated, Error> {
        let operation = "add chunk";
        let rpc = &self.inner.rpc;
        let written = self.written();
        let request = v1::AddChunkRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            written: written.clone(),
            exclude: wire_ids(exclude),
            host: self.inner.config.host.clone().unwrap_or_default(),
        };
        let answer = call!(rpc, operation, self.path.as_str(), add_chunk, request).await?;
        self.reported(&written);
        let malformed = |why: String| Error::Protocol { operation, why };
        let extent = answer.extent.ok_or_else(|| malformed("it has no chunk".into()))?;
        let nodes = nodes(operation, answer.targets)?;
        if nodes.is_empty() {
            return Err(malformed("it names no datanode".into()));
        }
        Ok(Allocated {
            extent: proto::extent(&extent).map_err(|error| malformed(error.to_string()))?,
            nodes,
        })
    }

    /// Goes on with the last chunk of the file; none when a new one is the better place.
    pub(crate) async fn append_chunk(&self) -> Result<Option<Reopened>, Error> {
        let operation = "append chunk";
        let rpc = &self.inner.rpc;
        let request = v1::AppendChunkRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            exclude: wire_ids(&self.inner.plane.suspects()),
            host: self.inner.config.host.clone().unwrap_or_default(),
        };
        let answer = call!(rpc, operation, self.path.as_str(), append_chunk, request).await?;
        let Some(extent) = answer.extent else {
            return Ok(None);
        };
        let malformed = |why: String| Error::Protocol { operation, why };
        Ok(Some(Reopened {
            extent: proto::extent(&extent).map_err(|error| malformed(error.to_string()))?,
            generation: Generation(answer.generation),
            nodes: nodes(operation, answer.targets)?,
        }))
    }

    pub(crate) async fn abandon_chunk(&self, chunk: ChunkId) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::AbandonChunkRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            chunk: chunk.as_u64(),
        };
        call!(rpc, "abandon chunk", self.path.as_str(), abandon_chunk, request)
            .await
            .map(drop)
    }

    pub(crate) async fn bump_generation(&self, chunk: ChunkId) -> Result<Generation, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::BumpGenerationRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            chunk: chunk.as_u64(),
        };
        let answer = call!(
            rpc,
            "repair pipeline",
            self.path.as_str(),
            bump_generation,
            request
        )
        .await?;
        Ok(Generation(answer.generation))
    }

    pub(crate) async fn additional_datanodes(
        &self,
        chunk: ChunkId,
        existing: &[Node],
        exclude: &[DatanodeId],
        count: usize,
    ) -> Result<Vec<Node>, Error> {
        let operation = "replace datanode";
        let rpc = &self.inner.rpc;
        let existing: Vec<_> = existing.iter().map(|node| node.id).collect();
        let request = v1::AdditionalDatanodesRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            chunk: chunk.as_u64(),
            existing: wire_ids(&existing),
            exclude: wire_ids(exclude),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        let answer = call!(rpc, operation, self.path.as_str(), additional_datanodes, request).await?;
        nodes(operation, answer.targets)
    }

    pub(crate) async fn update_pipeline(&self, extent: ChunkExtent, pipeline: &[Node]) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let pipeline: Vec<_> = pipeline.iter().map(|node| node.id).collect();
        let request = v1::UpdatePipelineRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            chunk: extent.chunk.as_u64(),
            generation: extent.generation.as_u64(),
            length: extent.len,
            datanodes: wire_ids(&pipeline),
        };
        call!(
            rpc,
            "repair pipeline",
            self.path.as_str(),
            update_pipeline,
            request
        )
        .await
        .map(drop)
    }

    /// Tells how far the file is.
    pub(crate) async fn sync(&self, open: Option<ChunkExtent>) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let written = self.written();
        let request = v1::SyncRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            written: written.clone(),
            open: open.map(proto::wire_extent),
        };
        call!(rpc, "sync", self.path.as_str(), sync, request).await?;
        self.reported(&written);
        Ok(())
    }

    pub(crate) async fn complete(&self) -> Result<FileStatus, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::CompleteRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            written: self.written(),
        };
        let answer = together::complete(&self.inner, &self.path, request).await?;
        self.unreported().clear();
        FileStatus::from_wire("close", answer.status)
    }

    pub(crate) async fn abandon_file(&self) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::AbandonFileRequest {
            caller: rpc.caller(),
            inode: self.inode.as_u64(),
            written: self.written(),
        };
        call!(rpc, "abandon", self.path.as_str(), abandon_file, request)
            .await
            .map(drop)
    }

    /// The error that stops a chunk's writer, when too few datanodes are left: the master's reason, and what this client
    /// saw.
    pub(crate) fn with_lost(&self, error: Error, lost: &[Attempt]) -> Error {
        let Error::WriteDenied(mut denial) = error else {
            return error;
        };
        for attempt in lost {
            match denial
                .refusals
                .iter_mut()
                .find(|refusal| refusal.datanode == attempt.datanode)
            {
                Some(refusal) if refusal.why.contains(&attempt.why) => {}
                Some(refusal) => refusal.why = format!("{}: {}", refusal.why, attempt.why),
                None => denial.refusals.push(attempt.clone()),
            }
        }
        Error::WriteDenied(denial)
    }
}
