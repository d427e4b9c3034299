//! The lease: as long as a file is open for writing, this client tells the masters that it lives.
//!
//! One task renews for all files of the client, at a third of the time after which others may take the files over. It
//! ends with the last file.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use proto::v1;
use tokio::task::AbortHandle;

use crate::fs::Inner;
use crate::rpc::call;

/// The shortest time between two renewals.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct Lease {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    files: usize,
    task: Option<AbortHandle>,
}

/// A file that is open for writing. Dropped when it is no longer.
pub(crate) struct LeaseGuard {
    owner: Weak<Inner>,
}

impl Lease {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more file in, and sees to it that the lease is renewed.
    pub(crate) fn hold(owner: &Arc<Inner>, soft_limit_ms: u64) -> LeaseGuard {
        let interval = Duration::from_millis(soft_limit_ms / 3).max(INTERVAL_MIN);
        let owner = Arc::downgrade(owner);
        if let Some(inner) = owner.upgrade() {
            let mut held = inner.lease.held();
            held.files += 1;
            if held.task.is_none() {
                held.task = Some(tokio::spawn(renew(owner.clone(), interval)).abort_handle());
            }
        }
        LeaseGuard { owner }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Some(inner) = self.owner.upgrade() else { return };
        let mut held = inner.lease.held();
        held.files = held.files.saturating_sub(1);
        if held.files == 0
            && let Some(task) = held.task.take()
        {
            task.abort();
        }
    }
}

async fn renew(owner: Weak<Inner>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(inner) = owner.upgrade() else { return };
        let request = v1::RenewLeaseRequest {
            caller: inner.rpc.caller(),
        };
        if let Err(error) = call!(inner.rpc, "renew lease", "this client", renew_lease, request).await {
            tracing::warn!(%error, "could not renew the lease; writers may lose their files");
        }
    }
}
