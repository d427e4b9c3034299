//! Raft's messages as they are on the wire, and back.
//!
//! Payloads are shared with the message that they came in: nothing is copied on the way in.

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use proto::v1;
use types::{MasterId, Term};

use crate::raft::{Entry, LogId, TypeConfig, Vote, log_id, record_id};
use crate::store::{payload_of, record_of};

/// What is wrong with a message of a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a message without {0}")]
    Missing(&'static str),
    #[error("a vote of the wrong kind: of a {}", if *.committed { "leader" } else { "candidate" })]
    Vote { committed: bool },
    #[error("entries that do not follow each other: {previous} is followed by {index}")]
    Gap { previous: u64, index: u64 },
    #[error("entry {index} is of term {term}, which can not be there")]
    Term { index: u64, term: u64 },
    #[error("entry {index} can not be read: {why}")]
    Entry { index: u64, why: String },
    #[error("an answer that is unknown: {0}")]
    Unknown(i32),
}

pub(crate) fn log_id_out(id: Option<&LogId>) -> Option<v1::RaftLogId> {
    let (term, index) = record_id(id);
    (index > 0).then_some(v1::RaftLogId {
        term: term.as_u64(),
        index,
    })
}

pub(crate) fn log_id_in(id: Option<v1::RaftLogId>) -> Option<LogId> {
    id.and_then(|id| log_id(Term(id.term), id.index))
}

#[expect(clippy::unnecessary_wraps, reason = "the field of a message")]
pub(crate) fn vote_out(vote: &Vote) -> Option<v1::RaftVote> {
    Some(v1::RaftVote {
        term: vote.leader_id.term,
        candidate: vote.leader_id.voted_for,
        committed: vote.committed,
    })
}

pub(crate) fn vote_in(vote: Option<v1::RaftVote>) -> Result<Vote, Malformed> {
    let vote = vote.ok_or(Malformed::Missing("a vote"))?;
    Ok(if vote.committed {
        Vote::new_committed(vote.term, vote.candidate)
    } else {
        Vote::new(vote.term, vote.candidate)
    })
}

/// The vote of a leader: one that a quorum granted.
pub(crate) fn leader_in(vote: Option<v1::RaftVote>) -> Result<Vote, Malformed> {
    let vote = vote_in(vote)?;
    if vote.committed {
        Ok(vote)
    } else {
        Err(Malformed::Vote { committed: false })
    }
}

pub(crate) fn vote_request_out(to: MasterId, request: &VoteRequest<TypeConfig>) -> v1::VoteRequest {
    v1::VoteRequest {
        to: to.0,
        vote: vote_out(&request.vote),
        last: log_id_out(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(crate) fn vote_request_in(request: v1::VoteRequest) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let vote = vote_in(request.vote)?;
    if vote.committed {
        return Err(Malformed::Vote { committed: true });
    }
    Ok(VoteRequest {
        vote,
        last_log_id: log_id_in(request.last),
        leadership_transfer: request.leadership_transfer,
    })
}

pub(crate) fn vote_response_out(response: &VoteResponse<TypeConfig>) -> v1::VoteResponse {
    v1::VoteResponse {
        vote: vote_out(&response.vote),
        granted: response.vote_granted,
        last: log_id_out(response.last_log_id.as_ref()),
    }
}

pub(crate) fn vote_response_in(response: v1::VoteResponse) -> Result<VoteResponse<TypeConfig>, Malformed> {
    Ok(VoteResponse {
        vote: vote_in(response.vote)?,
        vote_granted: response.granted,
        last_log_id: log_id_in(response.last),
    })
}

pub(crate) fn replicate_out(to: MasterId, request: AppendEntriesRequest<TypeConfig>) -> v1::ReplicateRequest {
    v1::ReplicateRequest {
        to: to.0,
        vote: vote_out(&request.vote),
        previous: log_id_out(request.prev_log_id.as_ref()),
        committed: log_id_out(request.leader_commit.as_ref()),
        entries: request.entries.into_iter().map(entry_out).collect(),
    }
}

/// The request, and nothing that Raft could stumble over: the entries follow `previous` and each other.
pub(crate) fn replicate_in(
    request: v1::ReplicateRequest,
) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    let vote = leader_in(request.vote)?;
    let (mut term, mut last) = request.previous.map_or((0, 0), |id| (id.term, id.index));
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        if last.checked_add(1) != Some(entry.index) {
            return Err(Malformed::Gap {
                previous: last,
                index: entry.index,
            });
        }
        if !(term..=vote.leader_id.term).contains(&entry.term) {
            return Err(Malformed::Term {
                index: entry.index,
                term: entry.term,
            });
        }
        (term, last) = (entry.term, entry.index);
        entries.push(entry_in(entry)?);
    }
    Ok(AppendEntriesRequest {
        vote,
        prev_log_id: log_id_in(request.previous),
        entries,
        leader_commit: log_id_in(request.committed),
    })
}

