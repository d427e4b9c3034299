//! Background jobs, as whoever runs them tells of them: the same words for those of masters and of datanodes.

use crate::UnixMillis;

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// There is nothing to do.
    Idle,
    /// It works.
    Running,
    /// There is something to do, and it may not be done now: the detail says why.
    Waiting,
    /// An operator has stopped it, or never started it.
    Stopped,
    /// The last attempt came to nothing; it is tried again.
    Failing,
}

impl JobState {
    /// In one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Failing => "failing",
        }
    }
}

/// A setting that bounds a job, and can be changed while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLimit {
    /// The key of the setting.
    pub key: String,
    /// What is in force.
    pub value: String,
}

/// A failure of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// When.
    pub at: UnixMillis,
    /// What happened, to what.
    pub what: String,
}

/// A job at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct JobStatus {
    /// Its name: one word, the same for ever.
    pub name: String,
    /// What it is at.
    pub state: JobState,
    /// How much of what it does now is done, from 0 to 1; none when it has no end, or does nothing.
    pub progress: Option<f64>,
    /// What it does, in figures.
    pub detail: String,
    /// What went wrong last.
    pub last_error: Option<JobError>,
    /// What bounds it.
    pub limits: Vec<JobLimit>,
}

impl JobStatus {
    /// One that has nothing to do.
    #[must_use]
    pub fn idle(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: JobState::Idle,
            progress: None,
            detail: String::new(),
            last_error: None,
            limits: Vec::new(),
        }
    }
}
