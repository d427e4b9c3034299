//! The ledger after somebody has come or gone: every chunk is looked at again, in slices, so that nobody waits long for the
//! lock of the cluster.
//!
//! What happens to a chunk meanwhile is counted when it happens; so the counts are exact again as soon as the round is
//! through. Until then they are said to be counted anew. Every master does this, so that one that takes over knows how the
//! data is.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use placement::{Buckets, Report};
use tokio::sync::Notify;
use types::{JobState, StorageId};

use super::{Job, Journal};
use crate::core::Core;

/// Chunks that are looked at before others may have the lock: about a millisecond.
const SLICE: usize = 4_000;

/// Chunks that are looked at for those of a storage that is gone, before others may have the lock.
const FORGOTTEN_AT_ONCE: usize = 10_000;

/// How often it looks by itself whether there is something to do.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module's text.
pub(crate) struct Recount {
    journal: Journal,
    /// Woken when all chunks may be in another condition than before.
    pub(crate) bell: Notify,
}

impl Recount {
    pub(crate) const fn new() -> Self {
        Self {
            journal: Journal::new(),
            bell: Notify::const_new(),
        }
    }

    /// Forgets the replicas of storages that are nobody's any more.
    async fn forget(&self, core: &Core) {
        loop {
            let Some(storage) = core.cluster().next_forgotten() else {
                return;
            };
            // What came since the last report of a storage survives one report that does not have it, but not two.
            for _ in 0..2 {
                let mut nothing = Report::new(storage, Buckets::all());
                nothing.seal();
                while !forget_some(core, &mut nothing, storage) {
                    tokio::task::yield_now().await;
                }
            }
            core.cluster().forgotten(storage);
        }
    }

    /// Goes on until nothing is left to be looked at.
    async fn sweep(&self, core: &Core) {
        loop {
            let progress = {
                let mut cluster = core.cluster();
                let namespace = core.machine.read();
                if !cluster.recount(core.now(), &namespace, SLICE) {
                    break;
                }
                cluster.recounting(&namespace)
            };
            if let Some((_, done)) = progress {
                self.journal.set(
                    JobState::Running,
                    Some(done),
                    "a datanode, a volume or a rack has come or gone",
                );
            }
            tokio::task::yield_now().await;
        }
        self.journal.rest("the counts are exact");
        core.jobs.repair.bell.notify_one();
    }
}

/// Takes `nothing` for the report of a storage, a part at a time. True when that was all, or the storage is somebody's again:
/// then it tells by itself what it has.
fn forget_some(core: &Core, nothing: &mut Report, storage: StorageId) -> bool {
    let mut cluster = core.cluster();
    let namespace = core.machine.read();
    if cluster.view.owner(storage).is_some() {
        return true;
    }
    let (summary, all) = nothing.finish(&mut cluster.replicas, FORGOTTEN_AT_ONCE);
    for &chunk in &summary.gone {
        cluster.judge(core.now(), &namespace, chunk);
    }
    all
}

impl Job for Recount {
    fn name(&self) -> &'static str {
        "recount"
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()> {
        async move {
            loop {
                let _ = tokio::time::timeout(INTERVAL, self.bell.notified()).await;
                self.forget(core).await;
                if core.settled() && core.cluster().recount_due() {
                    self.sweep(core).await;
                }
            }
        }
        .boxed()
    }
}
