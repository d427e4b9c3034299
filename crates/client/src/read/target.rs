//! The file that is read: where its chunks are, as the masters said, and asked again when that is of no use.
//!
//! Of a file that is being written, the datanodes say how much of its last chunks is visible, once, when it is opened; that
//! is then its length, whatever comes later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use proto::v1;
use transfer::{Block, Node};
use types::{ChunkExtent, ChunkId, DatanodeId, FsPath};

use super::LocalReplica;
use super::open::resolve;
use crate::dataplane::block;
use crate::fs::Inner;
use crate::rpc::call;
use crate::status::{FileStatus, ServerInfo, node_from_wire};
use crate::{Error, together};

/// A chunk of the file.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) extent: ChunkExtent,
    /// Where in the file it begins.
    pub(crate) start: u64,
    /// Who has it, best first.
    pub(crate) replicas: Vec<Node>,
    /// It is being written: its length is what is known, not what is visible.
    pub(crate) open: bool,
}

impl Located {
    /// Where in the file it ends.
    pub(crate) const fn end(&self) -> u64 {
        self.start.saturating_add(self.extent.len)
    }
}

pub(crate) struct Target {
    pub(crate) inner: Arc<Inner>,
    pub(crate) info: ServerInfo,
    pub(crate) path: FsPath,
    pub(crate) status: FileStatus,
    /// By their beginning in the file.
    chunks: Mutex<BTreeMap<u64, Arc<Located>>>,
    /// Replicas on this host whose files are open, the last one used at the end.
    local: Mutex<VecDeque<(ChunkId, DatanodeId, Arc<LocalReplica>)>>,
}

/// Replicas on this host whose files stay open for the next read of the same file.
const LOCAL_MAX: usize = 8;

impl Target {
    pub(crate) async fn open(inner: &Arc<Inner>, path: &FsPath) -> Result<Self, Error> {
        let info = inner.server_info().await?.clone();
        let (status, chunks) = resolve(inner, &info, path).await?;
        Ok(Self {
            inner: Arc::clone(inner),
            info,
            path: path.clone(),
            status,
            chunks: Mutex::new(
                chunks
                    .into_iter()
                    .map(|chunk| (chunk.start, Arc::new(chunk)))
                    .collect(),
            ),
            local: Mutex::default(),
        })
    }

    /// The replica of `chunk` at `node`, from its files; none where these are not to be had.
    pub(crate) async fn local_replica(&self, chunk: &Located, node: &Node) -> Option<Arc<LocalReplica>> {
        if let Some(known) = self.known_replica(chunk.extent.chunk, node.id) {
            return Some(known);
        }
        let plane = &self.inner.plane;
        let replica = Arc::new(plane.local_replica(node, &self.block(chunk)).await?);
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.len() >= LOCAL_MAX {
            local.pop_front();
        }
        local.push_back((chunk.extent.chunk, node.id, Arc::clone(&replica)));
        Some(replica)
    }

