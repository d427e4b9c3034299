//! Sending entries: requests in a row, without waiting for each answer.
//!
//! ```text
//! Raft -> requests -> [room?] -> gRPC stream -> peer
//! Raft <- results  <- [the answer to the oldest] <- gRPC stream
//! ```
//!
//! Answers come in the order of the requests. Each is compared with the request that it answers: a peer that claims to
//! have what was never sent is refused. A stream on which nothing moves ends with an error, and Raft begins another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use openraft::RPCTypes;
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult};
use proto::v1;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::client::{Remote, RpcError};
use super::convert::{self, Malformed};
use super::link::{Link, Use};
use super::{REPLICATE_BYTES_UNDER_WAY, REPLICATE_REQUESTS_UNDER_WAY};
use crate::raft::{LogId, Payload, TypeConfig, Vote};

/// How long an answer may take, besides the time for the bytes: the peer writes them to its disk first.
const ANSWER: Duration = Duration::from_millis(1500);

/// The slowest network that is not taken for a broken one.
const BYTES_PER_SECOND_MIN: u32 = 1 << 20;

/// What every request takes besides its entries' payloads, about.
const REQUEST_BYTES: usize = 64;

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RpcError>;

/// Sends what comes from `input`, and gives the answers. The peer is not asked before there is something to send: there the
/// library rests after a peer could not be reached, and would try again at once where nobody takes the first request.
pub(crate) async fn stream<S>(
    remote: &Remote,
    mut input: S,
    option: RPCOption,
) -> Result<BoxStream<'_, Answer>, RpcError>
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let Some(first) = input.next().await else {
        return Ok(futures_util::stream::empty().boxed());
    };
    let input = futures_util::stream::iter([first]).chain(input);
    let link = remote.link()?;
    let (mut client, used) = link.client();
    let flow = Arc::new(Flow::default());
    let requests = outgoing(input, remote.target(), Arc::clone(&flow));
    let patience = option.hard_ttl().max(ANSWER);
    let answers = match tokio::time::timeout(patience, client.replicate(requests)).await {
        Ok(Ok(answers)) => answers.into_inner(),
        Ok(Err(status)) => {
            if status.code() != Code::Unavailable {
                link.answered(used);
            }
            return Err(remote.refused(&status));
        }
        Err(_) => {
            link.silent(used);
            return Err(remote.late(RPCTypes::AppendEntries, patience));
        }
    };
    let incoming = Incoming {
        remote,
        link,
        used,
        flow,
        answers,
    };
    Ok(Box::pin(futures_util::stream::unfold(
        Some(incoming),
        |incoming| async move {
            let mut incoming = incoming?;
            let answer = incoming.next().await?;
            // Nothing comes after an error, nor after a refusal.
            let more = matches!(answer, Ok(Ok(_))).then_some(incoming);
            Some((answer, more))
        },
    )))
}

/// Sends one request, and waits for its answer.
pub(crate) async fn one(
    remote: &Remote,
    request: Request,
    option: &RPCOption,
) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
    let timeout = option.hard_ttl();
    let input = futures_util::stream::iter([request]);
    let asked = async {
        let mut answers = stream(remote, input, option.clone()).await?;
        match answers.next().await {
            Some(answer) => answer.map(AppendEntriesResponse::from),
            None => Err(remote.malformed(&Malformed::Missing("the answer"))),
        }
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(remote.late(RPCTypes::AppendEntries, timeout)),
    }
}

/// The requests as messages; the next one is taken when there is room for it.
fn outgoing<S>(
    input: S,
    target: types::MasterId,
    flow: Arc<Flow>,
) -> impl Stream<Item = v1::ReplicateRequest> + Send + 'static
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    futures_util::stream::unfold((input, flow), move |(mut input, flow)| async move {
        flow.room().await;
        let request = input.next().await?;
        flow.sent(&request);
        Some((convert::replicate_out(target, request), (input, flow)))
    })
}

