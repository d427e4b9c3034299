//! What masters say about files, directories and the cluster, checked once on the way in.

use proto::v1;
use transfer::Node;
use types::{ChunkSize, ClusterId, DatanodeId, InodeId, PoolId, UnixMillis};

use crate::Error;

/// Whether something is a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Its identity.
    pub inode: InodeId,
    /// Its last path component; empty for the root.
    pub name: String,
    /// Which kind it is.
    pub kind: FileKind,
    /// Of a file: bytes that are committed, or that its writer has synced.
    pub len: u64,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Time of the last change to the contents.
    pub mtime: UnixMillis,
    /// Time of the last read.
    pub atime: UnixMillis,
    /// Replicas of each chunk; 0 for a directory.
    pub replication: u16,
    /// The largest length of its chunks; none for a directory.
    pub chunk_size: Option<ChunkSize>,
    /// Entries of a directory.
    pub children: u64,
    /// Whether somebody writes it.
    pub being_written: bool,
}

impl FileStatus {
    /// Whether it is a file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, FileKind::File)
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind, FileKind::Directory)
    }

    pub(crate) fn from_wire(operation: &'static str, status: Option<v1::FileStatus>) -> Result<Self, Error> {
        let malformed = |why: String| Error::Protocol { operation, why };
        let status = status.ok_or_else(|| malformed("no status in it".into()))?;
        let kind = match status.kind() {
            v1::FileKind::File => FileKind::File,
            v1::FileKind::Directory => FileKind::Directory,
            v1::FileKind::Unspecified => return Err(malformed("neither file nor directory".into())),
        };
        let narrow = |field: &str, value: u32| {
            u16::try_from(value).map_err(|_| malformed(format!("{field} is {value}")))
        };
        let chunk_size = match kind {
            FileKind::Directory => None,
            FileKind::File => {
                Some(ChunkSize::new(status.chunk_size).map_err(|error| malformed(error.to_string()))?)
            }
        };
        Ok(Self {
            inode: InodeId(status.inode),
            kind,
            len: status.length,
            mode: narrow("mode", status.mode)?,
            replication: narrow("replication", status.replication)?,
            name: status.name,
            owner: status.owner,
            group: status.group,
            mtime: UnixMillis(status.mtime_ms),
            atime: UnixMillis(status.atime_ms),
            chunk_size,
            children: status.children,
            being_written: status.being_written,
        })
    }
}

/// What is below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentSummary {
    /// Files.
    pub files: u64,
    /// Directories, the path itself included when it is one.
    pub directories: u64,
    /// Bytes of all files.
    pub len: u64,
    /// Bytes times replication.
    pub space: u64,
}

/// A datanode as the master sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatanodeStatus {
    /// Who it is.
    pub id: DatanodeId,
    /// Where its data plane is: `host:port`.
    pub addr: String,
    /// Its rack.
    pub rack: String,
    /// Whether it is heard of.
    pub live: bool,
    /// Milliseconds since it was last heard of.
    pub last_heartbeat_ms: u64,
    /// Bytes of its disks.
    pub capacity: u64,
    /// Bytes of its chunks.
    pub used: u64,
    /// Bytes that are free.
    pub available: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Data streams that run.
    pub streams: u32,
}

/// The space of the cluster, and its datanodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpace {
    /// Bytes of all disks.
    pub capacity: u64,
    /// Bytes of all chunks.
    pub used: u64,
    /// Bytes that are free.
    pub available: u64,
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Chunks.
    pub chunks: u64,
    /// The datanodes.
    pub datanodes: Vec<DatanodeStatus>,
}

impl ClusterSpace {
    pub(crate) fn from_wire(space: v1::ClusterSpaceResponse) -> Result<Self, Error> {
        let datanodes = space.datanodes.into_iter().map(|status| {
            let rack = status
                .datanode
                .as_ref()
                .map(|node| node.rack.clone())
                .unwrap_or_default();
            let node = node_from_wire("df", status.datanode)?;
            Ok(DatanodeStatus {
                id: node.id,
                addr: node.address(),
                rack,
                live: status.live,
                last_heartbeat_ms: status.last_heartbeat_ms,
                capacity: status.capacity,
                used: status.used,
                available: status.available,
                chunks: status.chunks,
                streams: status.streams,
            })
        });
        Ok(Self {
            capacity: space.capacity,
            used: space.used,
            available: space.available,
            files: space.files,
            directories: space.directories,
            chunks: space.chunks,
            datanodes: datanodes.collect::<Result<_, _>>()?,
        })
    }
}

/// What the cluster is, and what a file gets that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its block pool.
    pub pool: PoolId,
    /// The master's version.
    pub version: String,
    /// Replicas of each chunk.
    pub replication: u16,
    /// Chunk size.
    pub chunk_size: ChunkSize,
    /// Datanodes that must have a chunk on disk before it is acknowledged (or the replication, where that is less).
    pub min_replicas: u16,
    /// A writer that does not renew its lease for so long may lose it.
    pub lease_soft_limit_ms: u64,
    /// For whom permissions are waived, where that is told.
    pub superuser: Option<String>,
}

impl ServerInfo {
    pub(crate) fn from_wire(info: v1::ServerInfoResponse) -> Result<Self, Error> {
        let malformed = |why: String| Error::Protocol {
            operation: "server info",
            why,
        };
        let narrow = |field: &str, value: u32| {
            u16::try_from(value).map_err(|_| malformed(format!("{field} is {value}")))
        };
        Ok(Self {
            cluster: info
                .cluster_id
                .parse()
                .map_err(|error: types::InvalidId| malformed(error.to_string()))?,
            pool: info
                .pool_id
                .parse()
                .map_err(|error: types::InvalidId| malformed(error.to_string()))?,
            version: info.version,
            replication: narrow("replication", info.replication)?,
            chunk_size: ChunkSize::new(info.chunk_size).map_err(|error| malformed(error.to_string()))?,
            min_replicas: narrow("min_replicas", info.min_replicas)?,
            lease_soft_limit_ms: info.lease_soft_limit_ms,
            superuser: Some(info.superuser).filter(|user| !user.is_empty()),
        })
    }
}

/// A datanode as the data plane needs it.
pub(crate) fn node_from_wire(operation: &'static str, node: Option<v1::Datanode>) -> Result<Node, Error> {
    let malformed = |why: String| Error::Protocol { operation, why };
    let node = node.ok_or_else(|| malformed("a replica names no datanode".into()))?;
    match u16::try_from(node.data_port) {
        Ok(port) if port != 0 && !node.host.is_empty() => Ok(Node {
            id: proto::datanode_id(&node.id).map_err(|error| malformed(error.to_string()))?,
            host: node.host,
            port,
        }),
        _ => Err(malformed(format!(
            "{:?}:{} is not the address of a datanode",
            node.host, node.data_port
        ))),
    }
}
