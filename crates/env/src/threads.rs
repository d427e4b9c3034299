//! Threads for bulk streams.
//!
//! A data stream is a long loop of socket and disk calls. On a thread of its own, with its own runtime, its code is async
//! like all other code (and runs unchanged in a simulation), while a blocking disk call in it holds up no other stream.
//!
//! Guarantees: never more than `max` streams at once; threads that are idle are used again, and end after a while;
//! a stream's local tasks end with it; dropping the pool ends every stream at its next await.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::blocking::{as_a_thread, is_inline};

thread_local! {
    /// Of the simulated process that runs now.
    static STREAMS: RefCell<Option<mpsc::UnboundedSender<Start>>> = const { RefCell::new(None) };
}

/// How long a thread waits for another stream before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// No further stream can be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {max} streams are in use")]
pub struct AtCapacity {
    /// How many streams there may be.
    pub max: usize,
}

type Stream = Pin<Box<dyn Future<Output = ()>>>;

type Start = Box<dyn FnOnce() -> Stream + Send>;

/// A stream that was admitted.
struct Job {
    start: Start,
    active: Active,
}

/// A bounded pool of threads, each with a runtime that serves one stream at a time.
#[derive(Debug)]
pub struct StreamThreads {
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    /// Work for an idle thread, or the end.
    wake: Condvar,
    /// The number of streams, for those who wait for them to end.
    active: watch::Sender<usize>,
    closing: watch::Receiver<bool>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Threads that wait on `wake`. Never fewer than `queue` is long.
    idle: usize,
    threads: usize,
    named: usize,
    queue: VecDeque<Job>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("closed", &self.closed)
            .field("idle", &self.idle)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl StreamThreads {
    /// A pool for at most `max` streams at once. Threads are started as they are needed.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self::with_idle_timeout(max, IDLE_TIMEOUT)
    }

    /// As [`StreamThreads::new`], with the time that a thread waits for another stream before it ends.
    #[must_use]
    pub fn with_idle_timeout(max: usize, idle_timeout: Duration) -> Self {
        let (closing, closing_seen) = watch::channel(false);
        Self {
            shared: Arc::new(Shared {
                max,
                idle_timeout,
                state: Mutex::default(),
                wake: Condvar::new(),
                active: watch::channel(0).0,
                closing: closing_seen,
            }),
            closing,
        }
    }

    /// Calls `f` on a thread of the pool, and runs what it returns there to its end. The thread may block at will.
    ///
    /// # Errors
    /// When `max` streams run, or the system has no more threads to give.
    pub fn spawn<F, Fut>(&self, f: F) -> Result<(), AtCapacity>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let active = self.shared.admit()?;
        let closing = self.shared.closing.clone();
        if is_inline() {
            inline(Box::new(move || {
                Box::pin(async move {
                    let _active = active;
                    as_a_thread(until_closed(f, closing)).await;
                })
            }));
            return Ok(());
        }
        let job = Job {
            start: Box::new(move || Box::pin(until_closed(f, closing))),
            active,
        };
        let mut state = self.shared.lock();
        if state.idle > state.queue.len() {
            state.queue.push_back(job);
            self.shared.wake.notify_one();
            return Ok(());
        }
        state.threads += 1;
        state.named += 1;
        let name = format!("stream-{}", state.named);
        drop(state);
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name(name).spawn(move || shared.serve(job));
        if let Err(error) = started {
            tracing::warn!(%error, "could not start a thread for a stream");
            self.shared.lock().threads -= 1;
            return Err(AtCapacity { max: self.shared.max });
        }
        Ok(())
    }

    /// How many streams run.
    #[must_use]
    pub fn active(&self) -> usize {
        *self.shared.active.borrow()
    }

    /// How many streams may run at once.
    #[must_use]
    pub fn max(&self) -> usize {
        self.shared.max
    }

    /// Ends every stream at its next await, and waits until all have ended.
    pub async fn shutdown(self) {
        let mut active = self.shared.active.subscribe();
        drop(self);
        // The sender is gone only when every thread is.
        let _ = active.wait_for(|streams| *streams == 0).await;
    }
}

