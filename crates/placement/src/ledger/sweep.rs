//! A pass over all chunks in slices, begun anew whenever what they were judged by has changed.
//!
//! Slots are a circle. A sweep that is asked for while one runs goes on from where it is, once around: what was judged
//! before is judged again, and what was not is judged once.

use std::time::Duration;

/// Where a pass over all chunks is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// The next slot.
    at: u64,
    round: Option<Round>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    since: Duration,
    /// Slots that are to be passed yet before the end of the circle, and behind its beginning: none once it was passed.
    began_at: u64,
    wrapped: bool,
}

impl Sweep {
    /// No sweep runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every chunk is to be judged anew, from now on.
    pub const fn ask(&mut self, now: Duration) {
        self.round = Some(Round {
            since: now,
            began_at: self.at,
            wrapped: false,
        });
    }

    /// The slot at which the next slice begins, and the one before which it ends at the latest (none: the last one is
    /// among it). None when no sweep runs.
    #[must_use]
    pub fn next(&self) -> Option<(u64, Option<u64>)> {
        let round = self.round?;
        Some((self.at, round.wrapped.then_some(round.began_at)))
    }

    /// A slice was judged, up to before slot `to`; none: all that there are. True when that was the end of the sweep.
    pub fn advance(&mut self, to: Option<u64>) -> bool {
        let Some(round) = &mut self.round else {
            return true;
        };
        match to {
            Some(to) => self.at = to,
            None => {
                self.at = 0;
                if round.wrapped || round.began_at == 0 {
                    self.round = None;
                } else {
                    round.wrapped = true;
                }
            }
        }
        if let Some(round) = self.round
            && round.wrapped
            && self.at >= round.began_at
        {
            self.round = None;
        }
        self.round.is_none()
    }

    /// Since when it was asked for last, and how much of it is done (0 to 1) when there are so many slots; none when no
    /// sweep runs.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn progress(&self, slots: u64) -> Option<(Duration, f64)> {
        let round = self.round?;
        let passed = match round.wrapped {
            true => slots.saturating_sub(round.began_at) + self.at,
            false => self.at.saturating_sub(round.began_at),
        };
        Some((round.since, (passed as f64 / slots.max(1) as f64).min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    /// The slots that are judged in slices of 10 out of `slots`; a second sweep is asked for after `again` slices.
    fn judged(slots: u64, again: Option<usize>) -> Vec<u32> {
        let mut sweep = Sweep::new();
        let mut times = vec![0; usize::try_from(slots).unwrap()];
        sweep.ask(NOW);
        let mut slices = 0;
        while let Some((from, until)) = sweep.next() {
            if again == Some(slices) {
                sweep.ask(NOW * 2);
                times.fill(0);
            }
            slices += 1;
            let (from, until) = sweep.next().map_or((from, until), |next| next);
            let to = (from + 10).min(until.unwrap_or(slots)).min(slots);
            for slot in from..to {
                times[usize::try_from(slot).unwrap()] += 1;
            }
            let share = sweep.progress(slots).unwrap().1;
            assert!((0.0..=1.0).contains(&share));
            sweep.advance((to < slots).then_some(to));
            assert!(slices < 1_000, "it ends");
        }
        times
    }

    #[test]
    fn every_slot_is_judged_once() {
        for slots in [1, 9, 10, 11, 95] {
            assert!(judged(slots, None).iter().all(|&times| times == 1), "{slots}");
        }
        assert_eq!(Sweep::new().next(), None);
    }

    #[test]
    fn every_slot_is_judged_after_it_was_asked_for_last() {
        for slots in [10, 11, 95] {
            for again in 0..8 {
                let times = judged(slots, Some(again));
                assert!(times.iter().all(|&times| times == 1), "{slots} {again} {times:?}");
            }
        }
    }

    #[test]
    fn progress_is_told() {
        let mut sweep = Sweep::new();
        assert_eq!(sweep.progress(100), None);
        sweep.ask(NOW);
        sweep.advance(Some(40));
        assert_eq!(sweep.progress(100), Some((NOW, 0.4)));
        sweep.ask(NOW * 2);
        assert_eq!(sweep.progress(100), Some((NOW * 2, 0.0)));
        sweep.advance(None);
        sweep.advance(Some(10));
        assert_eq!(sweep.progress(100), Some((NOW * 2, 0.7)));
        assert!(sweep.advance(Some(40)));
        assert_eq!(sweep.progress(100), None);
    }
}
