//! What can go wrong, in one enum, and the one place where a master's answer becomes an error.
//!
//! Every message says what was attempted, on what, why it failed and, where there is something to do, what.

use std::fmt;
use std::time::Duration;

use proto::v1::{ErrorCode, ErrorDetail};
use types::{ByteSize, ChunkId, format_duration};

/// A refusal by a master: what was asked, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked: `create`, `rename`, …
    pub operation: &'static str,
    /// On what: a path, or a file by its number.
    pub subject: String,
    /// The master's words.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            subject,
            message,
        } = self;
        // Most answers begin with the path that they are about; it need not be said twice.
        if message.starts_with(subject.as_str()) {
            write!(f, "{operation}: {message}")
        } else {
            write!(f, "{operation} {subject}: {message}")
        }
    }
}

/// How the reason begins, or goes on, where a datanode was of no use because nobody listens at its address, or no way leads there.
pub(crate) const CAN_NOT_CONNECT: &str = "can not connect";

/// A datanode that was tried, and why it was no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// `host:port`.
    pub datanode: String,
    /// Why it failed.
    pub why: String,
}

/// Why a write was denied: the facts behind `ENOSPC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was asked.
    pub refusal: Refusal,
    /// Datanodes asked for.
    pub wanted: u32,
    /// Datanodes without which nothing is acknowledged (`min_replicas`).
    pub required: u32,
    /// Datanodes that could serve.
    pub available: u32,
    /// Why each other one could not.
    pub refusals: Vec<Attempt>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing at the path (`ENOENT`).
    #[error("{0}")]
    NotFound(Refusal),
    /// There is something at the path already (`EEXIST`).
    #[error("{0}")]
    Exists(Refusal),
    /// A directory was needed (`ENOTDIR`).
    #[error("{0}")]
    NotDirectory(Refusal),
    /// A file was needed (`EISDIR`).
    #[error("{0}")]
    IsDirectory(Refusal),
    /// The directory has entries (`ENOTEMPTY`).
    #[error("{0}; delete recursively to remove it with everything in it")]
    NotEmpty(Refusal),
    /// The caller may not do this (`EACCES`).
    #[error("{0}")]
    PermissionDenied(Refusal),
    /// The request can not be carried out on anything (`EINVAL`).
    #[error("{0}")]
    Invalid(Refusal),
    /// Somebody else writes the file (`EBUSY`).
    #[error("{}", busy(.0))]
    Busy(Refusal),
    /// This client is no longer the writer of the file (`ESTALE`).
    #[error("{0}; what was acknowledged stays, what comes after it must be written again")]
    LeaseLost(Refusal),
    /// Too few datanodes can take the data (`ENOSPC`). What was acknowledged before stays.
    #[error("{}", denied(.0))]
    WriteDenied(Box<Denial>),
    /// The data was sent, but did not get onto enough disks in time (`EIO`).
    #[error("{0}; the datanodes did not confirm in time: look at `df` for nodes that are down")]
    NotReplicated(Refusal),
    /// An operator has made the cluster read-only (`EROFS`).
    #[error("{0}; an operator has switched safe mode on: `distrifs admin safemode leave` ends it")]
    SafeMode(Refusal),
    /// A master answered with an error of its own (`EIO`).
    #[error("{0}; this is a fault of the master: its log has more")]
    Master(Refusal),
    /// No master could be reached, or none was ready (`EHOSTUNREACH`).
    #[error(
        "{operation}: no master could do it within {}: tried {}; last answer: {last}; check that the masters run (most of \
         them, where there are several) and that their addresses are right", format_duration(*.waited), masters.join(", ")
    )]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// Which masters were tried, as `host:port`.
        masters: Vec<String>,
        /// For how long.
        waited: Duration,
        /// What the last one answered.
        last: String,
    },
    /// A master went away, or lost the lead, in the middle of a long answer.
    #[error("{operation}: the answer broke off ({why}); begin again")]
    BrokenOff {
        /// What was asked.
        operation: &'static str,
        /// What is known of the reason.
        why: String,
    },
    /// No replica of a chunk could be read (`EIO`).
    #[error("can not read {path} at byte {offset} (chunk {chunk}): {}", unreadable(.tried))]
    DataUnavailable {
        /// The file.
        path: String,
        /// Where in the file.
        offset: u64,
        /// The chunk that holds it.
        chunk: ChunkId,
        /// Every replica that was tried, and why it was no use; empty when there is none.
        tried: Vec<Attempt>,
    },
    /// The pipeline of a chunk broke and could not be repaired (`EIO`). Chunks acknowledged before stay.
    #[error("{path}: {}", lost(*.chunk, *.acknowledged, .tried))]
    PipelineLost {
        /// The file.
        path: String,
        /// The chunk that was being written; none when no pipeline could be built for one.
        chunk: Option<ChunkId>,
        /// Bytes of the chunk that the lost pipeline had acknowledged.
        acknowledged: u64,
        /// Every datanode that was in it, and what happened to it.
        tried: Vec<Attempt>,
    },
    /// The file was replaced, cut or deleted while it was being read (`ESTALE`).
    #[error("{path}: changed while it was being read ({why}); open it again")]
    Changed {
        /// The file.
        path: String,
        /// What changed.
        why: String,
    },
    /// A master's answer makes no sense (`EPROTO`).
    #[error(
        "{operation}: the master's answer is malformed: {why}; client and master may be of different versions"
    )]
    Protocol {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The configuration can not work (`EINVAL`).
    #[error("configuration: {0}")]
    Config(String),
    /// The source that is written from failed (`EIO`).
    #[error("reading what is to be written to {path}: {why}")]
    Source {
        /// The file that was being written.
        path: String,
        /// The source's error.
        why: String,
    },
}

