//! The requests on a connection, one after the other.

use std::sync::Arc;

use env::net::TcpStream;
use tokio::time::Instant;
use tracing::Instrument as _;
use transfer::{Op, Refusal, pb, trace_of};
use types::TraceId;
use wire::{Reader, Writer};

use super::deadline::{Lost, within};
use super::{checksum, local, read, small, transfer as copy, write};
use crate::config::Timeouts;
use crate::node::Node;
use crate::refusal::{refuse, response};
use crate::replicas::Replicas;

/// What a request needs.
pub(super) struct Context<'a> {
    pub(super) node: &'a Arc<Node>,
    pub(super) replicas: Arc<Replicas>,
}

impl Context<'_> {
    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.node.config.timeouts
    }
}

/// Whether another request may follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Request,
    Close,
}

/// What our own programs' names begin with.
const OURS: &str = "distrifs-";

/// Whether a program of this name is one of ours: it takes large packets, and goes on with a connection when a chunk is written.
pub(super) fn is_ours(client_name: &str) -> bool {
    client_name.starts_with(OURS)
}

/// Serves a connection to its end.
pub(super) async fn serve(node: &Arc<Node>, stream: TcpStream) {
    let (mut reader, mut writer) = wire::split(stream);
    let limit = node.config.timeouts.keep_alive;
    let mut is_new = true;
    loop {
        let op = match next(node, is_new, &mut reader).await {
            Ok(Some(op)) => op,
            Ok(None) | Err(Lost::Silent(_) | Lost::Wire(wire::Error::Io(_) | wire::Error::Closed { .. })) => {
                return;
            }
            Err(error @ Lost::Wire(wire::Error::Malformed(_))) => {
                let refusal = refuse(pb::Status::ErrorUnsupported, error.to_string());
                let _ = within(limit, writer.write_response(&response(refusal))).await;
                return;
            }
        };
        match carry_out(node, op, &mut reader, &mut writer).await {
            Ok(Next::Request) => is_new = false,
            Ok(Next::Close) => return,
            Err(error) => {
                tracing::debug!(%error, "a stream ended early");
                return;
            }
        }
    }
}

/// The next request; none when there is to be no more. The first is waited for; between requests, a connection makes room
/// for another that wants its thread.
async fn next(node: &Node, is_new: bool, reader: &mut Reader) -> Result<Option<Op>, Lost> {
    if !is_new {
        reader.rest();
    }
    let request = within(node.config.timeouts.keep_alive, reader.read_op());
    if is_new {
        return request.await;
    }
    let resting = node.idle.rest();
    tokio::select! {
        biased;
        op = request => op,
        () = resting.evicted() => Ok(None),
    }
}

async fn carry_out(node: &Arc<Node>, op: Op, reader: &mut Reader, writer: &mut Writer) -> Result<Next, Lost> {
    let Some(replicas) = node.replicas() else {
        let why = "this datanode has not reached a master yet, and does not know its cluster";
        return answer(node, writer, refuse(pb::Status::Error, why)).await;
    };
    let context = Context { node, replicas };
    let took = node.telemetry.operation(&op).map(|took| (took, Instant::now()));
    let trace = TraceId(trace_of(&op));
    let span = tracing::debug_span!(target: "request", "request", id = %trace, operation = ?op.opcode());
    let done = serve_op(&context, op, reader, writer)
        .instrument(span.clone())
        .await;
    span.in_scope(|| tracing::debug!(target: "request", well = done.is_ok(), "request"));
    if let Some((took, begun)) = took {
        took.observe(begun.elapsed());
    }
    done
}

async fn serve_op(
    context: &Context<'_>,
    op: Op,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    match op {
        Op::WriteBlock(op) => write::serve(context, *op, reader, writer).await,
        Op::ReadBlock(op) => read::serve(context, &op, reader, writer).await,
        Op::BlockChecksum(op) => checksum::serve(context, &op, writer).await,
        Op::TransferBlock(op) => copy::serve(context, &op, writer).await,
        Op::RequestShortCircuitFds(op) => local::serve(context, &op, writer).await,
        Op::WriteSmall(op) => small::write(context, op, reader, writer).await,
        Op::ReadSmall(op) => small::read(context, &op, writer).await,
        Op::ReplaceBlock(_)
        | Op::CopyBlock(_)
        | Op::ReleaseShortCircuitFds(_)
        | Op::RequestShortCircuitShm(_) => {
            let why = format!("{:?} is not supported by this datanode", op.opcode());
            answer(context.node, writer, refuse(pb::Status::ErrorUnsupported, why)).await
        }
    }
}

/// Says no; the connection may go on.
pub(super) async fn answer(node: &Node, writer: &mut Writer, refusal: Refusal) -> Result<Next, Lost> {
    tracing::debug!(%refusal, "refused a request");
    let limit = node.config.timeouts.idle;
    within(limit, writer.write_response(&response(refusal))).await?;
    Ok(Next::Request)
}
