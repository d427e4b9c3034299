//! The one mapping from everything that can go wrong to what goes over the wire.

use consensus::ProposeError;
use namespace::NamespaceError;
use proto::Malformed;
use proto::v1::{self, ErrorCode, ErrorDetail};
use tonic::Status;
use types::{ChunkIdError, InvalidChunkSize, PathError};

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
            NamespaceError::NotFound(_) => ErrorCode::NotFound,
            NamespaceError::Exists(_) => ErrorCode::Exists,
            NamespaceError::NotDirectory(_) => ErrorCode::NotDirectory,
            NamespaceError::IsDirectory(_) => ErrorCode::IsDirectory,
            NamespaceError::NotEmpty(_) => ErrorCode::NotEmpty,
            NamespaceError::PermissionDenied { .. } => ErrorCode::PermissionDenied,
            NamespaceError::Invalid { .. } | NamespaceError::WrongChunk { .. } | NamespaceError::NoClient => {
                ErrorCode::Invalid
            }
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
        let code = match &error {
            // Whether the change was made is unknown, but the same call may safely come again: to this master, once it
            // is restarted, or to another.
            ProposeError::Failed { .. }
            | ProposeError::Closed
            | ProposeError::NotLeader(_)
            | ProposeError::Unknown { .. } => ErrorCode::NotReady,
            ProposeError::TooLarge { .. } => ErrorCode::Invalid,
        };
        Self::new(code, error.to_string())
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
