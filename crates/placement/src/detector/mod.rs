//! Who is alive, by the age of the last heartbeat.
//!
//! Guarantee: never more than half of the nodes that were alive become dead in one assessment, nor in several that follow
//! each other while heartbeats stop for all of them. When so many fall silent together, the likelier cause is this process
//! (cut off from the network), so they become [`Liveness::Suspicious`]: still counted as alive, but said to be silent. They
//! leave that state by a heartbeat, or as dead once the silent ones are a minority, or once operators have said that they
//! are to be away: that word is believed.
//!
//! A pause of this process is seen by who calls ([`crate::ClusterView::assess`]): silence does not count meanwhile.

mod flapping;
mod why;

use std::time::Duration;

use types::DatanodeId;

pub use flapping::{Comebacks, Flapping};
pub use why::Why;

/// How alive a node is held to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Liveness {
    /// Its heartbeats come in time.
    Live,
    /// More than one heartbeat is missing.
    Late,
    /// Silent for as long as the dead, but together with too many others to believe it.
    Suspicious,
    /// Silent for too long.
    Dead,
    /// A member of the cluster that has not registered since this master started.
    Absent,
}

impl Liveness {
    /// Whether data is expected to be reachable there.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Live | Self::Late | Self::Suspicious)
    }
}

/// What is known of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Which.
    pub datanode: DatanodeId,
    /// The time since its last heartbeat; none when it has not registered.
    pub silent_for: Option<Duration>,
    /// What the last assessment made of it.
    pub was: Liveness,
    /// Whether operators expect it to be away: its silence says nothing of the others.
    pub expected_away: bool,
}

/// What became of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// What each node is now, in the order in which they were given.
    pub verdicts: Vec<Liveness>,
    /// How many fell silent since they were heard last, or are about to, though they are to be there.
    pub silent: usize,
    /// How many are heard.
    pub heard: usize,
}

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureDetector {
    /// How often nodes are to report.
    pub heartbeat_interval: Duration,
    /// Silence that is more than one lost heartbeat.
    pub late_after: Duration,
    /// Silence of those that may have fallen silent at the same moment as one that is dead by now: their heartbeats did
    /// not come at the same moment.
    pub doubted_after: Duration,
    /// Silence that is death.
    pub dead_after: Duration,
    /// Time between two assessments after which this process has been paused.
    pub pause_after: Duration,
    /// What is held of nodes that come and go.
    pub flapping: Flapping,
}

impl FailureDetector {
    /// For nodes that are to report every `heartbeat_interval`, and are dead after `dead_after`.
    #[must_use]
    pub fn new(heartbeat_interval: Duration, dead_after: Duration) -> Self {
        let late_after = (heartbeat_interval * 2).min(dead_after);
        Self {
            heartbeat_interval,
            late_after,
            doubted_after: dead_after.saturating_sub(heartbeat_interval).max(late_after),
            dead_after,
            pause_after: heartbeat_interval.max(dead_after / 4),
            flapping: Flapping::new(dead_after),
        }
    }

    /// What each node is now.
    #[must_use]
    pub fn assess(&self, nodes: &[Observation]) -> Assessment {
        let silent = nodes
            .iter()
            .filter(|node| node.silent_for.is_some_and(|age| age >= self.doubted_after))
            .filter(|node| node.was != Liveness::Dead && !node.expected_away)
            .count();
        let heard = nodes
            .iter()
            .filter(|node| node.silent_for.is_some_and(|age| age < self.doubted_after))
            .count();
        let believed = silent <= heard;
        let verdict = |node: &Observation| match node.silent_for {
            None => Liveness::Absent,
            Some(age) if age < self.late_after => Liveness::Live,
            Some(age) if age < self.dead_after => Liveness::Late,
            Some(_) if believed || node.was == Liveness::Dead || node.expected_away => Liveness::Dead,
            Some(_) => Liveness::Suspicious,
        };
        Assessment {
            verdicts: nodes.iter().map(verdict).collect(),
            silent,
            heard,
        }
    }

