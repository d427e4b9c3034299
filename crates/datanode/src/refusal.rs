//! Requests that are not carried out, and how that is told.

use transfer::{Refusal, pb};

/// No, with this status, because.
pub(crate) fn refuse(status: pb::Status, message: impl Into<String>) -> Refusal {
    Refusal {
        status,
        message: message.into(),
        bad_link: String::new(),
    }
}

/// Not a request that makes sense here.
pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    refuse(pb::Status::ErrorInvalid, message)
}

/// The datanode at `address` is why it does not work; unless it named another, behind it.
pub(crate) fn at_link(address: &str, refusal: Refusal) -> Refusal {
    if refusal.bad_link.is_empty() {
        Refusal {
            bad_link: address.to_owned(),
            ..refusal
        }
    } else {
        refusal
    }
}

/// The answer that says so.
pub(crate) fn response(refusal: Refusal) -> pb::BlockOpResponseProto {
    let Refusal {
        status,
        message,
        bad_link,
    } = refusal;
    // A message is for people: a very long one would not fit the answer.
    let message: String = message.chars().take(4_000).collect();
    if bad_link.is_empty() {
        pb::BlockOpResponseProto::refused(status, message)
    } else {
        pb::BlockOpResponseProto::bad_link(status, bad_link, message)
    }
}
