//! What the datanode does by itself, as it tells the masters with heartbeats: for operators, nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::{JobError, JobState, JobStatus, UnixMillis};

/// Evening out the volumes.
pub(crate) const EVEN_OUT: &str = "even-out";

/// Destroying what has rested in quarantine, and emptying packs.
pub(crate) const QUARANTINE: &str = "quarantine";

/// The jobs by name, behind a lock that is held for a copy only.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<BTreeMap<&'static str, JobStatus>>);

impl Jobs {
    /// What a job does now.
    pub(crate) fn set(&self, name: &'static str, state: JobState, detail: impl Into<String>) {
        let mut jobs = self.lock();
        let job = jobs.entry(name).or_insert_with(|| JobStatus::idle(name));
        job.state = state;
        job.detail = detail.into();
    }

    /// Something went wrong; what comes next says the state.
    pub(crate) fn fail(&self, name: &'static str, at: UnixMillis, what: impl Into<String>) {
        let what = what.into();
        let mut jobs = self.lock();
        let job = jobs.entry(name).or_insert_with(|| JobStatus::idle(name));
        job.last_error = Some(JobError { at, what });
    }

    /// All of them, as they are told to others.
    pub(crate) fn statuses(&self) -> Vec<JobStatus> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, JobStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_until_the_next() {
        let jobs = Jobs::default();
        jobs.set(EVEN_OUT, JobState::Running, "moving");
        jobs.fail(EVEN_OUT, UnixMillis(7), "it broke");
        jobs.set(EVEN_OUT, JobState::Idle, "");
        jobs.set(QUARANTINE, JobState::Idle, "nothing rests");
        let told = jobs.statuses();
        assert_eq!((told[0].name.as_str(), told[0].state), (EVEN_OUT, JobState::Idle));
        assert_eq!(
            told[0].last_error.as_ref().map(|error| error.at),
            Some(UnixMillis(7))
        );
        assert_eq!((told.len(), told[1].detail.as_str()), (2, "nothing rests"));
    }
}