/// The kinds of [`Error`], without the facts: what a program branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// [`Error::NotFound`]
    NotFound,
    /// [`Error::Exists`]
    Exists,
    /// [`Error::NotDirectory`]
    NotDirectory,
    /// [`Error::IsDirectory`]
    IsDirectory,
    /// [`Error::NotEmpty`]
    NotEmpty,
    /// [`Error::PermissionDenied`]
    PermissionDenied,
    /// [`Error::Invalid`], [`Error::Config`]
    Invalid,
    /// [`Error::Busy`]
    Busy,
    /// [`Error::LeaseLost`], [`Error::Changed`]
    Stale,
    /// [`Error::WriteDenied`]
    WriteDenied,
    /// [`Error::SafeMode`]
    ReadOnly,
    /// [`Error::Unavailable`], [`Error::BrokenOff`]
    Unavailable,
    /// [`Error::NotReplicated`], [`Error::DataUnavailable`], [`Error::PipelineLost`], [`Error::Source`],
    /// [`Error::Master`]
    Io,
    /// [`Error::Protocol`]
    Protocol,
}

impl ErrorKind {
    /// The number of the POSIX error that comes nearest (Linux).
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::NotFound => 2,
            Self::Io => 5,
            Self::PermissionDenied => 13,
            Self::Busy => 16,
            Self::Exists => 17,
            Self::NotDirectory => 20,
            Self::IsDirectory => 21,
            Self::Invalid => 22,
            Self::WriteDenied => 28,
            Self::ReadOnly => 30,
            Self::NotEmpty => 39,
            Self::Protocol => 71,
            Self::Unavailable => 113,
            Self::Stale => 116,
        }
    }
}

impl Error {
    pub(crate) fn broken_off(operation: &'static str, status: &tonic::Status) -> Self {
        Self::BrokenOff {
            operation,
            why: status.message().to_owned(),
        }
    }

    /// Which kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Exists(_) => ErrorKind::Exists,
            Self::NotDirectory(_) => ErrorKind::NotDirectory,
            Self::IsDirectory(_) => ErrorKind::IsDirectory,
            Self::NotEmpty(_) => ErrorKind::NotEmpty,
            Self::PermissionDenied(_) => ErrorKind::PermissionDenied,
            Self::Invalid(_) | Self::Config(_) => ErrorKind::Invalid,
            Self::Busy(_) => ErrorKind::Busy,
            Self::LeaseLost(_) | Self::Changed { .. } => ErrorKind::Stale,
            Self::WriteDenied(_) => ErrorKind::WriteDenied,
            Self::SafeMode(_) => ErrorKind::ReadOnly,
            Self::Unavailable { .. } | Self::BrokenOff { .. } => ErrorKind::Unavailable,
            Self::NotReplicated(_)
            | Self::Master(_)
            | Self::DataUnavailable { .. }
            | Self::PipelineLost { .. }
            | Self::Source { .. } => ErrorKind::Io,
            Self::Protocol { .. } => ErrorKind::Protocol,
        }
    }

    /// The addresses of datanodes that can not be reached from here, where that alone is why the call failed. These are the
    /// addresses that the datanodes advertise: they may be good inside of a network that this program is not in.
    #[must_use]
    pub fn unreached(&self) -> Vec<&str> {
        let tried = match self {
            Self::DataUnavailable { tried, .. } | Self::PipelineLost { tried, .. } => tried,
            Self::WriteDenied(denial) => &denial.refusals,
            _ => return Vec::new(),
        };
        if !tried.iter().all(|attempt| attempt.why.contains(CAN_NOT_CONNECT)) {
            return Vec::new();
        }
        tried.iter().map(|attempt| attempt.datanode.as_str()).collect()
    }

    /// The error that a master's refusal is: the one place where error codes are mapped.
    pub(crate) fn from_detail(operation: &'static str, subject: &str, detail: ErrorDetail) -> Self {
        let code = detail.code();
        let refusal = Refusal {
            operation,
            subject: subject.to_owned(),
            message: detail.message,
        };
        match code {
            ErrorCode::NotFound => Self::NotFound(refusal),
            ErrorCode::Exists => Self::Exists(refusal),
            ErrorCode::NotDirectory => Self::NotDirectory(refusal),
            ErrorCode::IsDirectory => Self::IsDirectory(refusal),
            ErrorCode::NotEmpty => Self::NotEmpty(refusal),
            ErrorCode::PermissionDenied => Self::PermissionDenied(refusal),
            ErrorCode::Invalid | ErrorCode::WrongCluster => Self::Invalid(refusal),
            ErrorCode::Busy => Self::Busy(refusal),
            ErrorCode::LeaseLost => Self::LeaseLost(refusal),
            ErrorCode::NotReplicated => Self::NotReplicated(refusal),
            ErrorCode::SafeMode => Self::SafeMode(refusal),
            ErrorCode::WriteDenied => {
                let denied = detail.write_denied.unwrap_or_default();
                let refusals = denied.refusals.into_iter().map(|refusal| Attempt {
                    datanode: refusal.datanode,
                    why: refusal.reason,
                });
                Self::WriteDenied(Box::new(Denial {
                    refusal,
                    wanted: denied.wanted,
                    required: denied.required,
                    available: denied.available,
                    refusals: refusals.collect(),
                }))
            }
            ErrorCode::Unspecified
            | ErrorCode::Internal
            | ErrorCode::NotLeader
            | ErrorCode::NotReady
            | ErrorCode::UnknownDatanode => Self::Master(refusal),
        }
    }
}

