//! How fast something goes, over the last while.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Over how long.
const WINDOW: Duration = Duration::from_secs(30);

/// A count is kept at most so often.
const STEP: Duration = Duration::from_millis(500);

/// How fast repair goes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) chunks_per_s: f64,
    pub(crate) bytes_per_s: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    chunks: u64,
    bytes: u64,
}

/// What was counted, and when.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<VecDeque<Sample>>);

impl Meter {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// So much has been done since the beginning.
    pub(super) fn count(&self, at: Duration, chunks: u64, bytes: u64) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.back().is_some_and(|last| chunks < last.chunks) {
            // It began anew.
            samples.clear();
        }
        if samples
            .back()
            .is_none_or(|last| at.saturating_sub(last.at) >= STEP)
        {
            samples.push_back(Sample { at, chunks, bytes });
        }
        while samples.len() > 2
            && samples
                .get(1)
                .is_some_and(|second| at.saturating_sub(second.at) >= WINDOW)
        {
            samples.pop_front();
        }
    }

    /// How fast it goes.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, to be looked at"
    )]
    pub(super) fn rate(&self, now: Duration) -> Rate {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else {
            return Rate::default();
        };
        let seconds = now.saturating_sub(first.at).as_secs_f64();
        if seconds < STEP.as_secs_f64() {
            return Rate::default();
        }
        Rate {
            chunks_per_s: last.chunks.saturating_sub(first.chunks) as f64 / seconds,
            bytes_per_s: (last.bytes.saturating_sub(first.bytes) as f64 / seconds) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_while() {
        let meter = Meter::new();
        let at = Duration::from_secs;
        assert_eq!(meter.rate(at(0)), Rate::default());
        for second in 0..100 {
            let done = if second < 50 {
                second * 10
            } else {
                500 + (second - 50) * 2
            };
            meter.count(at(second), done, done * 100);
        }
        let rate = meter.rate(at(99));
        assert!((1.9..2.1).contains(&rate.chunks_per_s), "{rate:?}");
        assert!((190..210).contains(&rate.bytes_per_s), "{rate:?}");
        meter.count(at(100), 0, 0);
        assert!(meter.rate(at(101)).chunks_per_s < 0.1, "a new lead counts from 0");
    }
}
