//! What everybody in a run shares: the model, the counts, the record of events, the clock of the run.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::FileSystem;
use env::Env;
use tokio::sync::{RwLock, watch};

use crate::content::tag;
use crate::model::{Model, Verdict};
use crate::options::{Options, USER};
use crate::report::{Finding, FindingKind};
use crate::tally::{Operation, Outcome, Tally, millis};
use crate::{Error, Result};

/// A call that takes longer is stuck: every wait of the SDK has a limit, and a call is a few of them.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(240);
/// Findings beyond these are not recorded: the first ones tell.
const FINDINGS_MAX: usize = 50;

/// What everybody shares.
pub(crate) struct Field {
    pub options: Options,
    pub addresses: Vec<String>,
    /// Clients hold it for reading while they call; whoever needs them to rest takes it for writing.
    pub gate: RwLock<()>,
    model: Mutex<Model>,
    tally: Mutex<Tally>,
    findings: Mutex<Vec<Finding>>,
    events: Mutex<File>,
    begun: Instant,
    tags: AtomicU64,
    stop: watch::Sender<bool>,
}

impl Field {
    pub(crate) fn new(options: &Options, addresses: &[String], base: &Path) -> Result<Self> {
        let path = base.join("events.log");
        let events = File::create(&path).map_err(|error| Error::Local { path, error })?;
        Ok(Self {
            options: options.clone(),
            addresses: addresses.to_vec(),
            gate: RwLock::new(()),
            model: Mutex::default(),
            tally: Mutex::default(),
            findings: Mutex::default(),
            events: Mutex::new(events),
            begun: Instant::now(),
            tags: AtomicU64::new(0),
            stop: watch::Sender::new(false),
        })
    }

    /// The time of the run.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    pub(crate) fn findings(&self) -> MutexGuard<'_, Vec<Finding>> {
        lock(&self.findings)
    }

    /// A sequence of bytes that no other one resembles.
    pub(crate) fn tag(&self) -> u64 {
        tag(self.options.seed, self.tags.fetch_add(1, Ordering::Relaxed))
    }

    /// A client of its own, with a lease of its own.
    pub(crate) fn client(&self) -> Result<FileSystem> {
        let mut config = client::Config::new(self.addresses.clone(), USER);
        config.memory_budget = 16 << 20;
        config.timeouts.call_total = Duration::from_secs(30);
        FileSystem::connect(Env::real(), config).map_err(|error| Error::Cluster {
            what: "a client",
            error,
        })
    }

    /// Writes down what happened.
    pub(crate) fn event(&self, what: &str) {
        let seconds = self.now().as_secs_f64();
        // A record that can not be written is no reason to stop.
        let _ = writeln!(lock(&self.events), "{seconds:9.3} {what}");
    }

    /// A call has ended.
    pub(crate) fn ended(&self, operation: Operation, outcome: Outcome, begun: Instant) {
        self.tally()
            .ended(operation, outcome, self.now(), begun.elapsed());
    }

    /// Writes down something that is wrong. Clients and faults stop.
    pub(crate) fn found(&self, kind: FindingKind, subject: &str, what: &str) {
        self.event(&format!("FOUND {} {subject}: {what}", kind.name()));
        let mut findings = self.findings();
        if findings.len() < FINDINGS_MAX {
            findings.push(Finding {
                kind,
                subject: subject.to_owned(),
                at_ms: millis(self.now()),
                what: what.to_owned(),
            });
        }
        drop(findings);
        self.stop();
    }

    /// The same, of what was read. Answers whether all is well.
    pub(crate) fn judged(&self, path: &str, who: &str, verdict: Verdict) -> bool {
        let (kind, what) = match verdict {
            Verdict::Fits => return true,
            Verdict::Lost(what) => (FindingKind::Lost, what),
            Verdict::Corrupted(what) => (FindingKind::Corrupted, what),
            Verdict::Undone(what) => (FindingKind::Undone, what),
        };
        self.found(kind, path, &format!("{who}: {what}"));
        false
    }

    /// Clients and faults are to stop.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until all are to stop, at most for `time`.
    pub(crate) async fn rest(&self, time: Duration) {
        let mut stop = self.stop.subscribe();
        let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