fn entry_out(entry: Entry) -> v1::RaftEntry {
    let (term, index) = record_id(Some(&entry.log_id));
    let (op, payload) = record_of(&entry.payload);
    v1::RaftEntry {
        term: term.as_u64(),
        index,
        op: u32::from(op),
        payload,
    }
}

fn entry_in(entry: v1::RaftEntry) -> Result<Entry, Malformed> {
    let index = entry.index;
    let malformed = |why: String| Malformed::Entry { index, why };
    let op = u8::try_from(entry.op).map_err(|_| malformed(format!("op code {}", entry.op)))?;
    let payload = payload_of(op, entry.payload).map_err(|error| malformed(error.to_string()))?;
    let log_id = log_id(Term(entry.term), index).ok_or_else(|| malformed("it has no index".to_owned()))?;
    Ok(Entry { log_id, payload })
}

pub(crate) fn replicate_response_out(result: &StreamAppendResult<TypeConfig>) -> v1::ReplicateResponse {
    use v1::replicate_response::Result as Kind;
    let (kind, vote, last) = match result {
        Ok(last) => (Kind::Success, None, log_id_out(last.as_ref())),
        Err(StreamAppendError::Conflict(at)) => (Kind::Conflict, None, log_id_out(Some(at))),
        Err(StreamAppendError::HigherVote(vote)) => (Kind::HigherVote, vote_out(vote), None),
    };
    v1::ReplicateResponse {
        result: kind.into(),
        vote,
        last,
    }
}

pub(crate) fn replicate_response_in(
    response: v1::ReplicateResponse,
) -> Result<StreamAppendResult<TypeConfig>, Malformed> {
    use v1::replicate_response::Result as Kind;
    Ok(match Kind::try_from(response.result) {
        Ok(Kind::Success) => Ok(log_id_in(response.last)),
        Ok(Kind::Conflict) => {
            let at = log_id_in(response.last).ok_or(Malformed::Missing("the place of a conflict"))?;
            Err(StreamAppendError::Conflict(at))
        }
        Ok(Kind::HigherVote) => Err(StreamAppendError::HigherVote(vote_in(response.vote)?)),
        Ok(Kind::Unspecified) | Err(_) => return Err(Malformed::Unknown(response.result)),
    })
}

pub(crate) fn transfer_out(
    to: MasterId,
    request: &TransferLeaderRequest<TypeConfig>,
) -> v1::TransferLeaderRequest {
    v1::TransferLeaderRequest {
        to: to.0,
        from: vote_out(request.from_leader()),
        last: log_id_out(request.last_log_id()),
        next: *request.to_node_id(),
    }
}

