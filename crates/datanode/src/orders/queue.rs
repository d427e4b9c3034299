//! What was ordered and waits: bounded, each thing once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chunkstore::Victim;
use transfer::Node as Peer;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, StorageId, Term};

use super::failures::Failures;

/// Copies that wait.
const COPIES_WAITING_MAX: usize = 4_096;

/// Verifications and restorations that wait.
const CHECKS_WAITING_MAX: usize = 20_000;

/// Deletions that wait.
const DELETIONS_WAITING_MAX: usize = 100_000;

/// Large copies that run at once.
const LARGE_MAX: usize = 8;

/// All copies that run at once: small ones mostly wait for syncs.
pub(super) const WORKERS_MAX: usize = 24;

/// Copies up to this length are small.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// A replica to be copied to another datanode.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) extent: ChunkExtent,
    pub(crate) target: Peer,
    /// On which of the target's storages, if that can be.
    pub(crate) target_storage: Option<StorageId>,
    /// 0: no limit.
    pub(crate) bytes_per_s: u64,
    pub(crate) by: Giver,
}

/// What is to be done with a replica that is here, or rests in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// Read it again.
    Verify,
    /// Take it back.
    Restore,
}

/// A [`Task`] for one replica.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) task: Task,
    pub(crate) chunk: ChunkId,
    pub(crate) generation: Generation,
    pub(crate) by: Giver,
}

/// A replica to be deleted, in exactly this generation.
#[derive(Debug, Clone)]
pub(crate) struct Deletion {
    pub(crate) chunk: ChunkId,
    pub(crate) generation: Generation,
    pub(crate) which: Victim,
    pub(crate) by: Giver,
    /// When it came, by the clock of the process.
    pub(crate) came: Duration,
}

/// Who gave an order: the leader of a term, and where it hears what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Giver {
    pub(crate) term: Term,
    pub(crate) failures: Arc<Failures>,
}

type CopyKey = (ChunkId, Generation, DatanodeId);
type CheckKey = (Task, ChunkId, Generation);

impl Copy {
    pub(super) fn failed(&self, reason: &str) {
        let ChunkExtent {
            chunk, generation, ..
        } = self.extent;
        self.by.failures.push(chunk, generation, reason);
    }

    const fn key(&self) -> CopyKey {
        (self.extent.chunk, self.extent.generation, self.target.id)
    }

    const fn is_small(&self) -> bool {
        self.extent.len <= SMALL_BYTES_MAX
    }
}

impl Check {
    pub(super) fn failed(&self, reason: &str) {
        self.by.failures.push(self.chunk, self.generation, reason);
    }

    const fn key(&self) -> CheckKey {
        (self.task, self.chunk, self.generation)
    }
}

impl Deletion {
    pub(super) fn failed(&self, reason: &str) {
        self.by.failures.push(self.chunk, self.generation, reason);
    }
}

#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    large: VecDeque<Copy>,
    small: VecDeque<Copy>,
    /// Those that wait and those that run.
    copies: HashSet<CopyKey>,
    large_running: usize,
    workers: usize,
    /// Those of the workers that have not looked for work yet.
    hired: usize,
    checks: VecDeque<Check>,
    waiting_checks: HashSet<CheckKey>,
    /// The same one twice does no harm: the second finds nothing.
    deletions: VecDeque<Deletion>,
}

/// A copy that runs, until it is dropped.
pub(super) struct Running<'a> {
    queue: &'a Queue,
    pub(super) copy: Copy,
}

/// A worker, until it is dropped.
pub(super) struct Worker<'a> {
    queue: &'a Queue,
    hired: bool,
    retired: bool,
}

impl Queue {
    /// Takes an order up, unless it is known already. One that finds no room fails.
    pub(super) fn push_copy(&self, copy: Copy) {
        let mut state = self.lock();
        if state.large.len() + state.small.len() >= COPIES_WAITING_MAX {
            drop(state);
            copy.failed("this datanode has as many copies to make as it takes up at once");
        } else if state.copies.insert(copy.key()) {
            if copy.is_small() {
                state.small.push_back(copy);
            } else {
                state.large.push_back(copy);
            }
        }
    }

    /// Takes an order up, unless it waits already. One that finds no room fails.
    pub(super) fn push_check(&self, check: Check) {
        let mut state = self.lock();
        if state.checks.len() >= CHECKS_WAITING_MAX {
            drop(state);
            check.failed("this datanode has as many replicas to verify as it takes up at once");
        } else if state.waiting_checks.insert(check.key()) {
            state.checks.push_back(check);
        }
    }

    /// Takes an order up. One that finds no room fails.
    pub(super) fn push_deletion(&self, deletion: Deletion) {
        let mut state = self.lock();
        if state.deletions.len() >= DELETIONS_WAITING_MAX {
            drop(state);
            deletion.failed("this datanode has as many replicas to delete as it takes up at once");
        } else {
            state.deletions.push_back(deletion);
        }
    }

    /// Up to `limit` deletions, the oldest first.
    pub(super) fn next_deletions(&self, limit: usize) -> Vec<Deletion> {
        let waiting = &mut self.lock().deletions;
        let count = waiting.len().min(limit);
        waiting.drain(..count).collect()
    }

    pub(super) fn next_check(&self) -> Option<Check> {
        let mut state = self.lock();
        let check = state.checks.pop_front()?;
        state.waiting_checks.remove(&check.key());
        Some(check)
    }

    /// A worker, when there is work for one more.
    pub(super) fn hire(&self) -> bool {
        let mut state = self.lock();
        let free_large = LARGE_MAX.saturating_sub(state.large_running);
        let work = state.small.len() + state.large.len().min(free_large);
        let hire = work > state.hired && state.workers < WORKERS_MAX;
        state.workers += usize::from(hire);
        state.hired += usize::from(hire);
        hire
    }

