//! Clients that change and look at the same names at the same time, and whether what they were answered is linearizable.
//!
//! The torment's own clients have a name each, so that a model of one writer can judge what they see. These have none: a few of them
//! make, mark, rename, remove and look at names that all share, and every call is recorded with the moment at which it was made and the
//! one at which it was answered. At the end `oracle` says whether there is an order that explains all answers. All of them are in one
//! process, so these moments are exact: two of them are never the same.
//!
//! Names come in groups of a few, which renames connect, and there are new ones after a while: so the checker has small pieces to
//! look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos::{Field, FindingKind};
use client::{CreateOptions, Error, FileKind, FileStatus, FileSystem, Publish};
use fastrand::Rng;
use oracle::{Answer, Call, Effort, Entry, History, Kind, Operation, Outcome, Verdict};
use tokio::task::JoinSet;
use tokio::time::Instant;
use types::{FsPath, UnixMillis};

use crate::report::Counts;

/// Clients.
const CLIENTS: u32 = 4;
/// Groups of names at a time, and names of each.
const GROUPS: u32 = 3;
const GROUP_NAMES: u32 = 3;
/// How long they are used.
const AGE: Duration = Duration::from_secs(4);
/// Between two calls of one client, at most.
const PAUSE_MS: u64 = 120;
/// Times from here on were set by a clock and are no marks: 2001 in milliseconds.
const MARKS: u64 = 1_000_000_000_000;
/// How long to look for an order. What takes longer is not decided.
const EFFORT: Effort = Effort {
    configurations: 200_000,
};

/// All that was called and answered.
#[derive(Default)]
pub(crate) struct Names {
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    history: History,
    counts: BTreeMap<String, Counts>,
    begun: Option<Instant>,
    last: u64,
}

impl Record {
    /// A moment of its own, in nanoseconds.
    fn moment(&mut self) -> u64 {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let now = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last = now.max(self.last + 1);
        self.last
    }
}

impl Names {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the clients. They end when the run says so, each after the call that it is at.
    ///
    /// # Errors
    /// When a client can not be made.
    pub(crate) fn spawn(self: &Arc<Self>, tasks: &mut JoinSet<()>, field: &Arc<Field>) -> chaos::Result<()> {
        for number in 0..CLIENTS {
            let worker = Worker {
                number,
                names: Arc::clone(self),
                field: Arc::clone(field),
                fs: field.client()?,
                random: Rng::with_seed(
                    field
                        .options
                        .seed
                        .wrapping_mul(1_000)
                        .wrapping_add(900 + u64::from(number)),
                ),
                marks: 0,
            };
            tasks.spawn(worker.run());
        }
        Ok(())
    }

    /// How calls ended, by kind.
    pub(crate) fn counts(&self) -> BTreeMap<String, Counts> {
        self.record().counts.clone()
    }

    /// Looks for an order of all that was recorded. There must be one.
    pub(crate) fn check(&self, field: &Field) {
        let history = std::mem::take(&mut self.record().history);
        match history.check(EFFORT) {
            Verdict::Linearizable { components } => {
                field.event(&format!(
                    "{} calls on {components} sets of names are linearizable",
                    history.operations().len()
                ));
            }
            Verdict::Undecided { components } => {
                field.event(&format!(
                    "whether calls on {components} sets of names are linearizable is not decided"
                ));
            }
            Verdict::Violation(violation) => {
                field.found(
                    FindingKind::Undone,
                    "names that are shared",
                    &violation.to_string(),
                );
            }
        }
    }
}

struct Worker {
    number: u32,
    names: Arc<Names>,
    field: Arc<Field>,
    fs: FileSystem,
    random: Rng,
    marks: u64,
}

impl Worker {
    async fn run(mut self) {
        let begun = Instant::now();
        let mut dir = None;
        while !self.field.stopped() {
            let age = begun.elapsed().as_secs() / (AGE * self.field.pace).as_secs().max(1);
            if dir != Some(age) {
                // Whoever comes first makes it; without it the names would all be refused.
                let path = path(&format!("/shared/{age}"));
                if self.fs.mkdir(&path, 0o755, true).await.is_err()
                    && !self.fs.exists(&path).await.unwrap_or(false)
                {
                    continue;
                }
                dir = Some(age);
            }
            self.step(age).await;
            let pause = self.random.u64(..PAUSE_MS);
            self.field.pause(Duration::from_millis(pause)).await;
        }
    }

