//! The state machine as Raft drives it.
//!
//! Commands are applied in batches, an answer leaves after its command was applied. Which entry was applied last, and who
//! belonged to the group then, changes together with the state: an image is always taken as of exactly one entry.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, TryStreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;

use super::{Erased, SnapshotData};
use crate::error::Failure;
use crate::raft::{
    Command, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig, record_index,
};

/// Commands that are applied at once at most: what is decoded for it is bounded.
const BATCH_COMMANDS: usize = 1024;

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
pub(crate) struct Adapter {
    machine: Arc<dyn Erased>,
    applied: Arc<Mutex<Applied>>,
    condition: watch::Sender<Condition>,
    directory: PathBuf,
}

impl Adapter {
    pub(crate) fn new(
        machine: Arc<dyn Erased>,
        condition: watch::Sender<Condition>,
        directory: PathBuf,
    ) -> Self {
        Self {
            machine,
            applied: Arc::default(),
            condition,
            directory,
        }
    }

    pub(crate) fn applied(&self) -> MutexGuard<'_, Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: Failure) -> io::Error {
        let error = io::Error::other(failure.to_string());
        self.condition.send_replace(Condition::Failed(failure));
        error
    }

    fn apply_batch(&self, batch: &mut Batch) -> io::Result<()> {
        let commands = std::mem::take(&mut batch.commands);
        let Some(last) = batch.last.take() else {
            return Ok(());
        };
        let first = record_index(last.index) + 1 - commands.len() as u64;
        let mut applied = self.applied();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| self.machine.apply(first, commands)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(undecodable)) => {
                return Err(self.fail(Failure::Decode {
                    directory: self.directory.clone(),
                    index: undecodable.index,
                    op: undecodable.op,
                    source: Arc::from(undecodable.source),
                }));
            }
            Err(_) => return Err(self.fail(Failure::Panicked)),
        }
        applied.last = Some(last);
        drop(applied);
        for answer in batch.answers.drain(..) {
            answer.send(());
        }
        Ok(())
    }
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
    type SnapshotBuilder = Self;

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

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        _snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(None)
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Adapter {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
