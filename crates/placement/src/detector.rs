//! Who is alive, by the age of the last heartbeat.
//!
//! Guarantee: never more than half of the nodes that were alive become dead in one assessment. When so many fall silent
//! at once, the likelier cause is this process (paused, or cut off from the network), so they become
//! [`Liveness::Suspicious`]: still counted as alive, but said to be silent. They leave that state by a heartbeat, or as
//! dead once the silent ones are a minority.

use std::time::Duration;

use types::DatanodeId;

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
}

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureDetector {
    /// Silence that is more than one lost heartbeat.
    pub late_after: Duration,
    /// Silence that is death.
    pub dead_after: Duration,
}

impl FailureDetector {
    /// For nodes that are to report every `heartbeat_interval`, and are dead after `dead_after`.
    #[must_use]
    pub fn new(heartbeat_interval: Duration, dead_after: Duration) -> Self {
        Self {
            late_after: (heartbeat_interval * 2).min(dead_after),
            dead_after,
        }
    }

    /// What each node is now, in the order of `nodes`.
    #[must_use]
    pub fn assess(&self, nodes: &[Observation]) -> Vec<Liveness> {
        let silent = |node: &&Observation| node.silent_for.is_some_and(|age| age >= self.dead_after);
        let newly_silent = nodes
            .iter()
            .filter(silent)
            .filter(|node| node.was != Liveness::Dead)
            .count();
        let heard = nodes
            .iter()
            .filter(|node| node.silent_for.is_some_and(|age| age < self.dead_after))
            .count();
        let believable = newly_silent <= heard;
        nodes
            .iter()
            .map(|node| match node.silent_for {
                None => Liveness::Absent,
                Some(age) if age < self.late_after => Liveness::Live,
                Some(age) if age < self.dead_after => Liveness::Late,
                Some(_) if believable || node.was == Liveness::Dead => Liveness::Dead,
                Some(_) => Liveness::Suspicious,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DETECTOR: FailureDetector = FailureDetector {
        late_after: Duration::from_secs(6),
        dead_after: Duration::from_secs(10),
    };

    fn node(n: u8, silent_for: Option<u64>, was: Liveness) -> Observation {
        Observation {
            datanode: DatanodeId::from_random_bytes([n; 16]),
            silent_for: silent_for.map(Duration::from_secs),
            was,
        }
    }

    fn assess(silences: &[u64]) -> Vec<Liveness> {
        let nodes: Vec<_> = (0..)
            .zip(silences)
            .map(|(n, &s)| node(n, Some(s), Liveness::Live))
            .collect();
        DETECTOR.assess(&nodes)
    }

    #[test]
    fn by_age() {
        use Liveness::{Dead, Late, Live};
        assert_eq!(assess(&[0, 5, 6, 9, 10]), [Live, Live, Late, Late, Dead]);
    }

    #[test]
    fn a_node_that_never_registered_is_absent_and_does_not_count() {
        let nodes = [node(0, None, Liveness::Absent), node(1, Some(11), Liveness::Live)];
        assert_eq!(DETECTOR.assess(&nodes), [Liveness::Absent, Liveness::Suspicious]);
    }

    #[test]
    fn a_silent_majority_is_suspicious() {
        use Liveness::{Live, Suspicious};
        assert_eq!(assess(&[1, 50, 50]), [Live, Suspicious, Suspicious]);
        assert_eq!(assess(&[50]), [Suspicious], "the only one");
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
            DETECTOR.assess(&nodes),
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
        assert_eq!(
            DETECTOR.assess(&nodes),
            [Liveness::Dead, Liveness::Live, Liveness::Live]
        );
    }

    proptest! {
        #[test]
        fn never_a_majority_dead_at_once(silences in prop::collection::vec(prop::collection::vec(0u64..20, 5), 1..20)) {
            let mut was = [Liveness::Live; 5];
            for round in silences {
                let nodes: Vec<_> = (0u8..).zip(was).zip(&round).map(|((n, was), &s)| node(n, Some(s), was)).collect();
                let now = DETECTOR.assess(&nodes);
                let alive = was.iter().filter(|l| l.is_usable()).count();
                let heard_again = nodes.iter().filter(|n| n.was == Liveness::Dead && n.silent_for < Some(DETECTOR.dead_after)).count();
                let died = was.iter().zip(&now).filter(|(was, now)| was.is_usable() && **now == Liveness::Dead).count();
                prop_assert!(died * 2 <= alive + heard_again);
                was.copy_from_slice(&now);
            }
        }
    }
}
