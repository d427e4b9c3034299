//! Why a log can not be opened, or not be written any more.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::layout::LogId;
use crate::layout::frame::{BadFrame, PAYLOAD_BYTES_MAX};
use crate::layout::header::BadHeader;

/// A disk operation that failed. The first one ends the log's life: all later calls answer with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not {} {}: {}", .0.action, .0.path.display(), .0.error)]
pub struct Failure(Arc<Failed>);

#[derive(Debug)]
struct Failed {
    action: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl Failure {
    /// What the file system answered.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.0.error
    }

    /// The file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// Says what an I/O error was about.
pub(crate) trait While<T> {
    fn when(self, action: &'static str, path: &Path) -> Result<T, Failure>;
}

impl<T> While<T> for io::Result<T> {
    fn when(self, action: &'static str, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| {
            Failure(Arc::new(Failed {
                action,
                path: path.to_owned(),
                error,
            }))
        })
    }
}

/// Why a record is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The record is larger than a record may be.
    #[error("a record of {0} bytes is larger than the {PAYLOAD_BYTES_MAX} that are allowed")]
    TooLarge(usize),
}

/// Why a log can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file can not be read or written.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What was durable once is so no more.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}

/// Damage to what was durable once. The log is left as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The file, or the directory of the log.
    pub path: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// What is wrong there.
    pub damage: Damage,
}

impl std::error::Error for Corruption {}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Damage::Header(BadHeader::Version(_)) = self.damage {
            let path = self.path.display();
            return write!(
                f,
                "{path} can not be read: {}. Start the program that wrote it, or a later one",
                self.damage
            );
        }
        write!(
            f,
            "{} is damaged at byte {}: {}. It was whole and on disk once, so acknowledged changes may be missing; \
             nothing was altered. Check the disk, then restore this directory from a copy of it or from another master",
            self.path.display(),
            self.offset,
            self.damage
        )
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A record is missing that must be there.
    #[error("record {index} should be there, since {evidence}, but {found}")]
    Record {
        /// Which.
        index: u64,
        /// How it is known.
        evidence: Evidence,
        /// What is there.
        found: BadFrame,
    },
    /// A segment's header can not be read.
    #[error("the header of the segment can not be read: {0}")]
    Header(BadHeader),
    /// A segment's name is not that of its first record.
    #[error("the segment says that its first record is {0}, and its name says another")]
    Name(u64),
    /// A segment does not continue the one before.
    #[error(
        "the segment continues a record with CRC {expected:08x}, and the record before has CRC {found:08x}"
    )]
    Chain {
        /// By its header.
        expected: u32,
        /// By the log.
        found: u32,
    },
    /// A file of another log lies among this log's.
    #[error("it belongs to log {found}, and the first segment to log {expected}")]
    Foreign {
        /// The log of the first segment.
        expected: LogId,
        /// The log of this file.
        found: LogId,
    },
    /// The log begins too late.
    #[error("the log begins with record {first}, but is needed from record {from} on: a segment is missing")]
    Start {
        /// What is needed.
        from: u64,
        /// What there is.
        first: u64,
    },
    /// There is no segment although records were written.
    #[error("there is no segment, although records up to {synced} were written")]
    NoSegment {
        /// By the stored position.
        synced: u64,
    },
    /// The stored position is gone.
    #[error("it can not be read, and without it a torn end of the log can not be told from a lost one")]
    Position,
    /// The stored position speaks of another record than there is.
    #[error("it knows record {index} by CRC {expected:08x}, and the log has it with CRC {found:08x}")]
    PositionChain {
        /// Which.
        index: u64,
        /// By the stored position.
        expected: u32,
        /// By the log.
        found: u32,
    },
    /// The stored term can not be read.
    #[error("it can not be read, and without it a master could come back with a term that was used before")]
    Meta,
}

/// How it is known that a record was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Evidence {
    /// By the stored position.
    #[error("records up to {0} were synced")]
    Synced(u64),
    /// By the segment that follows.
    #[error("the next segment begins with record {0}")]
    NextSegment(u64),
}
