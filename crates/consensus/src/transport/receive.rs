//! Receiving a checkpoint from a leader.
//!
//! One comes in at a time: a later one ends the earlier, whose leader has given up or was replaced. Heartbeats and votes
//! are answered meanwhile; they have a connection of their own, and nothing here holds a lock that they need.

use std::sync::{Mutex, PoisonError};

use checkpoint::Receiver;
use futures_util::{Stream, StreamExt};
use proto::v1;
use tokio::sync::oneshot;
use tonic::Status;

use super::checkpoint::STALLED;
use super::convert;
use crate::node::Node;
use crate::raft::Vote;

/// At most one checkpoint that comes in.
#[derive(Debug, Default)]
pub(crate) struct Reception(Mutex<Option<oneshot::Sender<()>>>);

impl Reception {
    /// Ends what comes in, and begins anew. The receiver resolves when this one is to end.
    fn begin(&self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(end);
        drop(before);
        ended
    }

    /// Receives a checkpoint and has it installed.
    ///
    /// # Errors
    /// What the leader is told.
    pub(crate) async fn receive<S>(&self, node: &Node, mut parts: S) -> Result<Vote, Status>
    where
        S: Stream<Item = Result<v1::CheckpointPart, Status>> + Send + Unpin,
    {
        let first = next(&mut parts)
            .await?
            .ok_or_else(|| Status::invalid_argument("a checkpoint without a first part"))?;
        super::service::check_target(node, first.to)?;
        let vote =
            convert::leader_in(first.vote).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let known = super::service::own_vote(node);
        if known > vote {
            return Ok(known);
        }
        tracing::info!(
            from = vote.leader_id.voted_for,
            bytes = first.length,
            "receives a checkpoint: the leader's log does not go back far enough"
        );
        let mut ended = self.begin();
        let disk = node.env.disk.clone();
        let directory = node.directory.clone();
        let mut receiver = env::blocking(move || checkpoint::receive(&disk, &directory))
            .await
            .map_err(|error| failed(&error))?;
        receiver = take(receiver, first.bytes).await?;
        loop {
            let part = tokio::select! {
                part = next(&mut parts) => part?,
                _ = &mut ended => return Err(Status::aborted("another checkpoint comes in")),
            };
            match part {
                Some(part) => receiver = take(receiver, part.bytes).await?,
                None => break,
            }
            if receiver.received() > first.length {
                return Err(Status::invalid_argument("more bytes than were announced"));
            }
        }
        let checkpoint = env::blocking(move || receiver.finish())
            .await
            .map_err(|error| failed(&error))?;
        let snapshot = crate::store::snapshot_of(checkpoint)
            .map_err(|error| Status::invalid_argument(format!("the checkpoint can not be used: {error}")))?;
        match node.raft.install_full_snapshot(vote, snapshot).await {
            Ok(response) => Ok(response.vote),
            Err(fatal) => Err(super::service::stopped(&fatal)),
        }
    }
}

async fn take(mut receiver: Receiver, bytes: bytes::Bytes) -> Result<Receiver, Status> {
    env::blocking(move || receiver.take(&bytes).map(|()| receiver))
        .await
        .map_err(|error| failed(&error))
}

async fn next<S>(parts: &mut S) -> Result<Option<v1::CheckpointPart>, Status>
where
    S: Stream<Item = Result<v1::CheckpointPart, Status>> + Unpin,
{
    match tokio::time::timeout(STALLED, parts.next()).await {
        Ok(part) => part.transpose(),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no part of the checkpoint came within {STALLED:?}"
        ))),
    }
}

fn failed(error: &checkpoint::ReceiveError) -> Status {
    tracing::warn!(%error, "a checkpoint could not be received");
    Status::data_loss(format!("the checkpoint could not be received: {error}"))
}
