//! A process: a runtime of one thread, whose time passes only when it is told to.
//!
//! It runs until it has nothing to do any more, and says then when its next timer goes off: nobody has to ask it before, unless
//! something comes from outside. It learns that when its runtime wants to wait for the system ([`clock::wait`]).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use env::InlineStreams;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::clock;

/// Dropping it ends the process at once, wherever it is.
pub(crate) struct Process {
    // First: its tasks end within the runtime.
    local: Option<LocalSet>,
    runtime: Runtime,
    streams: InlineStreams,
    base: Instant,
    born: Duration,
    /// When it has something to do; none: only when something comes from outside.
    due: Cell<Option<Duration>>,
}

impl Process {
    /// Begins one at `now`, that runs nothing.
    pub(crate) fn new(now: Duration) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            // For who waits for input and output waits by a call that can be seen.
            .enable_io()
            .on_thread_unpark(clock::waited)
            .build()?;
        let (streams, serve) = InlineStreams::new();
        let local = LocalSet::new();
        local.spawn_local(serve);
        Ok(Self {
            local: Some(local),
            runtime,
            streams,
            base: Instant::now(),
            born: now,
            due: Cell::new(Some(now)),
        })
    }

    pub(crate) const fn base(&self) -> Instant {
        self.base
    }

    pub(crate) const fn born(&self) -> Duration {
        self.born
    }

    /// Adds a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if let Some(local) = &self.local {
            local.spawn_local(task);
        }
    }

    /// How many tasks it has, without its data streams.
    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// When it has something to do; none: only when something comes from outside.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due.get()
    }

    /// Something has come from outside: it has something to do at `now`.
    pub(crate) fn poke(&self, now: Duration) {
        self.due.set(Some(now));
    }

    /// It is `now`: lets it do all that it can.
    pub(crate) fn run(&self, now: Duration) {
        let Some(local) = &self.local else { return };
        let _streams = self.streams.enter();
        let wait = local.block_on(&self.runtime, idle());
        self.due.set(wait.map(|wait| now + wait));
    }
}

/// Resolves when there is nothing to do; says how long that will be so, or none: for ever.
async fn idle() -> Option<Duration> {
    clock::take_wait();
    poll_fn(|cx| match clock::take_wait() {
        Some(wait) => Poll::Ready(wait),
        None => {
            clock::wake_when_waited(cx.waker());
            Poll::Pending
        }
    })
    .await
}

impl Drop for Process {
    fn drop(&mut self) {
        let _streams = self.streams.enter();
        let _context = self.runtime.enter();
        drop(self.local.take());
    }
}
