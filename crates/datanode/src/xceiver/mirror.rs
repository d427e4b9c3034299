//! The next datanode of a pipeline.

use std::time::Duration;

use transfer::{Node as Peer, Op, Refusal, pb};
use wire::{Reader, Writer};

use super::deadline::within;
use super::request::Context;
use crate::refusal::{at_link, invalid, refuse};

/// A connection to the next datanode, and how many are behind it.
pub(super) struct Mirror {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) address: String,
    behind: u32,
}

impl Mirror {
    /// Connects to the first of the request's targets, when there is one, and passes the request on with the rest.
    pub(super) async fn pass_on(
        context: &Context<'_>,
        op: &pb::OpWriteBlockProto,
    ) -> Result<Option<Self>, Refusal> {
        let Some((first, rest)) = op.targets.split_first() else {
            return Ok(None);
        };
        let onward = pb::OpWriteBlockProto {
            targets: rest.to_vec(),
            target_storage_types: op.target_storage_types.iter().skip(1).copied().collect(),
            target_pinnings: op.target_pinnings.iter().skip(1).copied().collect(),
            target_storage_ids: op.target_storage_ids.iter().skip(1).cloned().collect(),
            storage_type: op.target_storage_types.first().copied(),
            storage_id: op.target_storage_ids.first().cloned(),
            ..op.clone()
        };
        Self::open(context, first, onward).await.map(Some)
    }

    /// Connects to `target` and sends it a request.
    pub(super) async fn open(
        context: &Context<'_>,
        target: &pb::DatanodeInfoProto,
        op: pb::OpWriteBlockProto,
    ) -> Result<Self, Refusal> {
        let peer = Peer::try_from(target).map_err(|error| invalid(error.to_string()))?;
        let address = peer.address();
        let lost = |error: String| at_link(&address, refuse(pb::Status::Error, error));
        let timeouts = context.timeouts();
        let stream = within(timeouts.connect, context.node.env.net.connect(&address))
            .await
            .map_err(|error| lost(format!("can not connect to datanode {address}: {error}")))?;
        let (reader, mut writer) = wire::split(stream);
        let behind = u32::try_from(op.targets.len()).unwrap_or(u32::MAX);
        let op = Op::WriteBlock(Box::new(op));
        within(timeouts.connect, writer.write_op(&op))
            .await
            .map_err(|error| {
                lost(format!(
                    "can not pass the request on to datanode {address}: {error}"
                ))
            })?;
        Ok(Self {
            reader,
            writer,
            address,
            behind,
        })
    }

    /// Waits for the answer to the request that was sent.
    pub(super) async fn accepted(&mut self, context: &Context<'_>, alone: Duration) -> Result<(), Refusal> {
        let limit = self.limit(context, alone);
        let answer = within(limit, self.reader.read_response())
            .await
            .map_err(|error| {
                let why = format!("no answer from datanode {}: {error}", self.address);
                at_link(&self.address, refuse(pb::Status::Error, why))
            })?;
        match answer.accepted() {
            Ok(_) => Ok(()),
            Err(refusal) => Err(at_link(&self.address, refusal)),
        }
    }

    /// How long to wait for what takes `alone` without anyone behind the next datanode.
    pub(super) fn limit(&self, context: &Context<'_>, alone: Duration) -> Duration {
        alone.saturating_add(context.timeouts().hop.saturating_mul(self.behind))
    }
}
