//! How long the storages take, of late: what makes a slow disk visible beside those of its peers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use types::StorageId;

/// What one measurement weighs in the mean.
const WEIGHT: f64 = 1.0 / 16.0;

/// How long a mean says something without a new measurement.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// The storages' recent means.
#[derive(Debug, Default)]
pub(crate) struct Latencies(RwLock<HashMap<StorageId, Arc<Latency>>>);

/// One storage's.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// Of what makes a replica durable under its final name.
    pub(crate) sync: Mean,
    /// Of a read of up to 1 MiB, with the comparison of its checksums.
    pub(crate) read: Mean,
}

/// A mean that forgets.
#[derive(Debug, Default)]
pub(crate) struct Mean(Mutex<Option<Recent>>);

#[derive(Debug, Clone, Copy)]
struct Recent {
    us: f64,
    at: Duration,
}

impl Latencies {
    pub(crate) fn of(&self, storage: StorageId) -> Arc<Latency> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(latency) = known.get(&storage) {
            return Arc::clone(latency);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(storage).or_default())
    }
}

impl Mean {
    /// Something took `took`, until `now`.
    pub(crate) fn add(&self, now: Duration, took: Duration) {
        let us = took.as_secs_f64() * 1e6;
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.filter(|recent| is_fresh(now, *recent));
        let us = before.map_or(us, |before| before.us + (us - before.us) * WEIGHT);
        *recent = Some(Recent { us, at: now });
    }

    /// The mean in microseconds, at least 1; 0 when nothing was measured of late.
    pub(crate) fn us(&self, now: Duration) -> u32 {
        let recent = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(recent) = recent.filter(|recent| is_fresh(now, *recent)) else {
            return 0;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float saturates, and it is positive"
        )]
        let us = recent.us.round() as u32;
        us.max(1)
    }
}

fn is_fresh(now: Duration, recent: Recent) -> bool {
    now.saturating_sub(recent.at) <= FRESH_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_mean_follows_and_is_forgotten() {
        let mean = Mean::default();
        assert_eq!(mean.us(s(1)), 0);
        mean.add(s(1), Duration::from_micros(1_000));
        assert_eq!(mean.us(s(1)), 1_000);
        mean.add(s(2), Duration::from_micros(2_600));
        assert_eq!(mean.us(s(2)), 1_100);
        for _ in 0..200 {
            mean.add(s(3), Duration::from_micros(50_000));
        }
        assert!((49_900..=50_000).contains(&mean.us(s(63))), "{}", mean.us(s(63)));
        assert_eq!(mean.us(s(64)), 0, "too old to say anything");
        mean.add(s(65), Duration::ZERO);
        assert_eq!(mean.us(s(65)), 1, "known, and not what was known before");
    }

    #[test]
    fn each_storage_has_its_own() {
        let latencies = Latencies::default();
        let (one, two) = (
            StorageId::from_random_bytes([1; 16]),
            StorageId::from_random_bytes([2; 16]),
        );
        latencies.of(one).sync.add(s(1), Duration::from_micros(7));
        let of = |storage| latencies.of(storage).sync.us(s(1));
        assert_eq!((of(one), of(two)), (7, 0));
    }
}
