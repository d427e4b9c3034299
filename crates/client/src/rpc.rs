//! Calls to the masters: each has a deadline, is tried again while that can help, and ends within a total time.
//!
//! A retry carries the call id of the first attempt, so that a change that was made, but whose answer was lost, is not
//! made twice. What can be tried again: a transport that failed, a master that is not the leader, that is not ready, or
//! that waits for replicas. Every other refusal is final and is returned at once.
//!
//! # How soon
//! A master that is gone, or that does not lead, costs no wait: the named one is asked at once, or the next, and only when
//! all have been asked a few milliseconds pass. They do not grow much while some master answers, as a new leader is there
//! within a second. A master that is silent is left as soon as another one is heard to lead ([`Masters::superseded`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use env::Env;
use env::random::Random;
use proto::v1;
use proto::v1::ErrorCode;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use types::{CallId, Caller, ClientId, RequestId, TraceId};

use crate::masters::{Connection, Masters};
use crate::search;
use crate::{Config, Error, Origin};

/// The first pause between rounds of attempts. It grows by half each time.
const PAUSE: Duration = Duration::from_millis(6);
/// The longest pause while some master answers.
const PAUSE_MAX: Duration = Duration::from_millis(60);
/// The longest pause when there is nobody, or where it is the cluster that has to get on.
const PAUSE_LONG_MAX: Duration = Duration::from_millis(250);

/// Hints that are followed without a pause.
const HINTS_MAX: usize = 8;

/// What is waited for so long is worth a word.
const WORTH_A_WORD: Duration = Duration::from_millis(500);

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// One attempt.
    pub(crate) attempt: Duration,
    /// All attempts together.
    pub(crate) total: Duration,
}

pub(crate) struct Rpc {
    masters: Arc<Masters>,
    /// Whether somebody keeps the list of masters fresh.
    kept_fresh: Arc<AtomicBool>,
    caller: Caller,
    client: ClientId,
    next_call: AtomicU64,
    limits: Limits,
    random: Arc<dyn Random>,
    /// What calls have been waiting for, in words; none when the last one was answered.
    waiting: watch::Sender<Option<String>>,
}

/// Makes a call: `call!(rpc, "what", subject, method, request)`; with other limits than the usual ones behind `within`.
macro_rules! call {
    ($rpc:expr, $operation:expr, $subject:expr, $method:ident, $request:expr) => {
        $crate::rpc::call!(within $rpc.limits(), $rpc, $operation, $subject, $method, $request)
    };
    (within $limits:expr, $rpc:expr, $operation:expr, $subject:expr, $method:ident, $request:expr) => {
        $crate::rpc::call!(service namespace, $limits, $rpc, $operation, $subject, $method, $request)
    };
    (service $service:ident, $limits:expr, $rpc:expr, $operation:expr, $subject:expr, $method:ident, $request:expr) => {
        $rpc.call($limits, $operation, $subject, $request, |master, request| async move {
            master.$service().$method(request).await
        })
    };
}
pub(crate) use call;

/// What to do with a failed attempt.
enum Verdict {
    /// Return this.
    Final(Error),
    /// Try again.
    Again(Again),
}

struct Again {
    at: Whom,
    /// What it ends with when the time is over; none: that no master could serve.
    or_else: Option<Error>,
    /// Whether a master said so, and not the transport.
    answered: bool,
    why: String,
}

#[derive(PartialEq, Eq)]
enum Whom {
    /// The same one after a pause.
    Same,
    /// The next one after a pause: it is the cluster that has to get on.
    Later,
    /// One of these, else the next, at once.
    Another(Vec<String>),
}

/// The pauses of one call.
struct Pauses {
    next: Duration,
    /// Moves to another master before the next pause.
    moves: usize,
    /// Hints that were followed since the last pause: they go in circles while there is no leader.
    followed: Vec<String>,
    /// Whether a master answered since the last pause.
    answered: bool,
}

impl Pauses {
    const fn new(masters: usize) -> Self {
        Self {
            next: PAUSE,
            moves: masters,
            followed: Vec::new(),
            answered: false,
        }
    }

    /// How long to wait before the next attempt. Removes hints that are not to be followed.
    fn after(&mut self, again: &mut Again, masters: usize) -> Duration {
        self.answered |= again.answered;
        let mut gone_round = false;
        if let Whom::Another(named) = &mut again.at {
            named.retain(|hint| !self.followed.contains(hint));
            if !named.is_empty() && self.followed.len() < HINTS_MAX {
                self.followed.append(&mut named.clone());
                return Duration::ZERO;
            }
            if self.moves > 1 {
                self.moves -= 1;
                return Duration::ZERO;
            }
            gone_round = true;
        }
        let max = match gone_round && self.answered {
            true => PAUSE_MAX,
            false => PAUSE_LONG_MAX,
        };
        let pause = self.next.min(max);
        self.next = (self.next * 3 / 2).min(PAUSE_LONG_MAX);
        self.moves = masters;
        self.followed.clear();
        self.answered = false;
        pause
    }
}