    fn known_replica(&self, chunk: ChunkId, node: DatanodeId) -> Option<Arc<LocalReplica>> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        let at = local
            .iter()
            .position(|known| (known.0, known.1) == (chunk, node))?;
        let known = local.remove(at)?;
        let replica = Arc::clone(&known.2);
        local.push_back(known);
        Some(replica)
    }

    /// Forgets a replica that was read from its files.
    pub(crate) fn forget_local(&self, chunk: ChunkId, node: DatanodeId) {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        local.retain(|known| (known.0, known.1) != (chunk, node));
    }

    fn chunks(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Located>>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known_at(&self, offset: u64) -> Option<Arc<Located>> {
        let chunks = self.chunks();
        let (_, chunk) = chunks.range(..=offset).next_back()?;
        (offset < chunk.end()).then(|| Arc::clone(chunk))
    }

    /// The chunk that holds byte `offset` of the file.
    pub(crate) async fn chunk_at(&self, offset: u64) -> Result<Arc<Located>, Error> {
        match self.known_at(offset) {
            Some(chunk) => Ok(chunk),
            None => self.refresh(offset).await,
        }
    }

    /// The chunk that holds byte `offset` of the file, as it is now.
    ///
    /// # Errors
    /// [`Error::Changed`] when the path leads to another file, or the file ends before `offset`.
    pub(crate) async fn refresh(&self, offset: u64) -> Result<Arc<Located>, Error> {
        let changed = |why: String| Error::Changed {
            path: self.path.to_string(),
            why,
        };
        let (status, fresh) = match locate(&self.inner, &self.path, offset).await {
            Err(Error::NotFound(_)) => return Err(changed("it is gone".into())),
            located => located?,
        };
        if status.inode != self.status.inode {
            return Err(changed("another file has its name".into()));
        }
        {
            let mut chunks = self.chunks();
            for mut chunk in fresh {
                let known = chunks.get(&chunk.start);
                if chunk.open {
                    // What was visible still is; what came since was not there when the file was opened.
                    let Some(known) = known.filter(|known| known.extent.chunk == chunk.extent.chunk) else {
                        continue;
                    };
                    chunk.extent.len = known.extent.len;
                }
                chunks.insert(chunk.start, Arc::new(chunk));
            }
        }
        self.known_at(offset)
            .ok_or_else(|| changed(format!("nothing is at byte {offset} any more")))
    }

    pub(crate) fn block(&self, chunk: &Located) -> Block {
        block(&self.info.pool, chunk.extent)
    }

    /// The replicas of `chunk` in the order in which to ask them: as the master says, but one on this host first, and those
    /// that failed a short while ago last.
    pub(crate) fn order(&self, chunk: &Located) -> Vec<Node> {
        let plane = &self.inner.plane;
        let suspects = plane.suspects();
        let host = self.inner.config.host.as_deref();
        let mut nodes = chunk.replicas.clone();
        nodes.sort_by_cached_key(|node| {
            let here = host == Some(node.host.as_str()) || plane.is_here(&node.host);
            (suspects.contains(&node.id), !here)
        });
        nodes
    }

    /// Tells the masters that the replica of `chunk` at `node` is corrupt, in the background.
    pub(crate) fn report_corrupt(&self, chunk: &Located, node: &Node) {
        let inner = Arc::clone(&self.inner);
        let request = v1::ReportCorruptRequest {
            caller: inner.rpc.caller(),
            chunk: chunk.extent.chunk.as_u64(),
            generation: chunk.extent.generation.as_u64(),
            datanode_id: node.id.0.as_bytes().to_vec().into(),
        };
        let path = self.path.clone();
        tokio::spawn(async move {
            if let Err(error) = call!(
                inner.rpc,
                "report corrupt",
                path.as_str(),
                report_corrupt,
                request
            )
            .await
            {
                tracing::warn!(%path, %error, "could not report a corrupt replica");
            }
        });
    }
}

/// The chunks from the one with byte `offset` on, not always all; and all that are open.
pub(super) async fn locate(
    inner: &Arc<Inner>,
    path: &FsPath,
    offset: u64,
) -> Result<(FileStatus, Vec<Located>), Error> {
    let operation = "open";
    let malformed = |why: String| Error::Protocol { operation, why };
    let request = v1::LocateRequest {
        caller: inner.rpc.caller(),
        path: path.to_string(),
        offset,
        length: 0,
        host: inner.config.host.clone().unwrap_or_default(),
    };
    let answer = together::locate(inner, path, request).await?;
    let status = FileStatus::from_wire(operation, answer.status)?;
    let chunks = answer.chunks.into_iter().filter_map(|chunk| {
        let extent = match chunk.extent {
            Some(extent) if extent.length == 0 && !chunk.open => return None,
            Some(extent) => proto::extent(&extent).map_err(|error| malformed(error.to_string())),
            None => Err(malformed("a chunk has no identity".into())),
        };
        let replicas = chunk
            .replicas
            .into_iter()
            .filter(|replica| replica.state() != v1::ReplicaState::Corrupt);
        let replicas: Result<_, _> = replicas
            .map(|replica| node_from_wire(operation, replica.datanode))
            .collect();
        Some(extent.and_then(|extent| {
            Ok(Located {
                extent,
                start: chunk.offset,
                replicas: replicas?,
                open: chunk.open,
            })
        }))
    });
    let chunks = chunks.collect::<Result<_, _>>()?;
    Ok((status, chunks))
}
