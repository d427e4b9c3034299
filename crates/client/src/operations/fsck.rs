//! Files, and how each of them is.

use proto::v1;
use tonic::Streaming;
use transfer::Node;
use types::{ChunkExtent, Generation, StorageId};

use super::{Condition, ConditionCounts};
use crate::Error;
use crate::status::node_from_wire;

/// Which files are told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckShow {
    /// All.
    All,
    /// Those with which something is wrong.
    Unhealthy,
    /// Those with fewer copies than wanted, and at least one of each chunk.
    AtRisk,
    /// Those that are lost, or can not be read now.
    Lost,
}

/// What a replica is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is what the metadata says.
    Valid,
    /// It is known to be bad.
    Corrupt,
    /// It is of an older generation.
    Stale,
    /// It is not as long as it should be.
    WrongLength,
    /// It is of a generation that the metadata does not know yet.
    Newer,
}

/// A replica of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaHealth {
    /// Where.
    pub node: Node,
    /// The datanode's rack.
    pub rack: String,
    /// On which of its volumes.
    pub storage: StorageId,
    /// Its generation.
    pub generation: Generation,
    /// Its length.
    pub len: u64,
    /// What it is good for.
    pub standing: Standing,
    /// Whether the datanode and the volume can be reached.
    pub usable: bool,
}

/// A chunk of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkHealth {
    /// Which.
    pub extent: ChunkExtent,
    /// How it is.
    pub condition: Condition,
    /// What is known of its replicas.
    pub replicas: Vec<ReplicaHealth>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHealth {
    /// Its path.
    pub path: String,
    /// Its length.
    pub len: u64,
    /// Replicas that each chunk should have.
    pub replication: u32,
    /// How its worst chunk is.
    pub condition: Condition,
    /// How many chunks it has.
    pub chunk_count: u64,
    /// Those with which something is wrong, or all; at most 1,000.
    pub chunks: Vec<ChunkHealth>,
}

/// What was seen since the part before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckPart {
    /// Files that were to be shown, in the order of their names.
    pub files: Vec<FileHealth>,
    /// All files, by condition.
    pub file_counts: ConditionCounts,
    /// All chunks, by condition.
    pub chunk_counts: ConditionCounts,
    /// Directories.
    pub directories: u64,
    /// Bytes of all files.
    pub len: u64,
}

/// A walk over files that goes on at the master.
pub struct Fsck {
    path: String,
    parts: Streaming<v1::FsckPart>,
}

impl Fsck {
    pub(super) const fn new(path: String, parts: Streaming<v1::FsckPart>) -> Self {
        Self { path, parts }
    }

    /// The next part; none when everything was seen.
    ///
    /// # Errors
    /// When it broke off, or the master refused to go on: begin again.
    pub async fn next(&mut self) -> Result<Option<FsckPart>, Error> {
        let part = self.parts.message().await;
        let part = part.map_err(|status| match proto::detail_of(&status) {
            Some(detail) => Error::from_detail("fsck", &self.path, detail),
            None => Error::broken_off("fsck", &status),
        })?;
        part.map(FsckPart::from_wire).transpose()
    }
}

impl FsckShow {
    pub(super) fn to_wire(show: Option<Self>) -> v1::FsckShow {
        match show {
            None => v1::FsckShow::Unspecified,
            Some(Self::All) => v1::FsckShow::All,
            Some(Self::Unhealthy) => v1::FsckShow::Unhealthy,
            Some(Self::AtRisk) => v1::FsckShow::AtRisk,
            Some(Self::Lost) => v1::FsckShow::Lost,
        }
    }
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Corrupt => "corrupt",
            Self::Stale => "stale",
            Self::WrongLength => "wrong length",
            Self::Newer => "newer",
        }
    }
}

fn malformed(why: String) -> Error {
    let operation = "fsck";
    Error::Protocol { operation, why }
}

impl FsckPart {
    fn from_wire(part: v1::FsckPart) -> Result<Self, Error> {
        Ok(Self {
            files: part
                .files
                .into_iter()
                .map(FileHealth::from_wire)
                .collect::<Result<_, _>>()?,
            file_counts: ConditionCounts::from_wire("fsck", &part.file_counts)?,
            chunk_counts: ConditionCounts::from_wire("fsck", &part.chunk_counts)?,
            directories: part.directories,
            len: part.length,
        })
    }
}

impl FileHealth {
    fn from_wire(file: v1::FileHealth) -> Result<Self, Error> {
        let chunks = file.chunks.into_iter().map(ChunkHealth::from_wire);
        Ok(Self {
            path: file.path,
            len: file.length,
            replication: file.replication,
            condition: Condition::from_wire("fsck", file.condition.as_ref())?,
            chunk_count: file.chunk_count,
            chunks: chunks.collect::<Result<_, _>>()?,
        })
    }
}

impl ChunkHealth {
    fn from_wire(chunk: v1::ChunkHealth) -> Result<Self, Error> {
        let extent = chunk
            .extent
            .ok_or_else(|| malformed("a chunk without identity".to_owned()))?;
        let replicas = chunk.replicas.into_iter().map(ReplicaHealth::from_wire);
        Ok(Self {
            extent: proto::extent(&extent).map_err(|error| malformed(error.to_string()))?,
            condition: Condition::from_wire("fsck", chunk.condition.as_ref())?,
            replicas: replicas.collect::<Result<_, _>>()?,
        })
    }
}

impl ReplicaHealth {
    fn from_wire(replica: v1::ReplicaHealth) -> Result<Self, Error> {
        let standing = match replica.standing() {
            v1::Standing::Unspecified => return Err(malformed("a replica of unknown standing".to_owned())),
            v1::Standing::Valid => Standing::Valid,
            v1::Standing::Corrupt => Standing::Corrupt,
            v1::Standing::Stale => Standing::Stale,
            v1::Standing::WrongLength => Standing::WrongLength,
            v1::Standing::Newer => Standing::Newer,
        };
        let rack = replica.datanode.as_ref().map(|node| node.rack.clone());
        Ok(Self {
            standing,
            node: node_from_wire("fsck", replica.datanode)?,
            rack: rack.unwrap_or_default(),
            storage: proto::storage_id(&replica.storage_id).map_err(|error| malformed(error.to_string()))?,
            generation: Generation(replica.generation),
            len: replica.length,
            usable: replica.usable,
        })
    }
}
