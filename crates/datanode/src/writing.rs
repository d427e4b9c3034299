//! Replicas that are being written, and who writes each.
//!
//! A stream *claims* the replica it writes. When the stream ends without finalizing it, the replica stays for a while, so
//! that a recovery of the pipeline can claim it and go on. A claim fences the one before it: the old stream is told to
//! stop, and the new one begins when it has let go, never beside it.
//!
//! A copy of another datanode's replica goes with its claim, until all of it is here. Before that it holds less than what others
//! have acknowledged: no master is told of it, no reader is shown it, and a recovery that asks finds nothing.
//!
//! Others read it meanwhile: up to its *visible* length, which is what every datanode behind this one has acknowledged. All
//! datanodes of the pipeline have received as much, whichever of them is asked: those before this one have passed it on, and
//! have kept it then. It never gets less, also not by a recovery.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chunkstore::{Growing, Replica, WriteError, Writer};
use env::clock::Clock;
use tokio::sync::{OwnedMutexGuard, watch};
use types::{ChunkExtent, ChunkId};

/// Why a replica could not be claimed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody writes it already.
    #[error("chunk {0} is being written already")]
    Busy(ChunkId),
    /// The stream that writes it did not let go.
    #[error("the stream that writes chunk {0} did not stop in time")]
    Stuck(ChunkId),
    /// Another claim came after this one.
    #[error("another recovery of chunk {0} came in between")]
    Fenced(ChunkId),
}

/// All replicas that are being written on this datanode.
pub(crate) struct Writing {
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<ChunkId, Arc<Slot>>>,
}

struct Slot {
    growing: Growing,
    /// When it was begun.
    since: Duration,
    /// Bytes that may be read.
    visible: watch::Sender<u64>,
    /// Counts claims: the stream of an older one stops.
    fence: watch::Sender<u64>,
    /// It was found at the start: there may have been more of it than was synced. Until it is in a pipeline again.
    restarted: AtomicBool,
    /// A copy of which something is missing yet.
    partial: AtomicBool,
    /// Held by the stream that writes.
    held: Arc<tokio::sync::Mutex<Held>>,
}

struct Held {
    /// None once it is finalized or lost.
    writer: Option<Writer>,
    /// When the last stream let go.
    idle_since: Duration,
}

impl Slot {
    fn is_partial(&self) -> bool {
        self.partial.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    /// The datanode ends: what was synced is for its next start.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.leave();
        }
    }
}

/// A replica on a volume that is not used any more: nobody can write it, and nobody else gets it while this is held.
pub(crate) struct Stranded(OwnedMutexGuard<Held>);

/// The right to write a replica, until it is dropped.
pub(crate) struct Claim {
    chunk: ChunkId,
    number: u64,
    fence: watch::Receiver<u64>,
    held: OwnedMutexGuard<Held>,
    slot: Arc<Slot>,
    writing: Arc<Writing>,
}

