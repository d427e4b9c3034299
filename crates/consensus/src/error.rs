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
    /// A checkpoint that the leader sent could not be taken over; the state is of no use any more.
    #[error("the checkpoint {} could not be restored: {why}", path.display())]
    Restore {
        /// The checkpoint.
        path: PathBuf,
        /// What went wrong.
        why: String,
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
    /// The checkpoints can not be read, or none is whole.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// A checkpoint is whole, but its state can not be restored.
    #[error("the checkpoint {} can not be restored: {source}", path.display())]
    Restore {
        /// The checkpoint.
        path: PathBuf,
        /// What does not fit.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The member failed while it opened.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The settings can not be used.
    #[error("the settings of the group can not be used: {0}")]
    Settings(String),
}

/// Why there is no new checkpoint. The log keeps what it would have held.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckpointError {
    /// Nothing was applied yet.
    #[error("there is nothing to save yet")]
    Empty,
    /// It could not be written.
    #[error("{0}")]
    Write(#[source] Arc<checkpoint::WriteError>),
    /// It could not be read back.
    #[error("{0}")]
    Read(#[source] Arc<checkpoint::Error>),
    /// The group is closed.
    #[error("the master is shutting down")]
    Closed,
}

impl From<checkpoint::Failure> for OpenError {
    fn from(failure: checkpoint::Failure) -> Self {
        Self::Checkpoint(failure.into())
    }
}

impl From<checkpoint::RestoreError<crate::machine::RestoreError>> for OpenError {
    fn from(error: checkpoint::RestoreError<crate::machine::RestoreError>) -> Self {
        match error {
            checkpoint::RestoreError::Checkpoint(error) => Self::Checkpoint(error),
            checkpoint::RestoreError::State { path, error } => Self::Restore {
                path,
                source: error.0,
            },
        }
    }
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
