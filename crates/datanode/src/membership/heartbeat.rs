//! Heartbeats, and the commands that their answers bring.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chunkstore::Victim;
use proto::v1;
use proto::v1::command::Command;
use tokio::time::MissedTickBehavior;
use types::{ChunkId, Generation, Term};

use super::convert::uuid_bytes;
use super::session::{Ended, Session, Terms, storages};
use super::sessions::Sessions;
use crate::replicas::Replicas;

/// Sends heartbeats, the first at once, and carries out what the answers say.
pub(super) async fn run(
    session: &Session,
    replicas: &Arc<Replicas>,
    terms: Terms,
) -> Result<Infallible, Ended> {
    let node = &session.node;
    let mut ticks = tokio::time::interval(terms.heartbeat_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut client = session.client.clone();
    loop {
        ticks.tick().await;
        let heartbeat = v1::HeartbeatRequest {
            datanode_id: uuid_bytes(node.id.0),
            storages: storages(replicas).await,
            streams: node.transfers.load(Ordering::Relaxed),
            ..Default::default()
        };
        let answer = session.call("heartbeat", client.heartbeat(heartbeat)).await?;
        let admitted = node.see_term(Term(answer.term)).await;
        Sessions::learn(node, &answer.masters, admitted && answer.leads);
        for command in answer.commands.into_iter().filter_map(|c| c.command) {
            // To be told more is nothing that only a leader may want.
            let harmless = !matches!(command, Command::DeleteReplicas(_));
            if harmless || (admitted && answer.leads) {
                obey(session, replicas, command).await?;
            } else if admitted {
                tracing::warn!(master = %session.master, term = answer.term, "ignored a command of a master that does not lead");
            } else {
                tracing::warn!(master = %session.master, term = answer.term, "refused a command of an old leader");
            }
        }
    }
}

async fn obey(session: &Session, replicas: &Arc<Replicas>, command: Command) -> Result<(), Ended> {
    match command {
        Command::SendBlockReport(v1::SendBlockReport {}) => session.outbox.request_full_report(),
        Command::RegisterAgain(v1::RegisterAgain {}) => return Err(Ended::Again),
        Command::CopyReplica(_) | Command::VerifyReplicas(_) | Command::RestoreReplicas(_) => {
            tracing::warn!(master = %session.master, "a command that this version does not know");
        }
        Command::DeleteReplicas(v1::DeleteReplicas { replicas: victims }) => {
            tracing::info!(master = %session.master, count = victims.len(), "deleting replicas");
            let replicas = Arc::clone(replicas);
            env::blocking(move || {
                for victim in victims {
                    match ChunkId::new(victim.chunk) {
                        Ok(chunk) => {
                            let which = if victim.only_corrupt {
                                Victim::OnlyCorrupt
                            } else {
                                Victim::Any
                            };
                            replicas.delete(chunk, Generation(victim.generation), which);
                        }
                        Err(error) => tracing::warn!(%error, "asked to delete what is no chunk"),
                    }
                }
            })
            .await;
        }
    }
    Ok(())
}
