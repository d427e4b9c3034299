//! Why a master does not start, and why it does not go on.

use std::io;
use std::path::PathBuf;

use consensus::OpenError;

use crate::InvalidConfig;

/// Why a master does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The directory can not be used.
    #[error("the master's directory {} can not be used: {source}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error(
        "the master's directory {} is in use: {source}. Stop the other process, or use another directory",
        dir.display()
    )]
    InUse {
        /// Which.
        dir: PathBuf,
        /// By whom.
        source: io::Error,
    },
    /// The log can not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It can not begin to lead: what its first records say could not be written.
    #[error("the master's directory {} can not be written: {why}", dir.display())]
    Format {
        /// Which.
        dir: PathBuf,
        /// Why not.
        why: String,
    },
    /// An address can not be listened on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why a running master can not go on: the process has to stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The log, or what it is applied to, failed. What was not acknowledged may or may not be in it.
    #[error(transparent)]
    Log(#[from] consensus::Failure),
    /// A part of the master ended by itself.
    #[error("the {what} ended unexpectedly: {why}")]
    Ended {
        /// Which part.
        what: &'static str,
        /// What it said.
        why: String,
    },
}
