//! Several operations in one message.
//!
//! - Each is answered by itself, and is done by the same code as if it had come alone.
//! - Questions are answered first, one after the other: what lets them be answered now (that this master leads still) is
//!   looked up by the first and still holds for the rest.
//! - Changes are proposed together, before any of them is waited for, so that one sync of the log covers them.

use std::future::Future;
use std::pin::Pin;

use futures_util::future::join_all;
use proto::v1;
use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use types::limits::BATCH_OPERATIONS_MAX;

use super::{attributes, delete, read, write};
use crate::core::Core;
use crate::rejection::Rejection;
use crate::together::Together;

/// After so many questions others get their turn.
const QUESTIONS_AT_ONCE: usize = 128;

/// A change that is not begun yet.
type Change<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

pub(super) async fn batch(core: &Core, request: v1::BatchRequest) -> Result<v1::BatchResponse, Rejection> {
    let count = request.operations.len();
    if count > BATCH_OPERATIONS_MAX {
        return Err(Rejection::invalid(format!(
            "a batch of {count} operations is too large: at most {BATCH_OPERATIONS_MAX} are allowed"
        )));
    }
    let caller = request.caller.unwrap_or_default();
    let begins = |operation: &&v1::Operation| matches!(&operation.kind, Some(Kind::Create(create)) if create.with_chunk);
    let together = Together::of(request.operations.iter().filter(begins).count());
    let mut answers: Vec<(usize, Answer)> = Vec::with_capacity(count);
    let (mut places, mut changes) = (Vec::new(), Vec::new());
    for (place, operation) in request.operations.into_iter().enumerate() {
        let caller = Some(v1::Caller {
            call_id: operation.call_id,
            ..caller.clone()
        });
        let Some(kind) = operation.kind else {
            answers.push((place, refused(Rejection::invalid("an operation of no kind"))));
            continue;
        };
        let begun = core.telemetry.operations.begin(&kind);
        let answer = match sort(core, &together, caller, kind) {
            Sorted::Change(change) => {
                places.push(place);
                changes.push(async move {
                    let answer = change.await;
                    begun.ended(&answer);
                    answer
                });
                continue;
            }
            Sorted::Stat(stat) => read::stat(core, stat).await.map_or_else(refused, Answer::Stat),
            Sorted::Locate(locate) => {
                let answer = read::locate(core, locate).await;
                answer.map_or_else(refused, Answer::Locate)
            }
        };
        begun.ended(&answer);
        answers.push((place, answer));
        if answers.len() % QUESTIONS_AT_ONCE == QUESTIONS_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    answers.extend(places.into_iter().zip(join_all(changes).await));
    answers.sort_unstable_by_key(|(place, _)| *place);
    let results = answers
        .into_iter()
        .map(|(_, answer)| v1::OperationResult { result: Some(answer) });
    Ok(v1::BatchResponse {
        results: results.collect(),
    })
}

enum Sorted<'a> {
    Stat(v1::StatRequest),
    Locate(v1::LocateRequest),
    Change(Change<'a>),
}

fn refused(rejection: Rejection) -> Answer {
    Answer::Error(rejection.0)
}

/// A change that answers nothing but that it was made.
async fn done<T>(change: impl Future<Output = Result<T, Rejection>>) -> Answer {
    match change.await {
        Ok(_) => Answer::Done(v1::OperationDone {}),
        Err(rejection) => refused(rejection),
    }
}

fn sort<'a>(core: &'a Core, together: &'a Together, caller: Option<v1::Caller>, kind: Kind) -> Sorted<'a> {
    match kind {
        Kind::Stat(mut request) => {
            request.caller = caller;
            Sorted::Stat(request)
        }
        Kind::Locate(mut request) => {
            request.caller = caller;
            Sorted::Locate(request)
        }
        Kind::Mkdir(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(attributes::mkdir(core, request))))
        }
        Kind::Rename(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(attributes::rename(core, request))))
        }
        Kind::Delete(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(delete::delete(core, request))))
        }
        Kind::SetMode(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(attributes::set_mode(core, request))))
        }
        Kind::SetOwner(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(attributes::set_owner(core, request))))
        }
        Kind::SetTimes(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(done(attributes::set_times(core, request))))
        }
        Kind::Create(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(async move {
                write::create_among(core, request, together)
                    .await
                    .map_or_else(refused, Answer::Create)
            }))
        }
        Kind::Complete(mut request) => {
            request.caller = caller;
            Sorted::Change(Box::pin(async move {
                write::complete(core, request)
                    .await
                    .map_or_else(refused, Answer::Complete)
            }))
        }
    }
}
