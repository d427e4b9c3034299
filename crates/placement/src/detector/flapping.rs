//! Nodes that come and go: not to be relied on at once.

use std::time::Duration;

/// How often a node came back from the dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comebacks {
    /// How often, as of `last`; less as time goes by.
    count: u32,
    /// When it did so last.
    last: Duration,
}

impl Comebacks {
    pub(crate) const NONE: Self = Self {
        count: 0,
        last: Duration::ZERO,
    };
}

/// The policy: whoever has come back from the dead more than once has to live for a while before it counts for new writes;
/// twice as long each time, up to a limit. Each is forgotten after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    /// The wait after the second comeback.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// After so long without another death, one comeback is forgotten.
    pub forgotten_after: Duration,
}

impl Flapping {
    /// For nodes that are dead after a silence of `dead_after`.
    #[must_use]
    pub fn new(dead_after: Duration) -> Self {
        Self {
            first: dead_after,
            longest: dead_after.saturating_mul(60),
            forgotten_after: dead_after.saturating_mul(60),
        }
    }

    /// One comeback more.
    #[must_use]
    pub fn again(&self, comebacks: Comebacks, now: Duration) -> Comebacks {
        Comebacks {
            count: self.count(comebacks, now).saturating_add(1),
            last: now,
        }
    }

    /// Those that are not forgotten.
    #[must_use]
    pub fn count(&self, comebacks: Comebacks, now: Duration) -> u32 {
        let quiet = now.saturating_sub(comebacks.last).as_nanos();
        let forgotten = quiet / self.forgotten_after.as_nanos().max(1);
        comebacks
            .count
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    /// How long a node has to have been heard without a gap.
    #[must_use]
    pub fn probation(&self, comebacks: Comebacks, now: Duration) -> Duration {
        match self.count(comebacks, now) {
            0 | 1 => Duration::ZERO,
            count => {
                let doubled = 1_u32.checked_shl(count - 2).unwrap_or(u32::MAX);
                self.first.saturating_mul(doubled).min(self.longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn flapping() -> Flapping {
        Flapping::new(SECOND * 10)
    }

    #[test]
    fn the_wait_doubles_up_to_a_limit() {
        let mut comebacks = Comebacks::NONE;
        let mut waits = Vec::new();
        for n in 0..9 {
            let now = SECOND * 60 * n;
            comebacks = flapping().again(comebacks, now);
            waits.push(flapping().probation(comebacks, now).as_secs());
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
    }

    #[test]
    fn it_is_forgotten_in_time() {
        let mut comebacks = Comebacks::NONE;
        for _ in 0..3 {
            comebacks = flapping().again(comebacks, SECOND);
        }
        let wait = |after: u32| flapping().probation(comebacks, SECOND + SECOND * after);
        assert_eq!([wait(0), wait(599)], [SECOND * 20; 2]);
        assert_eq!(wait(600), SECOND * 10);
        assert_eq!(wait(1_200), Duration::ZERO);
        assert_eq!(wait(100_000), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn bounded(times in prop::collection::vec(0u64..10_000, 0..200)) {
            let (mut comebacks, mut now) = (Comebacks::NONE, Duration::ZERO);
            for time in times {
                now += Duration::from_secs(time);
                comebacks = flapping().again(comebacks, now);
                prop_assert!(flapping().probation(comebacks, now) <= flapping().longest);
            }
        }
    }
}
