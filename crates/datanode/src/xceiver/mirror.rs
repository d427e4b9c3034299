//! The next datanode of a pipeline, or the one that a replica is copied to.

use std::time::Duration;

use transfer::{Node as Peer, Op, Refusal, pb};
use wire::{Reader, Writer};

use super::deadline::{Lost, within};
use super::request::Context;
use crate::refusal::{at_link, invalid, refuse};

/// A connection to another datanode with nothing under way.
pub(crate) struct Connection {
    reader: Reader,
    writer: Writer,
    address: String,
}

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
        match onward(op) {
            Some((first, onward)) => Self::open(context, first, onward).await.map(Some),
            None => Ok(None),
        }
    }

    /// As [`pass_on`](Self::pass_on), and waits for the answer. A connection that was kept is used where there is one.
    pub(super) async fn chain(
        context: &Context<'_>,
        op: &pb::OpWriteBlockProto,
    ) -> Result<Option<Self>, Refusal> {
        let Some((first, onward)) = onward(op) else {
            return Ok(None);
        };
        let kept = Connection::kept(context, &address(first)?);
        // At the beginning of a chunk there is no earlier writer that would have to be stopped.
        let limit = match onward.stage() {
            pb::BlockConstructionStage::PipelineSetupCreate => context.timeouts().connect,
            _ => context.timeouts().setup,
        };
        Self::set_up(context, kept, first, onward, limit).await.map(Some)
    }

    /// Nothing is under way any more: the connection is kept for the next pipeline.
    pub(super) fn keep(self, context: &Context<'_>) {
        self.into_connection().keep(context);
    }

    /// Connects to `target` and sends it a request.
    pub(super) async fn open(
        context: &Context<'_>,
        target: &pb::DatanodeInfoProto,
        op: pb::OpWriteBlockProto,
    ) -> Result<Self, Refusal> {
        let behind = behind(&op);
        let connection = Connection::to(context, &address(target)?).await?;
        let mut mirror = Self::over(connection, behind);
        let sent = mirror.ask(context, &Op::WriteBlock(Box::new(op))).await;
        sent.map_err(|error| {
            let why = format!(
                "can not pass the request on to datanode {}: {error}",
                mirror.address
            );
            mirror.lost(why)
        })?;
        Ok(mirror)
    }

    /// As [`open`](Self::open), and waits for the answer. `kept` is used when it leads to `target`; should it have been closed
    /// meanwhile, which says nothing, another one is made.
    pub(super) async fn set_up(
        context: &Context<'_>,
        kept: Option<Connection>,
        target: &pb::DatanodeInfoProto,
        op: pb::OpWriteBlockProto,
        alone: Duration,
    ) -> Result<Self, Refusal> {
        let address = address(target)?;
        if let Some(kept) = kept.filter(|kept| kept.address == address) {
            let mut mirror = Self::over(kept, behind(&op));
            let limit = mirror.limit(context, alone);
            let request = Op::WriteBlock(Box::new(op.clone()));
            let answer = async {
                mirror.ask(context, &request).await?;
                within(limit, mirror.reader.read_response()).await
            };
            match answer.await {
                Err(Lost::Wire(error)) => {
                    tracing::debug!(%error, address, "a connection that was kept is gone")
                }
                Err(lost @ Lost::Silent(_)) => return Err(mirror.no_answer(&lost)),
                Ok(answer) => return mirror.judge(answer).map(|()| mirror),
            }
        }
        let mut mirror = Self::open(context, target, op).await?;
        mirror.accepted(context, alone).await?;
        Ok(mirror)
    }

    /// The connection, when nothing is under way on it any more.
    pub(super) fn into_connection(self) -> Connection {
        let Self {
            reader,
            writer,
            address,
            behind: _,
        } = self;
        Connection {
            reader,
            writer,
            address,
        }
    }

    fn over(connection: Connection, behind: u32) -> Self {
        let Connection {
            reader,
            writer,
            address,
        } = connection;
        Self {
            reader,
            writer,
            address,
            behind,
        }
    }

    async fn ask(&mut self, context: &Context<'_>, op: &Op) -> Result<(), Lost> {
        within(context.timeouts().connect, self.writer.write_op(op)).await
    }

    /// Waits for the answer to the request that was sent.
    pub(super) async fn accepted(&mut self, context: &Context<'_>, alone: Duration) -> Result<(), Refusal> {
        let limit = self.limit(context, alone);
        let answer = within(limit, self.reader.read_response())
            .await
            .map_err(|lost| self.no_answer(&lost))?;
        self.judge(answer)
    }

    /// What an answer says.
    pub(super) fn judge(&self, answer: pb::BlockOpResponseProto) -> Result<(), Refusal> {
        match answer.accepted() {
            Ok(_) => Ok(()),
            Err(refusal) => Err(at_link(&self.address, refusal)),
        }
    }

    /// This datanode is why it does not work.
    pub(super) fn lost(&self, why: String) -> Refusal {
        at_link(&self.address, refuse(pb::Status::Error, why))
    }

    fn no_answer(&self, lost: &Lost) -> Refusal {
        self.lost(format!("no answer from datanode {}: {lost}", self.address))
    }

    /// How long to wait for what takes `alone` without anyone behind the next datanode.
    pub(super) fn limit(&self, context: &Context<'_>, alone: Duration) -> Duration {
        alone.saturating_add(context.timeouts().hop.saturating_mul(self.behind))
    }
}

