//! How the cluster was when a fault happened: the same fault is another one in the middle of an election.

use crate::host::Server;
use crate::simulation::Simulation;

/// How a cluster can be. The first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No master leads.
    NoLeader,
    /// Two servers or more do not run.
    SeveralAway,
    /// One server does not run.
    OneAway,
    /// All run, and chunks have fewer copies than are wanted.
    CopiesMissing,
    /// Nothing of that.
    Calm,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [
        Self::Calm,
        Self::CopiesMissing,
        Self::OneAway,
        Self::SeveralAway,
        Self::NoLeader,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoLeader => "no leader",
            Self::SeveralAway => "several away",
            Self::OneAway => "one away",
            Self::CopiesMissing => "copies missing",
            Self::Calm => "calm",
        }
    }

    /// How it is now.
    pub(crate) fn of(simulation: &Simulation) -> Self {
        let mut away = 0_u32;
        let mut in_need = None;
        for host in &simulation.hosts {
            match &host.running {
                Some(running) if !host.paused => {
                    if let Some(server) = &running.shown.borrow().server
                        && let Server::Master(master) = &**server
                        && master.leads_in().is_some()
                    {
                        in_need = Some(master.chunks_in_need());
                    }
                }
                Some(_) | None => away += 1,
            }
        }
        match (in_need, away) {
            (None, _) => Self::NoLeader,
            (Some(_), 2..) => Self::SeveralAway,
            (Some(_), 1) => Self::OneAway,
            (Some(1..), 0) => Self::CopiesMissing,
            (Some(0), 0) => Self::Calm,
        }
    }
}
