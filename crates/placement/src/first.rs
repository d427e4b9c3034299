//! The simplest policy: the first nodes that can, in the order of their ids. Predictable, so good for tests.

use crate::rank::with_doubts;
use crate::{Choice, ClusterView, Placement, Request};

/// Takes the first nodes that can, in the order of their ids; those that are slow or unsteady after all others. Racks do not
/// count.
#[derive(Debug, Clone, Copy, Default)]
pub struct First;

impl Placement for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, _: &mut fastrand::Rng) -> Choice {
        let (mut candidates, refusals) = view.candidates(request);
        candidates.sort_by_key(|candidate| (candidate.doubt.is_some(), candidate.node.id));
        let left = candidates.split_off(request.count.min(candidates.len()));
        Choice {
            targets: candidates.iter().map(|candidate| candidate.emptiest()).collect(),
            refusals: with_doubts(refusals, left),
        }
    }
}
