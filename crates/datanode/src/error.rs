//! Why a datanode does not start, and why one that runs stops.

use std::io;
use std::path::PathBuf;

use types::{ClusterId, DatanodeId};

/// Why a datanode does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nowhere to keep chunks.
    #[error("a datanode needs at least one directory")]
    NoDirectory,
    /// There is no master to register with.
    #[error("a datanode needs the address of at least one master")]
    NoMaster,
    /// A master's address is not one.
    #[error("{address:?} is not the address of a master (host:port)")]
    MasterAddress {
        /// What was given.
        address: String,
    },
    /// The data plane can not listen.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// What the network said.
        source: io::Error,
    },
    /// A directory can not be used. When another process has it, the text names that process.
    #[error("can not use the directory {dir}: {source}")]
    Directory {
        /// Which one.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// An identity file can not be understood.
    #[error("{path} is not the identity of a datanode's directory: {why}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file that keeps the highest term can not be understood.
    #[error(
        "{path} does not say which leaders of the past are not to be obeyed: {why}; remove it only when no old leader can \
         be left"
    )]
    Term {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There are chunks, but nothing says whose.
    #[error(
        "{dir} holds chunks but has no {file}: it can not be told which cluster they belong to; restore the file, or \
         give the datanode an empty directory",
        file = crate::identity::FILE
    )]
    Unidentified {
        /// The directory.
        dir: PathBuf,
    },
    /// Two directories belong to different clusters.
    #[error("{first} belongs to cluster {first_cluster}, but {second} to cluster {second_cluster}")]
    Clusters {
        /// One directory.
        first: PathBuf,
        /// Its cluster.
        first_cluster: ClusterId,
        /// Another directory.
        second: PathBuf,
        /// Its cluster.
        second_cluster: ClusterId,
    },
    /// Two directories belong to different datanodes.
    #[error("{first} belongs to datanode {first_id}, but {second} to datanode {second_id}")]
    Datanodes {
        /// One directory.
        first: PathBuf,
        /// Its datanode.
        first_id: DatanodeId,
        /// Another directory.
        second: PathBuf,
        /// Its datanode.
        second_id: DatanodeId,
    },
    /// A directory can not become a volume of a datanode that runs.
    #[error(transparent)]
    Volume(#[from] chunkstore::AttachError),
    /// A directory is no longer what it was when it was taken in.
    #[error("{dir} is no longer the directory of storage {storage}: another disk may be mounted there")]
    Exchanged {
        /// The directory.
        dir: PathBuf,
        /// The storage that it was.
        storage: types::StorageId,
    },
    /// The directories of a datanode that has not joined its cluster yet are those that it was started with.
    #[error(
        "no master has answered yet: the directories can be changed once the datanode has joined its cluster"
    )]
    NotYet,
    /// The chunks can not be opened.
    #[error(transparent)]
    Store(#[from] chunkstore::OpenError),
}

/// Why a running datanode has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A master leads another cluster than the one that the directories belong to.
    #[error(
        "{dir} belongs to cluster {ours}, but the master {master} leads cluster {theirs}: give the datanode the address \
         of its own cluster's master, or an empty directory",
        dir = .dir.display()
    )]
    WrongCluster {
        /// The first directory.
        dir: PathBuf,
        /// Its cluster.
        ours: ClusterId,
        /// The master's address.
        master: String,
        /// The master's cluster.
        theirs: String,
    },
    /// The directories can not be formatted, or opened after that.
    #[error("can not prepare the directories for cluster {cluster}: {why}")]
    Format {
        /// The cluster.
        cluster: ClusterId,
        /// What is wrong.
        why: String,
    },
    /// The HTTP server has ended.
    #[error("the HTTP server has ended: {why}")]
    Http {
        /// Why.
        why: String,
    },
}
