//! How the cluster is, why it is so, and what operators change about it: health, fsck, explanations, datanodes, jobs.
//!
//! All that changes something needs the superuser.

mod condition;
mod fsck;
mod health;
mod jobs;
mod nodes;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use proto::v1;
use types::{AdminState, ChunkId, FsPath};

pub use condition::{ClassCounts, Condition, ConditionCounts, DataClass};
pub use fsck::{ChunkHealth, FileHealth, Fsck, FsckPart, FsckShow, ReplicaHealth, Standing};
pub use health::{Health, HealthLevel, Problem, Repairing};
pub use jobs::{Imbalance, Job, JobLimit, JobState, RebalanceAction, RebalanceReport, Setting};
pub use nodes::{Draining, NodeDetail, NodeLiveness, VolumeDetail};
pub use verify::{ChunkVerdict, FileVerdict, ReplicaVerdict, Sum, Verified};

use crate::Error;
use crate::fs::Inner;
use crate::rpc::call;

/// What something is explained of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A file.
    File(FsPath),
    /// A datanode, by its id or its `host:port`.
    Node(String),
    /// A chunk.
    Chunk(ChunkId),
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked about, as the master calls it.
    pub subject: String,
    /// How it is; none of datanodes.
    pub condition: Option<Condition>,
    /// In words: titles, with their lines.
    pub paragraphs: Vec<(String, Vec<String>)>,
}

/// Names with the calls a second that are theirs, most first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// Who asks, `user@host`.
    pub clients: Vec<(String, f64)>,
    /// About which directories.
    pub directories: Vec<(String, f64)>,
}

/// What operators ask and change.
#[derive(Clone)]
pub struct Operations {
    inner: Arc<Inner>,
}

macro_rules! ask {
    ($self:ident, $operation:expr, $subject:expr, $method:ident, $request:expr) => {{
        let rpc = &$self.inner.rpc;
        call!(service operations, rpc.limits(), rpc, $operation, $subject, $method, $request)
    }};
}

const CLUSTER: &str = "the cluster";

