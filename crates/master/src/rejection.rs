//! The one mapping from everything that can go wrong to what goes over the wire.

use consensus::{NotLeader, ProposeError};
use namespace::NamespaceError;
use proto::Malformed;
use proto::v1::{self, ErrorCode, ErrorDetail};
use tonic::Status;
use types::{ChunkIdError, InvalidChunkSize, PathError};

use crate::picture::{Progress, SafeMode};

/// Why a call is refused.
#[derive(Debug, Clone)]
pub(crate) struct Rejection(pub(crate) ErrorDetail);

impl Rejection {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ErrorDetail {
            code: code.into(),
            message: message.into(),
            ..ErrorDetail::default()
        })
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// Another master is to be asked: `leader`, if one is known.
    pub(crate) fn not_leader(leader: Option<String>) -> Self {
        let mut rejection = Self::new(
            ErrorCode::NotLeader,
            match &leader {
                Some(leader) => format!("this master does not lead; ask {leader}"),
                None => "this master does not lead, and knows of none that does".to_owned(),
            },
        );
        rejection.0.masters = leader.into_iter().collect();
        rejection
    }

    /// No changes are taken.
    pub(crate) fn safe_mode(mode: &SafeMode) -> Self {
        if mode.manual {
            let why =
                "an operator has switched the safe mode on: the cluster can only be read until it is left";
            return Self::new(ErrorCode::SafeMode, why);
        }
        let Progress {
            chunks,
            confirmed,
            needed,
        } = mode.progress;
        Self::new(
            ErrorCode::NotReady,
            format!(
                "the cluster is starting and takes no changes yet: datanodes have reported {confirmed} of {chunks} \
                 chunks, {needed} are needed"
            ),
        )
    }

    /// Too few datanodes can take a chunk: how many were asked for, how many could, and why each other one could not.
    pub(crate) fn write_denied(
        wanted: usize,
        required: usize,
        available: usize,
        refusals: &[placement::Refusal],
    ) -> Self {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let why = if refusals.is_empty() {
            "no datanode has registered; start datanodes and try again".to_owned()
        } else {
            refusals
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        };
        let mut rejection = Self::new(
            ErrorCode::WriteDenied,
            format!(
                "write denied: {wanted} datanodes are wanted for a chunk, at least {required} are required, {available} \
                 can take it ({why})"
            ),
        );
        rejection.0.write_denied = Some(v1::WriteDenied {
            wanted: small(wanted),
            required: small(required),
            available: small(available),
            refusals: refusals
                .iter()
                .map(|refusal| v1::Refusal {
                    datanode: refusal.address.clone(),
                    reason: refusal.reason.to_string(),
                })
                .collect(),
        });
        rejection
    }
}

impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        proto::status(&rejection.0)
    }
}

impl From<NamespaceError> for Rejection {
    fn from(error: NamespaceError) -> Self {
        let code = match &error {
            NamespaceError::NotFound(_) | NamespaceError::NoMember(_) => ErrorCode::NotFound,
            NamespaceError::Exists(_) => ErrorCode::Exists,
            NamespaceError::NotDirectory(_) => ErrorCode::NotDirectory,
            NamespaceError::IsDirectory(_) => ErrorCode::IsDirectory,
            NamespaceError::NotEmpty(_) => ErrorCode::NotEmpty,
            NamespaceError::PermissionDenied { .. } => ErrorCode::PermissionDenied,
            NamespaceError::Invalid { .. }
            | NamespaceError::WrongChunk { .. }
            | NamespaceError::NoClient
            | NamespaceError::Setting { .. } => ErrorCode::Invalid,
            NamespaceError::BeingWritten { .. } => ErrorCode::Busy,
            NamespaceError::NotWriter { .. } => ErrorCode::LeaseLost,
            NamespaceError::Format(_) | NamespaceError::Changed(_) => ErrorCode::NotReady,
            NamespaceError::Full(_) => ErrorCode::WriteDenied,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ProposeError> for Rejection {
    fn from(error: ProposeError) -> Self {
        let message = error.to_string();
        match error {
            // Whether the change was made may be unknown, but the same call may safely come again, to any master: it is
            // the same call there too.
            ProposeError::NotLeader(NotLeader { leader }) | ProposeError::Unknown { leader } => {
                let mut rejection = Self::not_leader(leader);
                rejection.0.message = message;
                rejection
            }
            ProposeError::Failed { .. } | ProposeError::Closed => Self::new(ErrorCode::NotReady, message),
            ProposeError::TooLarge { .. } => Self::new(ErrorCode::Invalid, message),
        }
    }
}

impl From<NotLeader> for Rejection {
    fn from(error: NotLeader) -> Self {
        Self::not_leader(error.leader)
    }
}

impl From<Malformed> for Rejection {
    fn from(error: Malformed) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<PathError> for Rejection {
    fn from(error: PathError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<ChunkIdError> for Rejection {
    fn from(error: ChunkIdError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<InvalidChunkSize> for Rejection {
    fn from(error: InvalidChunkSize) -> Self {
        Self::invalid(error.to_string())
    }
}
