//! Why a group does not open, or does not take a command.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// What ended the group. The process can not go on: it must stop, and be started again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The log can not be written. A sync is never tried a second time: its bytes may be lost while it succeeds.
    #[error("the log failed: {0}")]
    Log(#[from] wal::Failure),
    /// The state machine panicked.
    #[error("the state machine panicked; the log is whole up to the command that it did so at")]
    Panicked,
    /// A record of the log is not a command of this state machine.
    #[error(
        "record {index} of the log in {} is not a command that this version knows (op code {op}): {source}. \
         Start the version that wrote it, or a later one",
        directory.display()
    )]
    Decode {
        /// Where the log is.
        directory: PathBuf,
        /// Which record.
        index: u64,
        /// Its op code.
        op: u8,
        /// What does not fit.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Raft itself gave up.
    #[error("consensus stopped: {0}")]
    Raft(String),
}

/// Why a group can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log can not be opened.
    #[error(transparent)]
    Log(#[from] wal::OpenError),
    /// A record of the log is not a command of this state machine.
    #[error(
        "record {index} of the log in {} is not a command that this version knows (op code {op}): {source}. \
         Start the version that wrote it, or a later one",
        directory.display()
    )]
    Decode {
        /// Where the log is.
        directory: PathBuf,
        /// Which record.
        index: u64,
        /// Its op code.
        op: u8,
        /// What does not fit.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<wal::Failure> for OpenError {
    fn from(failure: wal::Failure) -> Self {
        Self::Log(failure.into())
    }
}

impl From<wal::Corruption> for OpenError {
    fn from(corruption: wal::Corruption) -> Self {
        Self::Log(corruption.into())
    }
}

/// This member may not answer: another one leads, or none does.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("this master does not lead{}", leader.as_ref().map(|leader| format!("; ask {leader}")).unwrap_or_default())]
pub struct NotLeader {
    /// Where the leader is reached, if one is known.
    pub leader: Option<String>,
}

/// Why a command was not applied, or is not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// Another member leads, or none does: the command was not applied.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// This member stopped leading while the command was under way: it was applied, or will be, or never. It must be
    /// proposed again, in a way that it works once.
    #[error("whether it was done is unknown, as this master stopped leading meanwhile{}", leader.as_ref().map(|leader| format!("; ask {leader}")).unwrap_or_default())]
    Unknown {
        /// Where the leader is reached, if one is known.
        leader: Option<String>,
    },
    /// The group failed. Whether the command is in the log is unknown until the group is opened again.
    #[error("the master has failed and must be restarted: {cause}")]
    Failed {
        /// The first failure.
        cause: Failure,
    },
    /// The group was closed before it took the command: it was not applied.
    #[error("the master is shutting down")]
    Closed,
    /// The encoded command is larger than a command may be: it was not applied.
    #[error("the command takes {bytes} bytes in the log; {max} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}
