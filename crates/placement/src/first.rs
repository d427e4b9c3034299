//! The simplest policy: the first nodes that can, in the order of their ids. Predictable, so good for tests.

use crate::{Choice, ClusterView, Placement, Request};

/// Takes the first nodes that can, in the order of their ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct First;

impl Placement for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, _: &mut fastrand::Rng) -> Choice {
        let (candidates, refusals) = view.candidates(request);
        Choice {
            targets: candidates
                .iter()
                .take(request.count)
                .map(|candidate| candidate.target)
                .collect(),
            refusals,
        }
    }
}
