//! The task that owns the log and the votes.
//!
//! All that is written goes through one queue, in its order. While one batch is being synced the next one collects in the
//! queue: the slower the disk, the larger the batches. Completion is told only after the sync, a vote's only after its file
//! is durable. After the first failure nothing is written any more, and everyone is told so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::disk::Disk;
use metrics::Histogram;
use openraft::storage::IOFlushed;
use plant::Bug;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use types::Term;
use wal::{Meta, Wal};

use super::adapter::Condition;
use super::log::Shared;
use crate::error::Failure;
use crate::raft::TypeConfig;

/// Jobs that wait for the disk at most; Raft then waits for room.
pub(crate) const QUEUE_JOBS: usize = 256;

/// Bytes of records that one sync makes durable, about.
const BATCH_BYTES: usize = 16 << 20;

/// After this much time without a record the log's position is settled.
const IDLE: Duration = Duration::from_millis(10);

/// A record to be written.
pub(crate) struct Write {
    pub(crate) term: Term,
    pub(crate) op: u8,
    pub(crate) payload: Bytes,
}

/// What tells that a job is done.
pub(crate) type Done = oneshot::Sender<Result<(), wal::Failure>>;

/// Something to be done to the disk. Indexes are those of records.
pub(crate) enum Job {
    Append {
        writes: Vec<Write>,
        done: IOFlushed<TypeConfig>,
    },
    Vote {
        meta: Meta,
        done: Done,
    },
    /// Removes the records after this one.
    Truncate {
        last: u64,
        done: Done,
    },
    /// Removes the records up to this one, as far as whole segments go; all, where the log does not reach so far.
    Purge {
        upto: u64,
        done: Done,
    },
}

pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: std::path::PathBuf,
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: mpsc::Receiver<Job>,
    pub(crate) condition: watch::Sender<Condition>,
    /// How long syncs take.
    pub(crate) syncs: Histogram,
    pub(crate) spare: Option<JoinHandle<()>>,
}

impl Writer {
    /// Works until nobody is left who could write; after a failure only tells it to everyone who asks.
    pub(crate) async fn run(mut self, wal: Wal) {
        let ended = self.serve(wal).await;
        if let Some(spare) = self.spare.take() {
            let _ = spare.await;
        }
        match ended {
            Ok(()) => {
                self.condition.send_if_modified(|condition| {
                    let working = matches!(condition, Condition::Working);
                    if working {
                        *condition = Condition::Closed;
                    }
                    working
                });
            }
            Err(failure) => {
                tracing::error!(%failure, "the log has failed: this process must stop");
                // Said already, unless it was the position that could not be made durable.
                self.condition.send_if_modified(|condition| {
                    let first = !matches!(condition, Condition::Failed(_));
                    if first {
                        *condition = Condition::Failed(Failure::from(failure.clone()));
                    }
                    first
                });
                while let Some(job) = self.queue.recv().await {
                    refuse(job, &failure);
                }
            }
        }
    }

    async fn serve(&mut self, mut wal: Wal) -> Result<(), wal::Failure> {
        let mut settled = true;
        loop {
            let mut jobs = Vec::new();
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut jobs, QUEUE_JOBS) => if count == 0 {
                    break;
                },
                () = tokio::time::sleep(IDLE), if !settled => {
                    wal = settle(wal).await?;
                    settled = true;
                    continue;
                }
            }
            // Those that were woken together come together: they share this sync and do not wait for the next.
            tokio::task::yield_now().await;
            let batch = Batch {
                disk: Arc::clone(&self.disk),
                directory: self.directory.clone(),
                shared: Arc::clone(&self.shared),
                condition: self.condition.clone(),
                syncs: self.syncs.clone(),
                waiting: Vec::new(),
            };
            let (done, back) = self.work(batch, jobs, wal).await;
            wal = back;
            settled = false;
            done?;
            self.prepare_segment(&mut wal);
        }
        settle(wal).await?;
        Ok(())
    }

    /// Does these jobs, and all that come meanwhile, without giving the thread back in between.
    async fn work(
        &mut self,
        mut batch: Batch,
        mut jobs: Vec<Job>,
        mut wal: Wal,
    ) -> (Result<(), wal::Failure>, Wal) {
        // A channel of the same kind stands in for the queue as long as that is away.
        let (_, stand_in) = mpsc::channel(1);
        let mut queue = std::mem::replace(&mut self.queue, stand_in);
        let (done, wal, queue) = env::blocking(move || {
            let done = loop {
                while jobs.len() < QUEUE_JOBS
                    && let Ok(job) = queue.try_recv()
                {
                    jobs.push(job);
                }
                if jobs.is_empty() {
                    break Ok(());
                }
                if let Err(failure) = batch.work(&mut wal, std::mem::take(&mut jobs)) {
                    break Err(failure);
                }
                if wal.spare_due() {
                    break Ok(());
                }
            };
            (done, wal, queue)
        })
        .await;
        self.queue = queue;
        (done, wal)
    }

    /// Has the next segment made beside the work.
    fn prepare_segment(&mut self, wal: &mut Wal) {
        // Both would write to one file.
        if self.spare.as_ref().is_some_and(|spare| !spare.is_finished()) {
            return;
        }
        let Some(job) = wal.spare_job() else { return };
        self.spare = Some(tokio::spawn(async {
            if let Err(error) = env::blocking(|| job.run()).await {
                tracing::warn!(%error, "could not make a segment of the log in advance");
            }
        }));
    }
}

