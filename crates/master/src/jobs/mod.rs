//! What a master does by itself, beside answering: jobs with a name and a state, that can be listed and tuned while they run.
//!
//! Every master runs all of them; those that order or log something do so only while it leads and changes are taken, and
//! say so in their state when they do not. Limits are settings of the cluster (commands of the log): the next step of a job
//! goes by the new value.

mod balance;
mod drain;
mod journal;
mod rate;
mod reap;
mod recount;
mod repair;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use types::{JobLimit, JobStatus};

use crate::core::Core;

pub(crate) use balance::{Balance, SWITCH as BALANCE_SWITCH};
pub(crate) use drain::Drain;
pub(crate) use journal::Journal;
pub(crate) use rate::Rate;
pub(crate) use reap::Reap;
pub(crate) use recount::Recount;
pub(crate) use repair::RepairJob;

/// A background job of a master.
pub(crate) trait Job: Send + Sync {
    /// One word, the same for ever.
    fn name(&self) -> &'static str;

    /// The keys of the settings that bound it.
    fn limits(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where it says what it is at.
    fn journal(&self) -> &Journal;

    /// Runs for as long as the master.
    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()>;
}

/// All jobs of a master.
pub(crate) struct Jobs {
    pub(crate) recount: Arc<Recount>,
    pub(crate) repair: Arc<RepairJob>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) balance: Arc<Balance>,
    pub(crate) reap: Arc<Reap>,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self {
            recount: Arc::new(Recount::new()),
            repair: Arc::new(RepairJob::new()),
            drain: Arc::new(Drain::new()),
            balance: Arc::new(Balance::new()),
            reap: Arc::new(Reap::new()),
        }
    }

    /// Every one of them, in the order in which they are listed.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Job>> {
        vec![
            Arc::clone(&self.repair) as Arc<dyn Job>,
            Arc::clone(&self.drain) as Arc<dyn Job>,
            Arc::clone(&self.balance) as Arc<dyn Job>,
            Arc::clone(&self.recount) as Arc<dyn Job>,
            Arc::clone(&self.reap) as Arc<dyn Job>,
        ]
    }

    /// What each of them is at, with its limits as they are in force.
    pub(crate) fn statuses(&self, core: &Core) -> Vec<JobStatus> {
        let jobs = self.all();
        let mut statuses: Vec<_> = jobs.iter().map(|job| job.journal().status(job.name())).collect();
        let namespace = core.machine.read();
        for (job, status) in jobs.iter().zip(&mut statuses) {
            let keys = job.limits();
            status.limits = namespace
                .setting_texts()
                .filter(|setting| keys.contains(&setting.key))
                .map(|setting| JobLimit {
                    key: setting.key.to_owned(),
                    value: setting.value,
                })
                .collect();
        }
        statuses
    }
}
