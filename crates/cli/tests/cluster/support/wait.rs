//! Waiting for what must come.

use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything takes on a busy machine: a limit for what hangs, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until there is an answer.
///
/// # Panics
/// With `what`, when none comes.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "still waiting until {what}");
        thread::sleep(PAUSE);
    }
}
