//! What masters order. Only the leader of the highest term that was seen orders anything; any master may ask to be told
//! more.

use std::sync::Arc;

use chunkstore::Victim;
use proto::v1;
use proto::v1::command::Command;
use transfer::Node as Peer;
use types::{ChunkId, Generation, Term};

use super::session::{Ended, Session};
use crate::orders::{Check, Copy, Deletion, Giver, Task};

/// What a master is to this datanode.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// It leads, and no later leader has been seen.
    Leader(Term),
    /// It does not lead.
    Standby,
    /// A later leader has been seen than the one of this term, which it is or knows.
    Former(Term),
}

/// Takes a command up.
pub(super) fn carry_out(session: &Session, standing: Standing, command: Command) -> Result<(), Ended> {
    let order = match command {
        Command::SendBlockReport(v1::SendBlockReport {}) => {
            session.outbox.request_full_report();
            return Ok(());
        }
        Command::RegisterAgain(v1::RegisterAgain {}) => return Err(Ended::Again),
        order => order,
    };
    match standing {
        Standing::Leader(term) => obey(session, term, order),
        Standing::Standby => {
            tracing::warn!(master = %session.master, "ignored a command of a master that does not lead");
        }
        Standing::Former(term) => {
            tracing::warn!(master = %session.master, %term, "refused a command of an old leader");
        }
    }
    Ok(())
}

fn obey(session: &Session, term: Term, order: Command) {
    let by = Giver {
        term,
        failures: Arc::clone(&session.failures),
    };
    match order {
        Command::DeleteReplicas(order) => delete(session, order.replicas, &by),
        Command::CopyReplica(order) => match copy(&order, by) {
            Ok(copy) => session.node.orders.copy(copy),
            Err(error) => {
                tracing::warn!(master = %session.master, %error, "asked to copy what is no replica")
            }
        },
        Command::VerifyReplicas(order) => check(session, Task::Verify, &order.replicas, &by),
        Command::RestoreReplicas(order) => check(session, Task::Restore, &order.replicas, &by),
        // Of any master, and done.
        Command::SendBlockReport(_) | Command::RegisterAgain(_) => {}
    }
}

fn delete(session: &Session, victims: Vec<v1::ReplicaVersion>, by: &Giver) {
    let came = session.node.env.clock.monotonic();
    tracing::info!(master = %session.master, count = victims.len(), "is to delete replicas");
    for victim in victims {
        match ChunkId::new(victim.chunk) {
            Ok(chunk) => session.node.orders.delete(Deletion {
                chunk,
                generation: Generation(victim.generation),
                which: if victim.only_corrupt {
                    Victim::OnlyCorrupt
                } else {
                    Victim::Any
                },
                by: by.clone(),
                came,
            }),
            Err(error) => tracing::warn!(%error, "asked to delete what is no chunk"),
        }
    }
}

/// Why an order can not be understood.
#[derive(Debug, thiserror::Error)]
enum Senseless {
    #[error(transparent)]
    Message(#[from] proto::Malformed),
    #[error(transparent)]
    Target(#[from] transfer::InvalidNode),
}

fn copy(order: &v1::CopyReplica, by: Giver) -> Result<Copy, Senseless> {
    let missing = proto::Malformed::Missing;
    let extent = order.extent.as_ref().ok_or(missing("copy_replica.extent"))?;
    let target = order.target.as_ref().ok_or(missing("copy_replica.target"))?;
    let id = proto::datanode_id(&target.id)?;
    let port = u16::try_from(target.data_port).ok().filter(|port| *port != 0);
    let port = port.ok_or(transfer::InvalidNode::Port {
        id,
        port: target.data_port,
    })?;
    if target.host.is_empty() {
        return Err(transfer::InvalidNode::NoHost { id }.into());
    }
    Ok(Copy {
        extent: proto::extent(extent)?,
        target: Peer {
            id,
            host: target.host.clone(),
            port,
        },
        target_storage: proto::storage_id(&order.target_storage_id).ok(),
        bytes_per_s: order.bytes_per_s,
        by,
    })
}

fn check(session: &Session, task: Task, versions: &[v1::ReplicaVersion], by: &Giver) {
    for version in versions {
        match ChunkId::new(version.chunk) {
            Ok(chunk) => session.node.orders.check(Check {
                task,
                chunk,
                generation: Generation(version.generation),
                by: by.clone(),
            }),
            Err(error) => tracing::warn!(%error, "asked to look at what is no chunk"),
        }
    }
}
