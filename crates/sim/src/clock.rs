//! The time of the simulation, and the clocks of its hosts.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use env::clock::Clock;
use tokio::time::Instant;
use types::UnixMillis;

/// The date at which every simulation begins: the first second of 2030.
const BEGIN_MS: u64 = 1_893_456_000_000;

/// Nanoseconds since the simulation began, plus one; 0: there is none.
static NOW: AtomicU64 = AtomicU64::new(0);
/// What random bytes follow from.
static ENTROPY: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether a process runs on this thread.
    static RUNS: Cell<bool> = const { Cell::new(false) };
    /// For how long its runtime has wanted to wait for the system, since somebody asked; within: none, for ever.
    static WAIT: Cell<Option<Option<Duration>>> = const { Cell::new(None) };
    /// Who is told when it has.
    static WAITED: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// A runtime has nothing to do, and would wait for the system: for so many milliseconds at most, or for ever if there are less than
/// none. False when it is to: no process of a simulation runs here.
#[must_use]
pub fn wait(timeout_ms: i32) -> bool {
    let runs = RUNS.get();
    if runs && timeout_ms != 0 {
        WAIT.set(Some(u64::try_from(timeout_ms).ok().map(Duration::from_millis)));
    }
    runs
}

/// How long a runtime has wanted to wait since this was asked last; within: none, for ever. From the first question on, runtimes of this
/// thread do not wait.
pub(crate) fn take_wait() -> Option<Option<Duration>> {
    RUNS.set(true);
    WAIT.take()
}

/// Wakes who asked for it: a runtime has come back from waiting.
pub(crate) fn waited() {
    if let Some(waker) = WAITED.take() {
        waker.wake();
    }
}

/// See [`waited`].
pub(crate) fn wake_when_waited(waker: &Waker) {
    WAITED.with_borrow_mut(|waited| match waited {
        Some(known) => known.clone_from(waker),
        None => *waited = Some(waker.clone()),
    });
}

/// A simulation begins. All random bytes that this process asks the system for follow from `seed`.
pub(crate) fn begin(seed: u64) {
    ENTROPY.store(seed, Ordering::Relaxed);
    set(Duration::ZERO);
}

/// The simulation goes on.
pub(crate) fn set(now: Duration) {
    let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - 1);
    NOW.store(nanoseconds + 1, Ordering::Relaxed);
}

/// The time of the simulation; none as long as there is none.
#[must_use]
pub fn now() -> Option<Duration> {
    NOW.load(Ordering::Relaxed)
        .checked_sub(1)
        .map(Duration::from_nanos)
}

/// The date in the simulation.
#[must_use]
pub fn date() -> Option<Duration> {
    now().map(|now| Duration::from_millis(BEGIN_MS) + now)
}

/// The next random bytes; false as long as there is no simulation.
pub fn entropy(bytes: &mut [u8]) -> bool {
    if now().is_none() {
        return false;
    }
    for part in bytes.chunks_mut(8) {
        // SplitMix64.
        let state = ENTROPY.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        for (to, from) in part.iter_mut().zip(bits.to_le_bytes()) {
            *to = from;
        }
    }
    true
}

/// The clock of a host, as one process on it sees it.
pub(crate) struct HostClock {
    pub(crate) base: Instant,
    pub(crate) born: Duration,
    /// Milliseconds by which the host's date is wrong.
    pub(crate) skew_ms: Arc<AtomicI64>,
}

impl Clock for HostClock {
    fn monotonic(&self) -> Duration {
        self.base.elapsed()
    }

    fn wall(&self) -> UnixMillis {
        let right = u64::try_from((self.born + self.monotonic()).as_millis()).unwrap_or(u64::MAX);
        let skew = self.skew_ms.load(Ordering::Relaxed);
        UnixMillis(BEGIN_MS.saturating_add(right).saturating_add_signed(skew))
    }
}
