//! Which replicas of a chunk are to go, and which others must be known to be good before.

use std::collections::BTreeMap;
use std::time::Duration;

use plant::Bug;
use types::{ChunkId, DatanodeId, Generation, StorageId};

use super::{Situation, Wanted};
use crate::replicas::Located;
use crate::{Reach, Standing};

/// A valid replica in service, as one that may go or stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) node: DatanodeId,
    pub(super) rack: u32,
    pub(super) is_slow: bool,
    /// How full it is there, 0 to 1.
    pub(super) used: f64,
    /// It is not to be chosen: the node has more than this replica of the chunk, and an order could mean the other one.
    pub(super) is_bound: bool,
}

/// Which of `spots` are to go so that `wanted` stay; fewer where a rule forbids it. The copies that stay are in as many
/// racks as they were, as far as that can be, and never in one if they were in several and more than one is to stay.
/// Where that leaves a choice, slow nodes lose theirs first, then the fullest.
pub(super) fn choose(spots: &[Spot], wanted: usize) -> Vec<DatanodeId> {
    let mut kept: Vec<Spot> = spots.to_vec();
    let mut going = Vec::new();
    while kept.len() > wanted {
        let mut racks: BTreeMap<u32, usize> = BTreeMap::new();
        for spot in &kept {
            *racks.entry(spot.rack).or_default() += 1;
        }
        let racks_min = racks.len().min(2).min(wanted);
        let on_rack = |spot: &Spot| racks.get(&spot.rack).copied().unwrap_or_default();
        let may_go = |spot: &Spot| !spot.is_bound && (on_rack(spot) > 1 || racks.len() > racks_min);
        let worst = kept
            .iter()
            .enumerate()
            .filter(|(_, spot)| may_go(spot))
            .max_by(|(_, a), (_, b)| {
                let rank = |spot: &Spot| (on_rack(spot) > 1, spot.is_slow);
                let by_fill = a.used.total_cmp(&b.used);
                rank(a).cmp(&rank(b)).then(by_fill).then(a.node.cmp(&b.node))
            })
            .map(|(at, _)| at);
        let Some(worst) = worst else {
            break;
        };
        going.push(kept.swap_remove(worst).node);
    }
    going
}

/// A replica that is to be destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doomed {
    pub(super) node: DatanodeId,
    pub(super) generation: Generation,
    pub(super) only_corrupt: bool,
}

/// What is to go of a chunk that has enough copies, and what stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) doomed: Vec<Doomed>,
    /// The copies that stay, and serve.
    pub(super) stay: Vec<(DatanodeId, StorageId)>,
    /// Those of them that are not known to be good on disk.
    pub(super) unverified: Vec<DatanodeId>,
}

impl Verdict {
    /// `going` are the nodes that were told already to destroy theirs: that is not taken back.
    pub(super) fn of(
        situation: &Situation<'_>,
        chunk: ChunkId,
        wanted: Wanted,
        going: &[(DatanodeId, Duration)],
        verified_within: Duration,
    ) -> Self {
        let located: Vec<Located> = situation.replicas.located(chunk).collect();
        let is_going = |node: DatanodeId| going.iter().any(|(other, _)| *other == node);
        let mut verdict = Self::default();
        let mut spots = Vec::new();
        for here in &located {
            let Some(node) = here.node.filter(|_| here.reach.is_readable()) else {
                continue;
            };
            let others = located
                .iter()
                .filter(|other| other.node == here.node && other.replica.storage != here.replica.storage);
            let doomed = |only_corrupt| Doomed {
                node,
                generation: here.replica.generation,
                only_corrupt,
            };
            match here.replica.standing(wanted.expected) {
                Standing::Valid if here.reach == Reach::Serving && !is_going(node) => {
                    if !verdict.stay.iter().any(|(other, _)| *other == node) {
                        verdict.stay.push((node, here.replica.storage));
                        spots.push(spot(situation, here, node, others.count() > 0));
                    }
                }
                Standing::Valid if here.reach == Reach::Serving => verdict.doomed.push(doomed(false)),
                Standing::Corrupt => verdict.doomed.push(doomed(true)),
                Standing::Stale | Standing::WrongLength => {
                    // An order names a generation: it must not be that of a good one on the same node.
                    let generation = here.replica.generation;
                    if !others
                        .into_iter()
                        .any(|other| other.replica.generation == generation)
                    {
                        verdict.doomed.push(doomed(false));
                    }
                }
                Standing::Valid | Standing::Newer => {}
            }
        }
        if verdict.stay.len() < wanted.replicas.max(1) {
            // Too few stay as it is: nothing goes.
            return Self::default();
        }
        let surplus = choose(&spots, wanted.replicas.max(1));
        verdict.stay.retain(|(node, _)| !surplus.contains(node));
        let generation = wanted.expected.generation;
        verdict.doomed.extend(surplus.into_iter().map(|node| Doomed {
            node,
            generation,
            only_corrupt: false,
        }));
        let is_verified = |storage: StorageId| {
            if plant::is_planted(Bug::DestroyUnverified) {
                return true;
            }
            let at = situation.replicas.verified_at(storage, chunk);
            at.is_some_and(|at| situation.now.saturating_sub(at) < verified_within)
        };
        let unverified = verdict.stay.iter().filter(|(_, storage)| !is_verified(*storage));
        verdict.unverified = unverified.map(|(node, _)| *node).collect();
        verdict
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, to compare nodes by")]
fn spot(situation: &Situation<'_>, here: &Located, node: DatanodeId, is_bound: bool) -> Spot {
    let seen = situation.view.node(node);
    let storage = seen
        .into_iter()
        .flat_map(|node| &node.storages)
        .find(|storage| storage.reported.id == here.replica.storage);
    let used = storage.map_or(0.0, |storage| {
        storage.reported.used as f64 / storage.reported.capacity.max(1) as f64
    });
    Spot {
        node,
        rack: here.rack,
        is_slow: super::copy::is_slow(situation.view, node),
        used,
        is_bound,
    }
}

#[cfg(test)]
#[path = "trim_tests.rs"]
mod tests;
