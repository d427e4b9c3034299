//! One leader a term, and one that may answer at any moment.
//!
//! Source: Raft, "Election Safety" (Ongaro and Ousterhout 2014, figure 3), and the lease of `consensus::lease`: who may answer
//! without asking the others must be the only one.

use std::collections::BTreeMap;

use types::Term;

use super::masters;
use crate::simulation::Simulation;

/// Who has led when.
#[derive(Default)]
pub(super) struct Leader {
    terms: BTreeMap<Term, String>,
}

impl Leader {
    pub(super) fn look(&mut self, simulation: &Simulation) -> Option<String> {
        let mut leading: Vec<(&str, Term)> = Vec::new();
        masters(simulation, |name, master| {
            leading.extend(master.leads_in().map(|term| (name, term)));
        });
        for (name, term) in &leading {
            let known = self.terms.entry(*term).or_insert_with(|| (*name).to_owned());
            if known != name {
                return Some(format!("{known} and {name} have both led in term {term}"));
            }
        }
        (leading.len() > 1).then(|| format!("several masters may answer at once: {leading:?}"))
    }
}
