//! The volumes while the datanode runs: those that fail are left, those that work again come back, those that the operator
//! names are taken in and those that are no longer named are left.
//!
//! Whatever changes, every master gets a full report: a storage that is not used is reported as empty.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chunkstore::{Move, VolumeChange, VolumeStatus};
use types::{ByteSize, JobState};

use crate::error::StartError;
use crate::identity;
use crate::jobs;
use crate::node::Node;
use crate::replicas::Replicas;

/// How often it is asked what happened.
const LOOK: Duration = Duration::from_millis(500);

/// How often every volume proves that it can be used.
const PROVE: Duration = Duration::from_secs(10);

/// How often one that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// How far apart volumes may be used before replicas move between them.
const THRESHOLD: f64 = 0.1;

/// How often it is looked whether they are.
const EVEN_OUT: Duration = Duration::from_secs(60);

/// Replicas are moved this fast, and only while no stream moves data.
const MOVED_BYTES_PER_S: u64 = 32 << 20;

/// What changed when other directories were named.
#[derive(Debug, Default)]
pub struct DirsChange {
    /// Taken in.
    pub added: Vec<PathBuf>,
    /// Left; their files are as they were.
    pub removed: Vec<PathBuf>,
    /// Not taken in, and why.
    pub refused: Vec<(PathBuf, StartError)>,
}

/// Watches the volumes until the datanode ends.
pub(crate) async fn watch(node: Arc<Node>) {
    let (mut proved, mut retried) = (Duration::ZERO, Duration::ZERO);
    // What was begun is waited for: it holds the directories.
    while node.rests(LOOK).await {
        let Some(replicas) = node.replicas() else { continue };
        let now = node.env.clock.monotonic();
        let (prove, retry) = (
            now.saturating_sub(proved) >= PROVE,
            now.saturating_sub(retried) >= RETRY,
        );
        proved = if prove { now } else { proved };
        retried = if retry { now } else { retried };
        let turn = Arc::clone(&node);
        env::blocking(move || turn.look_after_volumes(&replicas, prove, retry)).await;
    }
}

/// Moves replicas from full volumes to empty ones until the datanode ends.
pub(crate) async fn even_out(node: Arc<Node>) {
    let (mut after, mut moves, mut bytes) = (None, 0_u64, 0);
    let tell = |state, what: &str, moves: u64, bytes| {
        let detail = format!(
            "{what}; {moves} replicas of {} moved since the start",
            ByteSize(bytes)
        );
        node.jobs.set(jobs::EVEN_OUT, state, detail);
    };
    while node.rests(EVEN_OUT).await {
        let Some(replicas) = node.replicas() else { continue };
        while !node.is_closing() {
            if node.busy_streams() > 0 {
                tell(JobState::Waiting, "streams move data", moves, bytes);
                node.rests(LOOK).await;
                continue;
            }
            let asking = Arc::clone(&replicas);
            let next = env::blocking(move || asking.store.next_move(THRESHOLD, after)).await;
            let Some(next) = next else {
                tell(JobState::Idle, "the volumes are about equally full", moves, bytes);
                break;
            };
            after = Some(next.replica.chunk);
            tell(
                JobState::Running,
                "a replica moves to another volume",
                moves,
                bytes,
            );
            let len = next.replica.len;
            let (mover, moved) = (Arc::clone(&node), Arc::clone(&replicas));
            if !env::background("even out", move || mover.carry_out(&moved, next)).await {
                tell(
                    JobState::Waiting,
                    "the last move came to nothing; tried again in a minute",
                    moves,
                    bytes,
                );
                break;
            }
            moves += 1;
            bytes += len;
        }
    }
}

