//! The task that owns the log.
//!
//! While one batch is being synced the next one collects in the queue: the slower the disk, the larger the batches. An
//! answer leaves only after the sync of its command, and after the commands before it were applied.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use types::Term;
use wal::Wal;

use crate::error::{Failure, ProposeError};
use crate::machine::StateMachine;
use crate::store::Condition;

/// Commands that one sync makes durable at most.
const BATCH_COMMANDS: usize = 1024;

/// After this much time without a command the log's position is settled.
const IDLE: Duration = Duration::from_millis(10);

/// A command on its way.
pub(crate) struct Proposal<M: StateMachine> {
    pub(crate) command: M::Command,
    pub(crate) op: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Result<M::Outcome, ProposeError>>,
    /// Its share of the queue's bytes.
    pub(crate) room: OwnedSemaphorePermit,
}

pub(crate) struct Writer<M: StateMachine> {
    pub(crate) machine: Arc<M>,
    pub(crate) term: Term,
    pub(crate) queue: mpsc::Receiver<Proposal<M>>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) condition: watch::Sender<Condition>,
    pub(crate) spare: Option<JoinHandle<()>>,
}

impl<M: StateMachine> Writer<M> {
    /// Works until the group is closed; after a failure only tells it to everyone who asks.
    pub(crate) async fn run(mut self, wal: Wal) {
        let ended = self.serve(wal).await;
        if let Some(spare) = self.spare.take() {
            let _ = spare.await;
        }
        match ended {
            Ok(()) => {
                self.condition.send_replace(Condition::Closed);
            }
            Err(failure) => {
                tracing::error!(%failure, "the log has failed: this process must stop");
                self.condition.send_replace(Condition::Failed(failure.clone()));
                while let Some(proposal) = self.queue.recv().await {
                    refuse([proposal], &failure);
                }
            }
        }
    }

    async fn serve(&mut self, mut wal: Wal) -> Result<(), Failure> {
        let mut settled = true;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut batch, BATCH_COMMANDS) => if count == 0 {
                    break;
                },
                () = closing(&mut self.closing), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                () = tokio::time::sleep(IDLE), if !settled => {
                    wal = settle(wal).await?;
                    settled = true;
                    continue;
                }
            }
            let term = self.term;
            let (written, back, batch) = env::blocking(move || {
                let written = write(&mut wal, term, &batch);
                (written, wal, batch)
            })
            .await;
            wal = back;
            settled = false;
            match written {
                Ok(first_index) => self.apply(first_index, batch),
                Err(failure) => {
                    let failure = Failure::from(failure);
                    // Before the answers: who gets one of them finds the group failed.
                    self.condition.send_replace(Condition::Failed(failure.clone()));
                    refuse(batch, &failure);
                    return Err(failure);
                }
            }
            self.prepare_segment(&mut wal);
        }
        settle(wal).await?;
        Ok(())
    }

    fn apply(&self, first_index: u64, batch: Vec<Proposal<M>>) {
        let mut commands = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        for proposal in batch {
            commands.push(proposal.command);
            answers.push((proposal.answer, proposal.room));
        }
        let outcomes = self.machine.apply_batch(first_index, commands);
        for (outcome, (answer, room)) in outcomes.into_iter().zip(answers) {
            drop(room);
            // Who does not wait any more has no use for it.
            let _ = answer.send(Ok(outcome));
        }
    }

    /// Has the next segment made beside the work.
    fn prepare_segment(&mut self, wal: &mut Wal) {
        let Some(job) = wal.spare_job() else { return };
        self.spare = Some(tokio::spawn(async {
            if let Err(error) = env::blocking(|| job.run()).await {
                tracing::warn!(%error, "could not make a segment of the log in advance");
            }
        }));
    }
}

/// Makes a batch durable, and gives the index of its first command. Blocks.
fn write<M: StateMachine>(wal: &mut Wal, term: Term, batch: &[Proposal<M>]) -> Result<u64, wal::Failure> {
    let first_index = wal.last() + 1;
    for proposal in batch {
        match wal.append(term, proposal.op, &proposal.payload) {
            Ok(_) => {}
            Err(wal::AppendError::Failed(failure)) => return Err(failure),
            // Checked by `Group::propose`; a gap between commands and records must never be.
            Err(wal::AppendError::TooLarge(_)) => unreachable!("a command larger than a record was let in"),
        }
    }
    wal.sync()?;
    Ok(first_index)
}

/// Resolves when the group is closed or dropped.
async fn closing(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn settle(mut wal: Wal) -> Result<Wal, Failure> {
    env::blocking(move || {
        wal.settle()?;
        Ok(wal)
    })
    .await
}

fn refuse<M: StateMachine>(proposals: impl IntoIterator<Item = Proposal<M>>, failure: &Failure) {
    for proposal in proposals {
        let cause = failure.clone();
        let _ = proposal.answer.send(Err(ProposeError::Failed { cause }));
    }
}
