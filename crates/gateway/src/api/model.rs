//! What the API answers with: the SDK's words as JSON. Times are milliseconds, of the clock since 1970 (`…_ms`) or of a
//! stopwatch (`…_for_ms`, `…_in_ms`); sizes are bytes.

use std::collections::BTreeMap;

use client::{
    Activity, ChunkHealth, ConditionCounts, Explanation, FileHealth, FileStatus, FileVerdict, Health, Job,
    MasterGroup, MasterRole, NodeDetail, Problem, RebalanceReport, ReplicaHealth, SafeMode, Setting,
    Standing, Sum, Verified, VolumeDetail,
};
use serde_json::{Value, json};
use types::{AdminState, millis, word};

/// All of them.
pub(crate) fn all<'a, T: 'a>(of: impl IntoIterator<Item = &'a T>, each: impl Fn(&T) -> Value) -> Value {
    Value::Array(of.into_iter().map(each).collect())
}

/// An object with one more field.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.insert(name.to_owned(), value);
    }
    object
}

pub(crate) fn counts(counts: &ConditionCounts) -> Value {
    json!(counts.by_class())
}

fn problem(problem: &Problem) -> Value {
    json!({
        "level": word(problem.level.as_str()),
        "kind": problem.kind,
        "what": problem.what,
        "since_ms": problem.since.map(|since| since.0),
        "action": problem.action,
        "over_in_ms": problem.eta.map(millis),
    })
}

pub(crate) fn health(health: &Health) -> Value {
    let repair = &health.repairing;
    json!({
        "level": word(health.level.as_str()),
        "problems": all(&health.problems, problem),
        "chunks": counts(&health.chunks),
        "files": counts(&health.files),
        "recounted": health.recounted,
        "repair": {
            "queued": repair.queued,
            "running": repair.running,
            "running_bytes": repair.running_bytes,
            "bytes_per_s": repair.bytes_per_s,
            "chunks_per_s": repair.chunks_per_s,
            "over_in_ms": repair.eta.map(millis),
            "held_up": Some(&repair.held_up).filter(|why| !why.is_empty()),
        },
        "datanodes": health.nodes,
        "datanodes_live": health.nodes_live,
        "capacity": health.capacity,
        "used": health.used,
        "available": health.available,
        "safe_mode": health.safe_mode,
        "calls": health.calls,
        "calls_us": u64::try_from(health.calls_time.as_micros()).unwrap_or(u64::MAX),
    })
}

fn volume(volume: &VolumeDetail) -> Value {
    json!({
        "id": volume.id.to_string(),
        "directory": volume.directory,
        "capacity": volume.capacity,
        "used": volume.used,
        "available": volume.available,
        "replicas": volume.replicas,
        "quarantined": volume.quarantined,
        "failed": volume.failed,
        "scrubbed": volume.scrub.map(|(_, done)| done),
    })
}

pub(crate) fn node(node: &NodeDetail) -> Value {
    let until = match node.admin {
        AdminState::Maintenance { until } => Some(until.0),
        _ => None,
    };
    json!({
        "id": node.id.to_string(),
        "address": node.address,
        "http": node.http,
        "rack": node.rack,
        "liveness": node.liveness.as_str(),
        "admin": node.admin.as_str(),
        "maintenance_until_ms": until,
        "draining_left": node.draining.map(|draining| draining.left),
        "silent_for_ms": node.silent.map(millis),
        "streams": node.streams,
        "copies": node.transfers,
        "slow": node.slow,
        "received_bytes": node.received_bytes,
        "sent_bytes": node.sent_bytes,
        "capacity": node.sum(|volume| volume.capacity),
        "used": node.sum(|volume| volume.used),
        "available": node.sum(|volume| volume.available),
        "replicas": node.sum(|volume| volume.replicas),
        "volumes": all(&node.volumes, volume),
    })
}

pub(crate) const fn role_word(role: MasterRole) -> &'static str {
    match role {
        MasterRole::Leader => "leader",
        MasterRole::Follower => "follower",
        MasterRole::Candidate => "candidate",
        MasterRole::Learner => "learner",
        MasterRole::Joining => "joining",
        MasterRole::Unknown => "unknown",
    }
}

pub(crate) fn masters(group: &MasterGroup) -> Value {
    let master = |master: &client::MasterStatus| {
        json!({
            "id": master.id.to_string(),
            "address": master.address,
            "role": role_word(master.role),
            "answers": master.answers,
            "last_index": master.last_index,
            "applied_index": master.applied_index,
            "lag": master.lag,
            "silent_for_ms": master.silent.map(millis),
            "checkpoint_index": master.checkpoint_index,
        })
    };
    json!({
        "cluster": group.cluster_id,
        "leader": group.leader.map(|id| id.to_string()),
        "term": group.term,
        "masters": all(&group.masters, master),
    })
}