impl Node {
    /// Blocks.
    fn look_after_volumes(&self, replicas: &Replicas, prove: bool, retry: bool) {
        let store = &replicas.store;
        if prove {
            store.check_volumes();
        }
        if retry {
            let failed = store
                .volumes()
                .into_iter()
                .filter(|volume| volume.failed.is_some());
            for volume in failed {
                self.try_again(replicas, &volume);
            }
            self.open_missing(replicas);
        }
        replicas.adopt();
        let changes = store.take_volume_changes();
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            match change {
                VolumeChange::Isolated {
                    storage,
                    replicas,
                    why,
                } => {
                    tracing::error!(%storage, replicas, why, "a storage has failed; the datanode goes on without it");
                }
                VolumeChange::Attached { storage, replicas } => {
                    tracing::info!(%storage, replicas, "a storage is used");
                }
                VolumeChange::Detached { storage, replicas } => {
                    tracing::info!(%storage, replicas, "a storage is no longer used");
                }
            }
        }
        self.changes.request_full_reports();
    }

    /// A volume that failed comes back when its directory is still that of the storage.
    fn try_again(&self, replicas: &Replicas, volume: &VolumeStatus) {
        // Without the lock: a disk that hangs must not hold up whoever asks for the directories.
        let tried = identity::still_ours(&*self.env.disk, &volume.dir, volume.storage)
            .map_err(|error| error.to_string())
            .and_then(|lock| {
                let retried = replicas.store.retry(volume.storage);
                retried.map_err(|error| error.to_string())?;
                if let Some(lock) = lock {
                    let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
                    directories.hold(&volume.dir, lock);
                }
                Ok(())
            });
        if let Err(error) = tried {
            tracing::debug!(dir = %volume.dir.display(), error, "a volume can still not be used");
        }
    }

    /// Directories that could not be opened at the start, perhaps can now.
    fn open_missing(&self, replicas: &Replicas) {
        let missing = {
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            directories.missing()
        };
        for dir in missing {
            if let Err(error) = self.take_in(replicas, &dir) {
                tracing::debug!(dir = %dir.display(), %error, "a directory can still not be used");
            }
        }
    }

    fn take_in(&self, replicas: &Replicas, dir: &std::path::Path) -> Result<(), StartError> {
        let opened = identity::open(&*self.env.disk, dir)?;
        let lock = || self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lock().add(&self.env, opened)?;
        replicas.store.attach(place).map_err(|error| {
            lock().remove(dir);
            StartError::Volume(error)
        })?;
        Ok(())
    }

    /// Takes in directories that are new, and leaves those that are not named. Blocks.
    pub(crate) fn set_dirs(&self, dirs: &[PathBuf]) -> Result<DirsChange, StartError> {
        let Some(replicas) = self.replicas() else {
            return Err(StartError::NotYet);
        };
        if dirs.is_empty() {
            return Err(StartError::NoDirectory);
        }
        let present = {
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            directories.paths()
        };
        let mut change = DirsChange::default();
        for dir in dirs.iter().filter(|dir| !present.contains(dir)) {
            match self.take_in(&replicas, dir) {
                Ok(()) => change.added.push(dir.clone()),
                Err(error) => change.refused.push((dir.clone(), error)),
            }
        }
        for dir in present.into_iter().filter(|dir| !dirs.contains(dir)) {
            let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(storage) = directories.storage_of(&dir) {
                replicas.store.detach(storage);
            }
            // Last: another process may have it from here on.
            directories.remove(&dir);
            change.removed.push(dir);
        }
        Ok(change)
    }

    /// Moves a replica. False when it is better to wait before the next. Blocks.
    fn carry_out(&self, replicas: &Replicas, next: Move) -> bool {
        let mut pace = |bytes: u64| {
            let nanos = bytes.saturating_mul(1_000_000_000) / MOVED_BYTES_PER_S;
            env::pause(Duration::from_nanos(nanos));
            !self.is_closing()
        };
        let Move { replica, target } = next;
        let moved = replicas.move_replica(replica.chunk, replica.generation, target, &mut pace);
        if let Err(error) = &moved {
            tracing::warn!(chunk = %replica.chunk, %target, %error, "a replica was not moved to another volume");
            let what = format!(
                "chunk {} was not moved to volume {target}: {error}",
                replica.chunk
            );
            self.jobs.fail(jobs::EVEN_OUT, self.env.clock.wall(), what);
        }
        moved.is_ok()
    }
}
