//! The recovery of a file whose writer is gone, as far as one replica goes. The master leads it.
//!
//! # Guarantees
//! - Whoever wrote the replica has stopped before its length is told, and can not write it again: it has a newer generation.
//! - What is told has every byte that a reader may have seen here. A replica that is older than the chunk's generation in force
//!   takes no part.
//! - Orders may come twice. A recovery that is older than another one is refused.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::ReplicaState;
use transfer::{Refusal, pb};
use types::{ChunkId, Generation};

use crate::refusal::refuse;
use crate::replicas::Replicas;

/// What a recovery wants of a replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) chunk: ChunkId,
    /// In force: older replicas take no part.
    pub(crate) generation: Generation,
    /// What it moves to.
    pub(crate) recovery: Generation,
    /// The length to finish it with; none: it is only stopped.
    pub(crate) len: Option<u64>,
}

/// What there is of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing that takes part.
    Nothing,
    /// Being written, with this many bytes.
    Unfinished(u64),
    /// The same, found at a start: these were synced, and there may have been more.
    Left(u64),
    /// Finalized, with this many bytes.
    Finished(u64),
}

/// Carries an order out.
pub(crate) async fn carry_out(
    replicas: &Arc<Replicas>,
    order: Order,
    patience: Duration,
) -> Result<Found, Refusal> {
    let claimed = replicas.claim(order.chunk, patience).await?;
    let replicas = Arc::clone(replicas);
    env::blocking(move || match claimed {
        Some(claim) => unfinished(&replicas, order, claim),
        None => finished(&replicas, order),
    })
    .await
}

fn newer(order: Order, present: Generation) -> Refusal {
    refuse(
        pb::Status::Error,
        format!(
            "chunk {} is here at generation {present}; a recovery to generation {} comes too late",
            order.chunk, order.recovery
        ),
    )
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    refuse(pb::Status::Error, error.to_string())
}

fn unfinished(replicas: &Replicas, order: Order, mut claim: crate::writing::Claim) -> Result<Found, Refusal> {
    let restarted = claim.restarted();
    let Some(writer) = claim.writer() else {
        return finished(replicas, order);
    };
    let (present, received) = (writer.generation(), writer.received());
    let found = if restarted { Found::Left } else { Found::Unfinished };
    if present < order.generation {
        // Of no use. There may be a finished one beside it.
        return finished(replicas, order);
    }
    if present > order.recovery {
        return Err(newer(order, present));
    }
    let moved = match order.len {
        None => writer.bump_generation(order.recovery),
        Some(len) => writer
            .truncate_to(len)
            .and_then(|()| writer.bump_generation(order.recovery)),
    };
    if let Err(error) = moved {
        if !error.leaves_the_replica() {
            claim.fail();
        }
        return Err(failed(error));
    }
    match order.len {
        None => Ok(found(received)),
        Some(_) => {
            let replica = replicas.finalize(&mut claim).map_err(failed)?;
            Ok(Found::Finished(replica.len))
        }
    }
}

fn finished(replicas: &Replicas, order: Order) -> Result<Found, Refusal> {
    let Some(present) = replicas.store.replica(order.chunk) else {
        return Ok(Found::Nothing);
    };
    if present.generation < order.generation || present.state == ReplicaState::Corrupt {
        return Ok(Found::Nothing);
    }
    if present.generation > order.recovery {
        return Err(newer(order, present.generation));
    }
    let len = order.len.unwrap_or(present.len);
    if len > present.len {
        return Err(failed(format!(
            "chunk {} is finished here with {} bytes; a recovery wants {len}",
            order.chunk, present.len
        )));
    }
    let moved = if len < present.len {
        replicas.cut(order.chunk, order.recovery, len)
    } else {
        replicas.bump_generation(order.chunk, order.recovery)
    };
    moved.map(|replica| Found::Finished(replica.len)).map_err(failed)
}
