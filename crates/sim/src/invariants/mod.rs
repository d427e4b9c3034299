//! What must always be so, or must be so when the faults are over. A file for each, which names where it comes from.
//!
//! What clients see of files is judged by the torment's model (`chaos::model`): no acknowledged byte lost or changed, no byte read
//! that was not written there, no acknowledged change undone; and that all replicas of a chunk are equal (`chaos::read_back`).

mod bounds;
mod destroyed;
mod fenced;
mod leader;
mod leaks;
mod ledger;
mod masters;

use std::collections::BTreeMap;
use std::time::Duration;

use master::Master;

use crate::host::Server;
use crate::simulation::Simulation;

use bounds::Bounds;
use destroyed::Destroyed;
use fenced::Fenced;
use leader::Leader;
use masters::Masters;

/// Between two looks at what costs more than a moment.
const INTERVAL: Duration = Duration::from_millis(250);

/// And at most so many times as long.
const SLOWEST: u32 = 20;

/// All of them.
#[derive(Default)]
pub(crate) struct Invariants {
    leader: Leader,
    masters: Masters,
    bounds: Bounds,
    destroyed: Destroyed,
    fenced: Fenced,
    interval: Duration,
    next_at: Duration,
}

impl Invariants {
    /// Nobody has looked. Where everybody takes `pace` times as long, so do they, up to a limit.
    pub(crate) fn new(pace: u32) -> Self {
        Self {
            interval: INTERVAL * pace.clamp(1, SLOWEST),
            ..Self::default()
        }
    }

    /// When the next look at what costs more than a moment is due.
    pub(crate) const fn next(&self) -> Duration {
        self.next_at
    }

    /// Looks, after a step. Says what is wrong.
    pub(crate) fn look(&mut self, simulation: &Simulation) -> Vec<String> {
        let mut wrong: Vec<String> = self.leader.look(simulation).into_iter().collect();
        wrong.extend(self.destroyed.look(simulation));
        wrong.extend(self.fenced.look(simulation));
        if simulation.now >= self.next_at {
            self.next_at = simulation.now + self.interval;
            wrong.extend(self.masters.look(simulation));
            wrong.extend(ledger::look(simulation));
            wrong.extend(self.bounds.look(simulation));
        }
        wrong
    }

    /// The most that there was at any time of what is bounded.
    pub(crate) fn peaks(&self) -> BTreeMap<String, u64> {
        self.bounds.peaks()
    }

    /// Looks when the faults are over, the cluster is whole and nobody calls.
    pub(crate) fn look_at_rest(&mut self, simulation: &Simulation) -> Vec<String> {
        let mut wrong = self.look(simulation);
        wrong.extend(self.masters.look_at_rest(simulation));
        wrong.extend(leaks::look(simulation));
        wrong
    }
}

/// The masters that run, with the names of their hosts.
fn masters<'a>(simulation: &'a Simulation, mut see: impl FnMut(&'a str, &Master)) {
    for host in &simulation.hosts {
        let Some(running) = &host.running else { continue };
        if let Some(server) = &running.shown.borrow().server
            && let Server::Master(master) = &**server
        {
            see(&host.name, master);
        }
    }
}
