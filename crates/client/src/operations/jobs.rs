//! Background jobs, the settings that bound them, and the balancer.

use proto::v1;
use transfer::Node;
use types::UnixMillis;

use crate::Error;
use crate::status::node_from_wire;

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// There is nothing to do.
    Idle,
    /// It works.
    Running,
    /// There is something to do, and it may not be done now.
    Waiting,
    /// An operator has stopped it, or never started it.
    Stopped,
    /// The last attempt came to nothing; it is tried again.
    Failing,
    /// It did not say, or a word that this program does not know.
    Unknown,
}

/// What bounds a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLimit {
    /// The setting.
    pub key: String,
    /// What is in force.
    pub value: String,
}

/// A background job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The datanode that runs it; none: the leader.
    pub host: Option<String>,
    /// What it is at.
    pub state: JobState,
    /// How much is done, from 0 to 1, of what has an end.
    pub progress: Option<f64>,
    /// What it does, in figures.
    pub detail: String,
    /// What went wrong last, and when.
    pub last_error: Option<(UnixMillis, String)>,
    /// What bounds it.
    pub limits: Vec<JobLimit>,
}

/// A setting of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// What it is.
    pub value: String,
    /// What it is by default.
    pub default: String,
    /// What it does.
    pub what: String,
}

/// What the balancer is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceAction {
    /// Tell what it would move, and move nothing.
    Plan,
    /// Begin, or go on.
    Start,
    /// Stop; what is on its way arrives.
    Stop,
    /// Tell what it does.
    Status,
}

/// How full a datanode is, against the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Imbalance {
    /// Which.
    pub node: Node,
    /// Its rack.
    pub rack: String,
    /// The used share of its disks.
    pub used_share: f64,
    /// How far that is from the mean; above 0: too full.
    pub off: f64,
    /// Bytes that are to go.
    pub bytes_to_move: u64,
}

/// What the balancer does, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct RebalanceReport {
    /// The job.
    pub job: Option<Job>,
    /// Datanodes, the fullest first.
    pub nodes: Vec<Imbalance>,
    /// Moves that are left, about.
    pub moves: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How far a datanode may be from the mean.
    pub threshold: f64,
    /// What is moved, and what is not, and why.
    pub explanation: Vec<String>,
}

impl JobState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

impl Job {
    pub(super) fn from_wire(job: v1::Job) -> Self {
        let state = match job.state() {
            v1::JobState::Unspecified => JobState::Unknown,
            v1::JobState::Idle => JobState::Idle,
            v1::JobState::Running => JobState::Running,
            v1::JobState::Waiting => JobState::Waiting,
            v1::JobState::Stopped => JobState::Stopped,
            v1::JobState::Failing => JobState::Failing,
        };
        let limits = job.limits.into_iter();
        Self {
            state,
            name: job.name,
            host: Some(job.host).filter(|host| !host.is_empty()),
            progress: job.progress,
            detail: job.detail,
            last_error: Some((UnixMillis(job.last_error_ms), job.last_error))
                .filter(|(_, what)| !what.is_empty()),
            limits: limits
                .map(|limit| JobLimit {
                    key: limit.key,
                    value: limit.value,
                })
                .collect(),
        }
    }
}

impl Setting {
    pub(super) fn from_wire(setting: v1::Setting) -> Self {
        Self {
            key: setting.key,
            value: setting.value,
            default: setting.default_value,
            what: setting.what,
        }
    }
}

impl RebalanceAction {
    pub(super) const fn to_wire(self) -> v1::RebalanceAction {
        match self {
            Self::Plan => v1::RebalanceAction::Plan,
            Self::Start => v1::RebalanceAction::Start,
            Self::Stop => v1::RebalanceAction::Stop,
            Self::Status => v1::RebalanceAction::Status,
        }
    }
}

impl RebalanceReport {
    pub(super) fn from_wire(message: v1::RebalanceResponse) -> Result<Self, Error> {
        let imbalance = |one: v1::Imbalance| {
            let rack = one.datanode.as_ref().map(|node| node.rack.clone());
            Ok(Imbalance {
                node: node_from_wire("rebalance", one.datanode)?,
                rack: rack.unwrap_or_default(),
                used_share: one.used_share,
                off: one.off,
                bytes_to_move: one.bytes_to_move,
            })
        };
        Ok(Self {
            job: message.job.map(Job::from_wire),
            nodes: message
                .volumes
                .into_iter()
                .map(imbalance)
                .collect::<Result<_, Error>>()?,
            moves: message.moves,
            bytes: message.bytes,
            threshold: message.threshold,
            explanation: message.explanation,
        })
    }
}