impl Writing {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            slots: Mutex::default(),
        })
    }

    /// Takes up a replica that was just begun, and claims it.
    pub(crate) fn begin(self: &Arc<Self>, writer: Writer) -> Result<Claim, ClaimError> {
        self.take_up_new(writer, false)
    }

    /// Takes up a replica that was just begun and is to be a copy of another one, and claims it. It goes with the claim, unless
    /// that says that it is [whole](Claim::is_whole).
    pub(crate) fn begin_copy(self: &Arc<Self>, writer: Writer) -> Result<Claim, ClaimError> {
        self.take_up_new(writer, true)
    }

    fn take_up_new(self: &Arc<Self>, writer: Writer, partial: bool) -> Result<Claim, ClaimError> {
        let mut slots = self.lock();
        if slots.contains_key(&writer.chunk()) {
            return Err(ClaimError::Busy(writer.chunk()));
        }
        self.take_up(&mut slots, writer, false, partial)
    }

    /// Takes up a replica that was being written when the process last ended, or when its volume was last used, as far as it was
    /// synced; in the place of one that is stranded, at once.
    pub(crate) fn adopt(
        self: &Arc<Self>,
        writer: Writer,
        stranded: Option<Stranded>,
    ) -> Result<(), ClaimError> {
        let chunk = writer.chunk();
        let mut slots = self.lock();
        if slots.contains_key(&chunk) && stranded.is_none() {
            drop(slots);
            // What was synced is still there for the next start.
            writer.leave();
            return Err(ClaimError::Busy(chunk));
        }
        let adopted = self.take_up(&mut slots, writer, true, false);
        drop(slots);
        if let Some(mut stranded) = stranded {
            stranded.0.writer = None;
        }
        adopted.map(drop)
    }

    /// What is being written of `chunk` on a volume that is not used any more, when nobody is at it; it is held until this is
    /// dropped. None when nothing of it is being written.
    pub(crate) fn stranded(&self, chunk: ChunkId) -> Result<Option<Stranded>, ClaimError> {
        let Some(slot) = self.lock().get(&chunk).cloned() else {
            return Ok(None);
        };
        let held = Arc::clone(&slot.held)
            .try_lock_owned()
            .map_err(|_| ClaimError::Busy(chunk))?;
        match &held.writer {
            Some(writer) if writer.is_stranded() => Ok(Some(Stranded(held))),
            Some(_) | None => Err(ClaimError::Busy(chunk)),
        }
    }

    fn take_up(
        self: &Arc<Self>,
        slots: &mut HashMap<ChunkId, Arc<Slot>>,
        writer: Writer,
        restarted: bool,
        partial: bool,
    ) -> Result<Claim, ClaimError> {
        let chunk = writer.chunk();
        let slot = self.slot(writer, restarted, partial);
        // Nobody else has it yet.
        let held = Arc::clone(&slot.held)
            .try_lock_owned()
            .map_err(|_| ClaimError::Busy(chunk))?;
        slots.insert(chunk, Arc::clone(&slot));
        Ok(self.claimed(chunk, 0, slot, held))
    }

    fn slot(&self, writer: Writer, restarted: bool, partial: bool) -> Arc<Slot> {
        let now = self.clock.monotonic();
        Arc::new(Slot {
            growing: writer.growing(),
            since: now,
            // What was finished before is seen.
            visible: watch::channel(writer.finalized()).0,
            fence: watch::channel(0).0,
            held: Arc::new(tokio::sync::Mutex::new(Held {
                writer: Some(writer),
                idle_since: now,
            })),
            restarted: AtomicBool::new(restarted),
            partial: AtomicBool::new(partial),
        })
    }

    /// Takes up what is left of the replica in `slot`, in its place: as if it had been found at a start. Nobody claims it.
    fn fall_back(&self, chunk: ChunkId, slot: &Arc<Slot>, left: Writer) {
        let instead = self.slot(left, true, false);
        let mut slots = self.lock();
        if slots.get(&chunk).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            slots.insert(chunk, instead);
        }
    }

    /// Claims the replica of `chunk`: stops the stream that writes it, and waits for it to let go. None when there is no
    /// such replica (any more).
    pub(crate) async fn claim(
        self: &Arc<Self>,
        chunk: ChunkId,
        patience: Duration,
    ) -> Result<Option<Claim>, ClaimError> {
        let mut ended: Option<Arc<Slot>> = None;
        loop {
            let slot = self.lock().get(&chunk).cloned();
            // What was synced of one that failed may be in its place.
            let other = |slot: &Arc<Slot>| ended.as_ref().is_none_or(|ended| !Arc::ptr_eq(ended, slot));
            let Some(slot) = slot.filter(other) else {
                return Ok(None);
            };
            let mut number = 0;
            slot.fence.send_modify(|fence| {
                *fence += 1;
                number = *fence;
            });
            let held = tokio::time::timeout(patience, Arc::clone(&slot.held).lock_owned())
                .await
                .map_err(|_| ClaimError::Stuck(chunk))?;
            if held.writer.is_none() {
                ended = Some(slot);
                continue;
            }
            if *slot.fence.borrow() != number {
                return Err(ClaimError::Fenced(chunk));
            }
            return Ok(Some(self.claimed(chunk, number, slot, held)));
        }
    }

    /// Claims a replica that nobody writes at the moment.
    pub(crate) fn claim_idle(self: &Arc<Self>, chunk: ChunkId) -> Result<Option<Claim>, ClaimError> {
        let Some(slot) = self.lock().get(&chunk).cloned() else {
            return Ok(None);
        };
        let held = Arc::clone(&slot.held)
            .try_lock_owned()
            .map_err(|_| ClaimError::Busy(chunk))?;
        if held.writer.is_none() {
            return Ok(None);
        }
        let number = *slot.fence.borrow();
        Ok(Some(self.claimed(chunk, number, slot, held)))
    }

    /// Removes the replicas that nobody has claimed for `timeout`, and that have not received anything; blocks. Gives how many
    /// they were. What was received may be all that is left of what somebody was promised: the masters say when it may go.
    pub(crate) fn remove_abandoned(&self, timeout: Duration) -> usize {
        let now = self.clock.monotonic();
        let slots: Vec<_> = {
            let slots = self.lock();
            slots
                .iter()
                .map(|(chunk, slot)| (*chunk, Arc::clone(slot)))
                .collect()
        };
        let mut removed = 0;
        for (chunk, slot) in slots {
            // Held means written: not abandoned.
            let Ok(mut held) = Arc::clone(&slot.held).try_lock_owned() else {
                continue;
            };
            if held.writer.as_ref().is_some_and(|writer| writer.received() == 0)
                && now.saturating_sub(held.idle_since) >= timeout
            {
                tracing::info!(%chunk, "removing a replica whose writer is gone");
                held.writer = None;
                self.forget(chunk, &slot);
                removed += 1;
            }
        }
        removed
    }

    /// The replicas that have been written for `age` at least, with what was received; no copies of which something is missing.
    pub(crate) fn unfinished(&self, age: Duration) -> Vec<ChunkExtent> {
        let now = self.clock.monotonic();
        let slots: Vec<_> = {
            let slots = self.lock();
            let old = slots
                .iter()
                .filter(|(_, slot)| now.saturating_sub(slot.since) >= age && !slot.is_partial());
            old.map(|(chunk, slot)| (*chunk, slot.growing.clone())).collect()
        };
        let extent = |(chunk, growing): (ChunkId, Growing)| {
            let (generation, len) = growing.state()?;
            Some(ChunkExtent {
                chunk,
                generation,
                len,
            })
        };
        slots.into_iter().filter_map(extent).collect()
    }

    /// Whether `chunk` is being written.
    pub(crate) fn has(&self, chunk: ChunkId) -> bool {
        self.lock().contains_key(&chunk)
    }

    /// The replica of `chunk`, to be read while it is written. Not a copy of which something is missing: what it has is no measure
    /// for what there is.
    pub(crate) fn open(&self, chunk: ChunkId) -> Option<Open> {
        let slots = self.lock();
        let slot = slots.get(&chunk).filter(|slot| !slot.is_partial())?;
        Some(Open {
            growing: slot.growing.clone(),
            visible: slot.visible.subscribe(),
            restarted: slot.restarted.load(Ordering::Acquire),
        })
    }

    fn claimed(
        self: &Arc<Self>,
        chunk: ChunkId,
        number: u64,
        slot: Arc<Slot>,
        held: OwnedMutexGuard<Held>,
    ) -> Claim {
        Claim {
            chunk,
            number,
            fence: slot.fence.subscribe(),
            held,
            slot,
            writing: Arc::clone(self),
        }
    }

    fn forget(&self, chunk: ChunkId, slot: &Arc<Slot>) {
        let mut slots = self.lock();
        if slots.get(&chunk).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            slots.remove(&chunk);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChunkId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The replica. None when it was finalized, or is lost.
    pub(crate) fn writer(&mut self) -> Option<&mut Writer> {
        self.held.writer.as_mut()
    }

    /// The same, to look at.
    pub(crate) fn peek(&self) -> Option<&Writer> {
        self.held.writer.as_ref()
    }

    /// Whether it was found at the start, and may be less than it was.
    pub(crate) fn restarted(&self) -> bool {
        self.slot.restarted.load(Ordering::Acquire)
    }

    /// It is in a pipeline again, and has all that was acknowledged: its writer has said how much that is.
    pub(crate) fn rejoins(&mut self) {
        self.slot.restarted.store(false, Ordering::Release);
    }

    /// All of what it is a copy of is here: it is a replica like any other, and stays when the claim goes.
    pub(crate) fn is_whole(&mut self) {
        self.slot.partial.store(false, Ordering::Release);
    }

    /// What tells that another claim came after this one: the replica must not be touched any more.
    pub(crate) fn fence(&self) -> Fence {
        Fence {
            number: self.number,
            newest: self.fence.clone(),
        }
    }

    /// What tells readers how much there is for them.
    pub(crate) fn visible(&self) -> Visible {
        Visible(Arc::clone(&self.slot))
    }

    /// Finalizes the replica; blocks. After an error only what was synced of it stays.
    pub(crate) fn finalize(&mut self) -> Result<Replica, WriteError> {
        let Some(writer) = &mut self.held.writer else {
            return Err(WriteError::Poisoned(self.chunk));
        };
        let finalized = writer.try_finalize();
        match &finalized {
            Ok(_) => self.held.writer = None,
            Err(_) => self.fail(),
        }
        finalized
    }

    /// Ends the replica, which can not be written on; blocks. What was synced of it stays, for a recovery: as if it had been found
    /// at a start.
    pub(crate) fn fail(&mut self) {
        if let Some(left) = self.held.writer.take().and_then(Writer::fall_back) {
            tracing::warn!(chunk = %self.chunk, bytes = left.received(), "what was synced of a replica stays");
            self.writing.fall_back(self.chunk, &self.slot, left);
        }
    }

    /// Removes the replica; blocks.
    pub(crate) fn abandon(&mut self) {
        self.held.writer = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.slot.is_partial() {
            self.held.writer = None;
        }
        if self.held.writer.is_some() {
            self.held.idle_since = self.writing.clock.monotonic();
            return;
        }
        self.writing.forget(self.chunk, &self.slot);
    }
}