/// Whether the cluster can only be read.
pub fn safe_mode(mode: &SafeMode) -> Value {
    json!({
        "on": mode.on,
        "manual": mode.manual,
        "chunks": mode.chunks,
        "confirmed": mode.confirmed,
        "needed_share": mode.needed_share,
        "reason": mode.reason,
    })
}

/// Who asks the most, and about what.
pub fn activity(activity: &Activity) -> Value {
    let hot = |hot: &[(String, f64)]| -> Vec<Value> {
        let hot = hot.iter();
        hot.map(|(name, calls)| json!({ "name": name, "calls_per_s": calls }))
            .collect()
    };
    json!({ "clients": hot(&activity.clients), "directories": hot(&activity.directories) })
}

pub(crate) fn job(job: &Job) -> Value {
    let limits = job.limits.iter();
    let limits: BTreeMap<_, _> = limits.map(|limit| (&limit.key, &limit.value)).collect();
    json!({
        "name": job.name,
        "host": job.host,
        "state": job.state.as_str(),
        "progress": job.progress,
        "detail": job.detail,
        "last_error": job.last_error.as_ref().map(|(_, what)| what),
        "last_error_ms": job.last_error.as_ref().map(|(at, _)| at.0),
        "limits": limits,
    })
}

pub(crate) fn setting(setting: &Setting) -> Value {
    json!({
        "key": setting.key,
        "value": setting.value,
        "default": setting.default,
        "what": setting.what,
    })
}

pub(crate) fn rebalance(report: &RebalanceReport) -> Value {
    json!({
        "job": report.job.as_ref().map(job),
        "moves": report.moves,
        "bytes": report.bytes,
        "threshold": report.threshold,
        "explanation": report.explanation,
    })
}

pub(crate) fn explanation(explanation: &Explanation) -> Value {
    json!({
        "subject": explanation.subject,
        "condition": explanation.condition.map(|condition| condition.to_string()),
        "paragraphs": all(&explanation.paragraphs, |(title, lines)| json!({"title": title, "lines": lines})),
    })
}

pub(crate) fn entry(status: &FileStatus) -> Value {
    json!({
        "name": status.name,
        "kind": if status.is_directory() { "directory" } else { "file" },
        "len": status.len,
        "mode": format!("{:o}", status.mode),
        "owner": status.owner,
        "group": status.group,
        "modified_ms": status.mtime.as_u64(),
        "accessed_ms": status.atime.as_u64(),
        "replication": status.replication,
        "chunk_size": status.chunk_size.map(types::ChunkSize::bytes),
        "children": status.children,
        "being_written": status.being_written,
    })
}

fn replica(replica: &ReplicaHealth) -> Value {
    json!({
        "datanode": replica.node.address(),
        "rack": replica.rack,
        "generation": replica.generation.as_u64(),
        "len": replica.len,
        "standing": match replica.standing {
            Standing::Valid => "valid",
            Standing::Corrupt => "corrupt",
            Standing::Stale => "stale",
            Standing::WrongLength => "wrong-length",
            Standing::Newer => "newer",
        },
        "usable": replica.usable,
    })
}

fn chunk(chunk: &ChunkHealth) -> Value {
    json!({
        "id": chunk.extent.chunk.as_u64(),
        "generation": chunk.extent.generation.as_u64(),
        "len": chunk.extent.len,
        "condition": chunk.condition.to_string(),
        "replicas": all(&chunk.replicas, replica),
    })
}

pub(crate) fn file(file: &FileHealth) -> Value {
    json!({
        "path": file.path,
        "len": file.len,
        "replication": file.replication,
        "condition": file.condition.to_string(),
        "chunk_count": file.chunk_count,
        "chunks": all(&file.chunks, chunk),
    })
}

/// The replicas that are not what most are of their chunk.
pub fn wrong_replicas(verdict: &FileVerdict) -> Value {
    let mut wrong = Vec::new();
    for chunk in &verdict.chunks {
        for replica in &chunk.replicas {
            let (crc, why) = match &replica.sum {
                Sum::Agrees(_) => continue,
                Sum::Differs(crc) => (Some(format!("{crc:08x}")), None),
                Sum::Unknown(why) => (None, Some(why)),
            };
            wrong.push(json!({
                "chunk": chunk.extent.chunk.as_u64(),
                "datanode": replica.node.address(),
                "crc32c": crc,
                "unanswered": why,
            }));
        }
    }
    Value::Array(wrong)
}

/// What verifying has found.
pub fn verified(verified: &Verified) -> Value {
    json!({
        "replicas": verified.replicas,
        "differing": verified.differing,
        "unanswered": verified.unanswered,
        "chunks_unseen": verified.chunks_unseen,
        "files_wrong": verified.files_wrong,
    })
}