    /// The worker that was hired begins, or will never begin (then the value is dropped).
    pub(super) const fn worker(&self) -> Worker<'_> {
        Worker {
            queue: self,
            hired: true,
            retired: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Worker<'a> {
    /// The next copy to make; with none, the worker has retired.
    pub(super) fn next(&mut self) -> Option<Running<'a>> {
        let mut state = self.queue.lock();
        state.hired -= usize::from(std::mem::take(&mut self.hired));
        let large = if state.large_running < LARGE_MAX {
            state.large.pop_front()
        } else {
            None
        };
        state.large_running += usize::from(large.is_some());
        let next = large.or_else(|| state.small.pop_front());
        match next {
            Some(copy) => Some(Running {
                queue: self.queue,
                copy,
            }),
            None => {
                // In one step with the look into the queue: what comes after it finds a worker less.
                state.workers -= 1;
                self.retired = true;
                None
            }
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if !self.retired {
            let mut state = self.queue.lock();
            state.workers -= 1;
            state.hired -= usize::from(self.hired);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.copies.remove(&self.copy.key());
        state.large_running -= usize::from(!self.copy.is_small());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(chunk: u64, len: u64, failures: &Arc<Failures>) -> Copy {
        Copy {
            extent: ChunkExtent {
                chunk: ChunkId::new(chunk).unwrap(),
                generation: Generation(1),
                len,
            },
            target: Peer::new(DatanodeId::from_random_bytes([1; 16]), "node:1").unwrap(),
            target_storage: None,
            bytes_per_s: 0,
            by: giver(failures),
        }
    }

    fn giver(failures: &Arc<Failures>) -> Giver {
        Giver {
            term: Term(1),
            failures: Arc::clone(failures),
        }
    }

    #[test]
    fn each_copy_is_made_once_and_large_ones_leave_room_for_small_ones() {
        let (queue, failures) = (Queue::default(), Arc::<Failures>::default());
        for _ in 0..2 {
            for chunk in 1..=LARGE_MAX as u64 + 2 {
                queue.push_copy(copy(chunk, SMALL_BYTES_MAX + 1, &failures));
            }
            queue.push_copy(copy(100, SMALL_BYTES_MAX, &failures));
        }
        let mut workers = Vec::new();
        while queue.hire() {
            workers.push(queue.worker());
        }
        assert_eq!(workers.len(), LARGE_MAX + 1);
        let mut running = Vec::new();
        for worker in &mut workers {
            running.extend(worker.next());
        }
        let large = |running: &[Running<'_>]| running.iter().filter(|r| !r.copy.is_small()).count();
        assert_eq!((running.len(), large(&running)), (LARGE_MAX + 1, LARGE_MAX));
        assert!(!queue.hire(), "the other large ones wait for these");
        // Known as long as it runs, and a new order afterwards.
        queue.push_copy(copy(1, SMALL_BYTES_MAX + 1, &failures));
        running.remove(0);
        assert!(queue.hire());
        let mut worker = queue.worker();
        assert_eq!(worker.next().unwrap().copy.extent.chunk.as_u64(), 9);
        queue.push_copy(copy(1, SMALL_BYTES_MAX + 1, &failures));
        assert_eq!(worker.next().unwrap().copy.extent.chunk.as_u64(), 10);
        assert_eq!(worker.next().unwrap().copy.extent.chunk.as_u64(), 1);
        assert!(worker.next().is_none());
        drop((running, workers, worker));
        let state = queue.lock();
        assert_eq!((state.workers, state.hired, state.large_running), (0, 0, 0));
        assert!(state.copies.is_empty());
        drop(state);
        assert!(failures.take(1).is_empty());
    }

    #[test]
    fn what_finds_no_room_fails() {
        let (queue, failures) = (Queue::default(), Arc::<Failures>::default());
        for chunk in 1..=COPIES_WAITING_MAX as u64 + 1 {
            queue.push_copy(copy(chunk, 1, &failures));
        }
        assert_eq!(failures.take(9).len(), 1);
        for task in [Task::Verify, Task::Verify, Task::Restore] {
            for chunk in 1..=CHECKS_WAITING_MAX as u64 / 2 {
                queue.push_check(Check {
                    task,
                    chunk: ChunkId::new(chunk).unwrap(),
                    generation: Generation(1),
                    by: giver(&failures),
                });
            }
        }
        assert!(failures.take(9).is_empty(), "each once");
        queue.push_check(Check {
            task: Task::Verify,
            chunk: ChunkId::new(1 << 40).unwrap(),
            generation: Generation(7),
            by: giver(&failures),
        });
        let failed = failures.take(9);
        assert_eq!((failed.len(), failed[0].generation), (1, Generation(7)));
        for chunk in 1..=DELETIONS_WAITING_MAX as u64 + 2 {
            queue.push_deletion(Deletion {
                chunk: ChunkId::new(chunk).unwrap(),
                generation: Generation(1),
                which: Victim::Any,
                by: giver(&failures),
                came: Duration::ZERO,
            });
        }
        assert_eq!(failures.take(9).len(), 2);
        assert_eq!(queue.next_deletions(10)[9].chunk.as_u64(), 10);
        assert_eq!(queue.next_deletions(usize::MAX).len(), DELETIONS_WAITING_MAX - 10);
        let mut checks = 0;
        while queue.next_check().is_some() {
            checks += 1;
        }
        assert_eq!(checks, CHECKS_WAITING_MAX);
    }
}
