//! What every policy that spreads replicas holds of a node before it looks at load or at a ring; and the loop around it.

use crate::view::Candidate;
use crate::{Choice, ClusterView, Liveness, Refusal, Request};

/// Smaller is better; see [`rank`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    silent: bool,
    only_rack: bool,
    last_resort: bool,
    remote: bool,
    on_rack: usize,
    on_host: usize,
}

/// The order of what counts: that it is heard; that not all replicas are on one rack; that it is neither slow nor unsteady;
/// for the first replica, that it is on the client's host; that racks have as few replicas as can be, then hosts.
fn rank(candidate: &Candidate<'_>, taken: &[(&str, &str)], client_host: &str) -> Rank {
    let node = candidate.node;
    let on_rack = taken.iter().filter(|(rack, _)| *rack == node.rack).count();
    Rank {
        silent: node.liveness != Liveness::Live,
        only_rack: !taken.is_empty() && on_rack == taken.len(),
        last_resort: candidate.doubt.is_some(),
        remote: taken.is_empty() && (client_host.is_empty() || node.host != client_host),
        on_rack,
        on_host: taken.iter().filter(|(_, host)| *host == node.host).count(),
    }
}

/// Chooses one node after the other. `pick` draws one of those that are equally good: it gets all candidates and the places
/// of these, and answers with a place and with a number from which the volume follows.
pub(crate) fn choose(
    view: &ClusterView,
    request: &Request<'_>,
    client_host: &str,
    mut pick: impl FnMut(&[Candidate<'_>], &[usize]) -> Option<(usize, u64)>,
) -> Choice {
    let (mut candidates, refusals) = view.candidates(request);
    // (rack, host) of every replica, those that stay and those chosen.
    let mut taken: Vec<(&str, &str)> = request
        .existing
        .iter()
        .filter_map(|id| view.node(*id))
        .map(|node| (node.rack.as_str(), node.host.as_str()))
        .collect();
    let mut targets = Vec::with_capacity(request.count.min(candidates.len()));
    while targets.len() < request.count {
        let ranks: Vec<_> = candidates
            .iter()
            .map(|candidate| rank(candidate, &taken, client_host))
            .collect();
        let Some(best) = ranks.iter().min() else {
            break;
        };
        let equal: Vec<_> = ranks
            .iter()
            .enumerate()
            .filter(|(_, rank)| *rank == best)
            .map(|(place, _)| place)
            .collect();
        let Some((chosen, draw)) = pick(&candidates, &equal) else {
            break;
        };
        let candidate = candidates.remove(chosen);
        taken.push((&candidate.node.rack, &candidate.node.host));
        targets.push(candidate.target(draw));
    }
    Choice {
        targets,
        refusals: with_doubts(refusals, candidates),
    }
}

/// Those that were passed over for a doubt could, but did not, and say so.
pub(crate) fn with_doubts(mut refusals: Vec<Refusal>, left: Vec<Candidate<'_>>) -> Vec<Refusal> {
    let known = refusals.len();
    refusals.extend(left.into_iter().filter_map(|candidate| {
        Some(Refusal {
            datanode: candidate.node.id,
            address: candidate.node.address(),
            reason: candidate.doubt?,
        })
    }));
    if refusals.len() > known {
        refusals.sort_by_key(|refusal| refusal.datanode);
    }
    refusals
}
