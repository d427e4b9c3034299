//! The record of all that was called and answered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use oracle::{Answer, Call, History, Name, Operation, Outcome};
use serde::Serialize;

/// A history that grows. Times are nanoseconds since it began.
pub(super) struct Record {
    begun: Instant,
    history: Mutex<History>,
}

/// How often something was called with which outcome.
pub(super) type Counts = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

impl Record {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            history: Mutex::default(),
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment on the clock of the record.
    pub(super) fn at(&self, moment: Instant) -> u64 {
        let nanos = moment.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// Now.
    pub(super) fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The number of a path.
    pub(super) fn name(&self, path: &str) -> Name {
        self.history().name(path)
    }

    /// Takes in an operation that was called then, and has ended now; no outcome: nobody knows.
    pub(super) fn push(&self, process: u32, called: u64, call: Call, outcome: Option<Outcome>) {
        let answer = outcome.map(|outcome| Answer {
            at: self.now(),
            outcome,
        });
        self.history().push(Operation {
            process,
            call,
            called,
            answer,
        });
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.history().operations().len()
    }

    /// Every path that was more than looked at.
    pub(super) fn changed(&self) -> Vec<(Name, String)> {
        let history = self.history();
        let mut names = Vec::new();
        for operation in history.operations() {
            if !matches!(operation.call, Call::Stat { .. }) {
                let (first, second) = operation.call.names();
                names.push(first);
                names.extend(second);
            }
        }
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| (name, history.text(name).to_owned()))
            .collect()
    }

    /// How the operations so far ended.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for operation in self.history().operations() {
            *counts
                .entry(kind(&operation.call))
                .or_default()
                .entry(outcome(operation))
                .or_default() += 1;
        }
        counts
    }

    /// The whole of it; what is left is empty.
    pub(super) fn take(&self) -> History {
        std::mem::take(&mut *self.history())
    }
}

const fn kind(call: &Call) -> &'static str {
    match call {
        Call::Create { .. } => "create",
        Call::Delete { .. } => "delete",
        Call::Rename { .. } => "rename",
        Call::SetMode { .. } => "set mode",
        Call::SetMark { .. } => "set times",
        Call::Stat { .. } => "stat",
    }
}

const fn outcome(operation: &Operation) -> &'static str {
    match operation.answer {
        None => "unknown",
        Some(answer) => match answer.outcome {
            Outcome::Done | Outcome::Found(_) => "done",
            Outcome::Exists => "exists",
            Outcome::NotFound => "not found",
            Outcome::Refused => "refused",
        },
    }
}

/// One line of the file of a history.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    operation: &'a Operation,
    paths: Vec<&'a str>,
}

/// Writes a history to a file: a line of JSON for each operation.
pub(super) fn write(history: &History, file: &Path) -> anyhow::Result<()> {
    let write = || {
        let mut out = BufWriter::new(File::create(file)?);
        for operation in history.operations() {
            let (first, second) = operation.call.names();
            let names = [Some(first), second];
            let paths = names
                .into_iter()
                .flatten()
                .map(|name| history.text(name))
                .collect();
            serde_json::to_writer(&mut out, &Line { operation, paths })?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