    /// The recent mean of how late heartbeats came, in microseconds, after one that came `silence` after the one before.
    /// Coming back from the dead is no lateness.
    #[must_use]
    pub fn lateness(&self, mean_us: u64, silence: Duration, was: Liveness) -> u64 {
        let late = match was {
            Liveness::Dead | Liveness::Absent => Duration::ZERO,
            _ => silence
                .saturating_sub(self.heartbeat_interval)
                .min(self.dead_after),
        };
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        mean_us - mean_us / 8 + late_us / 8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detector() -> FailureDetector {
        FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10))
    }

    fn verdicts(nodes: &[Observation]) -> Vec<Liveness> {
        detector().assess(nodes).verdicts
    }

    fn node(n: u8, silent_for: Option<u64>, was: Liveness) -> Observation {
        Observation {
            datanode: DatanodeId::from_random_bytes([n; 16]),
            silent_for: silent_for.map(Duration::from_secs),
            was,
            expected_away: false,
        }
    }

    fn assess(silences: &[u64]) -> Vec<Liveness> {
        let nodes: Vec<_> = (0..)
            .zip(silences)
            .map(|(n, &s)| node(n, Some(s), Liveness::Live))
            .collect();
        verdicts(&nodes)
    }

    #[test]
    fn by_age() {
        use Liveness::{Dead, Late, Live};
        assert_eq!(assess(&[0, 5, 6, 9, 10]), [Live, Live, Late, Late, Dead]);
    }

    #[test]
    fn a_node_that_never_registered_is_absent_and_does_not_count() {
        let nodes = [node(0, None, Liveness::Absent), node(1, Some(11), Liveness::Live)];
        assert_eq!(verdicts(&nodes), [Liveness::Absent, Liveness::Suspicious]);
    }

    #[test]
    fn a_silent_majority_is_suspicious() {
        use Liveness::{Live, Suspicious};
        assert_eq!(assess(&[1, 50, 50]), [Live, Suspicious, Suspicious]);
        assert_eq!(assess(&[50]), [Suspicious], "the only one");
    }

    #[test]
    fn a_majority_that_falls_silent_step_by_step_is_suspicious_too() {
        // Cut off at one moment: their last heartbeats lie apart by up to an interval.
        let mut was = [Liveness::Live; 5];
        for tick in 0..8 {
            let silences = [7 + tick, 6 + tick, 6 + tick, 5 + tick, 1];
            let nodes: Vec<_> = (0..)
                .zip(was)
                .zip(silences)
                .map(|((n, was), silence)| node(n, Some(silence), was))
                .collect();
            was.copy_from_slice(&verdicts(&nodes));
            assert!(!was.contains(&Liveness::Dead), "{tick}: {was:?}");
        }
        assert_eq!(was[0], Liveness::Suspicious);
    }

    #[test]
    fn who_is_expected_to_be_away_is_believed_and_says_nothing_of_others() {
        let away = |n| Observation {
            expected_away: true,
            ..node(n, Some(50), Liveness::Late)
        };
        let nodes = [
            away(0),
            away(1),
            node(2, Some(50), Liveness::Late),
            node(3, Some(0), Liveness::Live),
        ];
        use Liveness::{Dead, Live};
        assert_eq!(verdicts(&nodes), [Dead, Dead, Dead, Live]);
    }

    #[test]
    fn lateness_is_a_mean_that_fades() {
        let seconds = Duration::from_secs;
        let mut mean = 0;
        for _ in 0..50 {
            mean = detector().lateness(mean, seconds(4), Liveness::Live);
        }
        assert!((990_000..=1_000_000).contains(&mean), "{mean}");
        assert_eq!(detector().lateness(0, seconds(3_000), Liveness::Dead), 0);
        assert_eq!(
            detector().lateness(0, seconds(3_000), Liveness::Suspicious),
            10_000_000 / 8
        );
        for _ in 0..50 {
            mean = detector().lateness(mean, seconds(3), Liveness::Live);
        }
        assert!(mean < 10_000, "{mean}");
    }

    #[test]
    fn half_is_no_majority() {
        assert_eq!(assess(&[1, 50]), [Liveness::Live, Liveness::Dead]);
    }

    #[test]
    fn those_dead_before_stay_dead_and_do_not_count() {
        let nodes = [
            node(0, Some(60), Liveness::Dead),
            node(1, Some(60), Liveness::Dead),
            node(2, Some(12), Liveness::Late),
            node(3, Some(0), Liveness::Live),
        ];
        assert_eq!(
            verdicts(&nodes),
            [Liveness::Dead, Liveness::Dead, Liveness::Dead, Liveness::Live]
        );
    }

    #[test]
    fn suspicion_ends_when_the_others_are_back() {
        let nodes = [
            node(0, Some(30), Liveness::Suspicious),
            node(1, Some(1), Liveness::Suspicious),
            node(2, Some(1), Liveness::Live),
        ];
        assert_eq!(verdicts(&nodes), [Liveness::Dead, Liveness::Live, Liveness::Live]);
    }

    proptest! {
        #[test]
        fn never_a_majority_dead_at_once(silences in prop::collection::vec(prop::collection::vec(0u64..20, 5), 1..20)) {
            let mut was = [Liveness::Live; 5];
            for round in silences {
                let nodes: Vec<_> = (0u8..).zip(was).zip(&round).map(|((n, was), &s)| node(n, Some(s), was)).collect();
                let now = verdicts(&nodes);
                let alive = was.iter().filter(|l| l.is_usable()).count();
                let heard_again = nodes.iter().filter(|n| n.was == Liveness::Dead && n.silent_for < Some(detector().dead_after)).count();
                let died = was.iter().zip(&now).filter(|(was, now)| was.is_usable() && **now == Liveness::Dead).count();
                prop_assert!(died * 2 <= alive + heard_again);
                was.copy_from_slice(&now);
            }
        }
    }
}
