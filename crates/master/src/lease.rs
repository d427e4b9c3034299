//! When a writer that is not heard of any more loses its files.
//!
//! - Clients are told the soft limit (60 s) and renew well within it.
//! - After the soft limit, the lease ends as soon as somebody else wants one of its files ([`yield_to`]).
//! - After the hard limit (20 min) it ends in any case ([`run`]). Unpublished files are not treated otherwise: nobody sees
//!   them, so all that waits for the hard limit is the space of their chunks.
//!
//! What the end of a lease does is the state machine's: an unpublished file disappears, a published one is closed with
//! the chunks that are written. After a master has begun to lead, nothing expires for the length of the soft limit: while there
//! was no leader, nobody could renew.

use std::time::Duration;

use namespace::{Command, FileKind, Lease, Outcome};
use types::{Caller, ClientId, FsPath, UnixMillis};

use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn may_expire(core: &Core, lead: Lead) -> bool {
    core.takes_changes() && core.now().saturating_sub(lead.since) >= core.config.lease_soft_limit
}

/// Proposes the end of leases that are past the hard limit, whenever there are some and this master leads.
pub(crate) async fn run(core: &Core) {
    let interval =
        (core.config.lease_soft_limit / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
    loop {
        tokio::time::sleep(interval).await;
        core.drain_freed();
        let now = core.env.clock.wall();
        let before = UnixMillis(now.0.saturating_sub(millis(core.config.lease_hard_limit)));
        let due = {
            let namespace = core.machine.read();
            core.cluster().sweep_writes(&namespace);
            namespace.leases().any(|lease| lease.renewed < before)
        };
        if due && core.leads_now().is_some_and(|lead| may_expire(core, lead)) {
            match core.propose_own(Command::ExpireLeases { before }).await {
                Ok(Outcome::Expired(files)) => {
                    tracing::info!(files, "leases were not renewed; their files were closed")
                }
                Ok(_) => {}
                Err(rejection) => tracing::warn!(reason = %rejection.0.message, "leases could not be ended"),
            }
        }
    }
}

/// Makes way for `client`, which wants to write `path`: when another holds the file with a lease past the soft limit,
/// that lease ends, and with it those that are at least as old.
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
    let Some(lease) = held_by_another(core, caller, client, path) else {
        return Ok(());
    };
    let age = core.env.clock.wall().since_ms(lease.renewed);
    if age > millis(core.config.lease_soft_limit) && may_expire(core, lead) {
        tracing::info!(%path, holder = %lease.holder, age_ms = age, "ending a lease that another writer waits for");
        let before = UnixMillis(lease.renewed.0.saturating_add(1));
        core.propose_own(Command::ExpireLeases { before }).await?;
    }
    Ok(())
}

fn held_by_another(core: &Core, caller: &Caller, client: ClientId, path: &FsPath) -> Option<Lease> {
    let namespace = core.machine.read();
    let status = namespace.stat(caller, path).ok()?;
    if status.kind != FileKind::File || !status.being_written {
        return None;
    }
    namespace
        .leases()
        .find(|lease| lease.holder != client && lease.files.contains(&status.inode))
}
