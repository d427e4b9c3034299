//! The default policy: replicas far from each other, on nodes that have room and little to do.
//!
//! ```text
//! first     a node on the client's host, when there is one
//! each next of the racks, those with the fewest replicas; of their hosts, those with the fewest;
//!           then the better (emptier, less busy) of two drawn at random, a node of twice the capacity twice as often
//! ```
//!
//! The best node of all would be chosen by every client at the same moment; the better of two random ones is nearly as
//! good and does not herd. Nodes whose heartbeat is missing come only after all others; slow and unsteady ones too, unless
//! theirs is the only other rack.

use crate::view::Candidate;
use crate::{Choice, ClusterView, Placement, Request, rank};

/// Capacity, load and rack aware placement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread;

impl Placement for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, rng: &mut fastrand::Rng) -> Choice {
        rank::choose(view, request, request.client_host, |candidates, equal| {
            Some((better_of_two(candidates, equal, rng)?, rng.u64(..)))
        })
    }
}

/// Of two of `equal`, drawn by capacity, the one with less load.
fn better_of_two(candidates: &[Candidate<'_>], equal: &[usize], rng: &mut fastrand::Rng) -> Option<usize> {
    let total: u64 = equal
        .iter()
        .filter_map(|place| candidates.get(*place))
        .map(|candidate| candidate.capacity.max(1))
        .fold(0, u64::saturating_add);
    let mut draw = || {
        let mut at = rng.u64(..total.max(1));
        for place in equal {
            let candidate = candidates.get(*place)?;
            match at.checked_sub(candidate.capacity.max(1)) {
                Some(rest) => at = rest,
                None => return Some((*place, candidate.load)),
            }
        }
        None
    };
    let (a, b) = (draw()?, draw()?);
    Some(if b.1 < a.1 { b.0 } else { a.0 })
}

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
