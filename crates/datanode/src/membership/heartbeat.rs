//! Heartbeats, and the commands that their answers bring.
//!
//! A leader may hold an answer back until it has something to order, as long as the heartbeat says; with orders, it is asked
//! for more at once. So orders wait for no interval. What came to nothing is told at once, beside a heartbeat whose answer is
//! held back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proto::v1;
use tokio::time::Instant;
use types::Term;

use super::convert::{failure, job, uuid_bytes};
use super::obey::{self, Standing};
use super::session::{Ended, Session, Terms, storages};
use super::sessions::Sessions;
use crate::replicas::Replicas;

/// Between two heartbeats at least.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// Failures in one heartbeat.
const FAILURES_MAX: usize = 1_000;

/// Sends heartbeats, the first at once, and carries out what the answers say.
pub(super) async fn run(
    session: &Session,
    replicas: &Arc<Replicas>,
    terms: Terms,
) -> Result<Infallible, Ended> {
    let interval = terms.heartbeat_interval;
    loop {
        let begun = Instant::now();
        let ordered = {
            let held = beat(session, replicas, interval);
            tokio::pin!(held);
            loop {
                tokio::select! {
                    biased;
                    ordered = &mut held => break ordered?,
                    () = something_failed(session) => {
                        beat(session, replicas, Duration::ZERO).await?;
                    }
                }
            }
        };
        let pause = if ordered { PAUSE_MIN } else { interval };
        tokio::select! {
            () = tokio::time::sleep_until(begun + pause) => {}
            () = something_failed(session) => {}
        }
    }
}

/// Waits until something is to be told, and a little longer, for more of it.
async fn something_failed(session: &Session) {
    session.failures.some().await;
    tokio::time::sleep(PAUSE_MIN).await;
}

/// One heartbeat, of which the answer may take `patience`. Says whether it ordered something.
async fn beat(session: &Session, replicas: &Arc<Replicas>, patience: Duration) -> Result<bool, Ended> {
    let node = &session.node;
    let storages = storages(replicas).await;
    let failures = session.failures.take(FAILURES_MAX);
    let heartbeat = v1::HeartbeatRequest {
        datanode_id: uuid_bytes(node.id.0),
        storages,
        streams: node.transfers.load(Ordering::Relaxed),
        transfers: node.orders.copying(),
        failures: failures.iter().map(failure).collect(),
        members_seen: node.members().version(),
        received_bytes: node.telemetry.received_bytes.get(),
        sent_bytes: node.telemetry.sent_bytes.get(),
        patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        jobs: node.jobs.statuses().into_iter().map(job).collect(),
    };
    let mut client = session.client.clone();
    let limit = node.config.timeouts.master + patience;
    let told = session.call_within("heartbeat", limit, client.heartbeat(heartbeat));
    let answer = match told.await {
        Ok(answer) => answer,
        Err(ended) => {
            session.failures.give_back(failures);
            return Err(ended);
        }
    };
    let term = Term(answer.term);
    let admitted = node.see_term(term).await;
    Sessions::learn(node, &answer.masters, admitted && answer.leads);
    let standing = match (admitted, answer.leads) {
        (true, true) => Standing::Leader(term),
        (true, false) => Standing::Standby,
        (false, _) => Standing::Former(term),
    };
    if let (Some(update), Standing::Leader(_)) = (&answer.members, standing)
        && let Err(error) = node.members().apply(update)
    {
        tracing::warn!(master = %session.master, %error, "did not understand who the members are");
    }
    let commands = answer.commands.into_iter().filter_map(|command| command.command);
    let mut ordered = false;
    for command in commands {
        ordered = true;
        obey::carry_out(session, standing, command)?;
    }
    Ok(ordered)
}
