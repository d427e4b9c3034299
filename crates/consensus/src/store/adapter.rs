//! The state machine as Raft drives it.
//!
//! Commands are applied in batches, an answer leaves after its command was applied. Which entry was applied last, and who
//! belonged to the group then, changes together with the state: an image is always taken as of exactly one entry.
//!
//! Checkpoints are written by the [`Checkpointer`](super::Checkpointer); what Raft calls building a snapshot is only to look
//! at the newest one.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use checkpoint::{Checkpoint, Pace};
use env::Env;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::{Notify, watch};

use super::checkpointer::Written;
use super::codec::{BadMembership, decode_stored, encode_stored};
use super::{Erased, SnapshotData};
use crate::error::{CheckpointError, Failure};
use crate::machine::Image;
use crate::raft::{
    Command, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig, log_id, record_id,
    record_index,
};
use crate::settings::Settings;

/// Commands that are applied at once at most: what is decoded for it is bounded.
const BATCH_COMMANDS: usize = 1024;

/// What a record takes in the log besides its payload.
const RECORD_BYTES: usize = 25;

/// How the group is.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Working,
    Failed(Failure),
    Closed,
}

/// What the state machine has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

/// See the module's text. Clones are the same.
#[derive(Clone)]
pub(crate) struct Adapter(Arc<Inner>);

struct Inner {
    machine: Arc<dyn Erased>,
    applied: Mutex<Applied>,
    /// The newest checkpoint that is on disk.
    newest: Mutex<Option<Checkpoint>>,
    /// Bytes of log that were applied since the last image.
    bytes: AtomicU64,
    /// After so many the next image is due.
    bytes_due: u64,
    due: Notify,
    condition: watch::Sender<Condition>,
    env: Env,
    directory: PathBuf,
    pace: Pace,
    /// One checkpoint is written at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Adapter {
    /// The machine has what `newest` has, or nothing.
    pub(crate) fn new(
        env: &Env,
        directory: &Path,
        settings: &Settings,
        machine: Arc<dyn Erased>,
        newest: Option<Checkpoint>,
        condition: watch::Sender<Condition>,
    ) -> Result<Self, BadMembership> {
        let applied = match &newest {
            Some(newest) => {
                let meta = meta_of(newest)?;
                Applied {
                    last: meta.last_log_id,
                    membership: meta.last_membership,
                }
            }
            None => Applied::default(),
        };
        Ok(Self(Arc::new(Inner {
            machine,
            applied: Mutex::new(applied),
            newest: Mutex::new(newest),
            bytes: AtomicU64::new(0),
            bytes_due: settings.checkpoint_log_bytes,
            due: Notify::new(),
            condition,
            env: env.clone(),
            directory: directory.to_owned(),
            pace: settings.checkpoint_pace,
            writing: tokio::sync::Mutex::default(),
        })))
    }

