//! All masters that have applied the same records have the same state.
//!
//! Source: Raft, "State Machine Safety" (Ongaro and Ousterhout 2014, figure 3), and the promise of `namespace` that equal entries
//! give equal states.

use std::collections::BTreeMap;

use super::masters;
use crate::simulation::Simulation;
use crate::trace::Sum;

/// States that are remembered.
const KEPT: usize = 2_000;

/// What the state was after which record, and who said so first.
#[derive(Default)]
pub(super) struct Masters {
    states: BTreeMap<u64, (u64, String)>,
    /// Up to where each has been looked at.
    seen: BTreeMap<String, u64>,
}

impl Masters {
    pub(super) fn look(&mut self, simulation: &Simulation) -> Option<String> {
        let mut wrong = None;
        masters(simulation, |name, master| {
            let (applied, state) = master.metadata();
            if applied == 0 || self.seen.insert(name.to_owned(), applied) == Some(applied) {
                return;
            }
            let mut saved = Vec::new();
            // Nothing fails that only fills memory.
            let _ = state.save(&mut saved);
            let sum = Sum::NONE.of(&saved).value();
            match self.states.get(&applied) {
                Some((known, who)) if *known != sum => {
                    wrong = Some(format!("{who} and {name} differ after record {applied}"));
                }
                Some(_) => {}
                None => {
                    self.states.insert(applied, (sum, name.to_owned()));
                    if self.states.len() > KEPT {
                        self.states.pop_first();
                    }
                }
            }
        });
        wrong
    }

    /// Nobody is behind any more.
    pub(super) fn look_at_rest(&self, simulation: &Simulation) -> Option<String> {
        let mut applied = Vec::new();
        masters(simulation, |name, master| {
            let (record, _) = master.metadata();
            if record > 0 {
                applied.push((record, name));
            }
        });
        let first = applied.first().map(|(record, _)| *record);
        let behind = applied.iter().any(|(record, _)| Some(*record) != first);
        behind.then(|| format!("masters have applied different records at rest: {applied:?}"))
    }
}
