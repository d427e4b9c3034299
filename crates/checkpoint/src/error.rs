//! Why a checkpoint can not be written, read or received.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::layout::{BadHeader, Damage, MEMBERSHIP_BYTES_MAX};

/// A disk operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {error}{}", path.display(), hint(error))]
pub struct Failure {
    /// What was to be done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the file system answered.
    #[source]
    pub error: io::Error,
}

/// What to do about it, where there is something.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room on this disk: until a checkpoint can be written, the log keeps growing"
        }
        _ => "",
    }
}

/// Says what an I/O error was about.
pub(crate) trait While<T> {
    fn when(self, action: &'static str, path: &Path) -> Result<T, Failure>;
}

impl<T> While<T> for io::Result<T> {
    fn when(self, action: &'static str, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            action,
            path: path.to_owned(),
            error,
        })
    }
}

/// Why a checkpoint is not written. The ones before it are as they were.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk failed, or is full.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The state could not be saved; the disk is not to blame.
    #[error("the state could not be saved: {0}")]
    Save(#[source] io::Error),
    /// The membership is larger than a header may be.
    #[error("a membership of {0} bytes is larger than the {MEMBERSHIP_BYTES_MAX} that are allowed")]
    Membership(usize),
}

/// A checkpoint that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub damage: Damage,
}

impl std::error::Error for Damaged {}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, offset) = (self.path.display(), self.offset);
        write!(f, "{path} is damaged at byte {offset}: {}", self.damage)
    }
}

/// Why there is no checkpoint to read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory can not be read.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// A program that is newer than this one wrote here. To go on from an older checkpoint would undo its work.
    #[error(
        "{} was written by a newer version of this program: {bad}. Start that version, or a later one",
        path.display()
    )]
    Newer {
        /// The checkpoint.
        path: PathBuf,
        /// Its version.
        bad: BadHeader,
    },
    /// The one file that was asked for is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// There are checkpoints, and none is whole.
    #[error(
        "{first}{}. Nothing was altered. Check the disk, then restore this directory from a backup \
         (`distrifs admin restore`), or let this master join again with an empty directory",
        others(*more)
    )]
    NoneWhole {
        /// The newest of them.
        first: Damaged,
        /// How many others are damaged too.
        more: usize,
    },
}

fn others(more: usize) -> String {
    match more {
        0 => ", and there is no other checkpoint".to_owned(),
        1 => ", and so is the checkpoint before it".to_owned(),
        more => format!(", and so are the {more} checkpoints before it"),
    }
}

/// Why a state was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E> {
    /// There is no checkpoint to restore it from.
    #[error(transparent)]
    Checkpoint(#[from] Error),
    /// The checkpoint is whole, but the state machine does not take it.
    #[error("{} is whole, but its content is not taken: {error}", path.display())]
    State {
        /// The checkpoint.
        path: PathBuf,
        /// Why.
        error: E,
    },
}

/// Why what is received does not become a checkpoint. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The disk failed, or is full.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The bytes are not a checkpoint.
    #[error("what was received is damaged at byte {offset}: {damage}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
}