/// A replica that is being written, as its readers have it.
pub(crate) struct Open {
    pub(crate) growing: Growing,
    visible: watch::Receiver<u64>,
    restarted: bool,
}

impl Open {
    /// Whether it was found at the start, and is in no pipeline since: others may show more.
    pub(crate) const fn restarted(&self) -> bool {
        self.restarted
    }

    /// Bytes that may be read.
    pub(crate) fn visible(&self) -> u64 {
        *self.visible.borrow()
    }

    /// Waits until `len` bytes may be read, or the replica is not being written any more.
    pub(crate) async fn reaches(&mut self, len: u64) {
        // An error says that it is gone.
        let _ = self.visible.wait_for(|visible| *visible >= len).await;
    }
}

/// How much of a replica may be read.
#[derive(Clone)]
pub(crate) struct Visible(Arc<Slot>);

impl Visible {
    /// `len` bytes are acknowledged.
    pub(crate) fn advance(&self, len: u64) {
        self.0.visible.send_if_modified(|visible| {
            let more = len > *visible;
            *visible = len.max(*visible);
            more
        });
    }
}

/// Whether a claim is still the newest.
pub(crate) struct Fence {
    number: u64,
    newest: watch::Receiver<u64>,
}

impl Fence {
    /// Waits until another claim comes.
    pub(crate) async fn fenced(&mut self) {
        let number = self.number;
        if self.newest.wait_for(|newest| *newest != number).await.is_err() {
            // The replica is gone, and with it everyone who could claim it.
            std::future::pending().await
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use chunkstore::{ChunkStore, Options, Reserve, VolumeDir};
    use env::clock::RealClock;
    use env::disk::SimDisk;
    use transfer::checksum;
    use types::{ClusterId, Generation, PoolId, StorageId};

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_replica_that_fails_gets_what_was_synced_of_it() {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
        let volume = VolumeDir {
            storage: StorageId::from_random_bytes([1; 16]),
            dir: "/volume".into(),
        };
        let options = Options {
            reserve: Reserve::Bytes(0),
            packed_max: 0,
            quarantine_retention: Duration::ZERO,
        };
        let pool = PoolId::of(ClusterId::from_random_bytes([1; 16]));
        let disk = Arc::new(SimDisk::new());
        let opened = ChunkStore::open(disk, Arc::clone(&clock), pool, vec![volume], options);
        let (store, _) = opened.unwrap();
        let writing = Writing::new(clock);
        let chunk = ChunkId::new(1).unwrap();
        let mut claim = (writing.begin(store.create(chunk, Generation(1)).unwrap())).unwrap();
        let (data, mut sums) = ([7; 512], Vec::new());
        checksum::append(&data, &mut sums);
        let writer = claim.writer().unwrap();
        writer.write(0, &data, &sums).unwrap();
        writer.sync().unwrap();
        writer.write(512, &data, &sums).unwrap();

        let waits = Arc::clone(&writing);
        let waiting = tokio::spawn(async move { waits.claim(chunk, Duration::from_secs(30)).await });
        claim.fence().fenced().await;
        claim.fail();
        drop(claim);
        let left = waiting.await.unwrap().unwrap().unwrap();
        assert!(left.restarted(), "it may be less than it was");
        assert_eq!(left.peek().unwrap().received(), 512);
    }
}
