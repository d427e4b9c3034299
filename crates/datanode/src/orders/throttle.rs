//! How fast bytes may leave: a token bucket without a store of tokens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use env::clock::Clock;

/// A limit of bytes a second, shared by everyone who takes from it.
///
/// What is not used is not saved up: after a pause, the first piece goes at once and the next one when it is due.
#[derive(Debug)]
pub(crate) struct Throttle {
    bytes_per_s: u64,
    /// When the next piece may go.
    due: Mutex<Duration>,
}

impl Throttle {
    /// A limit; 0 is none.
    pub(crate) const fn new(bytes_per_s: u64) -> Self {
        Self {
            bytes_per_s,
            due: Mutex::new(Duration::ZERO),
        }
    }

    /// How many bytes a second; none when there is no limit.
    pub(crate) const fn limit(&self) -> Option<u64> {
        match self.bytes_per_s {
            0 => None,
            limit => Some(limit),
        }
    }

    /// Waits until `bytes` may go. Whoever comes later waits for these, too.
    pub(crate) async fn take(&self, clock: &dyn Clock, bytes: u64) {
        let wait = self.book(clock.monotonic(), bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Books `bytes`; says how long to wait with them.
    fn book(&self, now: Duration, bytes: u64) -> Duration {
        if self.bytes_per_s == 0 {
            return Duration::ZERO;
        }
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_s);
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*due).max(now);
        *due = begin.saturating_add(takes);
        begin.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pieces_go_when_they_are_due_and_a_pause_saves_nothing_up() {
        let throttle = Throttle::new(1_000);
        assert_eq!(throttle.book(ms(0), 100), ms(0));
        assert_eq!(throttle.book(ms(0), 100), ms(100));
        assert_eq!(throttle.book(ms(50), 300), ms(150));
        assert_eq!(throttle.book(ms(500), 1), ms(0));
        assert_eq!(throttle.book(ms(60_000), 2_000), ms(0));
        assert_eq!(throttle.book(ms(60_500), 1), ms(1_500));
    }

    #[test]
    fn no_limit_never_waits() {
        let throttle = Throttle::new(0);
        for _ in 0..3 {
            assert_eq!(throttle.book(ms(0), u64::MAX), ms(0));
        }
        assert_eq!((throttle.limit(), Throttle::new(7).limit()), (None, Some(7)));
    }
}