    /// What the machine has. It does not change while this is held.
    pub(crate) fn applied(&self) -> MutexGuard<'_, Applied> {
        self.0.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest checkpoint that is on disk.
    pub(crate) fn newest(&self) -> Option<Checkpoint> {
        self.0
            .newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes notice of a checkpoint that is on disk.
    pub(crate) fn keep(&self, checkpoint: Checkpoint) {
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest
            .as_ref()
            .is_none_or(|newest| newest.header().index < checkpoint.header().index)
        {
            *newest = Some(checkpoint);
        }
    }

    /// The state as of now, with what its checkpoint is to say of itself. None before anything was applied.
    fn image(&self) -> Option<(checkpoint::Header, Box<dyn Image>)> {
        let applied = self.applied();
        let last = applied.last?;
        let (term, index) = record_id(Some(&last));
        let membership = encode_stored(&applied.membership);
        self.0.bytes.store(0, Ordering::Relaxed);
        let image = self.0.machine.image();
        drop(applied);
        let header = checkpoint::Header {
            term,
            index,
            written: self.0.env.clock.wall(),
            membership,
        };
        Some((header, image))
    }

    /// Has a checkpoint written of the state as of now, unless the newest one is as of now.
    pub(crate) async fn write_checkpoint(&self) -> Result<Written, CheckpointError> {
        let _one = self.0.writing.lock().await;
        let (header, image) = self.image().ok_or(CheckpointError::Empty)?;
        let (disk, directory) = (Arc::clone(&self.0.env.disk), self.0.directory.clone());
        if let Some(newest) = self.newest()
            && newest.header().index >= header.index
        {
            return env::blocking(move || Written::again(&*disk, &directory, newest)).await;
        }
        let pace = self.0.pace;
        let written = env::background("checkpoint", move || {
            Written::write(&disk, &directory, &header, pace, &*image)
        });
        let written = written.await?;
        tracing::info!(
            index = written.info.index, bytes = written.info.bytes, path = %written.info.path.display(),
            "wrote a checkpoint",
        );
        self.keep(written.checkpoint.clone());
        Ok(written)
    }

    /// Resolves when enough was applied since the last image for another one.
    pub(crate) async fn due(&self) {
        loop {
            let due = self.0.due.notified();
            if self.0.bytes.load(Ordering::Relaxed) >= self.0.bytes_due {
                return;
            }
            due.await;
        }
    }

    fn fail(&self, failure: Failure) -> io::Error {
        let error = io::Error::other(failure.to_string());
        self.0.condition.send_if_modified(|condition| {
            let first = !matches!(condition, Condition::Failed(_));
            if first {
                tracing::error!(%failure, "the state machine has failed: this process must stop");
                *condition = Condition::Failed(failure);
            }
            first
        });
        error
    }

    fn apply_batch(&self, batch: &mut Batch) -> io::Result<()> {
        let commands = std::mem::take(&mut batch.commands);
        let Some(last) = batch.last.take() else {
            return Ok(());
        };
        let first = record_index(last.index) + 1 - commands.len() as u64;
        let bytes: usize = commands
            .iter()
            .map(|command| RECORD_BYTES + command.payload.len())
            .sum();
        let mut applied = self.applied();
        let machine = &self.0.machine;
        match std::panic::catch_unwind(AssertUnwindSafe(|| machine.apply(first, commands))) {
            Ok(Ok(())) => applied.last = Some(last),
            Ok(Err(undecodable)) => {
                return Err(self.fail(Failure::Decode {
                    directory: self.0.directory.clone(),
                    index: undecodable.index,
                    op: undecodable.op,
                    source: Arc::from(undecodable.source),
                }));
            }
            Err(_) => return Err(self.fail(Failure::Panicked)),
        }
        drop(applied);
        for answer in batch.answers.drain(..) {
            answer.send(());
        }
        let before = self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before + bytes as u64 >= self.0.bytes_due {
            self.0.due.notify_one();
        }
        Ok(())
    }

    /// Replaces the state by that of a checkpoint. Blocks.
    fn restore(&self, meta: &SnapshotMeta, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut applied = self.applied();
        let mut reader = checkpoint.open();
        let restored = self.0.machine.restore(&mut reader);
        let failed = match (reader.finish(), restored) {
            (Err(damaged), _) => damaged.to_string(),
            (Ok(_), Err(error)) => error.to_string(),
            (Ok(_), Ok(())) => {
                applied.last = meta.last_log_id;
                applied.membership = meta.last_membership.clone();
                return Ok(());
            }
        };
        Err(self.fail(Failure::Restore {
            path: checkpoint.path().to_owned(),
            why: failed,
        }))
    }
}

/// What a checkpoint is as of.
pub(crate) fn meta_of(checkpoint: &Checkpoint) -> Result<SnapshotMeta, BadMembership> {
    let header = checkpoint.header();
    Ok(SnapshotMeta {
        last_log_id: log_id(header.term, header.index),
        last_membership: decode_stored(&header.membership)?,
    })
}

/// A checkpoint as Raft wants it: to be installed, after it was received from a leader.
pub(crate) fn snapshot_of(checkpoint: Checkpoint) -> Result<Snapshot, BadMembership> {
    Ok(Snapshot {
        meta: meta_of(&checkpoint)?,
        snapshot: checkpoint,
    })
}

/// Commands in a row.
#[derive(Default)]
struct Batch {
    commands: Vec<Command>,
    answers: Vec<ApplyResponder<TypeConfig>>,
    last: Option<LogId>,
}

impl RaftStateMachine<TypeConfig> for Adapter {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.applied();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut batch = Batch::default();
        while let Some((entry, answer)) = entries.try_next().await? {
            if let Payload::Normal(command) = entry.payload {
                batch.commands.push(command);
                batch.answers.extend(answer);
                batch.last = Some(entry.log_id);
                if batch.commands.len() >= BATCH_COMMANDS {
                    self.apply_batch(&mut batch)?;
                }
                continue;
            }
            self.apply_batch(&mut batch)?;
            let mut applied = self.applied();
            applied.last = Some(entry.log_id);
            if let Payload::Membership(membership) = entry.payload {
                applied.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            drop(applied);
            if let Some(answer) = answer {
                answer.send(());
            }
        }
        self.apply_batch(&mut batch)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            machine: self.clone(),
            write: true,
        }
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        let machine = self.clone();
        (force || self.newest().is_some()).then_some(Builder {
            machine,
            write: force,
        })
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        checkpoint: SnapshotData,
    ) -> Result<(), io::Error> {
        let (this, meta) = (self.clone(), meta.clone());
        env::blocking(move || {
            this.restore(&meta, &checkpoint)?;
            this.keep(checkpoint);
            Ok(())
        })
        .await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        self.newest()
            .map(snapshot_of)
            .transpose()
            .map_err(io::Error::other)
    }
}

/// What Raft builds a snapshot with.
pub(crate) struct Builder {
    machine: Adapter,
    /// Whether the newest checkpoint there is is not enough.
    write: bool,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let newest = if self.write {
            self.machine
                .write_checkpoint()
                .await
                .map_err(io::Error::other)?
                .checkpoint
        } else {
            self.machine.newest().ok_or(io::ErrorKind::NotFound)?
        };
        snapshot_of(newest).map_err(io::Error::other)
    }
}
