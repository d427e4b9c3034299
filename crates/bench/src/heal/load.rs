//! What goes on all the time: a writer that stores files and deletes its oldest, and a reader that compares any of all files.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use client::{CreateOptions, FileSystem};
use tokio::sync::{RwLock, RwLockWriteGuard, watch};
use tokio::task::JoinSet;
use types::{ChunkSize, FsPath, PoolId};

use super::files::{Content, Files, Stored, chunks_of, compare};
use crate::wire::Wire;

/// The writer's files are so many chunks long, and small: one after the other.
const CHUNKS: [f64; 3] = [0.001, 0.1, 1.5];

/// What is kept of the writer's files.
const KEPT_BYTES: u64 = 256 << 20;

/// Between two reads.
const READ_PAUSE: Duration = Duration::from_millis(200);

/// After a failure.
const FAILED_PAUSE: Duration = Duration::from_millis(500);

/// What writer and reader have seen since they were asked last.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub writes: Vec<Duration>,
    pub written_bytes: u64,
    pub write_failures: Vec<String>,
    pub reads: Vec<Duration>,
    pub read_failures: Vec<String>,
    /// Bytes that were not written, or files that are not there any more: there must be none.
    pub wrong: Vec<String>,
}

/// What all parts of a run share.
#[derive(Clone)]
pub(super) struct Shared {
    pub fs: FileSystem,
    pub wire: Wire,
    pub pool: PoolId,
    pub content: Arc<Content>,
    pub files: Arc<Files>,
    pub chunk_size: ChunkSize,
    /// Held by the writer for each file.
    gate: Arc<RwLock<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Shared {
    pub(super) fn new(
        fs: FileSystem,
        wire: Wire,
        pool: PoolId,
        content: Content,
        chunk_size: ChunkSize,
    ) -> Self {
        Self {
            fs,
            wire,
            pool,
            content: Arc::new(content),
            files: Arc::default(),
            chunk_size,
            gate: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Nothing is written or deleted as long as the answer is kept.
    pub(super) async fn quiet(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// What was seen since this was asked last.
    pub(super) fn take_seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Stores a file. It is one of those to be found from the moment on at which it is acknowledged.
    pub(super) async fn store(&self, path: &FsPath, number: u64, len: u64, base: bool) -> anyhow::Result<()> {
        let options = CreateOptions {
            chunk_size: Some(self.chunk_size),
            replication: Some(super::REPLICATION),
            ..CreateOptions::default()
        };
        let mut writer = self.fs.create(path, options).await?;
        let mut at = 0;
        while at < len {
            let slice = (len - at).min(1 << 20);
            let bytes = self.content.part(number, at, slice);
            writer.write(bytes.unwrap_or_default()).await?;
            at += slice;
        }
        writer.close().await?;
        let chunks = chunks_of(&self.wire, &self.pool, path, len).await?;
        self.files.add(Stored {
            path: path.clone(),
            number,
            len,
            base,
            chunks,
        });
        Ok(())
    }
}

/// Starts both; they end with `ended`.
pub(super) fn spawn(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shared: &Shared,
    bytes_per_s: u64,
    ended: &watch::Receiver<bool>,
) {
    tasks.spawn(write(shared.clone(), bytes_per_s, ended.clone()));
    tasks.spawn(read(shared.clone(), ended.clone()));
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths and rates far below 2^52"
)]
async fn write(shared: Shared, bytes_per_s: u64, ended: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (mut kept, mut kept_bytes) = (VecDeque::new(), 0);
    // Behind all numbers of the files that are there from the beginning.
    for (number, chunks) in (1 << 32..).zip(CHUNKS.into_iter().cycle()) {
        if *ended.borrow() {
            break;
        }
        let len = ((shared.chunk_size.bytes() as f64 * chunks) as u64).clamp(1, super::files::FILE_MAX);
        let path = FsPath::parse(&format!("/load/{number}"))?;
        let guard = shared.gate.read().await;
        let begun = Instant::now();
        let stored = shared.store(&path, number, len, false).await;
        let took = begun.elapsed();
        match stored {
            Ok(()) => {
                shared.tell(|seen| {
                    seen.writes.push(took);
                    seen.written_bytes += len;
                });
                kept.push_back((path, len));
                kept_bytes += len;
            }
            Err(error) => {
                shared.tell(|seen| seen.write_failures.push(format!("{path}: {error:#}")));
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
        while kept_bytes > KEPT_BYTES
            && let Some((path, len)) = kept.pop_front()
        {
            kept_bytes -= len;
            shared.files.remove(&path);
            if let Err(error) = shared.fs.delete(&path, false).await {
                shared.tell(|seen| seen.write_failures.push(format!("rm {path}: {error:#}")));
            }
        }
        drop(guard);
        let pace = Duration::from_secs_f64(len as f64 / bytes_per_s.max(1) as f64);
        tokio::time::sleep(pace.saturating_sub(begun.elapsed())).await;
    }
    Ok(())
}

async fn read(shared: Shared, ended: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    while !*ended.borrow() {
        tokio::time::sleep(READ_PAUSE).await;
        let Some(file) = shared.files.any(&mut random) else {
            continue;
        };
        let begun = Instant::now();
        let compared = compare(&shared.fs, &shared.content, &file).await;
        let took = begun.elapsed();
        if !shared.files.has(&file.path) {
            // It was deleted meanwhile.
            continue;
        }
        shared.tell(|seen| match compared {
            Ok(Ok(())) => seen.reads.push(took),
            Ok(Err(wrong)) => seen.wrong.push(wrong),
            Err(client::Error::NotFound(_)) => {
                seen.wrong.push(format!("{} is not there any more", file.path))
            }
            Err(error) => seen.read_failures.push(format!("{}: {error}", file.path)),
        });
    }
    Ok(())
}
