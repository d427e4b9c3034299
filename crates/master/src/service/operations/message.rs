//! From what is known to messages.

use std::time::Duration;

use placement::{Class, Condition, Counts, Liveness, Standing};
use proto::v1;
use types::{AdminState, DatanodeId, JobState, JobStatus, StorageId};

use crate::core::Core;
use crate::operations::{
    ChunkHealth, Draining, FileHealth, Health, Level, NodeStatus, Problem, Repairing, ReplicaHealth,
    VolumeStatus,
};
use crate::telemetry::Calls;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn node_id(id: DatanodeId) -> bytes::Bytes {
    id.0.as_bytes().to_vec().into()
}

fn storage_id(id: StorageId) -> bytes::Bytes {
    id.0.as_bytes().to_vec().into()
}

/// A datanode by its id, `host:port` and rack.
fn datanode(id: DatanodeId, address: &str, rack: &str) -> v1::Datanode {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    v1::Datanode {
        id: node_id(id),
        host: host.to_owned(),
        data_port: port.parse().unwrap_or_default(),
        rack: rack.to_owned(),
    }
}

pub(super) fn condition(condition: Condition) -> v1::Condition {
    let (class, copies_left) = match condition.class {
        Class::Lost => (v1::DataClass::Lost, 0),
        Class::Unavailable => (v1::DataClass::Unavailable, 0),
        Class::AtRisk { left } => (v1::DataClass::AtRisk, left.into()),
        Class::Corrupt => (v1::DataClass::Corrupt, 0),
        Class::Misplaced => (v1::DataClass::Misplaced, 0),
        Class::Draining => (v1::DataClass::Draining, 0),
        Class::Surplus => (v1::DataClass::Surplus, 0),
        Class::BeingWritten => (v1::DataClass::BeingWritten, 0),
        Class::Healthy => (v1::DataClass::Healthy, 0),
    };
    v1::Condition {
        class: class.into(),
        copies_left,
        corrupt: condition.corrupt,
    }
}

pub(super) fn counted(counts: impl IntoIterator<Item = (Condition, u64)>) -> Vec<v1::ConditionCount> {
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    counts
        .map(|(of, count)| v1::ConditionCount {
            condition: Some(condition(of)),
            count,
        })
        .collect()
}

fn counts(counts: &Counts) -> Vec<v1::ConditionCount> {
    let conditions = Class::ALL
        .into_iter()
        .flat_map(|class| [false, true].map(|corrupt| Condition { class, corrupt }));
    counted(conditions.map(|condition| (condition, counts.count(|other| other == condition))))
}

fn level(level: Level) -> v1::HealthLevel {
    match level {
        Level::Healthy => v1::HealthLevel::Healthy,
        Level::Degraded => v1::HealthLevel::Degraded,
        Level::AtRisk => v1::HealthLevel::AtRisk,
        Level::Lost => v1::HealthLevel::Lost,
    }
}

fn problem(problem: Problem) -> v1::Problem {
    v1::Problem {
        level: level(problem.level).into(),
        kind: problem.kind.to_owned(),
        what: problem.what,
        since_ms: problem.since.map(|since| since.0),
        action: problem.action,
        eta_ms: problem.eta.map(millis),
    }
}

fn repairing(repairing: Repairing) -> v1::Repairing {
    v1::Repairing {
        queued: repairing.queued,
        running: repairing.running,
        running_bytes: repairing.running_bytes,
        bytes_per_s: repairing.bytes_per_s,
        chunks_per_s: repairing.chunks_per_s,
        eta_ms: repairing.eta.map(millis),
        held_up: repairing.held_up,
    }
}

pub(super) fn health(health: Health, safe_mode: bool, calls: Calls) -> v1::HealthResponse {
    v1::HealthResponse {
        calls: calls.count,
        calls_us: calls.us,
        level: level(health.level).into(),
        problems: health.problems.into_iter().map(problem).collect(),
        chunks: counts(&health.chunks),
        files: counts(&health.files),
        recounted: health.recounting.map(|recounting| recounting.done),
        repairing: Some(repairing(health.repairing)),
        nodes: health.nodes,
        nodes_live: health.nodes_live,
        capacity: health.capacity,
        used: health.used,
        available: health.available,
        safe_mode,
        jobs: health.jobs.into_iter().map(job).collect(),
    }
}

