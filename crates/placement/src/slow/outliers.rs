//! Who stands out, for how long: marks with hysteresis and a cap.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Measure, Slow};

/// Comparisons in a row above the limit, before a mark.
const CONFIRM: u8 = 3;
/// Comparisons in a row below half of the limit, before it goes.
const CLEAR: u8 = 10;
/// Comparisons with the very same figure, after which nobody seems to measure any more.
const STALE: u16 = 60;
/// Fewer are not compared.
const PEERS_MIN: usize = 4;
/// One of so many is marked at most.
const CAP: usize = 4;

/// What is usual for a figure, and what is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usual {
    pub(super) median: u64,
    pub(super) limit: u64,
}

impl Usual {
    /// Of the figures of all peers. None when they are too few. Nothing below `floor` is too much.
    pub(super) fn of(mut figures: Vec<u64>, floor: u64) -> Option<Self> {
        if figures.len() < PEERS_MIN {
            return None;
        }
        let median = median(&mut figures)?;
        let mut deviations: Vec<_> = figures.iter().map(|figure| figure.abs_diff(median)).collect();
        let deviation = self::median(&mut deviations)?;
        let spread = median.saturating_add(deviation.saturating_mul(8));
        Some(Self {
            median,
            limit: floor.max(median.saturating_mul(4)).max(spread).max(1),
        })
    }
}

/// The upper one of the two in the middle, where there are two: of two kinds of disks, as many of each, the slower kind is
/// what is usual.
fn median(figures: &mut [u64]) -> Option<u64> {
    let middle = figures.len() / 2;
    (middle < figures.len()).then(|| *figures.select_nth_unstable(middle).1)
}

/// What speaks for one of them being slow, as of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) measure: Measure,
    pub(super) figure: u64,
    pub(super) usual: Usual,
}

