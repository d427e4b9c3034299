//! The ledger of how the data is equals a count of all chunks.
//!
//! Source: `placement::ledger` ("counts … are exact at all times"), docs/design/healing.md.

use super::masters;
use crate::simulation::Simulation;

pub(super) fn look(simulation: &Simulation) -> Option<String> {
    let mut wrong = None;
    masters(simulation, |name, master| {
        if let Some(differences) = master.ledger_differences()
            && let Some(first) = differences.first()
        {
            wrong = Some(format!(
                "the ledger of {name} is wrong in {} places: {first}",
                differences.len()
            ));
        }
    });
    wrong
}
