//! Frees what recursive deletes have detached, bite by bite, so that nobody waits long behind a bite.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use namespace::{Command, Outcome};
use tokio::sync::Notify;
use types::JobState;

use super::{Job, Journal};
use crate::core::Core;

/// Inodes and chunks that one command frees: about a millisecond of work.
const BITE: u64 = 1_000;

/// How often it looks by itself: what a leader before this one has left behind tells nobody.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module's text. It does something only while this master leads, and changes are taken.
pub(crate) struct Reap {
    journal: Journal,
    /// Woken when something was detached.
    pub(crate) bell: Notify,
}

impl Reap {
    pub(crate) const fn new() -> Self {
        Self {
            journal: Journal::new(),
            bell: Notify::const_new(),
        }
    }

    /// Frees all that there is. Answers how much that was.
    async fn eat(&self, core: &Core) -> u64 {
        let mut reaped = 0;
        while due(core) {
            self.journal.set(
                JobState::Running,
                None,
                format!("{reaped} inodes and chunks freed"),
            );
            match core.propose_own(Command::Reap { limit: BITE }).await {
                Ok(Outcome::Reaped(0)) => break,
                Ok(Outcome::Reaped(bite)) => reaped += bite,
                Ok(_) => break,
                Err(rejection) => {
                    tracing::debug!(reason = %rejection.0.message, "reaping is put off");
                    self.journal.fail(core.env.clock.wall(), rejection.0.message);
                    break;
                }
            }
            core.drain_freed();
        }
        reaped
    }
}

impl Job for Reap {
    fn name(&self) -> &'static str {
        "reap"
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()> {
        async move {
            loop {
                let _ = tokio::time::timeout(INTERVAL, self.bell.notified()).await;
                let reaped = self.eat(core).await;
                if reaped > 0 {
                    tracing::debug!(reaped, "inodes and chunks of deleted trees were freed");
                    self.journal
                        .rest(format!("{reaped} inodes and chunks were freed last"));
                }
            }
        }
        .boxed()
    }
}

fn due(core: &Core) -> bool {
    core.leads_now().is_some() && core.takes_changes() && core.machine.read().reap_due()
}
