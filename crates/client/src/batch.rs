//! Many operations on names in few messages.

use futures_util::FutureExt as _;
use proto::v1;
use proto::v1::ErrorCode;
use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use types::limits::BATCH_OPERATIONS_MAX;
use types::{FsPath, UnixMillis};

use crate::fs::Inner;
use crate::masters::Connection;
use crate::rpc::Limits;
use crate::{Error, FileStatus};

/// One operation of a batch. Each is what the method of [`FileSystem`](crate::FileSystem) of the same name does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOperation {
    /// What is at the path.
    Stat(FsPath),
    /// Makes a directory.
    Mkdir {
        /// Where.
        path: FsPath,
        /// Permission bits.
        mode: u16,
        /// Whether the missing ones above it are made too.
        parents: bool,
    },
    /// Renames a file or directory.
    Rename {
        /// The old name.
        from: FsPath,
        /// The new name.
        to: FsPath,
        /// Whether a file or an empty directory that has the name goes.
        replace: bool,
    },
    /// Removes a file or directory.
    Delete {
        /// Where.
        path: FsPath,
        /// Whether a directory goes with everything in it.
        recursive: bool,
    },
    /// Sets the permission bits.
    SetMode {
        /// Where.
        path: FsPath,
        /// The new ones.
        mode: u16,
    },
    /// Sets the times; what is none stays.
    SetTimes {
        /// Where.
        path: FsPath,
        /// The time of the last change.
        mtime: Option<UnixMillis>,
        /// The time of the last read.
        atime: Option<UnixMillis>,
    },
}

/// What an operation of a batch answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAnswer {
    /// The change was made.
    Done,
    /// What is at the path.
    Status(FileStatus),
}

/// Does all of them; see [`FileSystem::batch`](crate::FileSystem::batch).
pub(crate) async fn run(inner: &Inner, operations: &[BatchOperation]) -> Vec<Result<BatchAnswer, Error>> {
    let mut answers = Vec::with_capacity(operations.len());
    for part in operations.chunks(BATCH_OPERATIONS_MAX) {
        match message(inner, part).await {
            Ok(part) => answers.extend(part),
            // Nobody knows of any of them.
            Err(error) => answers.extend(part.iter().map(|_| Err(error.clone()))),
        }
    }
    answers
}

/// One message. An answer that sends the client on to another master is one to the whole message: it goes there again, each
/// operation with the call id that it had, so that what was done is not done again.
async fn message(
    inner: &Inner,
    operations: &[BatchOperation],
) -> Result<Vec<Result<BatchAnswer, Error>>, Error> {
    let rpc = &inner.rpc;
    let wire = operations.iter().map(|operation| v1::Operation {
        call_id: rpc.caller().map_or(0, |caller| caller.call_id),
        kind: Some(operation.to_wire()),
    });
    let subject = format!("{} operations", operations.len());
    let results = send(inner, rpc.limits(), "batch", &subject, wire.collect()).await?;
    let answers = operations.iter().zip(results);
    Ok(answers
        .map(|(operation, result)| operation.understand(result.result))
        .collect())
}

/// Sends operations, each with its call id, in one message. One result for each.
pub(crate) async fn send(
    inner: &Inner,
    limits: Limits,
    operation: &'static str,
    subject: &str,
    operations: Vec<v1::Operation>,
) -> Result<Vec<v1::OperationResult>, Error> {
    let rpc = &inner.rpc;
    let count = operations.len();
    let request = v1::BatchRequest {
        operations,
        caller: rpc.caller(),
    };
    let send = |master: Connection, request| {
        async move {
            let answer = master.namespace().batch(request).await?;
            match answer.get_ref().results.iter().find_map(not_here) {
                Some(detail) => Err(proto::status(detail)),
                None => Ok(answer),
            }
        }
        .boxed()
    };
    let answer = rpc.call(limits, operation, subject, request, send).await?;
    if answer.results.len() != count {
        return Err(Error::Protocol {
            operation,
            why: format!("{} answers came to {subject}", answer.results.len()),
        });
    }
    Ok(answer.results)
}

