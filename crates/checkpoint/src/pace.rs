//! How fast a checkpoint is written.

use std::num::NonZeroU64;
use std::time::Duration;

/// After so many bytes a writer pauses. Small, so that neither saving nor writing them keeps a processor or the disk busy for
/// longer than a fraction of a millisecond.
const SLICE_BYTES: u64 = 64 << 10;

/// A bound on the bytes per second, kept by a pause behind every small part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(Option<NonZeroU64>);

impl Default for Pace {
    /// 64 MiB per second: ten million files in ten seconds.
    fn default() -> Self {
        Self::at(64 << 20)
    }
}

impl Pace {
    /// No bound: where nobody waits, as in the offline tools and in tests.
    pub const FULL: Self = Self(None);

    /// At most so many bytes per second; zero is no bound.
    #[must_use]
    pub const fn at(bytes_per_second: u64) -> Self {
        Self(NonZeroU64::new(bytes_per_second))
    }
}

/// Keeps a pace.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    since_pause: u64,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, since_pause: 0 }
    }

    /// How many bytes may be worked on before [`Pacer::worked`] is to be told.
    pub(crate) const fn slice(&self) -> u64 {
        SLICE_BYTES - self.since_pause
    }

    /// Tells that `bytes` were worked on; pauses when it is time.
    pub(crate) fn worked(&mut self, bytes: u64) {
        self.since_pause += bytes;
        if self.since_pause >= SLICE_BYTES {
            env::pause(self.due());
            self.since_pause = 0;
        }
    }

    /// The time that the bytes since the last pause are to take. That working on them took some of it is disregarded: the
    /// pace is a bound.
    fn due(&self) -> Duration {
        let Self {
            pace: Pace(Some(rate)),
            ..
        } = self
        else {
            return Duration::ZERO;
        };
        Duration::from_nanos(self.since_pause.saturating_mul(1_000_000_000) / rate.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_of_a_second_s_bytes_are_a_second() {
        let mut pacer = Pacer::new(Pace::at(1 << 20));
        pacer.since_pause = SLICE_BYTES;
        assert_eq!(pacer.due() * 16, Duration::from_secs(1));
        let mut full = Pacer::new(Pace::FULL);
        full.since_pause = SLICE_BYTES;
        assert_eq!(full.due(), Duration::ZERO);
        assert_eq!(Pace::at(0), Pace::FULL);
    }
}
