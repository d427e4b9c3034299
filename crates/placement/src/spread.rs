//! The default policy: replicas far from each other, on nodes that have room and little to do.
//!
//! ```text
//! first     a node on the client's host, when there is one
//! each next of the racks, those with the fewest replicas; of their hosts, those with the fewest;
//!           then the better (emptier, less busy) of two drawn at random
//! ```
//!
//! The best node of all would be chosen by every client at the same moment; the better of two random ones is nearly as
//! good and does not herd. Nodes whose heartbeat is missing come only after all others.

use std::cmp::Ordering;

use crate::view::Candidate;
use crate::{Choice, ClusterView, Liveness, Placement, Request, Target};

/// Capacity, load and rack aware placement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread;

impl Placement for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, rng: &mut fastrand::Rng) -> Choice {
        let (mut candidates, refusals) = view.candidates(request);
        // (rack, host) of every replica, those that stay and those chosen.
        let mut taken: Vec<(&str, &str)> = request
            .existing
            .iter()
            .filter_map(|id| view.node(*id))
            .map(|node| (node.rack.as_str(), node.host.as_str()))
            .collect();
        let mut targets: Vec<Target> = Vec::with_capacity(request.count);
        while targets.len() < request.count && !candidates.is_empty() {
            let mut best: Vec<usize> = Vec::new();
            let mut best_rank = None;
            for (index, candidate) in candidates.iter().enumerate() {
                let rank = rank(candidate, &taken, request.client_host);
                match best_rank.map_or(Ordering::Less, |best| rank.cmp(&best)) {
                    Ordering::Less => {
                        best_rank = Some(rank);
                        best = vec![index];
                    }
                    Ordering::Equal => best.push(index),
                    Ordering::Greater => {}
                }
            }
            let Some(chosen) = better_of_two(&candidates, &best, rng) else {
                break;
            };
            let candidate = candidates.swap_remove(chosen);
            taken.push((&candidate.node.rack, &candidate.node.host));
            targets.push(candidate.target);
        }
        Choice { targets, refusals }
    }
}

/// Where a candidate stands before its load is looked at; smaller is better.
fn rank(candidate: &Candidate<'_>, taken: &[(&str, &str)], client_host: &str) -> (bool, bool, usize, usize) {
    let node = candidate.node;
    let silent = node.liveness != Liveness::Live;
    let remote = taken.is_empty() && (client_host.is_empty() || node.host != client_host);
    let on_rack = taken.iter().filter(|(rack, _)| *rack == node.rack).count();
    let on_host = taken.iter().filter(|(_, host)| *host == node.host).count();
    (silent, remote, on_rack, on_host)
}

fn better_of_two(candidates: &[Candidate<'_>], of: &[usize], rng: &mut fastrand::Rng) -> Option<usize> {
    let mut draw = || of.get(rng.usize(..of.len().max(1))).copied();
    let (a, b) = (draw()?, draw()?);
    let load = |index: usize| {
        candidates
            .get(index)
            .map_or(f64::INFINITY, |candidate| candidate.load)
    };
    Some(if load(b) < load(a) { b } else { a })
}

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