impl Rpc {
    pub(crate) fn new(env: &Env, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            masters: Arc::new(Masters::new(env.net.clone(), &config.masters)?),
            kept_fresh: Arc::new(AtomicBool::new(false)),
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
            waiting: watch::channel(None).0,
        })
    }

    /// The same masters, asked by somebody else.
    pub(crate) fn as_caller(&self, user: &str, groups: &[String]) -> Self {
        Self {
            masters: Arc::clone(&self.masters),
            kept_fresh: Arc::clone(&self.kept_fresh),
            caller: Caller {
                user: user.to_owned(),
                groups: groups.to_vec(),
                superuser: false,
            },
            client: ClientId(u128::from_be_bytes(self.random.uuid_bytes())),
            next_call: AtomicU64::new(1),
            limits: self.limits,
            random: Arc::clone(&self.random),
            waiting: watch::channel(None).0,
        }
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) fn masters(&self) -> &Masters {
        &self.masters
    }

    /// The usual limits of a call.
    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn waiting(&self) -> watch::Receiver<Option<String>> {
        self.waiting.subscribe()
    }

    /// The caller of the next call: a new call id. Made once for a call, whatever the number of attempts.
    pub(crate) fn caller(&self) -> Option<v1::Caller> {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let request = RequestId {
            client: self.client,
            call,
        };
        let from = Origin::of_this_task().and_then(|origin| origin.host);
        Some(v1::Caller {
            trace: trace(self.client).0,
            from: from.map(|host| host.to_string()).unwrap_or_default(),
            ..proto::wire_caller(&self.caller, request)
        })
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
        send: impl Fn(Connection, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let start = Instant::now();
        let mut pauses = Pauses::new(self.masters.count());
        let mut attempts = 0u32;
        let mut telling = None;
        let mut last = None;
        let mut not_ready = false;
        loop {
            let left = limits.total.saturating_sub(start.elapsed());
            let limit = limits.attempt.min(left).max(Duration::from_millis(1));
            let (master, mut again) = match self.masters.current() {
                Err(why) => (None, Again::elsewhere(why)),
                Ok(connection) => {
                    let master = connection.address.clone();
                    let mut message = Request::new(request.clone());
                    message.set_timeout(limit);
                    let answer = tokio::time::timeout(limit, send(connection, message));
                    let answer = tokio::select! {
                        answer = answer => answer,
                        () = self.masters.superseded(&master) => {
                            tracing::debug!(operation, subject, %master, "silent, and another master leads");
                            attempts += 1;
                            continue;
                        }
                    };
                    let status = match answer {
                        Ok(Ok(answer)) => {
                            self.answered(attempts);
                            return Ok(answer.into_inner());
                        }
                        Ok(Err(status)) => status,
                        Err(_) => Status::deadline_exceeded("no answer in time"),
                    };
                    match judge(operation, subject, &master, &status) {
                        Verdict::Final(error) => {
                            self.answered(attempts);
                            return Err(error);
                        }
                        Verdict::Again(again) => (Some(master), again),
                    }
                }
            };
            attempts += 1;
            if attempts == 1 {
                tracing::debug!(operation, subject, why = %again.why, "a call failed; trying again");
            }
            let pause = pauses.after(&mut again, self.masters.count());
            if let Some(master) = &master {
                match &again.at {
                    Whom::Same => {}
                    Whom::Another(instead) => self.masters.give_up(master, instead),
                    Whom::Later => self.masters.give_up(master, &[]),
                }
            }
            // That the last attempt had no time left says nothing about the masters, and that another master does not lead
            // says less than what the leader waits for.
            let cut_short = limit < limits.attempt && !again.answered;
            let hint = again.answered && matches!(again.at, Whom::Another(_));
            if last.is_none() || !(cut_short || hint && not_ready) {
                not_ready = again.at == Whom::Later;
                last = Some(again.why);
            }
            if start.elapsed() >= WORTH_A_WORD && !pause.is_zero() {
                self.wait_for(operation, last.as_deref().unwrap_or_default());
            }
            // What a master said tells more than that a later attempt ran out of time.
            telling = again.or_else.or(telling);
            let pause = self.jitter(pause);
            if start.elapsed() + pause >= limits.total {
                return Err(telling.unwrap_or_else(|| Error::Unavailable {
                    operation,
                    masters: self.masters.addresses(),
                    waited: start.elapsed(),
                    last: last.unwrap_or_default(),
                }));
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// A master has answered: nothing is waited for, and the list of masters is kept fresh from now on.
    fn answered(&self, failed_before: u32) {
        if failed_before > 0 {
            self.waiting.send_if_modified(|waiting| waiting.take().is_some());
        }
        if !self.kept_fresh.swap(true, Ordering::Relaxed) {
            tokio::spawn(search::keep_fresh(Arc::downgrade(&self.masters)));
        }
    }

    fn wait_for(&self, operation: &'static str, why: &str) {
        let changed = self.waiting.send_if_modified(|waiting| {
            let news = waiting.as_deref() != Some(why);
            if news {
                *waiting = Some(why.to_owned());
            }
            news
        });
        if changed {
            tracing::debug!(operation, why, "still trying");
        }
    }

    /// Between half of `pause` and the whole of it, so that clients do not come back all at once.
    fn jitter(&self, pause: Duration) -> Duration {
        let half = pause / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(self.random.u64().checked_rem(spread).unwrap_or(0))
    }
}

/// What is done now is a part of this.
pub(crate) fn trace(client: ClientId) -> TraceId {
    Origin::of_this_task().map_or(TraceId::of(client), |origin| origin.trace)
}

impl Again {
    /// The transport failed.
    const fn elsewhere(why: String) -> Self {
        Self {
            at: Whom::Another(Vec::new()),
            or_else: None,
            answered: false,
            why,
        }
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
            _ => Verdict::Again(Again::elsewhere(why)),
        };
    };
    let again = |at, or_else| {
        Verdict::Again(Again {
            at,
            or_else,
            answered: true,
            why,
        })
    };
    match detail.code() {
        ErrorCode::NotLeader => again(Whom::Another(detail.masters), None),
        ErrorCode::NotReady => again(Whom::Later, None),
        ErrorCode::NotReplicated => again(Whom::Same, Some(Error::from_detail(operation, subject, detail))),
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
