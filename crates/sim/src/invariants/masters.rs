//! All masters that have applied the same records have the same state.
//!
//! Source: Raft, "State Machine Safety" (Ongaro and Ousterhout 2014, figure 3), and the promise of `namespace` that equal entries
//! give equal states.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::masters;
use crate::simulation::Simulation;

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
            let mut sum = Sum::default();
            // Nothing fails that only counts.
            let _ = state.save(&mut sum);
            match self.states.get(&applied) {
                Some((known, who)) if *known != sum.0 => {
                    wrong = Some(format!("{who} and {name} differ after record {applied}"));
                }
                Some(_) => {}
                None => {
                    self.states.insert(applied, (sum.0, name.to_owned()));
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

/// A sum (FNV-1a) of what is written.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = bytes.iter().fold(self.0, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
