//! How servers end.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::failure::{Exit, Failure, Result};
use crate::output::note;
use crate::signals;

/// How long an orderly end may take.
const SHUTDOWN_TIME: Duration = Duration::from_secs(15);

/// Signals that come so soon after the first are the same wish: whoever signals a process and its group sends two.
const SAME_SIGNAL_TIME: Duration = Duration::from_secs(1);

/// Lets a server end in order: what it has begun it finishes. A second signal, or too long a time, ends it at once, as a
/// crash would: everything acknowledged is on disk either way.
///
/// # Errors
/// With `failure`, when the server ends because of one.
pub(super) async fn shut_down(shutdown: impl Future<Output = ()>, failure: Option<Failure>) -> Result<Exit> {
    let again = async {
        sleep(SAME_SIGNAL_TIME).await;
        signals::stop().await
    };
    let stopped = tokio::select! {
        done = timeout(SHUTDOWN_TIME, shutdown) => done.is_ok(),
        _ = again => false,
    };
    if !stopped {
        note("stopped without waiting for everything to end; nothing acknowledged is lost");
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
}
