//! When a writer that is not heard of any more loses its files.
//!
//! - Clients are told the soft limit (60 s) and renew well within it.
//! - After the soft limit, the lease ends as soon as somebody else wants one of its files ([`yield_to`]).
//! - After the hard limit (20 min) it ends in any case ([`run`]). Unpublished files are not treated otherwise: nobody sees
//!   them, so all that waits for the hard limit is the space of their chunks.
//!
//! When a lease ends, an unpublished file disappears, a published one is recovered: closed with all that any reader may have
//! seen of it ([`recovery`](crate::recovery)). After a master has begun to lead, nothing expires for the length of the soft
//! limit: while there was no leader, nobody could renew. The same holds after it was paused, or its clock was set forward ([`Grace`]).

use std::sync::PoisonError;
use std::time::Duration;

use namespace::{Command, Outcome, is_leaders};
use types::{Caller, ClientId, FsPath, InodeId, UnixMillis};

use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How often leases are looked at.
fn interval(soft_limit: Duration) -> Duration {
    (soft_limit / 4).clamp(Duration::from_millis(50), Duration::from_secs(15))
}

/// Since when writers could renew their leases, as far as this process can say. It looks at the clocks all the time; when more time
/// has passed between two looks than can be, it was paused and heard nobody, or the clock by which leases are stamped was set.
#[derive(Debug, Default)]
pub(crate) struct Grace {
    /// The clocks at the last look: the monotonic one, and the one on the wall.
    seen: Option<(Duration, UnixMillis)>,
    since: Duration,
}

impl Grace {
    /// Looks at the clocks, at least every `interval`. Answers since when nothing was in the way of a renewal.
    fn look(&mut self, now: Duration, wall: UnixMillis, interval: Duration) -> Duration {
        if let Some((then, wall_then)) = self.seen.replace((now, wall)) {
            let passed = now.saturating_sub(then);
            let passed = passed.max(Duration::from_millis(wall.since_ms(wall_then)));
            if passed > interval * 2 {
                self.since = now;
            }
        }
        self.since
    }
}

/// Since when nothing was in the way of a renewal.
fn renewable_since(core: &Core) -> Duration {
    let interval = interval(core.config.lease_soft_limit);
    let mut grace = core.grace.lock().unwrap_or_else(PoisonError::into_inner);
    grace.look(core.now(), core.env.clock.wall(), interval)
}

fn may_expire(core: &Core, lead: Lead) -> bool {
    let since = lead.since.max(renewable_since(core));
    core.takes_changes() && core.now().saturating_sub(since) >= core.config.lease_soft_limit
}

/// Proposes the end of leases that are past the hard limit, whenever there are some and this master leads.
pub(crate) async fn run(core: &Core) {
    loop {
        tokio::time::sleep(interval(core.config.lease_soft_limit)).await;
        renewable_since(core);
        core.drain_freed();
        let now = core.env.clock.wall();
        let before = UnixMillis(now.0.saturating_sub(millis(core.config.lease_hard_limit)));
        let due: Vec<_> = {
            // The lock first: a write that began since is of a file that this state does not have.
            let mut cluster = core.cluster();
            let namespace = core.machine.read();
            cluster.sweep_writes(&namespace);
            drop(cluster);
            namespace.left_alone_since(before).collect()
        };
        if due.is_empty() || !core.leads_now().is_some_and(|lead| may_expire(core, lead)) {
            continue;
        }
        tracing::info!(
            files = due.len(),
            "leases were not renewed; their files are closed"
        );
        for inode in due {
            // It may have been paused since.
            if !core.leads_now().is_some_and(|lead| may_expire(core, lead)) {
                break;
            }
            if let Err(rejection) = end(core, inode, before).await {
                tracing::warn!(%inode, reason = %rejection.0.message, "a lease could not be ended");
            }
        }
    }
}

/// Takes a file from its writer, if that has not shown itself since `before`. True when the file is closed, false when it is to
/// be recovered.
async fn end(core: &Core, inode: InodeId, before: UnixMillis) -> Result<bool, Rejection> {
    match core.propose_own(Command::Recover { inode, before }).await? {
        Outcome::Recovering(chunks) if chunks.is_empty() => {
            crate::service::closed(core, inode, std::iter::empty());
            Ok(true)
        }
        _ => {
            core.desk.want();
            Ok(false)
        }
    }
}

/// As [`end`], and waits for the recovery. True when the file is closed.
///
/// # Errors
/// When the log does not take the command, or another master leads.
pub(crate) async fn take_over(
    core: &Core,
    lead: Lead,
    inode: InodeId,
    before: UnixMillis,
    patience: Duration,
) -> Result<bool, Rejection> {
    let mut changes = core.desk.changes();
    let writer = || core.machine.read().writer_of(inode);
    let is_open = || writer().is_some();
    let recovering = || writer().is_some_and(|(holder, _)| is_leaders(holder));
    if !is_open() || (!recovering() && end(core, inode, before).await?) {
        return Ok(true);
    }
    let deadline = tokio::time::Instant::now() + patience;
    while is_open() {
        tokio::select! {
            _ = changes.changed() => {}
            () = core.leadership.ended(lead) => return Err(core.not_leader()),
            () = core.closed() => return Err(core.not_leader()),
            () = tokio::time::sleep_until(deadline) => return Ok(!is_open()),
        }
    }
    Ok(true)
}

/// How long another writer waits for a file to be recovered.
const YIELD_PATIENCE: Duration = Duration::from_secs(5);

/// Makes way for `client`, which wants to write `path`: when another holds the file with a lease past the soft limit,
/// the file is taken from it.
///
/// # Errors
/// When the log does not take the command.
pub(crate) async fn yield_to(
    core: &Core,
    lead: Lead,
    caller: &Caller,
    client: ClientId,
    path: &FsPath,
) -> Result<(), Rejection> {
    let Some((inode, holder, renewed)) = held_by_another(core, caller, client, path) else {
        return Ok(());
    };
    let age = core.env.clock.wall().since_ms(renewed);
    let over = age > millis(core.config.lease_soft_limit) && may_expire(core, lead);
    if over || is_leaders(holder) {
        tracing::info!(%path, %holder, age_ms = age, "another writer waits for a file");
        let before = UnixMillis(renewed.0.saturating_add(1));
        take_over(core, lead, inode, before, YIELD_PATIENCE).await?;
    }
    Ok(())
}

fn held_by_another(
    core: &Core,
    caller: &Caller,
    client: ClientId,
    path: &FsPath,
) -> Option<(InodeId, ClientId, UnixMillis)> {
    let namespace = core.machine.read();
    let inode = namespace.stat(caller, path).ok()?.inode;
    let (holder, renewed) = namespace
        .writer_of(inode)
        .filter(|(holder, _)| *holder != client)?;
    Some((inode, holder, renewed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_begins_anew_after_a_pause_or_a_step_of_the_clock() {
        let mut grace = Grace::default();
        let interval = Duration::from_secs(15);
        let mut look = |now: u64, wall: u64| {
            let since = grace.look(Duration::from_secs(now), UnixMillis(wall * 1_000), interval);
            since.as_secs()
        };
        assert_eq!(look(10, 1_000), 0);
        assert_eq!(look(25, 1_015), 0);
        assert_eq!(look(55, 1_045), 0, "late");
        assert_eq!(look(135, 1_125), 135, "paused");
        assert_eq!(look(150, 1_140), 135);
        assert_eq!(look(151, 1_140), 135, "asked by somebody else");
        assert_eq!(look(165, 4_755), 165, "set forward");
        assert_eq!(look(180, 1_170), 165, "and back");
    }
}