impl Drop for StreamThreads {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.closing.send_replace(true);
        self.shared.wake.notify_all();
    }
}

/// Runs the stream until it ends by itself or the pool is closed.
async fn until_closed<F, Fut>(f: F, mut closing: watch::Receiver<bool>)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = ()>,
{
    let stream = f();
    tokio::select! {
        biased;
        _ = closing.wait_for(|closed| *closed) => {}
        () = stream => {}
    }
}

/// In a simulation: what stands for the threads of one process. Its streams run on the process's own `LocalSet`, wherever in the
/// process they are started.
pub struct InlineStreams {
    sender: mpsc::UnboundedSender<Start>,
}

/// As long as it lives, the streams that are started are those of its process.
pub struct InlineStreamsEntered(Option<mpsc::UnboundedSender<Start>>);

impl InlineStreams {
    /// For a process, and the task that its `LocalSet` is to run.
    pub fn new() -> (Self, impl Future<Output = ()>) {
        let (sender, mut started) = mpsc::unbounded_channel::<Start>();
        let serve = async move {
            while let Some(start) = started.recv().await {
                tokio::task::spawn_local(start());
            }
        };
        (Self { sender }, serve)
    }

    /// The process runs now, on this thread.
    #[must_use]
    pub fn enter(&self) -> InlineStreamsEntered {
        InlineStreamsEntered(STREAMS.replace(Some(self.sender.clone())))
    }
}

impl Drop for InlineStreamsEntered {
    fn drop(&mut self) {
        STREAMS.set(self.0.take());
    }
}

/// Runs a stream on this thread.
fn inline(start: Start) {
    let sender = STREAMS.with_borrow(Clone::clone);
    match sender {
        // When the process has ended, so has the stream.
        Some(sender) => drop(sender.send(start)),
        None => drop(tokio::task::spawn_local(start())),
    }
}

/// A place among the `max` streams; given back on drop.
struct Active(Arc<Shared>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.send_modify(|streams| *streams -= 1);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>) -> Result<Active, AtCapacity> {
        let admitted = self.active.send_if_modified(|streams| {
            let free = *streams < self.max;
            *streams += usize::from(free);
            free
        });
        if admitted {
            Ok(Active(Arc::clone(self)))
        } else {
            Err(AtCapacity { max: self.max })
        }
    }

    /// A thread's life.
    fn serve(self: Arc<Self>, first: Job) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "could not make the runtime of a stream");
                self.lock().threads -= 1;
                return;
            }
        };
        let mut job = Some(first);
        while let Some(Job { start, active }) = job {
            run(&runtime, start);
            // First idle, then free: who is admitted because of this finds an idle thread.
            self.lock().idle += 1;
            drop(active);
            job = self.next();
        }
        // Calls that the streams left behind in `env::blocking` are not waited for.
        runtime.shutdown_background();
    }

    /// Waits, as an idle thread, for another stream; none when it is time to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let job = loop {
            if let Some(job) = state.queue.pop_front() {
                break Some(job);
            }
            if state.closed {
                break None;
            }
            let (guard, waited) = self
                .wake
                .wait_timeout(state, self.idle_timeout)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if waited.timed_out() && state.queue.is_empty() {
                break None;
            }
        };
        state.idle -= 1;
        if job.is_none() {
            state.threads -= 1;
        }
        job
    }
}

