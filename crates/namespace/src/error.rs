//! Why the state machine refuses.

use serde::{Deserialize, Serialize};
use types::{ChunkId, ClientId, DatanodeId, FsPath, InodeId};

/// A refusal. It changes nothing, and is as much a part of the deterministic answer as an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NamespaceError {
    /// There is nothing at the path (POSIX `ENOENT`).
    #[error("{0}: no such file or directory")]
    NotFound(FsPath),
    /// There is something at the path already (`EEXIST`).
    #[error("{0}: already exists")]
    Exists(FsPath),
    /// A component of the path, or the path, is not a directory (`ENOTDIR`).
    #[error("{0}: not a directory")]
    NotDirectory(FsPath),
    /// The path is a directory (`EISDIR`).
    #[error("{0}: is a directory")]
    IsDirectory(FsPath),
    /// The directory has entries (`ENOTEMPTY`).
    #[error("{0}: directory not empty")]
    NotEmpty(FsPath),
    /// The caller may not do this (`EACCES`).
    #[error("{path}: permission denied: user {user:?} lacks {missing}")]
    PermissionDenied {
        /// Where.
        path: FsPath,
        /// Who.
        user: String,
        /// What would be needed: `write permission`, `ownership`, …
        missing: String,
    },
    /// The request can not be carried out on anything (`EINVAL`).
    #[error("{path}: {why}")]
    Invalid {
        /// On what.
        path: FsPath,
        /// Why not.
        why: String,
    },
    /// Somebody else writes the file (`EBUSY`).
    #[error("{path}: being written by client {holder}")]
    BeingWritten {
        /// Which file.
        path: FsPath,
        /// Who writes it.
        holder: ClientId,
    },
    /// The caller does not write this file, or does no longer: its lease is over, or the file is gone.
    #[error(
        "file {inode} is not being written by client {client}: its lease is over, or the file was removed"
    )]
    NotWriter {
        /// The file.
        inode: InodeId,
        /// Who asked.
        client: ClientId,
    },
    /// The chunk is not one of the file's that are being written, or not in this generation.
    #[error("chunk {chunk} of file {inode}: {why}")]
    WrongChunk {
        /// The file.
        inode: InodeId,
        /// The chunk.
        chunk: ChunkId,
        /// What does not fit.
        why: String,
    },
    /// The request has no client id, but needs one.
    #[error("the request names no client")]
    NoClient,
    /// `Format` on a formatted cluster, or anything else on one that is not.
    #[error("the namespace is {}", if *.0 { "already formatted" } else { "not formatted yet" })]
    Format(bool),
    /// Something else is at the path than the ticket of a `DeleteTree` says. The master takes another ticket and asks
    /// again, as the same call: this answer is not kept for it.
    #[error("{0}: was changed meanwhile; try again")]
    Changed(FsPath),
    /// The tables can not hold any more.
    #[error("the namespace is full: {0}")]
    Full(String),
    /// There is no such datanode.
    #[error("datanode {0} is no member of this cluster")]
    NoMember(DatanodeId),
    /// There is no such setting, or it can not have this value.
    #[error("setting {key}: {why}")]
    Setting {
        /// Which one.
        key: String,
        /// What is wrong.
        why: String,
    },
}