/// What is sent and not answered.
#[derive(Debug, Default)]
struct Flow {
    under_way: Mutex<UnderWay>,
    /// Something was sent or answered.
    moved: Notify,
}

#[derive(Debug, Default)]
struct UnderWay {
    requests: VecDeque<Sent>,
    bytes: usize,
    /// When something was last answered, or sent while nothing was under way.
    since: Option<Instant>,
}

/// A request, as far as its answer has to do with it.
#[derive(Debug)]
struct Sent {
    at: Instant,
    bytes: usize,
    vote: Vote,
    previous: Option<LogId>,
    last: Option<LogId>,
}

impl Flow {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another request may be sent.
    async fn room(&self) {
        loop {
            let moved = self.moved.notified();
            if self.under_way().has_room() {
                return;
            }
            moved.await;
        }
    }

    fn sent(&self, request: &Request) {
        let payloads = request.entries.iter().map(|entry| match &entry.payload {
            Payload::Normal(command) => command.payload.len(),
            Payload::Blank | Payload::Membership(_) => 0,
        });
        let bytes = REQUEST_BYTES + payloads.map(|bytes| bytes + REQUEST_BYTES).sum::<usize>();
        let mut under_way = self.under_way();
        if under_way.requests.is_empty() {
            under_way.since = Some(Instant::now());
        }
        under_way.bytes += bytes;
        under_way.requests.push_back(Sent {
            at: Instant::now(),
            bytes,
            vote: request.vote,
            previous: request.prev_log_id,
            last: request
                .entries
                .last()
                .map_or(request.prev_log_id, |entry| Some(entry.log_id)),
        });
        drop(under_way);
        self.moved.notify_waiters();
    }

    /// The request that an answer is to.
    fn answered(&self) -> Option<Sent> {
        let mut under_way = self.under_way();
        let sent = under_way.requests.pop_front();
        under_way.bytes -= sent.as_ref().map_or(0, |sent| sent.bytes);
        under_way.since = (!under_way.requests.is_empty()).then(Instant::now);
        drop(under_way);
        self.moved.notify_waiters();
        sent
    }

    /// Resolves when an answer is overdue.
    async fn overdue(&self) {
        loop {
            let moved = self.moved.notified();
            let deadline = self.under_way().deadline();
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => {
                    let _ = tokio::time::timeout_at(deadline, moved).await;
                }
                None => moved.await,
            }
        }
    }
}

impl UnderWay {
    fn has_room(&self) -> bool {
        self.requests.is_empty()
            || (self.bytes < REPLICATE_BYTES_UNDER_WAY && self.requests.len() < REPLICATE_REQUESTS_UNDER_WAY)
    }

    fn deadline(&self) -> Option<Instant> {
        let bytes = u32::try_from(self.bytes).unwrap_or(u32::MAX);
        let transfer = Duration::from_secs(1) * bytes / BYTES_PER_SECOND_MIN;
        self.since.map(|since| since + ANSWER + transfer)
    }
}

/// The answers of a peer.
struct Incoming<'s> {
    remote: &'s Remote,
    link: Arc<Link>,
    used: Use,
    flow: Arc<Flow>,
    answers: Streaming<v1::ReplicateResponse>,
}

impl Incoming<'_> {
    /// The next answer; none when the peer has answered everything and Raft sends no more.
    async fn next(&mut self) -> Option<Answer> {
        let answer = tokio::select! {
            answer = self.answers.message() => answer,
            () = self.flow.overdue() => {
                self.link.silent(self.used);
                return Some(Err(self.remote.late(RPCTypes::AppendEntries, ANSWER)));
            }
        };
        match answer {
            Ok(Some(answer)) => {
                self.link.answered(self.used);
                let Some(sent) = self.flow.answered() else {
                    return Some(Err(self.remote.malformed(&Malformed::Missing("a question"))));
                };
                let checked = checked(answer, &sent);
                if matches!(checked, Ok(Ok(_) | Err(StreamAppendError::Conflict(_)))) {
                    self.remote.follows(sent.vote, sent.at);
                }
                Some(checked.map_err(|malformed| self.remote.malformed(&malformed)))
            }
            Ok(None) => None,
            Err(status) => Some(Err(self.remote.refused(&status))),
        }
    }
}

