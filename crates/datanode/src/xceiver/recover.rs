//! A pipeline failed, and its survivors go on; or a finished chunk gets more bytes: its replicas move to a new generation.
//!
//! Those that write on keep all that they have received: readers may have seen what the client does not know to be
//! acknowledged. The client sends it again, and who has it skips it. Those that are to finish agree on a length.

use chunkstore::ReplicaState;
use transfer::{Block, Refusal, pb};
use types::Generation;

use super::request::Context;
use crate::refusal::{invalid, refuse};
use crate::writing::Claim;

/// What a recovery is to agree on.
#[derive(Debug, Clone)]
pub(super) struct Recovery {
    /// The replica, at the generation that it had at least.
    pub(super) block: Block,
    /// The generation that it moves to.
    pub(super) generation: Generation,
    /// What was acknowledged: every survivor has so much.
    pub(super) acknowledged: u64,
    /// What was sent: no survivor has more.
    pub(super) sent: u64,
}

impl Recovery {
    pub(super) fn of(block: Block, op: &pb::OpWriteBlockProto) -> Result<Self, Refusal> {
        let recovery = Self {
            generation: Generation(op.latest_generation_stamp),
            acknowledged: op.min_bytes_rcvd,
            sent: op.max_bytes_rcvd,
            block,
        };
        let (chunk, old) = (recovery.block.chunk, recovery.block.generation);
        if recovery.generation <= old {
            return Err(invalid(format!(
                "a recovery of chunk {chunk} at generation {old} can not lead to generation {}",
                recovery.generation
            )));
        }
        if recovery.acknowledged > recovery.sent {
            return Err(invalid(format!(
                "a recovery of chunk {chunk} with {} bytes acknowledged, but only {} sent",
                recovery.acknowledged, recovery.sent
            )));
        }
        Ok(recovery)
    }

    /// Whether a replica can be the one that is meant. An earlier attempt may have moved it on.
    fn check(&self, generation: Generation, len: u64) -> Result<(), Refusal> {
        let chunk = self.block.chunk;
        if !(self.block.generation..=self.generation).contains(&generation) {
            return Err(refuse(
                pb::Status::Error,
                format!(
                    "chunk {chunk} is here at generation {generation}; the recovery goes from {} to {}",
                    self.block.generation, self.generation
                ),
            ));
        }
        if !(self.acknowledged..=self.sent).contains(&len) {
            return Err(refuse(
                pb::Status::Error,
                format!(
                    "chunk {chunk} has {len} bytes here; {} were acknowledged and {} sent",
                    self.acknowledged, self.sent
                ),
            ));
        }
        Ok(())
    }

    fn unknown(&self) -> Refusal {
        refuse(
            pb::Status::Error,
            format!(
                "chunk {} at generation {} is not here, neither finalized nor being written",
                self.block.chunk, self.block.generation
            ),
        )
    }
}

/// The replica at the new generation, ready to be written on.
pub(super) async fn streaming(context: &Context<'_>, recovery: &Recovery) -> Result<Claim, Refusal> {
    let replicas = &context.replicas;
    let chunk = recovery.block.chunk;
    let mut claim = match replicas.claim(chunk, context.timeouts().take_over).await? {
        Some(claim) => claim,
        None => {
            // It is appended to; or this node has finalized what nobody acknowledged.
            let finalized = replicas.store.replica(chunk).ok_or_else(|| recovery.unknown())?;
            recovery.check(finalized.generation, finalized.len)?;
            replicas.reopen(chunk, finalized.generation)?
        }
    };
    take_over(&mut claim, recovery, None)?;
    claim.rejoins();
    claim.visible().advance(recovery.acknowledged);
    Ok(claim)
}

/// The replica finalized at the new generation, with what was acknowledged, which is all of it.
pub(super) async fn closing(context: &Context<'_>, recovery: &Recovery) -> Result<(), Refusal> {
    let replicas = &context.replicas;
    let chunk = recovery.block.chunk;
    if let Some(mut claim) = replicas.claim(chunk, context.timeouts().take_over).await? {
        take_over(&mut claim, recovery, Some(recovery.acknowledged))?;
        let finalized = replicas.finalize(&mut claim);
        finalized.map_err(|error| refuse(pb::Status::Error, error.to_string()))?;
        return Ok(());
    }
    let finalized = replicas.store.replica(chunk).ok_or_else(|| recovery.unknown())?;
    recovery.check(finalized.generation, finalized.len)?;
    if finalized.state == ReplicaState::Corrupt || finalized.len != recovery.acknowledged {
        return Err(refuse(
            pb::Status::Error,
            format!(
                "the replica of chunk {chunk} has {} bytes and is {:?}; {} bytes were acknowledged",
                finalized.len, finalized.state, recovery.acknowledged
            ),
        ));
    }
    let raised = replicas.bump_generation(chunk, recovery.generation);
    raised.map_err(|error| refuse(pb::Status::Error, error.to_string()))?;
    Ok(())
}

/// Moves a replica to the new generation, when it fits; cuts it when a length is given.
fn take_over(claim: &mut Claim, recovery: &Recovery, len: Option<u64>) -> Result<(), Refusal> {
    let writer = claim.writer().ok_or_else(|| recovery.unknown())?;
    recovery.check(writer.generation(), writer.received())?;
    let moved = writer
        .truncate_to(len.unwrap_or_else(|| writer.received()))
        .and_then(|()| writer.bump_generation(recovery.generation));
    moved.map_err(|error| {
        if !error.leaves_the_replica() {
            claim.fail();
        }
        refuse(pb::Status::Error, error.to_string())
    })
}
