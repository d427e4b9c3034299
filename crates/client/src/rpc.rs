//! Calls to the masters: each has a deadline, is tried again while that can help, and ends within a total time.
//!
//! A retry carries the call id of the first attempt, so that a change that was made, but whose answer was lost, is not
//! made twice. What can be tried again: a transport that failed, a master that is not the leader, that is not ready, or
//! that waits for replicas. Every other refusal is final and is returned at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::Env;
use env::random::Random;
use proto::v1;
use proto::v1::ErrorCode;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use types::{CallId, Caller, ClientId, RequestId};

use crate::masters::{Client, Masters};
use crate::{Config, Error};

/// The first wait between attempts; it doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(640);

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// One attempt.
    pub(crate) attempt: Duration,
    /// All attempts together.
    pub(crate) total: Duration,
}

pub(crate) struct Rpc {
    masters: Masters,
    caller: Caller,
    client: ClientId,
    next_call: AtomicU64,
    limits: Limits,
    random: Arc<dyn Random>,
}

/// Makes a call: `call!(rpc, "what", subject, method, request)`; with other limits than the usual ones behind `within`.
macro_rules! call {
    ($rpc:expr, $operation:expr, $subject:expr, $method:ident, $request:expr) => {
        $crate::rpc::call!(within $rpc.limits(), $rpc, $operation, $subject, $method, $request)
    };
    (within $limits:expr, $rpc:expr, $operation:expr, $subject:expr, $method:ident, $request:expr) => {
        $rpc.call($limits, $operation, $subject, $request, |mut client, request| async move {
            client.$method(request).await
        })
    };
}
pub(crate) use call;

/// What to do with a failed attempt.
enum Verdict {
    /// Return this.
    Final(Error),
    /// Try again; this is what it ends with when the time is over.
    Again {
        at: Whom,
        or_else: Option<Error>,
        why: String,
    },
}

enum Whom {
    SameMaster,
    Another(Vec<String>),
}

impl Rpc {
    pub(crate) fn new(env: &Env, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            masters: Masters::new(env.net.clone(), &config.masters)?,
            caller: Caller {
                user: config.user.clone(),
                groups: config.groups.clone(),
                superuser: false,
            },
            client: ClientId(u128::from_be_bytes(env.random.uuid_bytes())),
            next_call: AtomicU64::new(1),
            limits: Limits {
                attempt: config.timeouts.call,
                total: config.timeouts.call_total,
            },
            random: Arc::clone(&env.random),
        })
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    /// The usual limits of a call.
    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// The caller of the next call: a new call id. Made once for a call, whatever the number of attempts.
    pub(crate) fn caller(&self) -> Option<v1::Caller> {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        Some(proto::wire_caller(
            &self.caller,
            RequestId {
                client: self.client,
                call,
            },
        ))
    }

    /// Use it through [`call!`].
    ///
    /// # Errors
    /// The master's refusal, or [`Error::Unavailable`] when the time is over.
    pub(crate) async fn call<Q, A, F>(
        &self,
        limits: Limits,
        operation: &'static str,
        subject: &str,
        request: Q,
        send: impl Fn(Client, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let start = Instant::now();
        let mut backoff = BACKOFF;
        let mut attempts = 0u32;
        let mut telling = None;
        loop {
            let left = limits.total.saturating_sub(start.elapsed());
            let limit = limits.attempt.min(left).max(Duration::from_millis(1));
            let (master, verdict) = match self.masters.current() {
                Err(why) => (
                    None,
                    Verdict::Again {
                        at: Whom::Another(Vec::new()),
                        or_else: None,
                        why,
                    },
                ),
                Ok(chosen) => {
                    let mut message = Request::new(request.clone());
                    message.set_timeout(limit);
                    let answer = tokio::time::timeout(limit, send(chosen.client, message)).await;
                    let status = match answer {
                        Ok(Ok(answer)) => return Ok(answer.into_inner()),
                        Ok(Err(status)) => status,
                        Err(_) => Status::deadline_exceeded("no answer in time"),
                    };
                    let verdict = judge(operation, subject, &chosen.address, &status);
                    (Some(chosen.address), verdict)
                }
            };
            attempts += 1;
            let (at, why) = match verdict {
                Verdict::Final(error) => return Err(error),
                Verdict::Again { at, or_else, why } => {
                    // What a master said tells more than that a later attempt ran out of time.
                    telling = or_else.or(telling);
                    (at, why)
                }
            };
            if attempts == 1 {
                tracing::debug!(operation, subject, %why, "a call failed; trying again");
            } else if attempts.is_multiple_of(8) {
                tracing::warn!(operation, subject, attempts, %why, "still trying to reach a master");
            }
            if let (Some(master), Whom::Another(instead)) = (&master, &at) {
                self.masters.give_up(master, instead);
            }
            let pause = self.jitter(backoff);
            if start.elapsed() + pause >= limits.total {
                return Err(telling.unwrap_or_else(|| Error::Unavailable {
                    operation,
                    masters: self.masters.addresses(),
                    waited: start.elapsed(),
                    last: why,
                }));
            }
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Between half of `pause` and the whole of it, so that clients do not come back all at once.
    fn jitter(&self, pause: Duration) -> Duration {
        let half = pause / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(self.random.u64() % spread)
    }
}

/// Whether another attempt can help, and where.
fn judge(operation: &'static str, subject: &str, master: &str, status: &Status) -> Verdict {
    let why = format!("{master}: {}", describe(status));
    let Some(detail) = proto::detail_of(status) else {
        return match status.code() {
            // Answers of the protocol, not of the master: the same question gets the same answer.
            Code::Unimplemented | Code::InvalidArgument | Code::OutOfRange | Code::Unauthenticated => {
                Verdict::Final(Error::Protocol { operation, why })
            }
            _ => Verdict::Again {
                at: Whom::Another(Vec::new()),
                or_else: None,
                why,
            },
        };
    };
    match detail.code() {
        ErrorCode::NotLeader => Verdict::Again {
            at: Whom::Another(detail.masters),
            or_else: None,
            why,
        },
        ErrorCode::NotReady => Verdict::Again {
            at: Whom::Another(Vec::new()),
            or_else: None,
            why,
        },
        ErrorCode::NotReplicated => Verdict::Again {
            at: Whom::SameMaster,
            or_else: Some(Error::from_detail(operation, subject, detail)),
            why,
        },
        _ => Verdict::Final(Error::from_detail(operation, subject, detail)),
    }
}

/// A status in words, down to the cause: tonic says `transport error` and keeps `connection refused` behind it.
fn describe(status: &Status) -> String {
    let mut text = if status.message().is_empty() {
        status.code().description().to_owned()
    } else {
        status.message().to_owned()
    };
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