    async fn step(&mut self, age: u64) {
        let group = self.random.u32(..GROUPS);
        let first = self.random.u32(..GROUP_NAMES);
        let second = (first + self.random.u32(1..GROUP_NAMES)) % GROUP_NAMES;
        let from = format!("/shared/{age}/{group}.{first}");
        let to = format!("/shared/{age}/{group}.{second}");
        let (name, other) = {
            let mut record = self.names.record();
            (record.history.name(&from), record.history.name(&to))
        };
        let call = match self.random.u32(..20) {
            0..=5 => Call::Create {
                name,
                entry: Entry {
                    kind: if self.random.u32(..8) == 0 {
                        Kind::File
                    } else {
                        Kind::Directory
                    },
                    mode: self.random.u16(..0o1000),
                    mark: 0,
                },
            },
            6..=7 => Call::Delete { name },
            8..=10 => Call::Rename {
                from: name,
                to: other,
                replace: self.random.bool(),
            },
            11..=13 => {
                self.marks += 1;
                let mark = self.marks * 1_000 + u64::from(self.number);
                Call::SetMark { name, mark }
            }
            14 => Call::SetMode {
                name,
                mode: self.random.u16(..0o1000),
            },
            _ => Call::Stat { name },
        };
        let called = self.names.record().moment();
        let outcome = perform(&self.fs, &call, &path(&from), &path(&to)).await;
        let mut record = self.names.record();
        let at = record.moment();
        count(&mut record.counts, &call, outcome);
        record.history.push(Operation {
            process: self.number,
            call,
            called,
            answer: outcome.map(|outcome| Answer { at, outcome }),
        });
    }
}

fn count(counts: &mut BTreeMap<String, Counts>, call: &Call, outcome: Option<Outcome>) {
    let kind = match call {
        Call::Create { .. } => "shared: create",
        Call::Delete { .. } => "shared: delete",
        Call::Rename { .. } => "shared: rename",
        Call::SetMode { .. } => "shared: mode",
        Call::SetMark { .. } => "shared: times",
        Call::Stat { .. } => "shared: stat",
    };
    let counts = counts.entry(kind.to_owned()).or_default();
    match outcome {
        Some(Outcome::Done | Outcome::Found(_)) => counts.done += 1,
        Some(Outcome::Exists | Outcome::NotFound | Outcome::Refused) => counts.refused += 1,
        None => counts.unknown += 1,
    }
}

fn path(text: &str) -> FsPath {
    // Names are made by this program.
    text.parse().unwrap_or_else(|_| FsPath::root())
}

/// Does it. None: whether it was done is not known.
async fn perform(fs: &FileSystem, call: &Call, first: &FsPath, second: &FsPath) -> Option<Outcome> {
    let done = match *call {
        Call::Stat { .. } => {
            return match fs.stat(first).await {
                Ok(status) => Some(Outcome::Found(entry(&status))),
                Err(error) => outcome(call, &error),
            };
        }
        Call::Create { entry, .. } => match entry.kind {
            Kind::Directory => fs.mkdir(first, entry.mode, false).await,
            Kind::File => create(fs, first, entry.mode).await,
        },
        Call::Delete { .. } => fs.delete(first, false).await,
        Call::Rename { replace, .. } => fs.rename(first, second, replace).await,
        Call::SetMode { mode, .. } => fs.set_mode(first, mode).await,
        Call::SetMark { mark, .. } => fs.set_times(first, Some(UnixMillis(mark)), None).await,
    };
    match done {
        Ok(()) => Some(Outcome::Done),
        Err(error) => outcome(call, &error),
    }
}

/// An empty file, which appears when it is closed.
async fn create(fs: &FileSystem, path: &FsPath, mode: u16) -> Result<(), Error> {
    let options = CreateOptions {
        mode,
        publish: Publish::AtComplete,
        ..CreateOptions::default()
    };
    fs.create(path, options).await?.close().await.map(drop)
}

fn outcome(call: &Call, error: &Error) -> Option<Outcome> {
    let creates = matches!(call, Call::Create { .. });
    match error {
        Error::NotFound(_) => Some(Outcome::NotFound),
        Error::Exists(_) => Some(Outcome::Exists),
        // A file that is to be made where a directory is.
        Error::IsDirectory(_) if creates => Some(Outcome::Exists),
        Error::NotDirectory(_)
        | Error::IsDirectory(_)
        | Error::NotEmpty(_)
        | Error::PermissionDenied(_)
        | Error::Invalid(_)
        | Error::Busy(_)
        | Error::LeaseLost(_)
        | Error::WriteDenied(_) => Some(Outcome::Refused),
        // No master answered, or what it answered says nothing about the change.
        _ => None,
    }
}

/// What a status says, as the record has it.
fn entry(status: &FileStatus) -> Entry {
    let mtime = status.mtime.as_u64();
    Entry {
        kind: match status.kind {
            FileKind::File => Kind::File,
            FileKind::Directory => Kind::Directory,
        },
        mode: status.mode,
        mark: if mtime < MARKS { mtime } else { 0 },
    }
}
