//! Watches the terms of the masters: who was elected, and whether anybody had asked for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::record::Record;
use crate::wire;

/// How often each master is asked.
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(300);

/// A term that was seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Risen {
    /// On the clock of the record.
    pub at: u64,
    pub term: u64,
    /// By how much.
    pub by: u64,
}

#[derive(Debug, Default)]
struct Seen {
    term: Option<u64>,
    risen: Vec<Risen>,
}

/// The terms that were seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Elections {
    seen: Arc<Mutex<Seen>>,
}

impl Elections {
    pub(super) fn spawn(
        tasks: &mut JoinSet<anyhow::Result<()>>,
        masters: &[String],
        record: &Arc<Record>,
        ended: &watch::Receiver<bool>,
    ) -> Self {
        let elections = Self::default();
        for address in masters {
            let (elections, address) = (elections.clone(), address.clone());
            let (record, ended) = (Arc::clone(record), ended.clone());
            tasks.spawn(async move {
                while !*ended.borrow() {
                    // Who does not answer now is asked again.
                    if let Ok(said) = wire::masters(&address, PATIENCE).await {
                        elections.lock().see(said.term, record.now());
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        elections
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every rise that was seen.
    pub(super) fn seen(&self) -> Vec<Risen> {
        self.lock().risen.clone()
    }
}

impl Seen {
    fn see(&mut self, term: u64, at: u64) {
        match self.term {
            Some(known) if term > known => self.risen.push(Risen {
                at,
                term,
                by: term - known,
            }),
            Some(_) => return,
            None => {}
        }
        self.term = Some(term);
    }
}

/// The rises outside of all `windows`: elections that nobody asked for.
pub(super) fn unasked(risen: &[Risen], windows: &[(u64, u64)]) -> u64 {
    risen
        .iter()
        .filter(|rise| !windows.iter().any(|(from, to)| (*from..=*to).contains(&rise.at)))
        .map(|rise| rise.by)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rises_outside_of_the_windows_was_not_asked_for() {
        let mut seen = Seen::default();
        for (term, at) in [(3, 0), (3, 5), (4, 11), (3, 12), (6, 19), (7, 30)] {
            seen.see(term, at);
        }
        let bys: Vec<_> = seen.risen.iter().map(|rise| (rise.at, rise.by)).collect();
        assert_eq!(bys, [(11, 1), (19, 2), (30, 1)], "the first is where it began");
        assert_eq!(unasked(&seen.risen, &[(10, 20)]), 1);
        assert_eq!(unasked(&seen.risen, &[(10, 15)]), 3);
        assert_eq!(unasked(&seen.risen, &[(0, 100)]), 0);
    }
}
