//! How the cluster is, in words and as JSON: what several commands say in the same way.

use std::time::Duration;

use client::{Condition, ConditionCounts, DataClass, HealthLevel, Job};
use serde_json::{Value, json};
use types::{UnixMillis, millis, word};

use crate::output::iso_time;

/// The time of this machine, which is near enough to that of the masters to say "since".
pub(super) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(since.map_or(0, millis))
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
    word(class.as_str())
}

/// A level in one word.
pub(super) fn level_word(level: HealthLevel) -> String {
    word(level.as_str())
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
    json!(counts.by_class())
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
    fn a_share_has_one_decimal() {
        assert_eq!(percent(0.1234), "12.3%");
    }

    #[test]
    fn words_for_programs_have_no_spaces() {
        assert_eq!(class_word(DataClass::AtRisk { copies: 1 }), "at-risk");
        assert_eq!(class_word(DataClass::BeingWritten), "being-written");
        assert_eq!(level_word(HealthLevel::AtRisk), "at-risk");
    }
}
