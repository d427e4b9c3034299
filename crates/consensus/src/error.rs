//! Why a group does not open, or does not take a command.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// What broke the log. The process can not go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub Arc<dyn Error + Send + Sync>);

/// Why a group can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A record of the log is not a command of this state machine.
    #[error(
        "record {index} of the log in {} is not a command that this version knows (op code {op}): {source}. \
         Start the version that wrote it, or a later one",
        dir.display()
    )]
    Decode {
        /// Where the log is.
        dir: PathBuf,
        /// Which record.
        index: u64,
        /// Its op code.
        op: u8,
        /// What does not fit.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why a command was not applied, or not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// The log failed. Whether the command is in it is unknown until the group is opened again.
    #[error("the log failed, and with it this master: {cause}")]
    Failed {
        /// The first failure.
        cause: Failure,
    },
    /// The group was closed before the command was taken; it was not applied.
    #[error("the master is shutting down")]
    Closed,
    /// The encoded command is larger than a record may be; it was not applied.
    #[error("the command takes {bytes} bytes in the log; {max} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}
