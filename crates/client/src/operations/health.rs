//! What is wrong, and what is being done about it.

use std::time::Duration;

use proto::v1;
use types::UnixMillis;

use super::{ConditionCounts, Job};
use crate::Error;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthLevel {
    /// Nothing is wrong.
    Healthy,
    /// Something is wrong, and no data is in danger.
    Degraded,
    /// Data has fewer copies than it should.
    AtRisk,
    /// Data has no copy that can be reached.
    Lost,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: HealthLevel,
    /// One word for programs, the same for ever.
    pub kind: String,
    /// What is wrong.
    pub what: String,
    /// Since when, as far as the leader knows.
    pub since: Option<UnixMillis>,
    /// What is being done about it, or has to be done.
    pub action: String,
    /// When it will be over, if that can be said.
    pub eta: Option<Duration>,
}

/// What repair is at.
#[derive(Debug, Clone, PartialEq)]
pub struct Repairing {
    /// Chunks that wait or are worked on.
    pub queued: u64,
    /// Copies under way.
    pub running: u64,
    /// Their bytes.
    pub running_bytes: u64,
    /// Bytes copied in each second, recently.
    pub bytes_per_s: u64,
    /// Chunks healed in each second, recently.
    pub chunks_per_s: f64,
    /// Until all is done at this rate.
    pub eta: Option<Duration>,
    /// Why nothing is done though there is something to do; empty otherwise.
    pub held_up: String,
}

/// How the cluster is.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The worst of all.
    pub level: HealthLevel,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// Chunks by condition.
    pub chunks: ConditionCounts,
    /// Files that have chunks, by condition.
    pub files: ConditionCounts,
    /// The share of the chunks that was looked at again, while the counts are not exact.
    pub recounted: Option<f64>,
    /// What repair is at.
    pub repairing: Repairing,
    /// Datanodes.
    pub nodes: u64,
    /// Of these, those that are heard of.
    pub nodes_live: u64,
    /// Bytes of the disks of live datanodes.
    pub capacity: u64,
    /// Bytes of their chunks.
    pub used: u64,
    /// Bytes that are free.
    pub available: u64,
    /// Whether the cluster takes no changes.
    pub safe_mode: bool,
    /// The background jobs of the leader.
    pub jobs: Vec<Job>,
    /// Calls of clients that the leader has answered since it started.
    pub calls: u64,
    /// The time that they took, together.
    pub calls_time: Duration,
}

impl HealthLevel {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::AtRisk => "at risk",
            Self::Lost => "lost",
        }
    }

    fn from_wire(level: v1::HealthLevel) -> Result<Self, Error> {
        match level {
            v1::HealthLevel::Unspecified => Err(Error::Protocol {
                operation: "health",
                why: "a level that is not known".to_owned(),
            }),
            v1::HealthLevel::Healthy => Ok(Self::Healthy),
            v1::HealthLevel::Degraded => Ok(Self::Degraded),
            v1::HealthLevel::AtRisk => Ok(Self::AtRisk),
            v1::HealthLevel::Lost => Ok(Self::Lost),
        }
    }
}

impl Health {
    pub(super) fn from_wire(message: v1::HealthResponse) -> Result<Self, Error> {
        let level = HealthLevel::from_wire(message.level())?;
        let problem = |problem: v1::Problem| {
            Ok(Problem {
                level: HealthLevel::from_wire(problem.level())?,
                kind: problem.kind,
                what: problem.what,
                since: problem.since_ms.map(UnixMillis),
                action: problem.action,
                eta: problem.eta_ms.map(Duration::from_millis),
            })
        };
        let repairing = message.repairing.unwrap_or_default();
        Ok(Self {
            level,
            problems: message
                .problems
                .into_iter()
                .map(problem)
                .collect::<Result<_, Error>>()?,
            chunks: ConditionCounts::from_wire("health", &message.chunks)?,
            files: ConditionCounts::from_wire("health", &message.files)?,
            recounted: message.recounted,
            repairing: Repairing {
                queued: repairing.queued,
                running: repairing.running,
                running_bytes: repairing.running_bytes,
                bytes_per_s: repairing.bytes_per_s,
                chunks_per_s: repairing.chunks_per_s,
                eta: repairing.eta_ms.map(Duration::from_millis),
                held_up: repairing.held_up,
            },
            nodes: message.nodes,
            nodes_live: message.nodes_live,
            capacity: message.capacity,
            used: message.used,
            available: message.available,
            safe_mode: message.safe_mode,
            calls: message.calls,
            calls_time: Duration::from_micros(message.calls_us),
            jobs: message.jobs.into_iter().map(Job::from_wire).collect(),
        })
    }
}