/// The first of the request's targets, when there is one, and the request as it is passed on to it, with the rest.
fn onward(op: &pb::OpWriteBlockProto) -> Option<(&pb::DatanodeInfoProto, pb::OpWriteBlockProto)> {
    let (first, rest) = op.targets.split_first()?;
    let onward = pb::OpWriteBlockProto {
        targets: rest.to_vec(),
        target_storage_types: op.target_storage_types.iter().skip(1).copied().collect(),
        target_pinnings: op.target_pinnings.iter().skip(1).copied().collect(),
        target_storage_ids: op.target_storage_ids.iter().skip(1).cloned().collect(),
        storage_type: op.target_storage_types.first().copied(),
        storage_id: op.target_storage_ids.first().cloned(),
        ..op.clone()
    };
    Some((first, onward))
}

impl Connection {
    /// Sends a request with the packet that belongs to it, as it was received, to the datanode at `address`. Over a connection
    /// that was kept, where there is one and `kept` allows it.
    pub(super) async fn pass(
        context: &Context<'_>,
        address: &str,
        kept: bool,
        op: &Op,
        frame: &[u8],
    ) -> Result<(Self, bool), Refusal> {
        let limit = context.timeouts().idle;
        if kept && let Some(mut connection) = Self::kept(context, address) {
            let sent = within(limit, connection.writer.write_op_with_frame(op, frame)).await;
            if sent.is_ok() {
                return Ok((connection, true));
            }
        }
        let mut connection = Self::to(context, address).await?;
        match within(limit, connection.writer.write_op_with_frame(op, frame)).await {
            Ok(()) => Ok((connection, false)),
            Err(error) => {
                let why = format!("can not pass a request on to datanode {address}: {error}");
                Err(at_link(address, refuse(pb::Status::Error, why)))
            }
        }
    }

    /// The answer to what was sent. An error says that there is none.
    pub(super) async fn answer(&mut self, limit: Duration) -> Result<pb::BlockOpResponseProto, Lost> {
        within(limit, self.reader.read_response()).await
    }

    /// Nothing is under way any more: it is kept for the next request.
    pub(super) fn keep(self, context: &Context<'_>) {
        let Self {
            reader,
            writer,
            address,
        } = self;
        if let Some(stream) = wire::rejoin(reader, writer)
            && let Ok(stream) = stream.detach()
        {
            context.node.peers.keep(address, stream);
        }
    }

    /// One to `address` that was kept, if there is one.
    fn kept(context: &Context<'_>, address: &str) -> Option<Self> {
        let stream = context.node.peers.take(address)?.attach().ok()?;
        let (reader, writer) = wire::split(stream);
        Some(Self {
            reader,
            writer,
            address: address.to_owned(),
        })
    }

    async fn to(context: &Context<'_>, address: &str) -> Result<Self, Refusal> {
        let connecting = context.node.env.net.connect(address);
        let stream = within(context.timeouts().connect, connecting)
            .await
            .map_err(|error| {
                let why = format!("can not connect to datanode {address}: {error}");
                at_link(address, refuse(pb::Status::Error, why))
            })?;
        let (reader, writer) = wire::split(stream);
        Ok(Self {
            reader,
            writer,
            address: address.to_owned(),
        })
    }
}

fn address(target: &pb::DatanodeInfoProto) -> Result<String, Refusal> {
    let peer = Peer::try_from(target).map_err(|error| invalid(error.to_string()))?;
    Ok(peer.address())
}

fn behind(op: &pb::OpWriteBlockProto) -> u32 {
    u32::try_from(op.targets.len()).unwrap_or(u32::MAX)
}
