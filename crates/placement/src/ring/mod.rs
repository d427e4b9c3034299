//! Consistent hashing (Karger et al., 1997): the same chunk is asked for the same nodes, and when a node comes or goes, only
//! what is its own moves.
//!
//! A node has many points on a ring of 64-bit numbers, in proportion to its capacity; a chunk goes to the nodes whose points
//! come next behind the hash of its key. What comes before the ring is as with `spread`: racks have as few replicas as can
//! be, then hosts; nodes that are silent, slow or unsteady come last. A node that is full, busy or away is passed over, and
//! keeps its points.
//!
//! Neither load nor the client's host count: that is the price of a place that can be computed.

mod points;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::view::Candidate;
use crate::{Choice, ClusterView, Placement, Request, rank};
use points::{Points, Shares, mix};

/// Placement by consistent hashing.
#[derive(Debug, Default)]
pub struct Ring {
    points: u32,
    /// The ring as it was last asked for.
    built: Mutex<Arc<Points>>,
}

impl Ring {
    /// With so many points for a node of mean capacity: with more of them, nodes are filled more evenly (the share of a
    /// node deviates by about one over their square root), and the ring takes longer to build, which is done whenever a
    /// node comes, goes or changes its size.
    #[must_use]
    pub fn new(points: u32) -> Self {
        Self {
            points: points.max(1),
            built: Mutex::default(),
        }
    }

    fn points(&self, view: &ClusterView) -> Arc<Points> {
        let shares = Shares::of(view, self.points);
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if !built.is_of(&shares) {
            *built = Arc::new(Points::new(&shares));
        }
        Arc::clone(&built)
    }
}

impl Placement for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, _: &mut fastrand::Rng) -> Choice {
        let points = self.points(view);
        rank::choose(view, request, "", |candidates, equal| {
            let chosen = next(&points, request.key, candidates, equal)?;
            // The volume follows from the key too, but not the same one on every node.
            Some((chosen, mix(request.key ^ 0x766f_6c75_6d65)))
        })
    }
}

/// The one of `equal` that comes first behind `key`.
fn next(points: &Points, key: u64, candidates: &[Candidate<'_>], equal: &[usize]) -> Option<usize> {
    let places: BTreeMap<_, _> = equal
        .iter()
        .filter_map(|place| Some((candidates.get(*place)?.node.id, *place)))
        .collect();
    let found = points.behind(key).find_map(|id| places.get(&id).copied());
    // One that has just come, and is on no ring yet, is better than none.
    found.or_else(|| places.values().next().copied())
}

#[cfg(test)]
mod tests;