impl Operations {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// What is wrong, since when, what is being done about it, and when it will be done.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn health(&self) -> Result<Health, Error> {
        let request = v1::HealthRequest {
            caller: self.inner.rpc.caller(),
        };
        let answer = ask!(self, "health", CLUSTER, health, request).await?;
        Health::from_wire(answer)
    }

    /// Who asks the most at present, and about which directories.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn activity(&self) -> Result<Activity, Error> {
        let request = v1::ActivityRequest {
            caller: self.inner.rpc.caller(),
        };
        let answer = ask!(self, "activity", CLUSTER, activity, request).await?;
        let hot = |hot: Vec<v1::Hot>| hot.into_iter().map(|hot| (hot.name, hot.calls_per_s)).collect();
        Ok(Activity {
            clients: hot(answer.clients),
            directories: hot(answer.directories),
        })
    }

    /// Begins to look at all files below a path; of those that `show` names, each is told, and `with_replicas` also their
    /// healthy chunks.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn fsck(
        &self,
        path: &FsPath,
        show: Option<FsckShow>,
        with_replicas: bool,
    ) -> Result<Fsck, Error> {
        let request = v1::FsckRequest {
            caller: self.inner.rpc.caller(),
            path: path.to_string(),
            show: FsckShow::to_wire(show).into(),
            with_replicas,
        };
        let parts = ask!(self, "fsck", path.as_str(), fsck, request).await?;
        Ok(Fsck::new(path.to_string(), parts))
    }

    /// Why something is as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn explain(&self, subject: &Subject) -> Result<Explanation, Error> {
        let name = subject.to_string();
        let subject = match subject {
            Subject::File(path) => v1::explain_request::Subject::Path(path.to_string()),
            Subject::Node(node) => v1::explain_request::Subject::Node(node.clone()),
            Subject::Chunk(chunk) => v1::explain_request::Subject::Chunk(chunk.as_u64()),
        };
        let request = v1::ExplainRequest {
            caller: self.inner.rpc.caller(),
            subject: Some(subject),
        };
        let answer = ask!(self, "explain", &name, explain, request).await?;
        let paragraphs = answer.paragraphs.into_iter();
        Ok(Explanation {
            subject: answer.subject,
            condition: answer
                .condition
                .map(|condition| Condition::from_wire("explain", Some(&condition)))
                .transpose()?,
            paragraphs: paragraphs.map(|one| (one.title, one.lines)).collect(),
        })
    }

    /// All datanodes.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn nodes(&self) -> Result<Vec<NodeDetail>, Error> {
        let request = v1::NodesRequest {
            caller: self.inner.rpc.caller(),
        };
        let answer = ask!(self, "nodes", CLUSTER, nodes, request).await?;
        answer
            .nodes
            .into_iter()
            .map(|node| NodeDetail::from_wire("nodes", node))
            .collect()
    }

    /// Has a datanode (an id, or `host:port`) drained: its replicas are copied elsewhere, and in the end it may be switched
    /// off. One that drains already goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn decommission(&self, node: &str) -> Result<NodeDetail, Error> {
        self.set_state(node, v1::AdminState::Decommissioning, Duration::ZERO)
            .await
    }

    /// Lets a datanode be away for a time: its replicas are not copied elsewhere, unless one is the last. When the time is
    /// over it is a datanode like any other.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn maintain(&self, node: &str, limit: Duration) -> Result<NodeDetail, Error> {
        self.set_state(node, v1::AdminState::Maintenance, limit).await
    }

    /// Ends a decommission or a maintenance.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn recommission(&self, node: &str) -> Result<NodeDetail, Error> {
        self.set_state(node, v1::AdminState::InService, Duration::ZERO)
            .await
    }

    async fn set_state(
        &self,
        node: &str,
        state: v1::AdminState,
        limit: Duration,
    ) -> Result<NodeDetail, Error> {
        let request = v1::SetNodeStateRequest {
            caller: self.inner.rpc.caller(),
            node: node.to_owned(),
            state: state.into(),
            maintenance_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = ask!(self, "set node state", node, set_node_state, request).await?;
        let node = answer.node.ok_or_else(|| Error::Protocol {
            operation: "set node state",
            why: "no node in it".to_owned(),
        })?;
        NodeDetail::from_wire("set node state", node)
    }

    /// Forgets a datanode that is dead. If it comes back with its disks, it is a new one. One that has the only copy of
    /// something is refused, unless `force` says that this is to be given up.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`], [`Error::Invalid`] for one that is needed, [`Error::Unavailable`].
    pub async fn remove_node(&self, node: &str, force: bool) -> Result<(), Error> {
        let request = v1::RemoveNodeRequest {
            caller: self.inner.rpc.caller(),
            node: node.to_owned(),
            force,
        };
        ask!(self, "remove node", node, remove_node, request).await?;
        Ok(())
    }

    /// The background jobs of the leader and of the datanodes, and the settings of the cluster.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn jobs(&self) -> Result<(Vec<Job>, Vec<Setting>), Error> {
        let request = v1::JobsRequest {
            caller: self.inner.rpc.caller(),
        };
        let answer = ask!(self, "jobs", CLUSTER, jobs, request).await?;
        Ok((
            answer.jobs.into_iter().map(Job::from_wire).collect(),
            answer.settings.into_iter().map(Setting::from_wire).collect(),
        ))
    }

    /// Changes a setting of the cluster; an empty value is the default. Returns it as it is in force.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<Setting, Error> {
        let request = v1::SetSettingRequest {
            caller: self.inner.rpc.caller(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let answer = ask!(self, "set", key, set_setting, request).await?;
        Ok(Setting::from_wire(answer.setting.unwrap_or_default()))
    }

    /// Starts or stops the balancer, or tells what it does or would do.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn rebalance(&self, action: RebalanceAction) -> Result<RebalanceReport, Error> {
        let request = v1::RebalanceRequest {
            caller: self.inner.rpc.caller(),
            action: action.to_wire().into(),
        };
        let answer = ask!(self, "rebalance", CLUSTER, rebalance, request).await?;
        RebalanceReport::from_wire(answer)
    }

    /// Asks every datanode that should have a replica of a chunk of a file for the checksum of it, and compares them.
    ///
    /// # Errors
    /// When the masters do not say where the chunks are. What datanodes do not answer is a part of the verdict.
    pub async fn verify(&self, file: &FileHealth) -> Result<FileVerdict, Error> {
        verify::verify(&self.inner, file).await
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Node(node) => node.fmt(f),
            Self::Chunk(chunk) => write!(f, "chunk {chunk}"),
        }
    }
}

/// How a datanode takes part, as a message says.
fn admin_state(state: v1::AdminState, since_ms: u64, until_ms: u64) -> AdminState {
    let (since, until) = (types::UnixMillis(since_ms), types::UnixMillis(until_ms));
    match state {
        v1::AdminState::Unspecified | v1::AdminState::InService => AdminState::InService,
        v1::AdminState::Decommissioning => AdminState::Decommissioning { since },
        v1::AdminState::Decommissioned => AdminState::Decommissioned { since },
        v1::AdminState::Maintenance => AdminState::Maintenance { until },
    }
}
