//! Scrubbing: every replica is read again from the disk within a period, so that rot is found while other replicas are whole.
//!
//! Each volume has a task and a round of its own ([`chunkstore::ScrubRound`]), which a restart goes on with. It is slow while
//! streams move data, but never slower than it takes to end in time ([`pace`]). What it finds goes to the masters as what any
//! reader finds: corrupt, or gone.

mod pace;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{ScrubRound, Verdict};
use tokio::task::JoinHandle;
use types::StorageId;

use crate::node::Node;
use crate::replicas::Replicas;

/// How often it is looked whether volumes came or went.
const LOOK: Duration = Duration::from_secs(5);

/// Replicas that are read on one thread's turn, and bytes.
const TURN_REPLICAS: usize = 256;
const TURN_BYTES: u64 = 64 << 20;

/// How long may be lost of a round when the process ends.
const KEEP_EVERY: Duration = Duration::from_secs(20);

/// Pauses for one piece: some minutes.
const PAUSES_MAX: u32 = 500;

/// Pieces of less than this are not worth a pause of their own.
const PAUSE_BYTES: u64 = 1 << 20;

/// Scrubs every volume until the datanode ends.
pub(crate) async fn run(node: Arc<Node>) {
    let mut tasks: HashMap<StorageId, JoinHandle<()>> = HashMap::new();
    loop {
        tokio::select! {
            () = node.closed() => break,
            () = tokio::time::sleep(LOOK.min(node.config.scrub_period / 8)) => {}
        }
        let Some(replicas) = node.replicas() else { continue };
        tasks.retain(|_, task| !task.is_finished());
        let listing = Arc::clone(&replicas);
        let volumes = env::blocking(move || listing.store.volumes()).await;
        for volume in volumes.into_iter().filter(|volume| volume.failed.is_none()) {
            tasks.entry(volume.storage).or_insert_with(|| {
                let scrubber = Scrubber {
                    node: Arc::clone(&node),
                    replicas: Arc::clone(&replicas),
                    storage: volume.storage,
                };
                tokio::spawn(scrubber.run())
            });
        }
    }
    for task in tasks.into_values() {
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(%error, "a scrubber ended by a panic");
        }
    }
}

/// The scrubbing of one volume.
struct Scrubber {
    node: Arc<Node>,
    replicas: Arc<Replicas>,
    storage: StorageId,
}

impl Scrubber {
    /// Runs until the volume fails or goes, or the datanode ends.
    async fn run(self) {
        let this = Arc::new(self);
        let interval = millis(pace::interval(this.node.config.scrub_period));
        let loading = Arc::clone(&this);
        let kept = env::blocking(move || loading.replicas.store.scrub_round(loading.storage)).await;
        let now = this.node.env.clock.wall();
        // Of a clock that was set back nobody knows how old a round is.
        let mut round = kept
            .filter(|round| round.begun <= now)
            .unwrap_or(ScrubRound::beginning(now));
        loop {
            if round.finished {
                this.keep(round, false).await;
                let age = this.node.env.clock.wall().since_ms(round.begun);
                let left = Duration::from_millis(interval.saturating_sub(age).max(10));
                if !this.node.rests(left).await {
                    return;
                }
                if this.node.env.clock.wall().since_ms(round.begun) < interval {
                    continue;
                }
                round = ScrubRound::beginning(this.node.env.clock.wall());
            }
            match this.round(round).await {
                Some(finished) => round = finished,
                None => return,
            }
        }
    }

    /// Goes on with a round to its end. None when the volume is not used any more, or the datanode ends: a turn that was
    /// begun is waited for, for it holds the directories.
    async fn round(self: &Arc<Self>, mut round: ScrubRound) -> Option<ScrubRound> {
        tracing::debug!(storage = %self.storage, begun = round.begun.as_u64(), "scrubbing");
        let mut kept = self.node.env.clock.monotonic();
        while !round.finished {
            let turn = Arc::clone(self);
            round = env::background("scrub", move || turn.turn(round)).await?;
            let now = self.node.env.clock.monotonic();
            let durably = round.finished || now.saturating_sub(kept) >= KEEP_EVERY;
            self.keep(round, durably).await;
            if durably {
                kept = now;
            }
            tokio::task::yield_now().await;
        }
        tracing::info!(storage = %self.storage, bytes = round.bytes, "every replica of a volume was read and compared");
        Some(round)
    }

    /// Reads some replicas. None when the volume is not used any more, or the datanode ends. Blocks.
    fn turn(&self, mut round: ScrubRound) -> Option<ScrubRound> {
        let store = &self.replicas.store;
        let used = (store.volumes().into_iter()).find(|volume| volume.storage == self.storage);
        let used = used.filter(|volume| volume.failed.is_none())?.used;
        let listing = store.list(self.storage, None, round.after, TURN_REPLICAS);
        let clock = &self.node.env.clock;
        let begun = clock.monotonic();
        let (mut read, mut debt) = (0, Debt::new(self));
        for replica in &listing.replicas {
            let long = clock.monotonic().saturating_sub(begun) >= KEEP_EVERY;
            if read >= TURN_BYTES || (long && read > 0) {
                return Some(round);
            }
            let left = used.saturating_sub(round.bytes).max(replica.len);
            let mut pace = |bytes| debt.pay(bytes, &round, left);
            let verdict = (self.replicas.store).verify_paced(replica.chunk, replica.generation, &mut pace);
            self.replicas.judged(&verdict);
            if matches!(verdict, Verdict::Stopped) {
                return None;
            }
            round.after = Some(replica.chunk);
            round.bytes += replica.len;
            read += replica.len;
        }
        match listing.next {
            Some(next) => round.after = Some(next),
            None => round.finished = true,
        }
        Some(round)
    }

    fn load(&self) -> pace::Load {
        match self.node.busy_streams() {
            0 => pace::Load::Idle,
            _ => pace::Load::Busy,
        }
    }

    async fn keep(self: &Arc<Self>, round: ScrubRound, durably: bool) {
        let keeping = Arc::clone(self);
        let kept: io::Result<()> = env::blocking(move || {
            let store = &keeping.replicas.store;
            store.keep_scrub_round(keeping.storage, &round, durably)
        })
        .await;
        if let Err(error) = kept {
            tracing::warn!(storage = %self.storage, %error, "can not keep how far the scrubbing has come");
        }
    }
}

/// What was read and not paused for yet.
struct Debt<'a> {
    scrubber: &'a Scrubber,
    since: Duration,
    bytes: u64,
}

impl<'a> Debt<'a> {
    fn new(scrubber: &'a Scrubber) -> Self {
        Self {
            scrubber,
            since: scrubber.node.env.clock.monotonic(),
            bytes: 0,
        }
    }

    /// Pauses for what was read. False when the datanode ends.
    fn pay(&mut self, bytes: u64, round: &ScrubRound, left: u64) -> bool {
        let node = &self.scrubber.node;
        self.bytes += bytes;
        if self.bytes >= PAUSE_BYTES {
            let clock = &node.env.clock;
            // In short pauses, for the load may change.
            for _ in 0..PAUSES_MAX {
                let elapsed = Duration::from_millis(clock.wall().since_ms(round.begun));
                let rate = pace::rate(node.config.scrub_period, elapsed, left, self.scrubber.load());
                let took = clock.monotonic().saturating_sub(self.since);
                let pause = pace::pause(rate, self.bytes, took);
                if pause.is_zero() || node.is_closing() {
                    break;
                }
                env::pause(pause);
            }
            (self.since, self.bytes) = (clock.monotonic(), 0);
        }
        !node.is_closing()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
