//! Writes checkpoints beside everything else, and has the log cut behind them.
//!
//! One is written when enough was applied since the last, and when somebody asks. It is taken from an image that costs next
//! to nothing, by a thread that gives way to all others. The log is cut only behind the older of the two that are kept: when
//! the newer one turns out to be damaged, the older one and the log behind it are all that is needed.
//!
//! A checkpoint that can not be written harms nothing but the length of the log: it is told, and the next one is tried
//! when as much again was applied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use checkpoint::{Checkpoint, Info, Pace};
use env::Env;
use env::disk::Disk;
use tokio::sync::{mpsc, oneshot};

use super::Adapter;
use crate::error::CheckpointError;
use crate::raft::{Raft, entry_index};

/// Who asked for a checkpoint.
pub(crate) type Request = oneshot::Sender<Result<Written, CheckpointError>>;

/// A checkpoint that is on disk, and was opened.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) info: Info,
    pub(crate) checkpoint: Checkpoint,
}

pub(crate) struct Checkpointer {
    pub(crate) machine: Adapter,
    pub(crate) raft: Raft,
    pub(crate) env: Env,
    pub(crate) directory: PathBuf,
    pub(crate) pace: Pace,
    pub(crate) requests: mpsc::Receiver<Request>,
}

impl Checkpointer {
    /// Works until nobody is left who could ask.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    // Who does not wait any more has no use for it.
                    Some(request) => { let _ = request.send(self.write().await); }
                    None => return,
                },
                () = self.machine.due() => if let Err(error) = self.write().await {
                    tracing::warn!(%error, "could not write a checkpoint; the log keeps growing until one is written");
                },
            }
        }
    }

    async fn write(&self) -> Result<Written, CheckpointError> {
        let (header, image) = self
            .machine
            .image(self.env.clock.wall())
            .ok_or(CheckpointError::Empty)?;
        if let Some(newest) = self.machine.newest()
            && newest.header().index >= header.index
        {
            return self.again(newest).await;
        }
        let (disk, directory, pace) = (Arc::clone(&self.env.disk), self.directory.clone(), self.pace);
        let written = env::background("checkpoint", move || {
            let info = checkpoint::write(&disk, &directory, &header, pace, |out| image.save(out))
                .map_err(|error| CheckpointError::Write(Arc::new(error)))?;
            let checkpoint = open(&*disk, &info.path)?;
            Ok::<_, CheckpointError>(Written { info, checkpoint })
        })
        .await?;
        tracing::info!(
            index = written.info.index, bytes = written.info.bytes, path = %written.info.path.display(),
            "wrote a checkpoint",
        );
        self.machine.keep(written.checkpoint.clone());
        self.cut(written.info.older).await;
        Ok(written)
    }

    /// Nothing was applied since this one was written.
    async fn again(&self, newest: Checkpoint) -> Result<Written, CheckpointError> {
        let (disk, directory) = (Arc::clone(&self.env.disk), self.directory.clone());
        let index = newest.header().index;
        let kept = env::blocking(move || checkpoint::kept(&*disk, &directory))
            .await
            .map_err(|error| CheckpointError::Read(Arc::new(error)))?;
        let older = kept.whole.iter().map(|kept| kept.header().index);
        Ok(Written {
            info: Info {
                path: newest.path().to_owned(),
                index,
                bytes: newest.bytes(),
                totals: newest.totals(),
                older: older.filter(|older| *older < index).max(),
            },
            checkpoint: newest,
        })
    }

    /// Tells Raft of the newest checkpoint, and has the log cut behind record `older`. Raft may be closing: then it is cut
    /// after the next one.
    async fn cut(&self, older: Option<u64>) {
        let _ = self.raft.trigger().snapshot().await;
        if let Some(entry) = older.and_then(entry_index) {
            let _ = self.raft.trigger().purge_log(entry).await;
        }
    }
}

fn open(disk: &dyn Disk, path: &Path) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open_file(disk, path).map_err(|error| CheckpointError::Read(Arc::new(error)))
}
