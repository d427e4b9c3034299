//! What the leading master orders and takes time: copies to other datanodes, replicas to be read again or taken back out
//! of quarantine, and deletions. None of it runs beside a heartbeat that waits for it.
//!
//! ```text
//! heartbeat's answer ──▶ Queue ──▶ workers (a thread each) ── copy ──▶ other datanodes
//!                          │
//!                          ├─────▶ checks ── verify, restore ──▶ Changes ──▶ every master
//!                          └─────▶ deletions ── quarantine ────▶ Changes
//!          failures ◀── Failures, one a master ◀── what came to nothing
//! ```
//!
//! # Guarantees
//! - Only orders of a master that leads, and whose term is the highest that was seen, get here; one that waited while a
//!   later leader appeared is dropped.
//! - An order ends in one of two ways: what was wanted is on disk and reported by the datanode that has it, or the master
//!   that gave the order hears why not. A datanode that ends or dies says neither: orders are not kept.
//! - A replica is deleted only in the generation that was named, by a leader that still is one by then; it rests in
//!   quarantine. Nothing here destroys one.
//!
//! # Bounds
//! [`queue`] has them: what waits and what runs at once. Copies are held to the bytes a second of their order, and all
//! together to those of the configuration.

mod checks;
mod copies;
mod deletions;
mod failures;
mod queue;
mod throttle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;
use types::Term;

pub(crate) use failures::{Failed, Failures};
pub(crate) use queue::{Check, Copy, Deletion, Giver, Task};
pub(crate) use throttle::Throttle;

use crate::node::Node;
use queue::Queue;

/// The orders of a datanode.
pub(crate) struct Orders {
    queue: Queue,
    copies_wait: Notify,
    checks_wait: Notify,
    deletions_wait: Notify,
    /// The limit on all copies together.
    total: Throttle,
    /// Replicas that are copied, in either direction.
    copying: AtomicU32,
    /// The lowest term of those that were begun since somebody asked.
    oldest: AtomicU64,
}

/// No order was begun.
const NONE: u64 = u64::MAX;

impl Orders {
    /// No orders; copies may send so many bytes a second together, 0: as many as they can.
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self {
            queue: Queue::default(),
            copies_wait: Notify::new(),
            checks_wait: Notify::new(),
            deletions_wait: Notify::new(),
            total: Throttle::new(bytes_per_s),
            copying: AtomicU32::new(0),
            oldest: AtomicU64::new(NONE),
        }
    }

    /// Notes that an order of this term is carried out from now on. Whether it may be was asked before.
    fn begun(&self, term: Term) {
        self.oldest.fetch_min(term.as_u64(), Ordering::Relaxed);
    }

    /// The lowest term of the orders that were begun since this was asked last.
    pub(crate) fn take_oldest(&self) -> Option<Term> {
        let oldest = self.oldest.swap(NONE, Ordering::Relaxed);
        (oldest != NONE).then_some(Term(oldest))
    }

    pub(crate) fn copy(&self, copy: Copy) {
        self.queue.push_copy(copy);
        self.copies_wait.notify_one();
    }

    pub(crate) fn check(&self, check: Check) {
        self.queue.push_check(check);
        self.checks_wait.notify_one();
    }

    pub(crate) fn delete(&self, deletion: Deletion) {
        self.queue.push_deletion(deletion);
        self.deletions_wait.notify_one();
    }

    /// How many replicas are being copied, in either direction.
    pub(crate) fn copying(&self) -> u32 {
        self.copying.load(Ordering::Relaxed)
    }

    /// Counts a replica that is being copied, until it is dropped.
    pub(crate) fn begin_copy(&self) -> Copying<'_> {
        self.copying.fetch_add(1, Ordering::Relaxed);
        Copying(self)
    }
}

/// A replica that is being copied.
pub(crate) struct Copying<'a>(&'a Orders);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.0.copying.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Carries orders out until the datanode ends.
pub(crate) async fn run(node: Arc<Node>) {
    tokio::join!(copies::run(&node), checks::run(&node), deletions::run(&node));
}