/// Why an operation was not done that another master, or the same one later, can do.
fn not_here(result: &v1::OperationResult) -> Option<&v1::ErrorDetail> {
    match &result.result {
        Some(Answer::Error(detail)) => {
            matches!(detail.code(), ErrorCode::NotLeader | ErrorCode::NotReady).then_some(detail)
        }
        _ => None,
    }
}

impl BatchOperation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Stat(_) => "stat",
            Self::Mkdir { .. } => "mkdir",
            Self::Rename { .. } => "rename",
            Self::Delete { .. } => "delete",
            Self::SetMode { .. } => "set mode",
            Self::SetTimes { .. } => "set times",
        }
    }

    const fn path(&self) -> &FsPath {
        match self {
            Self::Stat(path)
            | Self::Mkdir { path, .. }
            | Self::Rename { from: path, .. }
            | Self::Delete { path, .. }
            | Self::SetMode { path, .. }
            | Self::SetTimes { path, .. } => path,
        }
    }

    fn to_wire(&self) -> Kind {
        let path = self.path().to_string();
        let caller = None;
        match self {
            Self::Stat(_) => Kind::Stat(v1::StatRequest { caller, path }),
            Self::Mkdir { mode, parents, .. } => Kind::Mkdir(v1::MkdirRequest {
                caller,
                path,
                mode: (*mode).into(),
                parents: *parents,
            }),
            Self::Rename { to, replace, .. } => Kind::Rename(v1::RenameRequest {
                caller,
                from: path,
                to: to.to_string(),
                replace: *replace,
            }),
            Self::Delete { recursive, .. } => Kind::Delete(v1::DeleteRequest {
                caller,
                path,
                recursive: *recursive,
            }),
            Self::SetMode { mode, .. } => Kind::SetMode(v1::SetModeRequest {
                caller,
                path,
                mode: (*mode).into(),
            }),
            Self::SetTimes { mtime, atime, .. } => Kind::SetTimes(v1::SetTimesRequest {
                caller,
                path,
                mtime_ms: mtime.map(UnixMillis::as_u64),
                atime_ms: atime.map(UnixMillis::as_u64),
            }),
        }
    }

    fn understand(&self, answer: Option<Answer>) -> Result<BatchAnswer, Error> {
        match (self, answer) {
            (Self::Stat(_), Some(Answer::Stat(stat))) => {
                FileStatus::from_wire("stat", stat.status).map(BatchAnswer::Status)
            }
            (Self::Stat(_), Some(Answer::Done(_))) => Err(self.malformed()),
            (_, Some(Answer::Done(_))) => Ok(BatchAnswer::Done),
            (_, Some(Answer::Error(detail))) => {
                Err(Error::from_detail(self.name(), self.path().as_str(), detail))
            }
            _ => Err(self.malformed()),
        }
    }

    fn malformed(&self) -> Error {
        Error::Protocol {
            operation: self.name(),
            why: "the answer is that of another operation".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_that_of_its_operation() {
        let path: FsPath = "/a".parse().unwrap();
        let stat = BatchOperation::Stat(path.clone());
        let delete = BatchOperation::Delete {
            path,
            recursive: true,
        };
        assert_eq!(
            delete.understand(Some(Answer::Done(v1::OperationDone {}))),
            Ok(BatchAnswer::Done)
        );
        let detail = v1::ErrorDetail {
            code: ErrorCode::NotFound.into(),
            message: "/a: nothing is there".into(),
            ..Default::default()
        };
        let refused = delete.understand(Some(Answer::Error(detail)));
        assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
        for wrong in [None, Some(Answer::Done(v1::OperationDone {}))] {
            assert!(matches!(stat.understand(wrong), Err(Error::Protocol { .. })));
        }
    }

    #[test]
    fn only_what_another_master_can_do_goes_to_it() {
        let result = |code: ErrorCode| v1::OperationResult {
            result: Some(Answer::Error(v1::ErrorDetail {
                code: code.into(),
                ..Default::default()
            })),
        };
        assert!(not_here(&result(ErrorCode::NotLeader)).is_some());
        assert!(not_here(&result(ErrorCode::NotReady)).is_some());
        assert!(not_here(&result(ErrorCode::Exists)).is_none());
    }
}
