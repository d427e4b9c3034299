//! Calls at a fixed rate, and when they were answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use proto::v1;
use tokio::task::JoinSet;

use crate::wire::Wire;

/// Tasks that create, each at its share of the rate.
const CREATORS: u32 = 64;
/// Tasks that look names up.
const LOOKERS: u32 = 8;
/// Files that are closed in one message.
const CLOSED_AT_ONCE: usize = 64;
/// How late a timer of the runtime may be.
const TIMER: Duration = Duration::from_millis(2);

/// Calls a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub creates: u32,
    pub stats: u32,
}

/// What was answered since the last look.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub creates: Vec<Duration>,
    pub stats: Vec<Duration>,
    /// The longest time between two answers.
    pub longest_gap: Duration,
}

#[derive(Debug, Default)]
struct Seen {
    answered: Answered,
    last: Option<Instant>,
}

/// Runs until it is stopped.
pub(super) struct Load {
    tasks: JoinSet<anyhow::Result<()>>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
enum Kind {
    Create,
    Stat,
}

impl Load {
    /// Creates files in a directory of its own, and looks up `looked_up`.
    pub(super) async fn start(wire: &Wire, rates: Rates, looked_up: &str) -> anyhow::Result<Self> {
        let request = v1::MkdirRequest {
            caller: wire.caller(),
            path: "/load".to_owned(),
            mode: 0o755,
            ..Default::default()
        };
        wire.namespace(0)?.mkdir(request).await?;
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let mut tasks = JoinSet::new();
        for (kind, count, rate) in [
            (Kind::Create, CREATORS, rates.creates),
            (Kind::Stat, LOOKERS, rates.stats),
        ] {
            let every = Duration::from_secs(1) * count / rate.max(1);
            for number in 0..count {
                let caller = One {
                    wire: wire.clone(),
                    kind,
                    number,
                    looked_up: looked_up.to_owned(),
                };
                let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
                // Not all at the same moment.
                let first = Instant::now() + every * number / count;
                tasks.spawn(caller.run(first, every, seen, stop));
            }
        }
        Ok(Self { tasks, seen, stop })
    }

    /// What was answered since the last time.
    pub(super) fn take(&self) -> anyhow::Result<Answered> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = std::mem::take(&mut seen.answered);
        anyhow::ensure!(
            self.tasks.len() == usize::try_from(CREATORS + LOOKERS)?,
            "a caller has ended"
        );
        Ok(answered)
    }

    /// Ends it; tells the first failure.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            done.context("a caller panicked")??;
        }
        Ok(())
    }
}

struct One {
    wire: Wire,
    kind: Kind,
    number: u32,
    looked_up: String,
}

impl One {
    async fn run(
        self,
        first: Instant,
        every: Duration,
        seen: Arc<Mutex<Seen>>,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<()> {
        let mut client = self.wire.namespace(usize::try_from(self.number)?)?;
        let (mut due, mut count) = (first, 0u64);
        let mut open = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(due.into()).await;
            // The timer's own lateness, a millisecond at most, is not the server's.
            let begun = Instant::now().min(due + TIMER);
            let caller = self.wire.caller();
            match self.kind {
                Kind::Create => {
                    let request = v1::CreateRequest {
                        caller,
                        path: format!("/load/{}-{count}", self.number),
                        mode: 0o644,
                        publish: v1::Publish::AtCreate.into(),
                        ..Default::default()
                    };
                    let created = client.create(request).await?.into_inner();
                    self.note(&seen, begun);
                    open.push(created.inode);
                    if open.len() >= CLOSED_AT_ONCE {
                        let close = self.close(std::mem::take(&mut open));
                        client.batch(close).await?;
                    }
                }
                Kind::Stat => {
                    let path = self.looked_up.clone();
                    client.stat(v1::StatRequest { caller, path }).await?;
                    self.note(&seen, begun);
                }
            }
            count += 1;
            due += every;
        }
        Ok(())
    }

    /// Files of a writer that creates without end are closed now and then, in one message: they are not what is measured.
    fn close(&self, inodes: Vec<u64>) -> v1::BatchRequest {
        let operation = |inode| v1::Operation {
            call_id: self.wire.next_call(),
            kind: Some(v1::operation::Kind::Complete(v1::CompleteRequest {
                inode,
                ..Default::default()
            })),
        };
        v1::BatchRequest {
            caller: self.wire.caller(),
            operations: inodes.into_iter().map(operation).collect(),
        }
    }

    fn note(&self, seen: &Mutex<Seen>, begun: Instant) {
        let now = Instant::now();
        let took = now.saturating_duration_since(begun);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = seen.last.replace(now) {
            let gap = now.saturating_duration_since(last);
            seen.answered.longest_gap = seen.answered.longest_gap.max(gap);
        }
        match self.kind {
            Kind::Create => seen.answered.creates.push(took),
            Kind::Stat => seen.answered.stats.push(took),
        }
    }
}
