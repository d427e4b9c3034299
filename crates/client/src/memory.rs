//! The memory that packets may take, of all writers and readers together.
//!
//! # The bound
//! Packet bytes in use are at most the budget, plus one packet for each open writer and each chunk being streamed (of
//! which a stream has at most two at a time). Buffers that rest in pools are at most half of the budget.
//!
//! # Why nobody waits for ever
//! A packet is reserved in the name of a [`Share`]: a writer, or a stream of one chunk. A share that holds nothing gets its
//! reservation at once, past the budget if need be. So a share that waits holds at least one packet already, and that
//! packet is on its way out of our hands without the budget's help: one that was written is given back when it is
//! acknowledged or its pipeline is given up (both within time limits), one that was read when its reader takes it. When
//! the last of them is given back the waiting share holds nothing, and is served. No share ever depends on what
//! *another* one holds: a writer that its program leaves alone half-full, or a stream that nobody reads from, stops nobody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Permits are counted in units of so many bytes.
const UNIT_BYTES: u64 = 512;

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// The budget of a file system. Clones are the same budget.
#[derive(Clone)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    total: u32,
}

/// Whoever reserves: counts what it holds. Clones are the same share.
#[derive(Clone, Default)]
pub(crate) struct Share(Arc<Holding>);

#[derive(Default)]
struct Holding {
    reservations: AtomicUsize,
    emptied: Notify,
}

/// Room for one packet; given back when it is dropped.
pub(crate) struct Reservation {
    /// None: past the budget, as the only one of its share.
    _permit: Option<OwnedSemaphorePermit>,
    share: Share,
}

impl Reservation {
    fn new(permit: Option<OwnedSemaphorePermit>, share: &Share) -> Self {
        share.0.reservations.fetch_add(1, Ordering::AcqRel);
        Self {
            _permit: permit,
            share: share.clone(),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.share.0.reservations.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.share.0.emptied.notify_one();
        }
    }
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = units(bytes).max(1);
        Self {
            free: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits for room for `bytes`. One caller at a time for each share.
    pub(crate) async fn reserve(&self, share: &Share, bytes: u64) -> Reservation {
        let wanted = units(bytes).min(self.total);
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(wanted) {
                return Reservation::new(Some(permit), share);
            }
            if share.0.reservations.load(Ordering::Acquire) == 0 {
                return Reservation::new(None, share);
            }
            tokio::select! {
                permit = Arc::clone(&self.free).acquire_many_owned(wanted) => {
                    // The semaphore is never closed; were it, past the budget is better than not at all.
                    return Reservation::new(permit.ok(), share);
                }
                () = share.0.emptied.notified() => {}
            }
        }
    }
}

/// Buffers to be used again: up to a number of them rest here.
pub(crate) struct Pool<T> {
    resting: Mutex<Vec<T>>,
    max: usize,
}

impl<T> Pool<T> {
    /// A pool of buffers of `each` bytes that keeps at most `bytes` of them.
    pub(crate) fn new(bytes: u64, each: u64) -> Self {
        let max = usize::try_from(bytes / each.max(1)).unwrap_or(usize::MAX).max(1);
        Self {
            resting: Mutex::new(Vec::new()),
            max,
        }
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(crate) fn give(&self, buffer: T) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < self.max {
            resting.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_share_that_holds_nothing_is_served_past_the_budget() {
        let budget = Budget::new(4096);
        let (full, empty) = (Share::default(), Share::default());
        let _held = budget.reserve(&full, 4096).await;
        let _first = budget.reserve(&empty, 4096).await;
    }

    #[tokio::test]
    async fn a_share_that_holds_something_waits_for_its_own_or_for_room() {
        let budget = Budget::new(4096);
        let (one, other) = (Share::default(), Share::default());
        let of_one = budget.reserve(&one, 4096).await;
        let of_other = budget.reserve(&other, 4096).await;

        let waiting = {
            let (budget, other) = (budget.clone(), other.clone());
            tokio::spawn(async move { budget.reserve(&other, 4096).await })
        };
        tokio::task::yield_now().await;
        assert!(
            !waiting.is_finished(),
            "it holds a packet, and the budget is used up"
        );
        drop(of_other);
        let of_other = waiting.await.unwrap();

        let waiting = tokio::spawn(async move { budget.reserve(&other, 4096).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(of_one);
        waiting.await.unwrap();
        drop(of_other);
    }

    #[tokio::test]
    async fn many_writers_that_never_finish_their_packet_do_not_stop_one_that_does() {
        let budget = Budget::new(1 << 20);
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(budget.reserve(&Share::default(), 512 << 10).await);
        }
        let busy = Share::default();
        for _ in 0..100 {
            drop(budget.reserve(&busy, 512 << 10).await);
        }
    }

    #[test]
    fn pools_keep_so_many() {
        let pool = Pool::new(1024, 512);
        (0..5).for_each(|buffer| pool.give(buffer));
        assert_eq!([pool.take(), pool.take(), pool.take()], [Some(1), Some(0), None]);
    }
}
