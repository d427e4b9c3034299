//! Writes checkpoints beside everything else, and has the log cut behind them.
//!
//! One is written when enough was applied since the last, and when somebody asks. It is taken from an image that costs next
//! to nothing, by a thread that gives way to all others. The log is cut only behind the older of the two that are kept: when
//! the newer one turns out to be damaged, the older one and the log behind it are all that is needed.
//!
//! A checkpoint that can not be written harms nothing but the length of the log: it is told, and the next one is tried
//! when as much again was applied.

use std::path::Path;
use std::sync::Arc;

use checkpoint::{Checkpoint, Header, Info, Pace};
use env::disk::Disk;
use tokio::sync::{mpsc, oneshot};

use super::Adapter;
use crate::error::CheckpointError;
use crate::machine::Image;
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

    /// Writes one, and tells Raft of it, so that the log is cut. Raft may be closing: then it is cut after the next one.
    async fn write(&self) -> Result<Written, CheckpointError> {
        let written = self.machine.write_checkpoint().await?;
        let _ = self.raft.trigger().snapshot().await;
        if let Some(entry) = written.info.older.and_then(entry_index) {
            let _ = self.raft.trigger().purge_log(entry).await;
        }
        Ok(written)
    }
}

impl Written {
    /// Writes a checkpoint. Blocks.
    pub(crate) fn write(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        header: &Header,
        pace: Pace,
        image: &dyn Image,
    ) -> Result<Self, CheckpointError> {
        let info = checkpoint::write(disk, directory, header, pace, |out| image.save(out))
            .map_err(|error| CheckpointError::Write(Arc::new(error)))?;
        let checkpoint = Checkpoint::open_file(&**disk, &info.path)
            .map_err(|error| CheckpointError::Read(Arc::new(error)))?;
        Ok(Self { info, checkpoint })
    }

    /// What was to be said of `newest` when it was written. Blocks.
    pub(crate) fn again(
        disk: &dyn Disk,
        directory: &Path,
        newest: Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let kept =
            checkpoint::kept(disk, directory).map_err(|error| CheckpointError::Read(Arc::new(error)))?;
        let index = newest.header().index;
        let older = kept.whole.iter().map(|kept| kept.header().index);
        Ok(Self {
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
}
