//! How far this master knows where things are, and what has to wait until it does.
//!
//! Where replicas are is not on disk: datanodes tell every master, leader or not. Two questions are asked of the picture
//! that results, and once answered with yes, they stay so for the life of the process:
//!
//! - *settled*: has every member registered and reported, or had the time after which a silent one counts as dead? Until
//!   then "nobody has it" means "nobody has said so yet", and what is missing is "not ready" and not "denied".
//! - *confirmed*: have datanodes shown the configured share of all chunks? Until then the cluster is in safe mode: it
//!   answers questions, and takes no changes and deletes nothing. An operator may end the wait.
//!
//! So a standby that takes over with a confirmed picture needs no safe mode, and a cluster that starts cold does. The other
//! safe mode, an operator's, is a command of the log and holds for every leader until it is taken back.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use types::UnixMillis;

use crate::core::Core;

/// See the module's text.
pub(crate) struct Picture {
    /// When it began to serve, by the clock on the wall.
    started_at: UnixMillis,
    /// Since when it knows its cluster, and datanodes can register.
    known_since: OnceLock<Duration>,
    settled: AtomicBool,
    confirmed: AtomicBool,
    /// Chunks that are still being written, as last counted: nobody has to show them.
    open_chunks: AtomicU64,
}

/// Whether changes are taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SafeMode {
    /// An operator wants it.
    pub(crate) manual: bool,
    /// Too little is confirmed.
    pub(crate) starting: bool,
    /// How much is.
    pub(crate) progress: Progress,
}

impl SafeMode {
    pub(crate) const fn is_on(&self) -> bool {
        self.manual || self.starting
    }
}

/// How much of the cluster datanodes have shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Chunks that are to be shown.
    pub(crate) chunks: u64,
    /// Of these, those that were.
    pub(crate) confirmed: u64,
    /// How many have to be.
    pub(crate) needed: u64,
}

impl Progress {
    pub(crate) fn new(chunks: u64, shown: u64, share: f64) -> Self {
        Self {
            chunks,
            confirmed: shown.min(chunks),
            needed: share_of(chunks, share),
        }
    }

    pub(crate) const fn is_enough(&self) -> bool {
        self.confirmed >= self.needed
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count: the product lies between 0 and the count"
)]
fn share_of(count: u64, share: f64) -> u64 {
    (count as f64 * share).ceil() as u64
}

impl Picture {
    pub(crate) fn new(started_at: UnixMillis) -> Self {
        Self {
            started_at,
            known_since: OnceLock::new(),
            settled: AtomicBool::new(false),
            confirmed: AtomicBool::new(false),
            open_chunks: AtomicU64::new(0),
        }
    }

    /// Expects all members that the log names, and counts what is being written.
    pub(crate) fn members(&self, core: &Core) {
        let namespace = core.machine.read();
        if namespace.cluster().is_none() {
            return;
        }
        self.known_since.get_or_init(|| core.now());
        if !self.confirmed.load(Ordering::Relaxed) {
            let files = namespace.leases().flat_map(|lease| lease.files);
            let open = files
                .filter_map(|inode| namespace.file_chunks(inode))
                .flatten()
                .filter(|chunk| chunk.len.is_none());
            self.open_chunks.store(open.count() as u64, Ordering::Relaxed);
        }
        drop(namespace);
        // The lock first: what is taken in last is the newest state.
        let mut cluster = core.cluster();
        let namespace = core.machine.read();
        cluster.sync_members(&namespace, core.now(), core.env.clock.wall());
    }
}

impl Core {
    /// Whether the picture of the cluster can be relied on; see the module's text.
    pub(crate) fn settled(&self) -> bool {
        let picture = &self.picture;
        if picture.settled.load(Ordering::Relaxed) {
            return true;
        }
        let Some(&since) = picture.known_since.get() else {
            return false;
        };
        let waited = self.now().saturating_sub(since) >= self.config.dead_after;
        let settled = waited || self.cluster().all_have_reported();
        if settled && !picture.settled.swap(true, Ordering::Relaxed) {
            self.cluster().wake_all();
        }
        settled
    }

    /// Looks again how far the picture is: to be called when something was reported, and from time to time.
    pub(crate) fn assess_picture(&self) {
        self.settled();
        if self.picture.confirmed.load(Ordering::Relaxed) {
            return;
        }
        let ordered_to_leave = self.machine.left_safe_mode_at() >= self.picture.started_at;
        let progress = self.progress();
        let known = self.picture.known_since.get().is_some();
        if known
            && (progress.is_enough() || ordered_to_leave)
            && !self.picture.confirmed.swap(true, Ordering::Relaxed)
        {
            let Progress {
                chunks, confirmed, ..
            } = progress;
            tracing::info!(
                chunks,
                confirmed,
                "the replicas of the cluster are known; changes are taken"
            );
        }
    }

    fn progress(&self) -> Progress {
        let open = self.picture.open_chunks.load(Ordering::Relaxed);
        let chunks = self.machine.read().totals().chunks.saturating_sub(open);
        let shown = self.cluster().replicas.chunk_count() as u64;
        Progress::new(chunks, shown, self.config.safe_mode_share)
    }

    /// Whether changes are taken, and how far the way there is.
    pub(crate) fn safe_mode(&self) -> SafeMode {
        SafeMode {
            manual: self.machine.read().safe_mode(),
            starting: self.is_starting(),
            progress: self.progress(),
        }
    }

    /// The safe mode of a start.
    pub(crate) fn is_starting(&self) -> bool {
        !self.picture.confirmed.load(Ordering::Relaxed)
    }

    /// Whether changes are taken and replicas may be deleted. Costs two reads of memory.
    pub(crate) fn takes_changes(&self) -> bool {
        !self.is_starting() && !self.machine.read().safe_mode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_all_chunks_and_rounded_up() {
        assert!(Progress::new(0, 0, 0.999).is_enough(), "nothing is missing");
        assert!(!Progress::new(1, 0, 0.999).is_enough());
        assert_eq!(Progress::new(1_000, 0, 0.999).needed, 999);
        assert_eq!(Progress::new(1_001, 0, 0.999).needed, 1_000);
        assert!(Progress::new(1_000, 999, 0.999).is_enough());
        assert!(Progress::new(10, 0, 0.0).is_enough(), "nobody asks");
        assert!(!Progress::new(10, 9, 1.0).is_enough());
    }

    #[test]
    fn replicas_of_freed_chunks_do_not_count_twice() {
        assert_eq!(Progress::new(10, 50, 0.5).confirmed, 10);
    }
}
