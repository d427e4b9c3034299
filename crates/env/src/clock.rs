//! The clock seam. Durations and timeouts go through `tokio::time` (which a simulation controls already); this seam is for
//! the two questions that it does not answer: how much time has passed, to blocking code, and what the date is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use types::UnixMillis;

/// A source of time.
pub trait Clock: Send + Sync {
    /// The time since this clock was made. Never goes back.
    fn monotonic(&self) -> Duration;

    /// The date. May jump, in either direction.
    fn wall(&self) -> UnixMillis;
}

/// The operating system's clock.
#[derive(Debug)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "reading the time is not a default")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}
