//! How the cluster is, in words and as JSON: what several commands say in the same way.

use std::time::Duration;

use client::{Condition, ConditionCounts, DataClass, HealthLevel, Job};
use serde_json::{Value, json};
use types::{AdminState, UnixMillis};

use crate::output::iso_time;

/// A duration in one unit: for people.
pub(super) fn about(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The time of this machine, which is near enough to that of the masters to say "since".
pub(super) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(since.map_or(0, millis))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in JSON.
pub(super) fn millis_json(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, |duration| json!(millis(duration)))
}

/// A point in time in JSON: null for none.
pub(super) fn time_json(at: Option<UnixMillis>) -> Value {
    at.map_or(Value::Null, |at| json!(iso_time(at.0)))
}

/// A class in JSON and in tables, in one word.
pub(super) fn class_word(class: DataClass) -> String {
    class.as_str().replace(' ', "-")
}

/// A level in one word.
pub(super) fn level_word(level: HealthLevel) -> String {
    level.as_str().replace(' ', "-")
}

/// A condition in JSON.
pub(super) fn condition_json(condition: Condition) -> Value {
    let copies = match condition.class {
        DataClass::AtRisk { copies } => json!(copies),
        _ => Value::Null,
    };
    json!({
        "class": class_word(condition.class),
        "copies_left": copies,
        "corrupt": condition.corrupt,
    })
}

/// Counts in JSON: the sum of each class, at risk by copies left, and how many have a corrupt replica.
pub(super) fn counts_json(counts: &ConditionCounts) -> Value {
    let of = |class| counts.count(|condition| condition.class == class);
    let mut by_copies = serde_json::Map::new();
    for (condition, count) in counts.iter() {
        if let DataClass::AtRisk { copies } = condition.class {
            let before = by_copies.get(&copies.to_string()).and_then(Value::as_u64);
            by_copies.insert(copies.to_string(), json!(before.unwrap_or(0) + count));
        }
    }
    json!({
        "total": counts.total(),
        "healthy": of(DataClass::Healthy),
        "being_written": of(DataClass::BeingWritten),
        "surplus": of(DataClass::Surplus),
        "draining": of(DataClass::Draining),
        "misplaced": of(DataClass::Misplaced),
        "corrupt": of(DataClass::Corrupt),
        "at_risk": counts.count(|condition| condition.class.is_at_risk()),
        "at_risk_by_copies_left": by_copies,
        "unavailable": of(DataClass::Unavailable),
        "lost": of(DataClass::Lost),
        "with_corrupt_replica": counts.count(|condition| condition.corrupt),
    })
}

/// Counts in one line, the worst first: `2 lost, 5 at risk, 1 copy left, 100 healthy`.
pub(super) fn counts_line(counts: &ConditionCounts) -> String {
    let texts: Vec<_> = counts
        .iter()
        .map(|(condition, count)| format!("{count} {condition}"))
        .collect();
    match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join("; "),
    }
}

/// How a datanode takes part, in one word.
pub(super) const fn admin_word(admin: AdminState) -> &'static str {
    match admin {
        AdminState::InService => "in-service",
        AdminState::Decommissioning { .. } => "decommissioning",
        AdminState::Decommissioned { .. } => "decommissioned",
        AdminState::Maintenance { .. } => "maintenance",
    }
}

/// A job in JSON.
pub(super) fn job_json(job: &Job) -> Value {
    let error = job
        .last_error
        .as_ref()
        .map(|(at, what)| json!({ "at": time_json(Some(*at).filter(|at| at.0 > 0)), "what": what }));
    let limits: serde_json::Map<_, _> = job
        .limits
        .iter()
        .map(|limit| (limit.key.clone(), json!(limit.value)))
        .collect();
    json!({
        "name": job.name,
        "host": job.host,
        "state": job.state.as_str(),
        "progress": job.progress,
        "detail": job.detail,
        "last_error": error,
        "limits": limits,
    })
}

/// A share as a person reads it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        let texts = [5, 119, 120, 7_200, 172_800].map(|seconds| about(Duration::from_secs(seconds)));
        assert_eq!(texts, ["5 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!(percent(0.1234), "12.3%");
    }

    #[test]
    fn words_for_programs_have_no_spaces() {
        assert_eq!(class_word(DataClass::AtRisk { copies: 1 }), "at-risk");
        assert_eq!(class_word(DataClass::BeingWritten), "being-written");
        assert_eq!(level_word(HealthLevel::AtRisk), "at-risk");
    }
}