/// The answer to `sent`, if it can be one.
fn checked(answer: v1::ReplicateResponse, sent: &Sent) -> Result<StreamAppendResult<TypeConfig>, Malformed> {
    let result = convert::replicate_response_in(answer)?;
    let fits = match &result {
        Ok(last) => *last == sent.last,
        Err(StreamAppendError::Conflict(at)) => Some(*at) == sent.previous,
        Err(StreamAppendError::HigherVote(vote)) => *vote > sent.vote,
    };
    if fits {
        Ok(result)
    } else {
        Err(Malformed::Missing("anything to do with what was asked"))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::raft::{Command, Entry};

    fn id(index: u64) -> LogId {
        LogId::new_term_index(1, index)
    }

    fn request(previous: u64, bytes: usize) -> Request {
        Request {
            vote: Vote::new_committed(1, 1),
            prev_log_id: Some(id(previous)),
            leader_commit: None,
            entries: vec![Entry {
                log_id: id(previous + 1),
                payload: Payload::Normal(Command::new(1, Bytes::from(vec![0; bytes]))),
            }],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_bounded() {
        let flow = Arc::new(Flow::default());
        flow.sent(&request(0, REPLICATE_BYTES_UNDER_WAY * 2));
        let waits = tokio::time::timeout(Duration::from_secs(9), flow.room());
        assert!(waits.await.is_err(), "one that is too large goes alone");
        let waiting = {
            let flow = Arc::clone(&flow);
            tokio::spawn(async move { flow.room().await })
        };
        tokio::task::yield_now().await;
        assert_eq!(flow.answered().unwrap().last, Some(id(1)));
        waiting.await.unwrap();
        for sent in 0..REPLICATE_REQUESTS_UNDER_WAY as u64 {
            assert!(flow.under_way().has_room());
            flow.sent(&request(sent, 0));
        }
        assert!(!flow.under_way().has_room());
        assert_eq!(flow.answered().unwrap().previous, Some(id(0)), "oldest first");
        assert!(flow.under_way().has_room());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_overdue_when_nothing_moves() {
        let flow = Flow::default();
        let idle = tokio::time::timeout(Duration::from_secs(3600), flow.overdue());
        assert!(idle.await.is_err(), "nothing is asked");
        let start = Instant::now();
        flow.sent(&request(0, 2 << 20));
        flow.sent(&request(1, 0));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(flow.answered().is_some(), "the answer to the large one");
        flow.overdue().await;
        let took = start.elapsed();
        assert!(
            took >= Duration::from_secs(3) + ANSWER && took < Duration::from_secs(5),
            "{took:?}"
        );
    }

    #[test]
    fn answers_must_fit_what_was_asked() {
        let flow = Flow::default();
        let sent = || {
            flow.sent(&request(4, 0));
            flow.answered().unwrap()
        };
        let check = |result: StreamAppendResult<TypeConfig>| {
            checked(convert::replicate_response_out(&result), &sent()).is_ok()
        };
        assert!(check(Ok(Some(id(5)))));
        assert!(!check(Ok(Some(id(6)))), "it has what was never sent");
        assert!(!check(Ok(None)));
        assert!(check(Err(StreamAppendError::Conflict(id(4)))));
        assert!(!check(Err(StreamAppendError::Conflict(id(5)))));
        assert!(check(Err(StreamAppendError::HigherVote(Vote::new(2, 2)))));
        assert!(!check(Err(StreamAppendError::HigherVote(Vote::new(1, 1)))));
    }
}
