//! What is known of the replicas of one chunk, as numbers.

use types::ChunkId;

use crate::replicas::Located;
use crate::{Expected, Reach, ReplicaMap, Standing};

/// What a chunk is classified by. Valid replicas are those of the generation in force and the committed length, of which
/// nothing bad is known; of several on one node, the one that can be reached best counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Copies that there should be: the replication factor of its file.
    pub wanted: usize,
    /// Whether its length is committed; if not, it is being written.
    pub committed: bool,
    /// Nodes in service that have a valid replica.
    pub serving: usize,
    /// Nodes that are to leave and have one.
    pub draining: usize,
    /// Nodes in maintenance that have one and can be reached.
    pub maintenance: usize,
    /// Nodes in maintenance that have one, are away, and are to come back.
    pub away: usize,
    /// Nodes that have one and are silent together with too many others to believe that they are dead.
    pub silent: usize,
    /// Nodes that have one and are dead or not there, or whose storage has failed.
    pub gone: usize,
    /// Replicas that are known to be bad, wherever they are.
    pub corrupt: usize,
    /// Replicas of a lower generation or another length, on nodes that can be reached.
    pub useless: usize,
    /// Different racks of the copies that make up the redundancy.
    pub racks: usize,
    /// Racks that have a node that serves.
    pub serving_racks: usize,
    /// Whether a member of the cluster may have replicas that it has not told of yet.
    pub unheard: bool,
}

impl Facts {
    /// Of a chunk of which `wanted` copies should be.
    #[must_use]
    pub fn of(map: &ReplicaMap, chunk: ChunkId, expected: Expected, wanted: usize) -> Self {
        let mut facts = Self {
            wanted,
            committed: expected.len.is_some(),
            serving_racks: map.serving_racks(),
            unheard: map.is_unheard(),
            ..Self::default()
        };
        let located = map.located(chunk);
        let is_valid = |located: &Located| located.replica.standing(expected) == Standing::Valid;
        for (at, here) in located.clone().enumerate() {
            match here.replica.standing(expected) {
                Standing::Valid => {
                    let better = |(other_at, other): (usize, Located)| {
                        other_at != at
                            && other.node == here.node
                            && other.node.is_some()
                            && is_valid(&other)
                            && (other.reach, other_at) < (here.reach, at)
                    };
                    if !located.clone().enumerate().any(better) {
                        facts.count(here.reach);
                        let counts = |other: &Located| other.reach.is_redundancy() && is_valid(other);
                        let seen = located.clone().take(at).filter(counts);
                        if here.reach.is_redundancy()
                            && !seen.into_iter().any(|other| other.rack == here.rack)
                        {
                            facts.racks += 1;
                        }
                    }
                }
                Standing::Corrupt => facts.corrupt += 1,
                Standing::Stale | Standing::WrongLength if here.reach.is_readable() => facts.useless += 1,
                Standing::Stale | Standing::WrongLength | Standing::Newer => {}
            }
        }
        facts
    }

    fn count(&mut self, reach: Reach) {
        match reach {
            Reach::Serving => self.serving += 1,
            Reach::Draining => self.draining += 1,
            Reach::Maintenance => self.maintenance += 1,
            Reach::Away => self.away += 1,
            Reach::Silent => self.silent += 1,
            Reach::Gone => self.gone += 1,
        }
    }

    /// Nodes from which it can be read now.
    #[must_use]
    pub const fn readable(&self) -> usize {
        self.serving + self.draining + self.maintenance
    }

    /// Nodes that have it, and can be read from or are to come back.
    #[must_use]
    pub const fn copies(&self) -> usize {
        self.readable() + self.away
    }

    /// Those of them that are to stay.
    #[must_use]
    pub const fn redundancy(&self) -> usize {
        self.serving + self.maintenance + self.away
    }

    /// Copies that are to be made. What is silent is not copied: it is believed to be there.
    #[must_use]
    pub fn needed(&self) -> usize {
        let missing = self.wanted.saturating_sub(self.redundancy() + self.silent);
        // Before the last ones go away for maintenance, one is made that stays.
        let last = self.serving == 0 && self.silent == 0 && self.wanted > 0;
        missing.max(usize::from(last))
    }
}

impl Reach {
    const fn is_redundancy(self) -> bool {
        matches!(self, Self::Serving | Self::Maintenance | Self::Away)
    }
}
