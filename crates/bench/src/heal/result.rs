//! What a step showed.

use std::time::Duration;

use serde::Serialize;

use super::load::Seen;
use crate::report::print_columns;
use crate::stats::{Durations, Percentiles};

/// A step.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Step {
    pub name: &'static str,
    /// What the disks had, of all chunks, when `health` said the same for the first time after the event.
    pub known: String,
    /// When that was, in seconds after the event.
    pub known_seconds: Option<f64>,
    /// When no chunk had a single copy any more, by the disks.
    pub last_copies_seconds: Option<f64>,
    /// When every chunk had all its copies again, by the disks and by `health`.
    pub full_seconds: Option<f64>,
    /// When no chunk had one too many, either.
    pub tidy_seconds: Option<f64>,
    /// How often disks and `health` were compared while copies were made, with the writer held, and by how many copies they
    /// were apart at most, beyond what changed between a look before and a look after.
    pub compared: u64,
    pub apart_max: u64,
    /// Bytes of the copies that were made, and the time in which they came.
    pub copied_bytes: u64,
    pub copy_seconds: f64,
    /// Bytes a second of that.
    pub rate: f64,
    /// What the disk took before the step and after it, bytes a second.
    pub limit_before: f64,
    pub limit_after: f64,
    /// The share of the mean of the two.
    pub of_limit: f64,
    /// What writer and reader had meanwhile.
    pub writes: Option<Percentiles>,
    pub written_bytes: u64,
    pub write_failures: Vec<String>,
    pub reads: Option<Percentiles>,
    pub read_failures: Vec<String>,
    /// Files, and bytes, that were read back and compared at its end.
    pub read_back_files: u64,
    pub read_back_bytes: u64,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// What should not be.
    pub problems: Vec<String>,
}

/// Failures that are kept word by word.
const FAILURES_KEPT: usize = 20;

impl Step {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// What writer and reader had.
    pub(super) fn load(&mut self, seen: Seen) {
        self.problems.extend(seen.wrong);
        self.writes = Some(Durations::new(seen.writes).percentiles());
        self.written_bytes = seen.written_bytes;
        self.reads = Some(Durations::new(seen.reads).percentiles());
        self.write_failures = kept(seen.write_failures);
        self.read_failures = kept(seen.read_failures);
    }

    /// So many bytes were copied in this time.
    pub(super) fn copied(&mut self, bytes: u64, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let rate = bytes as f64 / took.as_secs_f64().max(f64::EPSILON);
        self.copied_bytes = bytes;
        self.copy_seconds = took.as_secs_f64();
        self.rate = rate;
    }

    /// With what the disk took before it and after it, bytes a second.
    pub(super) fn beside(mut self, before: f64, after: f64) -> Self {
        (self.limit_before, self.limit_after) = (before, after);
        self.of_limit = self.rate / f64::midpoint(before, after).max(f64::EPSILON);
        self
    }
}

fn kept(failures: Vec<String>) -> Vec<String> {
    let count = failures.len();
    let mut kept: Vec<_> = failures.into_iter().take(FAILURES_KEPT).collect();
    if count > FAILURES_KEPT {
        kept.push(format!("and {} more", count - FAILURES_KEPT));
    }
    kept
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// What was written before the first step, and how fast.
    pub loaded_bytes: u64,
    pub loaded_seconds: f64,
    pub steps: Vec<Step>,
    /// Replicas on the disks that were compared with what was written, at the end.
    pub compared_replicas: u64,
}

impl Results {
    pub(super) fn print(&self) {
        let heading = [
            "",
            "health knows s",
            "no last copy s",
            "full s",
            "tidy s",
            "copied MiB",
            "MB/s",
            "the disk, before and after",
            "share",
            "apart",
            "writes failed",
            "p99 ms",
            "reads failed",
            "p99 ms",
            "read back",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.steps.iter().map(row));
        println!();
        print_columns(&rows);
        for step in &self.steps {
            for (what, lines) in [
                ("", &step.notes),
                ("write failed: ", &step.write_failures),
                ("read failed: ", &step.read_failures),
                ("PROBLEM: ", &step.problems),
            ] {
                for line in lines {
                    println!("{}: {what}{line}", step.name);
                }
            }
        }
        println!(
            "{} replicas on the disks were compared with what was written",
            self.compared_replicas
        );
    }

    /// What went wrong; none when nothing did.
    pub(super) fn failure(&self) -> Option<String> {
        let problems = self.steps.iter().map(|step| step.problems.len()).sum::<usize>();
        (problems > 0).then(|| format!("{problems} things are not as they should be: see above"))
    }
}

fn row(step: &Step) -> Vec<String> {
    let seconds = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}"));
    let p99 = |p: &Option<Percentiles>| p.map_or_else(String::new, |p| format!("{:.0}", p.p99_ms));
    let copied = step.copied_bytes > 0;
    let when = |shown: String| if copied { shown } else { "-".to_owned() };
    vec![
        step.name.to_owned(),
        seconds(step.known_seconds),
        seconds(step.last_copies_seconds),
        seconds(step.full_seconds),
        seconds(step.tidy_seconds),
        when((step.copied_bytes >> 20).to_string()),
        when(format!("{:.0}", step.rate / 1e6)),
        format!("{:.0}, {:.0}", step.limit_before / 1e6, step.limit_after / 1e6),
        when(format!("{:.0} %", step.of_limit * 100.0)),
        step.apart_max.to_string(),
        step.write_failures.len().to_string(),
        p99(&step.writes),
        step.read_failures.len().to_string(),
        p99(&step.reads),
        format!("{} files", step.read_back_files),
    ]
}
