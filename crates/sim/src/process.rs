//! A process: a runtime of one thread, whose time passes only when it is told to.

use std::future::Future;
use std::time::Duration;

use env::InlineStreams;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::Instant;

/// Dropping it ends the process at once, wherever it is.
pub(crate) struct Process {
    // First: its tasks end within the runtime.
    local: Option<LocalSet>,
    runtime: Runtime,
    streams: InlineStreams,
    base: Instant,
    born: Duration,
}

impl Process {
    /// Begins one at `now`, that runs nothing.
    pub(crate) fn new(now: Duration) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let base = runtime.block_on(async { Instant::now() });
        let (streams, serve) = InlineStreams::new();
        let local = LocalSet::new();
        local.spawn_local(serve);
        Ok(Self {
            local: Some(local),
            runtime,
            streams,
            base,
            born: now,
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

    /// Lets it run until `now`.
    pub(crate) fn run_until(&self, now: Duration) {
        let Some(local) = &self.local else { return };
        let _streams = self.streams.enter();
        let until = self.base + now.saturating_sub(self.born);
        local.block_on(&self.runtime, async { tokio::time::sleep_until(until).await });
    }

    /// Time has passed in which it did not run: it is `now` at once, and all timers that were due go off.
    pub(crate) fn skip_to(&self, now: Duration) {
        let Some(local) = &self.local else { return };
        let _streams = self.streams.enter();
        let passed = now.saturating_sub(self.born).saturating_sub(self.elapsed());
        local.block_on(&self.runtime, tokio::time::advance(passed));
    }

    fn elapsed(&self) -> Duration {
        let _context = self.runtime.enter();
        self.base.elapsed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _streams = self.streams.enter();
        let _context = self.runtime.enter();
        drop(self.local.take());
    }
}