fn attempts(tried: &[Attempt]) -> String {
    let parts: Vec<_> = tried
        .iter()
        .map(|a| format!("{} ({})", a.datanode, a.why))
        .collect();
    parts.join("; ")
}

fn lost(chunk: Option<ChunkId>, acknowledged: u64, tried: &[Attempt]) -> String {
    let tried = attempts(tried);
    match chunk {
        None => {
            format!("no datanode took a chunk, and there were enough tries: {tried}; write the file again")
        }
        Some(chunk) => format!(
            "writing can not go on: the datanodes that had the first {} of chunk {chunk} are lost: {tried}; write the file \
             again",
            ByteSize(acknowledged)
        ),
    }
}

fn unreadable(tried: &[Attempt]) -> String {
    if tried.is_empty() {
        "no datanode that has a replica is known; it may be down: look at `df`".to_owned()
    } else {
        format!("every replica failed: {}", attempts(tried))
    }
}

fn busy(refusal: &Refusal) -> String {
    // Masters are busy, too, when another change of their group is under way: they say so themselves.
    match refusal.subject.starts_with('/') {
        true => format!("{refusal}; wait until the other writer closes it or its lease is over"),
        false => refusal.to_string(),
    }
}

fn denied(denial: &Denial) -> String {
    let Denial {
        refusal,
        wanted,
        required,
        available,
        refusals,
    } = denial;
    let mut text = refusal.to_string();
    if *required > 0 {
        text.push_str(&format!(
            "; {wanted} datanodes were asked for, at least {required} are needed, {available} could serve"
        ));
    }
    if !refusals.is_empty() {
        text.push_str(": ");
        text.push_str(&attempts(refusals));
    }
    text.push_str("; what was acknowledged before is safe");
    text
}

#[cfg(test)]
mod tests {
    use proto::v1;

    use super::*;

    #[test]
    fn a_refusal_names_its_subject_once() {
        let detail = |message: &str| ErrorDetail {
            code: ErrorCode::NotFound.into(),
            message: message.into(),
            ..Default::default()
        };
        let error = Error::from_detail("stat", "/a", detail("/a: no such file or directory"));
        assert_eq!(error.to_string(), "stat: /a: no such file or directory");
        assert_eq!((error.kind(), error.kind().errno()), (ErrorKind::NotFound, 2));
        let error = Error::from_detail("rename", "/a", detail("/b/c: no such file or directory"));
        assert_eq!(error.to_string(), "rename /a: /b/c: no such file or directory");
    }

    #[test]
    fn datanodes_that_nobody_reaches_are_told_from_those_that_fail() {
        let error = |whys: &[&str]| {
            let attempt = |why: &&str| Attempt {
                datanode: "d:9866".to_owned(),
                why: (*why).to_owned(),
            };
            Error::DataUnavailable {
                path: "/f".to_owned(),
                offset: 0,
                chunk: ChunkId::new(1).unwrap(),
                tried: whys.iter().map(attempt).collect(),
            }
        };
        let refused = "can not connect: connection refused";
        assert_eq!(
            error(&[refused, "no answer within 5 s: can not connect within 2 s"])
                .unreached()
                .len(),
            2
        );
        assert_eq!(error(&[refused, "the replica is corrupt"]).unreached().len(), 0);
        assert_eq!(error(&[]).unreached().len(), 0);
    }

    #[test]
    fn a_denied_write_gives_the_whole_reason() {
        let detail = ErrorDetail {
            code: ErrorCode::WriteDenied.into(),
            message: "/f: too few datanodes".into(),
            write_denied: Some(v1::WriteDenied {
                wanted: 3,
                required: 2,
                available: 1,
                refusals: vec![v1::Refusal {
                    datanode: "n2:9866".into(),
                    reason: "disk full".into(),
                }],
            }),
            ..Default::default()
        };
        let text = Error::from_detail("write", "/f", detail).to_string();
        for part in [
            "3 datanodes were asked for",
            "at least 2",
            "1 could serve",
            "n2:9866 (disk full)",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
