//! Sending a checkpoint: the file as it is, in parts. The receiver checks it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::disk::{File, read_exact_at};
use futures_util::Stream;
use openraft::RPCTypes;
use openraft::errors::StreamingError;
use openraft::raft::SnapshotResponse;
use proto::v1;
use tokio::sync::watch;
use tonic::Code;

use super::client::Remote;
use super::convert;
use crate::raft::{Snapshot, TypeConfig, Vote};

/// Bytes of the file in one message.
pub(crate) const PART_BYTES: usize = 256 << 10;

/// A peer that takes no part for so long is given up.
pub(crate) const STALLED: Duration = Duration::from_secs(10);

/// Sends a checkpoint, and waits until it is installed.
pub(crate) async fn send(
    remote: &Remote,
    vote: Vote,
    snapshot: &Snapshot,
    install: Duration,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let link = remote.link()?;
    let (mut client, used) = link.client();
    let checkpoint = &snapshot.snapshot;
    let (taken, seen) = watch::channel(0);
    let source = Source {
        file: Arc::clone(checkpoint.raw()),
        length: checkpoint.bytes(),
        offset: 0,
        taken: Arc::new(taken),
        failed: Arc::default(),
    };
    let (length, failed) = (source.length, Arc::clone(&source.failed));
    let first = v1::CheckpointPart {
        to: remote.target().0,
        vote: convert::vote_out(&vote),
        length,
        bytes: Bytes::new(),
    };
    tracing::info!(
        to = %remote.target(),
        bytes = length,
        "sends a checkpoint to a master that is behind the log"
    );
    let answer = tokio::select! {
        answer = client.install_checkpoint(source.parts(first)) => answer,
        () = stalled(seen, length, install) => {
            link.silent(used);
            return Err(remote.late(RPCTypes::InstallSnapshot, STALLED).into());
        }
    };
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        tracing::error!(%error, "a checkpoint can not be read, and so not be sent");
    }
    match answer {
        Ok(answer) => {
            link.answered(used);
            let vote = convert::vote_in(answer.into_inner().vote);
            let vote = vote.map_err(|malformed| remote.malformed(&malformed))?;
            Ok(SnapshotResponse::new(vote))
        }
        Err(status) => {
            if status.code() != Code::Unavailable {
                link.answered(used);
            }
            Err(remote.refused(&status).into())
        }
    }
}

/// A file on its way.
struct Source {
    file: Arc<dyn File>,
    length: u64,
    offset: u64,
    /// How many bytes the connection has taken.
    taken: Arc<watch::Sender<u64>>,
    /// Why the file can not be read.
    failed: Arc<Mutex<Option<std::io::Error>>>,
}

impl Source {
    /// `first`, and then the file; less than that when it can not be read, which the receiver notices.
    fn parts(self, first: v1::CheckpointPart) -> impl Stream<Item = v1::CheckpointPart> + Send + 'static {
        futures_util::stream::unfold((self, Some(first)), |(mut source, first)| async move {
            if let Some(first) = first {
                return Some((first, (source, None)));
            }
            let bytes = source.next().await?;
            let part = v1::CheckpointPart {
                bytes,
                ..Default::default()
            };
            Some((part, (source, None)))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let left = self.length - offset;
        let length = usize::try_from(left).unwrap_or(PART_BYTES).min(PART_BYTES);
        self.taken.send_replace(offset);
        if length == 0 {
            return None;
        }
        let read = env::blocking(move || {
            let mut bytes = vec![0; length];
            read_exact_at(&*file, &mut bytes, offset).map(|()| bytes)
        });
        match read.await {
            Ok(bytes) => {
                self.offset += length as u64;
                Some(Bytes::from(bytes))
            }
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        }
    }
}

/// Resolves when no part was taken for too long, or the installation takes too long.
async fn stalled(mut taken: watch::Receiver<u64>, length: u64, install: Duration) {
    loop {
        let all = *taken.borrow_and_update() >= length;
        let patience = if all { install } else { STALLED };
        match tokio::time::timeout(patience, taken.changed()).await {
            Ok(Ok(())) => {}
            // It was all taken, or can not be read: the answer tells.
            Ok(Err(_)) => {
                tokio::time::sleep(install).await;
                return;
            }
            Err(_) => return,
        }
    }
}