pub(super) fn job(job: JobStatus) -> v1::Job {
    let state = match job.state {
        JobState::Idle => v1::JobState::Idle,
        JobState::Running => v1::JobState::Running,
        JobState::Waiting => v1::JobState::Waiting,
        JobState::Stopped => v1::JobState::Stopped,
        JobState::Failing => v1::JobState::Failing,
    };
    let limits = job.limits.into_iter();
    v1::Job {
        name: job.name,
        host: String::new(),
        state: state.into(),
        progress: job.progress,
        detail: job.detail,
        last_error_ms: job.last_error.as_ref().map_or(0, |error| error.at.0),
        last_error: job.last_error.map(|error| error.what).unwrap_or_default(),
        limits: limits
            .map(|limit| v1::JobLimit {
                key: limit.key,
                value: limit.value,
            })
            .collect(),
    }
}

pub(super) fn file_health(file: FileHealth) -> v1::FileHealth {
    v1::FileHealth {
        path: file.path.to_string(),
        length: file.len,
        replication: file.replication.into(),
        condition: Some(condition(file.condition)),
        chunk_count: file.chunk_count,
        chunks: file.chunks.into_iter().map(chunk_health).collect(),
    }
}

fn chunk_health(chunk: ChunkHealth) -> v1::ChunkHealth {
    v1::ChunkHealth {
        extent: Some(proto::wire_extent(chunk.extent)),
        condition: Some(condition(chunk.condition)),
        replicas: chunk.replicas.into_iter().map(replica_health).collect(),
    }
}

fn replica_health(replica: ReplicaHealth) -> v1::ReplicaHealth {
    let standing = match replica.standing {
        Standing::Valid => v1::Standing::Valid,
        Standing::Corrupt => v1::Standing::Corrupt,
        Standing::Stale => v1::Standing::Stale,
        Standing::WrongLength => v1::Standing::WrongLength,
        Standing::Newer => v1::Standing::Newer,
    };
    v1::ReplicaHealth {
        datanode: Some(datanode(replica.datanode, &replica.address, &replica.rack)),
        storage_id: storage_id(replica.storage),
        generation: replica.generation.as_u64(),
        length: replica.len,
        standing: standing.into(),
        usable: replica.usable,
    }
}

pub(super) fn node(core: &Core, node: NodeStatus) -> v1::NodeDetail {
    let liveness = match node.liveness {
        Liveness::Live => v1::NodeLiveness::Live,
        Liveness::Late => v1::NodeLiveness::Late,
        Liveness::Suspicious => v1::NodeLiveness::Suspicious,
        Liveness::Dead => v1::NodeLiveness::Dead,
        Liveness::Absent => v1::NodeLiveness::Unknown,
    };
    // A maintenance whose time is over is none, though nobody has said so.
    let now = core.env.clock.wall();
    let admin = match node.admin {
        AdminState::Maintenance { until } if until <= now => AdminState::InService,
        admin => admin,
    };
    let (state, since, until) = match admin {
        AdminState::InService => (v1::AdminState::InService, 0, 0),
        AdminState::Decommissioning { since } => (v1::AdminState::Decommissioning, since.0, 0),
        AdminState::Decommissioned { since } => (v1::AdminState::Decommissioned, since.0, 0),
        AdminState::Maintenance { until } => (v1::AdminState::Maintenance, 0, until.0),
    };
    v1::NodeDetail {
        datanode: Some(datanode(node.id, &node.address, &node.rack)),
        liveness: liveness.into(),
        admin: state.into(),
        admin_since_ms: since,
        maintenance_until_ms: until,
        silent_ms: node.silent_for.map(millis),
        streams: node.streams,
        transfers: node.transfers,
        slow: node.slow.unwrap_or_default(),
        volumes: node.volumes.into_iter().map(volume).collect(),
        draining: node.draining.map(draining),
        http_port: node.http_port.into(),
        received_bytes: node.traffic.received,
        sent_bytes: node.traffic.sent,
    }
}

fn draining(draining: Draining) -> v1::Draining {
    v1::Draining {
        since_ms: draining.since.0,
        left: draining.left,
        counted: draining.counted,
    }
}

fn volume(volume: VolumeStatus) -> v1::Volume {
    let (begun, done) = volume.scrub.map_or((0, 0.0), |(begun, done)| (begun.0, done));
    v1::Volume {
        id: storage_id(volume.id),
        directory: volume.directory,
        capacity: volume.capacity,
        used: volume.used,
        available: volume.available,
        replicas: volume.replicas,
        quarantined: volume.quarantined,
        failed: volume.failed.unwrap_or_default(),
        scrub_begun_ms: begun,
        scrub_done: done,
    }
}