pub(crate) fn transfer_in(
    request: &v1::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, Malformed> {
    Ok(TransferLeaderRequest::new(
        leader_in(request.from)?,
        request.next,
        log_id_in(request.last),
    ))
}

pub(crate) fn transfer_response_out(
    response: &TransferLeaderResponse<TypeConfig>,
) -> v1::TransferLeaderResponse {
    use v1::transfer_leader_response::Result as Kind;
    let (kind, vote, last) = match response {
        Ok(()) => (Kind::Accepted, None, None),
        Err(TransferLeaderError::VoteChanged { actual, .. }) => (Kind::VoteChanged, vote_out(actual), None),
        Err(TransferLeaderError::LogNotFlushed { actual, .. }) => {
            (Kind::Behind, None, log_id_out(actual.as_ref()))
        }
    };
    v1::TransferLeaderResponse {
        result: kind.into(),
        vote,
        last,
    }
}

pub(crate) fn transfer_response_in(
    request: &TransferLeaderRequest<TypeConfig>,
    response: &v1::TransferLeaderResponse,
) -> Result<TransferLeaderResponse<TypeConfig>, Malformed> {
    use v1::transfer_leader_response::Result as Kind;
    Ok(match Kind::try_from(response.result) {
        Ok(Kind::Accepted) => Ok(()),
        Ok(Kind::VoteChanged) => Err(TransferLeaderError::VoteChanged {
            expected: *request.from_leader(),
            actual: vote_in(response.vote)?,
        }),
        Ok(Kind::Behind) => Err(TransferLeaderError::LogNotFlushed {
            expected: request.last_log_id().copied(),
            actual: log_id_in(response.last),
        }),
        Ok(Kind::Unspecified) | Err(_) => return Err(Malformed::Unknown(response.result)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::raft::{Address, Command, Membership, Payload};

    fn id(term: u64, index: u64) -> LogId {
        LogId::new_term_index(term, index)
    }

    fn request() -> AppendEntriesRequest<TypeConfig> {
        let nodes: BTreeMap<_, _> =
            [(1, Address("one:1".to_owned())), (2, Address("two:2".to_owned()))].into();
        let membership = Membership::new(vec![[1, 2].into()], nodes).unwrap();
        let payloads = [
            Payload::Blank,
            Payload::Normal(Command::new(7, Bytes::from_static(b"seven"))),
            Payload::Membership(membership),
        ];
        AppendEntriesRequest {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(id(2, 4)),
            leader_commit: Some(id(1, 0)),
            entries: (5..)
                .zip(payloads)
                .map(|(index, payload)| Entry {
                    log_id: id(3, index),
                    payload,
                })
                .collect(),
        }
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let sent = replicate_out(MasterId(9), request());
        assert_eq!(sent.to, 9);
        assert_eq!(sent.previous.unwrap().index, 5, "records count from 1");
        let ops: Vec<_> = sent.entries.iter().map(|entry| (entry.index, entry.op)).collect();
        assert_eq!(ops, [(6, 0), (7, 7), (8, 255)]);
        let got = replicate_in(sent.clone()).unwrap();
        assert_eq!(replicate_out(MasterId(9), got), sent);
    }

    #[test]
    fn heartbeats_to_a_blank_log_have_no_position() {
        let empty = AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            leader_commit: None,
            entries: Vec::new(),
        };
        let sent = replicate_out(MasterId(1), empty);
        assert_eq!((sent.previous, sent.committed), (None, None));
        assert_eq!(replicate_in(sent).unwrap().prev_log_id, None);
    }

    #[test]
    fn what_raft_would_stumble_over_is_refused() {
        let sent = replicate_out(MasterId(9), request());
        let spoil = |change: &dyn Fn(&mut v1::ReplicateRequest)| {
            let mut spoilt = sent.clone();
            change(&mut spoilt);
            replicate_in(spoilt).unwrap_err()
        };
        assert_eq!(
            spoil(&|request| request.vote = None),
            Malformed::Missing("a vote")
        );
        assert_eq!(
            spoil(&|request| request.vote.as_mut().unwrap().committed = false),
            Malformed::Vote { committed: false }
        );
        assert_eq!(
            spoil(&|request| request.entries[0].term = 1),
            Malformed::Term { index: 6, term: 1 }
        );
        assert_eq!(
            spoil(&|request| request.entries[2].term = 4),
            Malformed::Term { index: 8, term: 4 }
        );
        let gap = Malformed::Gap {
            previous: 5,
            index: 7,
        };
        assert_eq!(
            spoil(&|request| {
                request.entries.remove(0);
            }),
            gap
        );
        assert!(matches!(
            spoil(&|request| request.previous = None),
            Malformed::Gap { .. }
        ));
        assert!(matches!(
            spoil(&|request| request.entries[1].op = 256),
            Malformed::Entry { index: 7, .. }
        ));
        assert!(matches!(
            spoil(&|request| request.entries[2].payload = Bytes::from_static(b"\xff")),
            Malformed::Entry { index: 8, .. }
        ));
        assert!(matches!(
            spoil(&|request| request.previous = Some(v1::RaftLogId {
                term: 1,
                index: u64::MAX
            })),
            Malformed::Gap { .. }
        ));
    }

    #[test]
    fn answers_come_out_as_they_went_in() {
        let results: [StreamAppendResult<TypeConfig>; 4] = [
            Ok(None),
            Ok(Some(id(2, 0))),
            Err(StreamAppendError::Conflict(id(2, 8))),
            Err(StreamAppendError::HigherVote(Vote::new(4, 2))),
        ];
        for result in results {
            assert_eq!(
                replicate_response_in(replicate_response_out(&result)).unwrap(),
                result
            );
        }
        for broken in [0, 2, 3, 9, -1] {
            let response = v1::ReplicateResponse {
                result: broken,
                ..Default::default()
            };
            assert!(replicate_response_in(response).is_err());
        }
    }

    #[test]
    fn votes_and_transfers_come_out_as_they_went_in() {
        let request = VoteRequest {
            vote: Vote::new(4, 2),
            last_log_id: Some(id(3, 7)),
            leadership_transfer: true,
        };
        assert_eq!(
            vote_request_in(vote_request_out(MasterId(1), &request)).unwrap(),
            request
        );
        let response = VoteResponse::new(Vote::new_committed(5, 1), None, false);
        assert_eq!(vote_response_in(vote_response_out(&response)).unwrap(), response);
        let transfer = TransferLeaderRequest::new(Vote::new_committed(5, 1), 3, Some(id(5, 1)));
        let sent = transfer_out(MasterId(2), &transfer);
        assert_eq!((sent.to, sent.next), (2, 3));
        assert_eq!(transfer_in(&sent).unwrap(), transfer);
        let behind = Err(TransferLeaderError::LogNotFlushed {
            expected: transfer.last_log_id().copied(),
            actual: None,
        });
        for response in [Ok(()), behind] {
            let sent = transfer_response_out(&response);
            assert_eq!(transfer_response_in(&transfer, &sent).unwrap(), response);
        }
    }
}