impl Evidence {
    /// Thousandths of the limit.
    pub(super) fn score(&self) -> u64 {
        let score = u128::from(self.figure) * 1_000 / u128::from(self.usual.limit.max(1));
        u64::try_from(score).unwrap_or(u64::MAX)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Track {
    above: u8,
    below: u8,
    figure: u64,
    same: u16,
    slow: Option<Slow>,
}

/// The marks of one kind of peers.
#[derive(Debug, Clone)]
pub(super) struct Outliers<K> {
    tracks: BTreeMap<K, Track>,
}

impl<K> Default for Outliers<K> {
    fn default() -> Self {
        Self {
            tracks: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Outliers<K> {
    /// Why `key` is slow.
    pub(super) fn slow(&self, key: K) -> Option<Slow> {
        self.tracks.get(&key)?.slow
    }

    /// Takes one comparison in: of all that are there, in any order, with what speaks against them, if it is known.
    pub(super) fn update(&mut self, now: Duration, peers: &[(K, Option<Evidence>)]) {
        let mut old = std::mem::take(&mut self.tracks);
        let mut confirmed = Vec::new();
        for &(key, evidence) in peers {
            let mut track = old.remove(&key).unwrap_or_default();
            let evidence = evidence.filter(|evidence| !track.is_stale(evidence.figure));
            let score = evidence.map_or(0, |evidence| evidence.score());
            track.above = if score >= 1_000 {
                track.above.saturating_add(1)
            } else {
                0
            };
            track.below = if score < 500 {
                track.below.saturating_add(1)
            } else {
                0
            };
            if track.below >= CLEAR {
                track.slow = None;
            }
            if let (Some(slow), Some(evidence)) = (&mut track.slow, evidence) {
                slow.measure = evidence.measure;
                slow.figure_us = evidence.figure;
                slow.typical_us = evidence.usual.median;
            }
            if let Some(evidence) = evidence.filter(|_| track.slow.is_none() && track.above >= CONFIRM) {
                confirmed.push((score, key, evidence));
            }
            self.tracks.insert(key, track);
        }
        self.cap(now, confirmed);
    }

    /// Marks what is confirmed, the worst first, and takes marks from the least slow, so that they stay few.
    fn cap(&mut self, now: Duration, mut confirmed: Vec<(u64, K, Evidence)>) {
        let most = self.tracks.len() / CAP;
        let mut marked: Vec<_> = self
            .tracks
            .iter()
            .filter_map(|(key, track)| Some((track.slow?.figure_us, *key)))
            .collect();
        marked.sort_unstable_by(|a, b| b.cmp(a));
        for (_, key) in marked.split_off(most.min(marked.len())) {
            if let Some(track) = self.tracks.get_mut(&key) {
                track.slow = None;
            }
        }
        confirmed.sort_unstable_by_key(|(score, key, _)| std::cmp::Reverse((*score, *key)));
        for (_, key, evidence) in confirmed.into_iter().take(most - marked.len()) {
            if let Some(track) = self.tracks.get_mut(&key) {
                track.slow = Some(Slow {
                    since: now,
                    measure: evidence.measure,
                    figure_us: evidence.figure,
                    typical_us: evidence.usual.median,
                });
            }
        }
    }
}

impl Track {
    /// Whether a figure has not changed for so long that nobody seems to measure any more.
    fn is_stale(&mut self, figure: u64) -> bool {
        self.same = if figure == self.figure {
            self.same.saturating_add(1)
        } else {
            0
        };
        self.figure = figure;
        self.same >= STALE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLOOR: u64 = 50_000;

    struct Peers {
        outliers: Outliers<usize>,
        round: u64,
    }

    impl Peers {
        fn new() -> Self {
            Self {
                outliers: Outliers::default(),
                round: 0,
            }
        }

        /// One comparison; a little noise keeps figures from being stale.
        fn compare(&mut self, figures: &[u64]) -> Vec<usize> {
            self.round += 1;
            let noise = self.round % 2;
            let known = figures.iter().filter(|f| **f > 0).map(|f| f + noise).collect();
            let usual = Usual::of(known, FLOOR);
            let peers: Vec<_> = figures
                .iter()
                .enumerate()
                .map(|(key, &figure)| {
                    let evidence = usual.filter(|_| figure > 0).map(|usual| Evidence {
                        measure: Measure::Sync,
                        figure: figure + noise,
                        usual,
                    });
                    (key, evidence)
                })
                .collect();
            self.outliers.update(Duration::from_secs(self.round), &peers);
            (0..figures.len())
                .filter(|key| self.outliers.slow(*key).is_some())
                .collect()
        }

        fn often(&mut self, times: usize, figures: &[u64]) -> Vec<usize> {
            (0..times).fold(Vec::new(), |_, _| self.compare(figures))
        }
    }

    const MS: u64 = 1_000;

    #[test]
    fn one_that_stands_out_is_marked_in_time_and_not_at_once() {
        let mut peers = Peers::new();
        let figures = [5 * MS, 6 * MS, 7 * MS, 200 * MS, 5 * MS];
        assert_eq!(peers.often(2, &figures), [0; 0]);
        assert_eq!(peers.compare(&figures), [3]);
        let slow = peers.outliers.slow(3).unwrap();
        assert_eq!(slow.since, Duration::from_secs(3));
        assert_eq!(slow.to_string(), "a sync takes 200 ms, where 6.0 ms is usual");
    }

    #[test]
    fn a_mark_goes_only_after_long_being_well() {
        let mut peers = Peers::new();
        peers.often(3, &[5 * MS, 6 * MS, 7 * MS, 200 * MS]);
        let better = [5 * MS, 6 * MS, 7 * MS, 10 * MS];
        assert_eq!(peers.often(9, &better), [3]);
        assert_eq!(peers.compare(&better), [0; 0]);
        peers.often(3, &[5 * MS, 6 * MS, 7 * MS, 200 * MS]);
        let between = [5 * MS, 6 * MS, 7 * MS, 40 * MS];
        assert_eq!(
            peers.often(100, &between),
            [3],
            "neither above the limit nor below half of it"
        );
    }

    #[test]
    fn a_short_spell_marks_nobody() {
        let mut peers = Peers::new();
        for _ in 0..50 {
            assert_eq!(peers.often(2, &[5 * MS, 6 * MS, 7 * MS, 900 * MS]), [0; 0]);
            assert_eq!(peers.compare(&[5 * MS, 6 * MS, 7 * MS, 5 * MS]), [0; 0]);
        }
    }

    #[test]
    fn what_all_are_marks_nobody_and_small_figures_never_do() {
        let mut peers = Peers::new();
        assert_eq!(
            peers.often(20, &[800 * MS, 900 * MS, 700 * MS, 950 * MS]),
            [0; 0],
            "a busy cluster"
        );
        assert_eq!(
            peers.often(20, &[1, 1, 1, 40 * MS]),
            [0; 0],
            "no disk is slow at 40 ms"
        );
    }

    #[test]
    fn two_kinds_of_disks_are_no_outliers() {
        // Half of them are thirty times as slow as the others, and all right.
        let figures: Vec<_> = (0..20).map(|n| if n < 10 { 2 * MS } else { 60 * MS }).collect();
        assert_eq!(Peers::new().often(20, &figures), [0; 0]);
    }

    #[test]
    fn few_are_not_compared() {
        assert_eq!(Peers::new().often(20, &[MS, MS, 900 * MS]), [0; 0]);
        assert_eq!(
            Peers::new().often(20, &[MS, MS, 900 * MS, 0]),
            [0; 0],
            "one is not known"
        );
    }

    #[test]
    fn what_is_not_measured_any_more_is_no_evidence() {
        let mut outliers = Outliers::default();
        let usual = Usual {
            median: MS,
            limit: FLOOR,
        };
        let evidence = |key| Evidence {
            measure: Measure::Read,
            figure: if key == 0 { 900 * MS } else { MS },
            usual,
        };
        let peers: Vec<_> = (0..8).map(|key| (key, Some(evidence(key)))).collect();
        for round in 0..50 {
            outliers.update(Duration::from_secs(round), &peers);
        }
        assert!(outliers.slow(0).is_some());
        for round in 50..100 {
            outliers.update(Duration::from_secs(round), &peers);
        }
        assert!(outliers.slow(0).is_none(), "it deserves another try");
    }

    #[test]
    fn the_worst_are_marked_when_there_are_many() {
        let mut figures = vec![MS; 12];
        figures[..4].copy_from_slice(&[300 * MS, 400 * MS, 500 * MS, 600 * MS]);
        let mut peers = Peers::new();
        assert_eq!(peers.often(5, &figures), [1, 2, 3], "a quarter");
        figures.truncate(8);
        assert_eq!(peers.compare(&figures), [2, 3], "of fewer, fewer");
    }

    proptest! {
        #[test]
        fn never_more_than_a_quarter(rounds in prop::collection::vec(prop::collection::vec(0u64..2_000_000, 0..16), 1..40)) {
            let mut peers = Peers::new();
            for figures in rounds {
                let marked = peers.often(2, &figures);
                prop_assert!(marked.len() * 4 <= figures.len());
            }
        }
    }
}
