//! Frees what recursive deletes have detached, bite by bite, so that nobody waits long behind a bite.

use std::time::Duration;

use namespace::{Command, Outcome};

use crate::core::Core;

/// Inodes and chunks that one command frees: about a millisecond of work.
const BITE: u64 = 1_000;

/// How often it looks by itself: what a leader before this one has left behind tells nobody.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs for as long as the master; does something only while it leads, and changes are taken.
pub(crate) async fn run(core: &Core) {
    loop {
        let _ = tokio::time::timeout(INTERVAL, core.reaping.notified()).await;
        let mut reaped = 0;
        while due(core) {
            match core.propose_own(Command::Reap { limit: BITE }).await {
                Ok(Outcome::Reaped(0)) => break,
                Ok(Outcome::Reaped(bite)) => reaped += bite,
                Ok(_) => break,
                Err(rejection) => {
                    tracing::debug!(reason = %rejection.0.message, "reaping is put off");
                    break;
                }
            }
            core.drain_freed();
        }
        if reaped > 0 {
            tracing::debug!(reaped, "inodes and chunks of deleted trees were freed");
        }
    }
}

fn due(core: &Core) -> bool {
    core.leads_now().is_some() && core.takes_changes() && core.machine.read().reap_due()
}