/// Runs one stream. Its local tasks end with it; a panic in it is its own affair.
fn run(runtime: &Runtime, start: Start) {
    let local = LocalSet::new();
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        local.block_on(runtime, async move { start().await });
        let _context = runtime.enter();
        drop(local);
    }));
    if outcome.is_err() {
        // The panic hook has printed the details.
        tracing::error!("a stream ended by a panic");
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::mpsc;

    use super::*;

    /// Waits for the number of active streams.
    async fn active(threads: &StreamThreads, wanted: usize) {
        let mut active = threads.shared.active.subscribe();
        active.wait_for(|streams| *streams == wanted).await.unwrap();
    }

    #[tokio::test]
    async fn streams_run_beside_each_other_and_may_block() {
        let threads = StreamThreads::new(2);
        let (to_second, from_first) = mpsc::channel();
        let (done, finished) = tokio::sync::oneshot::channel();
        threads
            .spawn(move || async move {
                // Blocks its thread until the other stream has run.
                assert_eq!(from_first.recv(), Ok(7));
                done.send(thread::current().name().map(str::to_owned)).unwrap();
            })
            .unwrap();
        threads
            .spawn(move || async move {
                let not_send = Rc::new(7);
                tokio::task::yield_now().await;
                to_second.send(*not_send).unwrap();
            })
            .unwrap();
        assert_eq!(finished.await.unwrap().as_deref(), Some("stream-1"));
        active(&threads, 0).await;
    }

    #[tokio::test]
    async fn it_is_bounded_and_threads_are_used_again() {
        let threads = StreamThreads::new(2);
        for _ in 0..3 {
            let mut ends = Vec::new();
            for _ in 0..2 {
                let (end, ended) = tokio::sync::oneshot::channel::<()>();
                ends.push(end);
                threads
                    .spawn(|| async {
                        let _ = ended.await;
                    })
                    .unwrap();
            }
            assert_eq!(threads.active(), 2);
            assert_eq!(threads.spawn(|| async {}), Err(AtCapacity { max: 2 }));
            drop(ends);
            active(&threads, 0).await;
        }
        assert_eq!(threads.shared.lock().named, 2, "two threads served six streams");
    }

    #[tokio::test]
    async fn an_idle_thread_ends() {
        let threads = StreamThreads::with_idle_timeout(1, Duration::ZERO);
        threads.spawn(|| async {}).unwrap();
        active(&threads, 0).await;
        while threads.shared.lock().threads > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        threads.spawn(|| async {}).unwrap();
        active(&threads, 0).await;
    }

    #[tokio::test]
    async fn a_panic_and_a_forgotten_task_end_with_their_stream() {
        let threads = StreamThreads::new(1);
        threads
            .spawn(|| async {
                panic!("a stream's own affair");
            })
            .unwrap();
        active(&threads, 0).await;
        let (dropped, seen) = tokio::sync::oneshot::channel::<()>();
        threads
            .spawn(|| async {
                tokio::task::spawn_local(async move {
                    let _dropped = dropped;
                    std::future::pending::<()>().await;
                });
                tokio::task::yield_now().await;
            })
            .unwrap();
        active(&threads, 0).await;
        assert!(seen.await.is_err());
    }

    #[tokio::test]
    async fn shutdown_ends_the_streams() {
        let threads = StreamThreads::new(4);
        for _ in 0..4 {
            threads.spawn(std::future::pending::<()>).unwrap();
        }
        threads.shutdown().await;
    }

    #[tokio::test]
    async fn inline_streams_stay_on_the_thread() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let _inline = crate::Inline::enter();
                let threads = StreamThreads::new(1);
                let here = thread::current().id();
                let (tell, told) = tokio::sync::oneshot::channel();
                threads
                    .spawn(move || async move {
                        tell.send(thread::current().id()).unwrap();
                    })
                    .unwrap();
                assert_eq!(told.await, Ok(here));
                active(&threads, 0).await;
            })
            .await;
    }

    #[tokio::test]
    async fn inline_streams_may_be_started_from_any_task_of_their_process() {
        let (streams, serve) = InlineStreams::new();
        let local = LocalSet::new();
        local.spawn_local(serve);
        let started = local.run_until(async {
            let _inline = crate::Inline::enter();
            let _entered = streams.enter();
            // Not a task of the `LocalSet`.
            tokio::spawn(async {
                let threads = StreamThreads::new(1);
                let (tell, told) = tokio::sync::oneshot::channel();
                threads
                    .spawn(move || async move { tell.send(*Rc::new(7)).unwrap() })
                    .unwrap();
                told.await
            })
            .await
        });
        assert_eq!(started.await.unwrap(), Ok(7));
    }
}
