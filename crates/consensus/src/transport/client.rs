//! Another master, as Raft asks it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes};
use proto::v1::consensus_client::ConsensusClient;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use types::MasterId;

use super::convert::{self, Malformed};
use super::link::{Kind, Link};
use super::network::Network;
use super::{checkpoint, replicate};
use crate::acknowledged::Acknowledged;
use crate::raft::{Snapshot, TypeConfig, Vote};
use crate::store::SnapshotData;

/// Why an answer did not come.
pub(crate) type RpcError = RPCError<TypeConfig>;

/// Between attempts to reach a master that does not answer: short at first, as one that was restarted is soon back.
const BACKOFF: [u64; 5] = [20, 50, 100, 200, 400];

/// Another master. What is asked has its id, so that another one at the same address refuses.
pub(crate) struct Remote {
    own: MasterId,
    target: MasterId,
    address: String,
    /// For what is small and urgent.
    small: Option<Arc<Link>>,
    /// For what this remote was made for.
    link: Option<Arc<Link>>,
    acknowledged: Acknowledged,
    votes_from: Instant,
}

impl Remote {
    pub(crate) fn new(network: &Network, own: MasterId, target: MasterId, address: &str, kind: Kind) -> Self {
        let link = |kind| network.link(address, kind).ok();
        Self {
            own,
            target,
            address: address.to_owned(),
            small: link(Kind::Small),
            link: link(kind),
            acknowledged: network.acknowledged().clone(),
            votes_from: network.votes_from(),
        }
    }

    pub(crate) const fn target(&self) -> MasterId {
        self.target
    }

    pub(crate) fn link(&self) -> Result<Arc<Link>, RpcError> {
        self.link.clone().ok_or_else(|| self.no_address())
    }

    /// It has answered to a message that was sent at `sent` by the leader of `vote`, and follows it.
    pub(crate) fn follows(&self, vote: Vote, sent: Instant) {
        self.acknowledged.note(self.target, vote, sent);
    }

    fn no_address(&self) -> RpcError {
        Unreachable::from_string(format!("{:?} is not an address of a master", self.address)).into()
    }

    /// What the library makes of a refusal: it waits before it asks such a master again.
    pub(crate) fn refused(&self, status: &Status) -> RpcError {
        let text = format!("master {} at {}: {}", self.target, self.address, status.message());
        match status.code() {
            Code::Unavailable | Code::FailedPrecondition | Code::Unknown | Code::InvalidArgument => {
                Unreachable::from_string(text).into()
            }
            _ => NetworkError::from_string(text).into(),
        }
    }

    pub(crate) fn malformed(&self, malformed: &Malformed) -> RpcError {
        Unreachable::from_string(format!(
            "master {} at {} answers with {malformed}",
            self.target, self.address
        ))
        .into()
    }

    pub(crate) fn late(&self, action: RPCTypes, timeout: Duration) -> RpcError {
        Timeout {
            action,
            id: self.own.0,
            target: self.target.0,
            timeout,
        }
        .into()
    }

    /// Asks something small.
    async fn ask<Q, A, F>(
        &self,
        action: RPCTypes,
        option: &RPCOption,
        question: Q,
        call: impl FnOnce(ConsensusClient<Channel>, Q) -> F,
    ) -> Result<A, RpcError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let link = self.small.as_ref().ok_or_else(|| self.no_address())?;
        let (client, used) = link.client();
        let timeout = option.soft_ttl();
        match tokio::time::timeout(timeout, call(client, question)).await {
            Ok(Ok(answer)) => {
                link.answered(used);
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => {
                if status.code() != Code::Unavailable {
                    link.answered(used);
                }
                Err(self.refused(&status))
            }
            Err(_) => Err(self.late(action, timeout)),
        }
    }

    async fn ask_for_vote<F>(
        &self,
        request: &VoteRequest<TypeConfig>,
        option: &RPCOption,
        call: impl FnOnce(ConsensusClient<Channel>, proto::v1::VoteRequest) -> F,
    ) -> Result<VoteResponse<TypeConfig>, RpcError>
    where
        F: Future<Output = Result<Response<proto::v1::VoteResponse>, Status>>,
    {
        if !request.leadership_transfer && Instant::now() < self.votes_from {
            let why = "this master has just been started, and stands for no election yet";
            return Err(Unreachable::from_string(why).into());
        }
        let question = convert::vote_request_out(self.target, request);
        let answer = self.ask(RPCTypes::Vote, option, question, call).await?;
        convert::vote_response_in(answer).map_err(|error| self.malformed(&error))
    }
}

impl RaftNetworkV2<TypeConfig> for Remote {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        replicate::one(self, request, &option).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(replicate::stream(self, input, option))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_for_vote(&request, &option, |mut client, question| async move {
            client.vote(question).await
        })
        .await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_for_vote(&request, &option, |mut client, question| async move {
            client.pre_vote(question).await
        })
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = checkpoint::send(self, vote, &snapshot, option.soft_ttl()) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let question = convert::transfer_out(self.target, &request);
        let answer = self
            .ask(
                RPCTypes::TransferLeader,
                &option,
                question,
                |mut client, question| async move { client.transfer_leader(question).await },
            )
            .await?;
        convert::transfer_response_in(&request, &answer).map_err(|error| self.malformed(&error))
    }

    fn backoff(&self) -> Option<Backoff> {
        let last = BACKOFF.last().copied().unwrap_or(400);
        let delays = BACKOFF.into_iter().chain(std::iter::repeat(last));
        Some(Backoff::new(delays.map(Duration::from_millis)))
    }
}
