//! A leader that was followed by another changes nothing: no datanode carries out an order of a lower term than the highest that it has
//! seen, nor, when it was started again, of a lower one than the highest that it has ever obeyed.
//!
//! What a former leader may answer, and what it may write, is the matter of the other invariants: `leader`, `masters`, and what clients
//! are answered (`oracle`).
//!
//! Source: docs/design/masters.md, "Fencing"; `datanode::fence`.

use std::collections::BTreeMap;

use types::{DatanodeId, Term};

use crate::host::Server;
use crate::simulation::Simulation;

/// What each datanode has seen and obeyed, as it was known at the last look.
#[derive(Default)]
pub(super) struct Fenced {
    datanodes: BTreeMap<DatanodeId, Known>,
}

#[derive(Default)]
struct Known {
    /// Which life of its process this is of.
    life: u64,
    /// The highest term that this process has seen.
    seen: Term,
    /// The highest of an order that any process of it has carried out.
    obeyed: Term,
}

impl Fenced {
    pub(super) fn look(&mut self, simulation: &Simulation) -> Option<String> {
        let mut wrong = None;
        for host in &simulation.hosts {
            let Some(running) = &host.running else { continue };
            let shown = running.shown.borrow();
            let Some(Server::Datanode(datanode)) = shown.server.as_deref() else {
                continue;
            };
            let known = self.datanodes.entry(datanode.id()).or_default();
            if let Some(why) = known.look(host.lives, datanode.take_oldest_order(), datanode.highest_term()) {
                wrong = Some(format!("{} {why}", host.name));
            }
        }
        wrong
    }
}

impl Known {
    /// Since the last look, the orders that were begun had terms from `oldest` on, and the highest term that was seen is `highest` now.
    fn look(&mut self, life: u64, oldest: Option<Term>, highest: Term) -> Option<String> {
        if self.life != life {
            self.life = life;
            self.seen = self.obeyed;
        }
        let (seen, obeyed) = (self.seen, self.obeyed);
        self.seen = seen.max(highest);
        let oldest = oldest?;
        self.obeyed = obeyed.max(oldest);
        (oldest < seen).then(|| {
            format!("carried out an order of term {oldest}; it had seen term {seen}, and obeyed {obeyed}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_a_lower_term_than_was_seen_is_wrong() {
        let mut known = Known::default();
        assert_eq!(known.look(1, None, Term(3)), None);
        assert_eq!(
            known.look(1, Some(Term(3)), Term(4)),
            None,
            "4 may have been seen after it"
        );
        assert_eq!(known.look(1, Some(Term(4)), Term(4)), None);
        assert!(known.look(1, Some(Term(3)), Term(4)).is_some());
    }

    #[test]
    fn what_was_obeyed_is_remembered_over_a_restart_and_what_was_seen_need_not_be() {
        let mut known = Known::default();
        assert_eq!(known.look(1, Some(Term(3)), Term(7)), None);
        assert_eq!(known.look(2, Some(Term(3)), Term(3)), None);
        assert_eq!(known.look(3, Some(Term(5)), Term(5)), None);
        assert!(known.look(4, Some(Term(4)), Term(4)).is_some());
    }
}
