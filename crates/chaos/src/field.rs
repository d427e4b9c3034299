//! What everybody in a run shares: the model, the counts, the record of events, the clock of the run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::FileSystem;
use env::Env;
use tokio::sync::{RwLock, watch};

use crate::content::tag;
use crate::model::{Model, Verdict};
use crate::options::{Options, USER};
use crate::report::{Finding, FindingKind};
use crate::tally::{Counts, Operation, Outcome, Tally, millis};
use crate::{Error, Result};

/// A call that takes longer is stuck: every wait of the SDK has a limit, and a call is a few of them.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(240);
/// Findings beyond these are not recorded: the first ones tell.
const FINDINGS_MAX: usize = 50;

/// Hears of events: after how long, and what.
pub type Tell = Box<dyn FnMut(Duration, &str) + Send>;

/// Where clients live: on real machines, or in a simulation.
pub struct World {
    /// What a new client sees of the world.
    pub env: Arc<dyn Fn() -> Env + Send + Sync>,
    /// Takes down what happened, and when.
    pub events: Tell,
    /// Whether there can be processes that are killed.
    pub processes: bool,
    /// Pieces of files are so many times smaller.
    pub smaller: u64,
    /// Clients that change files, and clients that read them; none: as the profile says.
    pub clients: Option<(usize, usize)>,
    /// Clients and faults take so many times as long between two things.
    pub pace: u32,
}

/// What everybody shares.
pub struct Field {
    /// What the run is to be.
    pub options: Options,
    /// Of the masters.
    pub addresses: Vec<String>,
    /// Clients hold it for reading while they call; whoever needs them to rest takes it for writing.
    pub gate: RwLock<()>,
    pub(crate) processes: bool,
    pub(crate) smaller: u64,
    pub(crate) clients: (usize, usize),
    /// See [`World::pace`].
    pub pace: u32,
    env: Arc<dyn Fn() -> Env + Send + Sync>,
    model: Mutex<Model>,
    tally: Mutex<Tally>,
    findings: Mutex<Vec<Finding>>,
    events: Mutex<Tell>,
    begun: Instant,
    tags: AtomicU64,
    stop: watch::Sender<bool>,
}

impl Field {
    /// A field on which nothing has happened.
    #[must_use]
    pub fn new(options: &Options, addresses: &[String], world: World) -> Self {
        Self {
            options: options.clone(),
            addresses: addresses.to_vec(),
            gate: RwLock::new(()),
            processes: world.processes,
            smaller: world.smaller.max(1),
            clients: world.clients.unwrap_or((options.writers(), options.readers())),
            pace: world.pace.max(1),
            env: world.env,
            model: Mutex::default(),
            tally: Mutex::default(),
            findings: Mutex::default(),
            events: Mutex::new(world.events),
            begun: Instant::now(),
            tags: AtomicU64::new(0),
            stop: watch::Sender::new(false),
        }
    }

    /// The time of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    /// A disk is lost, or spoilt: what was synced and not finished is not held to account any more.
    pub fn disk_lost(&self) {
        self.model().disk_lost();
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// What is wrong.
    pub fn findings(&self) -> MutexGuard<'_, Vec<Finding>> {
        lock(&self.findings)
    }

    /// A sequence of bytes that no other one resembles.
    pub(crate) fn tag(&self) -> u64 {
        tag(self.options.seed, self.tags.fetch_add(1, Ordering::Relaxed))
    }

    /// A client of its own, with a lease of its own.
    ///
    /// # Errors
    /// When it can not be made.
    pub fn client(&self) -> Result<FileSystem> {
        let mut config = client::Config::new(self.addresses.clone(), USER);
        config.memory_budget = 16 << 20;
        config.timeouts.call_total = Duration::from_secs(30);
        FileSystem::connect((self.env)(), config).map_err(|error| Error::Cluster {
            what: "a client",
            error,
        })
    }

    /// Writes down what happened.
    pub fn event(&self, what: &str) {
        let now = self.now();
        (lock(&self.events))(now, what);
    }

    /// A call has ended.
    pub(crate) fn ended(&self, operation: Operation, outcome: Outcome, begun: Instant) {
        self.tally()
            .ended(operation, outcome, self.now(), begun.elapsed());
    }

    /// Writes down something that is wrong. Clients and faults stop.
    pub fn found(&self, kind: FindingKind, subject: &str, what: &str) {
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
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Calls by kind and outcome, and how many bytes were read and compared.
    #[must_use]
    pub fn counts(&self) -> (BTreeMap<Operation, Counts>, u64) {
        let tally = self.tally();
        (tally.operations.clone(), tally.verified)
    }

    /// Whether they are.
    #[must_use]
    pub fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Rests between two things, as long as the pace says of `time`; ends when all are to stop.
    pub async fn pause(&self, time: Duration) {
        self.rest(time.saturating_mul(self.pace)).await;
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