/// Jobs that are done together.
struct Batch {
    disk: Arc<dyn Disk>,
    directory: std::path::PathBuf,
    shared: Arc<Shared>,
    condition: watch::Sender<Condition>,
    syncs: Histogram,
    /// Who waits for the next sync.
    waiting: Vec<IOFlushed<TypeConfig>>,
}

impl Batch {
    /// Blocks.
    fn work(&mut self, wal: &mut Wal, jobs: Vec<Job>) -> Result<(), wal::Failure> {
        let mut jobs = jobs.into_iter();
        let mut failed = None;
        if plant::is_planted(Bug::AcknowledgeEarly) {
            failed = wal.sync().map(|synced| self.shared.synced(synced)).err();
        }
        for job in jobs.by_ref() {
            if let Err(failure) = self.job(wal, job) {
                failed = Some(failure);
                break;
            }
        }
        let Some(failure) = failed.or_else(|| self.sync(wal).err()) else {
            return Ok(());
        };
        // Before the answers: who gets one of them finds the group failed.
        self.condition
            .send_replace(Condition::Failed(Failure::from(failure.clone())));
        for done in self.waiting.drain(..) {
            done.io_completed(Err(std::io::Error::other(failure.clone())));
        }
        for job in jobs {
            refuse(job, &failure);
        }
        Err(failure)
    }

    fn job(&mut self, wal: &mut Wal, job: Job) -> Result<(), wal::Failure> {
        match job {
            Job::Append { writes, done } => {
                self.waiting.push(done);
                for write in writes {
                    match wal.append(write.term, write.op, &write.payload) {
                        Ok(_) => {}
                        Err(wal::AppendError::Failed(failure)) => return Err(failure),
                        // Checked by `Group::propose`, and by the transport; a gap must never be.
                        Err(wal::AppendError::TooLarge(_)) => {
                            unreachable!("a command larger than a record was let in")
                        }
                    }
                }
                if wal.buffered_bytes() >= BATCH_BYTES {
                    self.sync(wal)?;
                }
                Ok(())
            }
            Job::Vote { meta, done } => {
                self.sync(wal)?;
                answer(meta.store(&*self.disk, &self.directory), done)
            }
            Job::Truncate { last, done } => {
                self.sync(wal)?;
                answer(wal.truncate_after(last), done)
            }
            Job::Purge { upto, done } => {
                self.sync(wal)?;
                let purged = if wal.last() < upto {
                    wal.begin_after(upto)
                } else {
                    wal.purge_before(upto + 1)
                };
                answer(purged, done)
            }
        }
    }

    /// Makes durable what was appended, and tells those who wait for it.
    fn sync(&mut self, wal: &mut Wal) -> Result<(), wal::Failure> {
        let begun = (!self.waiting.is_empty()).then(Instant::now);
        if begun.is_some() && plant::is_planted(Bug::AcknowledgeEarly) {
            self.acknowledge();
            return Ok(());
        }
        let synced = wal.sync()?;
        if let Some(begun) = begun {
            self.syncs.observe(begun.elapsed());
        }
        self.acknowledge();
        self.shared.synced(synced);
        Ok(())
    }

    /// Tells those who wait.
    fn acknowledge(&mut self) {
        for done in self.waiting.drain(..) {
            done.io_completed(Ok(()));
        }
    }
}

fn answer(result: Result<(), wal::Failure>, done: Done) -> Result<(), wal::Failure> {
    // Who does not wait any more has no use for it.
    let _ = done.send(result.clone());
    result
}

fn refuse(job: Job, failure: &wal::Failure) {
    match job {
        Job::Append { done, .. } => done.io_completed(Err(std::io::Error::other(failure.clone()))),
        Job::Vote { done, .. } | Job::Truncate { done, .. } | Job::Purge { done, .. } => {
            let _ = done.send(Err(failure.clone()));
        }
    }
}

async fn settle(mut wal: Wal) -> Result<Wal, wal::Failure> {
    env::blocking(move || {
        wal.settle()?;
        Ok(wal)
    })
    .await
}
