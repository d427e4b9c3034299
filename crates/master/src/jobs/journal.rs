//! What a job remembers of itself for those who ask.

use std::sync::{Mutex, MutexGuard, PoisonError};

use types::{JobError, JobState, JobStatus, UnixMillis};

#[derive(Debug)]
struct Entry {
    state: JobState,
    progress: Option<f64>,
    detail: String,
    last_error: Option<JobError>,
}

/// The state that a job tells of itself, behind a lock that is held for a copy only.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<Entry>);

impl Journal {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Entry {
            state: JobState::Idle,
            progress: None,
            detail: String::new(),
            last_error: None,
        }))
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is nothing to do.
    pub(crate) fn rest(&self, detail: impl Into<String>) {
        self.set(JobState::Idle, None, detail);
    }

    /// What it does now.
    pub(crate) fn set(&self, state: JobState, progress: Option<f64>, detail: impl Into<String>) {
        let mut entry = self.entry();
        entry.state = state;
        entry.progress = progress;
        entry.detail = detail.into();
    }

    /// Something went wrong; what comes next says the state.
    pub(crate) fn fail(&self, at: UnixMillis, what: impl Into<String>) {
        let what = what.into();
        self.entry().last_error = Some(JobError { at, what });
    }

    /// As it is told to others.
    pub(crate) fn status(&self, name: &str) -> JobStatus {
        let entry = self.entry();
        JobStatus {
            name: name.to_owned(),
            state: entry.state,
            progress: entry.progress,
            detail: entry.detail.clone(),
            last_error: entry.last_error.clone(),
            limits: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_until_the_next() {
        let journal = Journal::new();
        journal.set(JobState::Running, Some(0.5), "half");
        journal.fail(UnixMillis(7), "it broke");
        journal.rest("");
        let status = journal.status("test");
        assert_eq!((status.state, status.progress), (JobState::Idle, None));
        let error = status.last_error.unwrap();
        assert_eq!((error.at, error.what.as_str()), (UnixMillis(7), "it broke"));
    }
}
