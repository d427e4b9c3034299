//! How many are how.

use std::time::Duration;

use super::class::CODES;
use super::{Class, Condition};

/// How many chunks or files are in which condition, and since when there are any. Every answer is O(1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_code: [u64; CODES],
    since: [Option<Duration>; CODES],
}

impl Counts {
    pub(super) fn add(&mut self, now: Duration, condition: Condition) {
        let code = usize::from(condition.code());
        if let (Some(count), Some(since)) = (self.by_code.get_mut(code), self.since.get_mut(code)) {
            *count += 1;
            since.get_or_insert(now);
        }
    }

    pub(super) fn take(&mut self, condition: Condition) {
        let code = usize::from(condition.code());
        if let (Some(count), Some(since)) = (self.by_code.get_mut(code), self.since.get_mut(code)) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                *since = None;
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = (Condition, u64, Option<Duration>)> + '_ {
        let counts = (0u8..).zip(self.by_code).zip(self.since);
        counts.map(|((code, count), since)| (Condition::of(code), count, since))
    }

    /// How many are in a condition for which `is` is true.
    pub fn count(&self, is: impl Fn(Condition) -> bool) -> u64 {
        self.all()
            .filter(|(condition, ..)| is(*condition))
            .map(|(_, count, _)| count)
            .sum()
    }

    /// How many are in a class.
    #[must_use]
    pub fn of(&self, class: Class) -> u64 {
        self.count(|condition| condition.class == class)
    }

    /// How many have fewer copies than wanted, of which some can be read.
    #[must_use]
    pub fn at_risk(&self) -> u64 {
        self.count(|condition| condition.class.is_at_risk())
    }

    /// How many have a replica that is known to be bad, whatever class they are in.
    #[must_use]
    pub fn with_corrupt(&self) -> u64 {
        self.count(|condition| condition.corrupt)
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_code.iter().sum()
    }

    /// Of `all` that there are, when only those were counted here that are not healthy: the others are.
    #[must_use]
    pub fn among(mut self, all: u64) -> Self {
        let others = all.saturating_sub(self.total());
        let healthy = self.by_code.get_mut(usize::from(Condition::HEALTHY.code()));
        if let Some(healthy) = healthy {
            *healthy += others;
        }
        self
    }

    /// Since when there have been any in a condition for which `is` is true, without a break in each one of them; none when
    /// there are none.
    pub fn since(&self, is: impl Fn(Condition) -> bool) -> Option<Duration> {
        let since = self.all().filter(|(condition, ..)| is(*condition));
        since.filter_map(|(.., since)| since).min()
    }
}
