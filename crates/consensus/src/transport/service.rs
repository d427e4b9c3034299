//! What a master answers to the others.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use openraft::async_runtime::WatchReceiver;
use openraft::raft::AppendEntriesRequest;
use proto::v1;
use proto::v1::consensus_server::{Consensus, ConsensusServer};
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};
use types::MasterId;

use super::MESSAGE_BYTES_MAX;
use super::ask::Identity;
use super::convert::{self, Malformed};
use super::receive::Reception;
use crate::form;
use crate::node::{Node, SharedNode};
use crate::raft::{TypeConfig, Vote};

/// The service, as a gRPC server mounts it.
pub type Service = ConsensusServer<Answers>;

/// The service of `node`.
pub(crate) fn service(node: SharedNode) -> Service {
    let service = Answers {
        node,
        reception: Arc::default(),
    };
    ConsensusServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// What a master answers to the others.
#[derive(Clone)]
pub struct Answers {
    node: SharedNode,
    reception: Arc<Reception>,
}

/// Refuses what is meant for another master.
pub(crate) fn check_target(node: &Node, to: u64) -> Result<(), Status> {
    let (own, to) = (node.id, MasterId(to));
    if to == own {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "this is master {own} and not {to}: the directory of that one was lost, or its address given away"
    )))
}

/// Refuses to vote while a leader that this master followed before its start may still rely on that: see [`Node::votes_from`].
/// Who is handed the lead is voted for: the leader wants it so.
fn check_free(node: &Node, transfer: bool) -> Result<(), Status> {
    if transfer || Instant::now() >= node.votes_from {
        return Ok(());
    }
    Err(Status::failed_precondition(
        "this master has just been started, and does not vote until a leader that it followed before would have lost its lease",
    ))
}

/// The highest vote that this master has seen.
pub(crate) fn own_vote(node: &Node) -> Vote {
    node.raft.metrics().borrow_watched().vote
}

/// Raft has ended.
pub(crate) fn stopped(error: &dyn std::error::Error) -> Status {
    Status::unavailable(format!("this master is stopping: {error}"))
}

fn malformed(malformed: &Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}

/// What this master says of itself.
fn identity(node: &Node) -> Identity {
    let status = node.status.borrow();
    Identity {
        id: node.id,
        configured: node.settings.peers.clone(),
        members: status.members.clone(),
        leader: status.leader,
        term: status.term,
    }
}

#[tonic::async_trait]
impl Consensus for Answers {
    async fn pre_vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        let request = request.into_inner();
        check_target(&self.node, request.to)?;
        let request = convert::vote_request_in(request).map_err(|error| malformed(&error))?;
        check_free(&self.node, request.leadership_transfer)?;
        let answer = self.node.raft.pre_vote(request).await;
        let answer = answer.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::vote_response_out(&answer)))
    }

    async fn vote(&self, request: Request<v1::VoteRequest>) -> Result<Response<v1::VoteResponse>, Status> {
        let request = request.into_inner();
        check_target(&self.node, request.to)?;
        let request = convert::vote_request_in(request).map_err(|error| malformed(&error))?;
        check_free(&self.node, request.leadership_transfer)?;
        let answer = self.node.raft.vote(request).await;
        let answer = answer.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::vote_response_out(&answer)))
    }

    type ReplicateStream = BoxStream<'static, Result<v1::ReplicateResponse, Status>>;

    async fn replicate(
        &self,
        request: Request<Streaming<v1::ReplicateRequest>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        let refusal = Refusal::default();
        let requests = requests(Arc::clone(&self.node), request.into_inner(), refusal.clone());
        let answers = self.node.raft.stream_append(requests).map(|answer| match answer {
            Ok(result) => Ok(convert::replicate_response_out(&result)),
            Err(fatal) => Err(stopped(&fatal)),
        });
        // What ended the requests early is told behind the answers to those before.
        let end = futures_util::stream::once(async move { refusal.take() })
            .filter_map(|refusal| std::future::ready(refusal.map(Err)));
        Ok(Response::new(answers.chain(end).boxed()))
    }

    async fn install_checkpoint(
        &self,
        request: Request<Streaming<v1::CheckpointPart>>,
    ) -> Result<Response<v1::InstallCheckpointResponse>, Status> {
        let vote = self.reception.receive(&self.node, request.into_inner()).await?;
        Ok(Response::new(v1::InstallCheckpointResponse {
            vote: convert::vote_out(&vote),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        let request = request.into_inner();
        check_target(&self.node, request.to)?;
        let request = convert::transfer_in(&request).map_err(|error| malformed(&error))?;
        let answer = self.node.raft.handle_transfer_leader(request).await;
        let answer = answer.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::transfer_response_out(&answer)))
    }

    async fn who_are_you(
        &self,
        _request: Request<v1::WhoAreYouRequest>,
    ) -> Result<Response<v1::WhoAreYouResponse>, Status> {
        Ok(Response::new(identity(&self.node).into_response()))
    }

    async fn rejoin(
        &self,
        request: Request<v1::RejoinRequest>,
    ) -> Result<Response<v1::RejoinResponse>, Status> {
        let request = request.into_inner();
        match form::replace(&self.node, MasterId(request.id), request.address).await {
            Ok(()) => Ok(Response::new(v1::RejoinResponse {})),
            Err(error) => Err(Status::failed_precondition(error.to_string())),
        }
    }
}

/// Why requests were not read to their end.
#[derive(Debug, Clone, Default)]
struct Refusal(Arc<Mutex<Option<Status>>>);

impl Refusal {
    fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    fn take(&self) -> Option<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The requests that are meant for this master and whole; the first one that is not ends them.
fn requests(
    node: SharedNode,
    messages: Streaming<v1::ReplicateRequest>,
    refusal: Refusal,
) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + 'static {
    futures_util::stream::unfold(
        (node, messages, refusal),
        |(node, mut messages, refusal)| async move {
            let request = match messages.message().await {
                Ok(Some(message)) => check_target(&node, message.to)
                    .and_then(|()| convert::replicate_in(message).map_err(|error| malformed(&error))),
                Ok(None) => return None,
                Err(status) => Err(status),
            };
            match request {
                Ok(request) => Some((request, (node, messages, refusal))),
                Err(status) => {
                    refusal.set(status);
                    None
                }
            }
        },
    )
}
