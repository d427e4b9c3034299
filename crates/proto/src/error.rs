//! Errors over gRPC: a status code that any gRPC tool understands, and an [`v1::ErrorDetail`] that says exactly what.

use prost::Message as _;
use tonic::{Code, Status};

use crate::v1::{ErrorCode, ErrorDetail};

/// A status that carries `detail`.
#[must_use]
pub fn status(detail: &ErrorDetail) -> Status {
    Status::with_details(
        code(detail),
        detail.message.clone(),
        detail.encode_to_vec().into(),
    )
}

/// The status code of a failure.
#[must_use]
pub fn code(detail: &ErrorDetail) -> Code {
    match detail.code() {
        ErrorCode::Unspecified | ErrorCode::Internal => Code::Internal,
        ErrorCode::Invalid => Code::InvalidArgument,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::Exists => Code::AlreadyExists,
        ErrorCode::NotDirectory | ErrorCode::IsDirectory | ErrorCode::NotEmpty | ErrorCode::WrongCluster => {
            Code::FailedPrecondition
        }
        ErrorCode::PermissionDenied => Code::PermissionDenied,
        ErrorCode::Busy | ErrorCode::LeaseLost => Code::Aborted,
        ErrorCode::WriteDenied => Code::ResourceExhausted,
        ErrorCode::NotLeader
        | ErrorCode::NotReady
        | ErrorCode::SafeMode
        | ErrorCode::UnknownDatanode
        | ErrorCode::NotReplicated => Code::Unavailable,
    }
}

/// The detail that a status carries; none when it comes from the transport.
#[must_use]
pub fn detail_of(status: &Status) -> Option<ErrorDetail> {
    if status.details().is_empty() {
        return None;
    }
    ErrorDetail::decode(status.details())
        .ok()
        .filter(|detail| detail.code() != ErrorCode::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_survive_the_status() {
        let detail = ErrorDetail {
            code: ErrorCode::NotEmpty.into(),
            message: "no".into(),
            ..Default::default()
        };
        let status = status(&detail);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(detail_of(&status), Some(detail));
        assert_eq!(detail_of(&Status::unavailable("connection refused")), None);
    }
}
