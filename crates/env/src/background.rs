//! Long work beside the requests: threads that give way to them, pauses, and producers that run ahead.
//!
//! In a simulation ([`Inline`](crate::Inline)) there is no second thread: all of it happens on the spot, and pauses take no
//! time.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::blocking::{blocking, is_inline, on_the_spot};

/// The lowest priority that the scheduler knows besides "only when idle".
const NICEST: i32 = 19;

/// Runs `f`, which may block and compute for long, on a thread of its own that every other thread has precedence over.
///
/// Not on the pool of [`blocking`]: an unprivileged thread that has lowered its priority can never raise it again.
///
/// A panic in `f` goes on in the caller. When the caller is dropped while it waits, `f` runs to its end all the same.
pub async fn background<T, F>(name: &str, f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if is_inline() {
        return on_the_spot(f).await;
    }
    let (done, outcome) = oneshot::channel();
    let (begin, begun) = mpsc::sync_channel::<F>(1);
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        give_way();
        if let Ok(f) = begun.recv() {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            // Who does not wait any more has no use for it.
            let _ = done.send(outcome);
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "could not start a thread for background work; it runs among the other blocking calls");
        return blocking(f).await;
    }
    // The thread waits for it, so it can not fail.
    let _ = begin.send(f);
    match outcome.await {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        // The thread always answers, unless the process is ending.
        Err(_) => std::future::pending().await,
    }
}

/// Blocks this thread for a while: a pause in background work, so that others get the disk and the processor.
pub fn pause(time: Duration) {
    if !time.is_zero() && !is_inline() {
        thread::sleep(time);
    }
}

/// Lets every other thread go first. Where the system refuses, this thread is as the others.
fn give_way() {
    // To Linux, "this process" is this thread here.
    if let Err(error) = rustix::process::setpriority_process(None, NICEST) {
        tracing::debug!(%error, "could not lower the priority of a background thread");
    }
}

/// The items of a producer that works ahead on a thread of its own, at most `depth` items; in a simulation, one that works
/// when it is asked. Dropping it ends the thread after the item that it works on.
pub struct Ahead<T>(Source<T>);

enum Source<T> {
    Thread(mpsc::Receiver<T>),
    Inline(Box<dyn FnMut() -> Option<T> + Send>),
}

impl<T: Send + 'static> Ahead<T> {
    /// Calls `produce` until it gives none. Where the system has no thread to give, it works when it is asked.
    #[must_use]
    pub fn start<F>(name: &str, depth: usize, produce: F) -> Self
    where
        F: FnMut() -> Option<T> + Send + 'static,
    {
        if is_inline() {
            return Self(Source::Inline(Box::new(produce)));
        }
        // One item is always in the producer's hands.
        let (sender, items) = mpsc::sync_channel(depth.saturating_sub(1));
        let (begin, begun) = mpsc::sync_channel::<F>(1);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let Ok(mut produce) = begun.recv() else { return };
            while let Some(item) = produce() {
                if sender.send(item).is_err() {
                    break;
                }
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "could not start a thread to read ahead");
            return Self(Source::Inline(Box::new(produce)));
        }
        // The thread waits for it, so it can not fail.
        let _ = begin.send(produce);
        Self(Source::Thread(items))
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Thread(items) => items.recv().ok(),
            Source::Inline(produce) => produce(),
        }
    }
}

impl<T> std::fmt::Debug for Ahead<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inline;

    #[tokio::test]
    async fn background_work_runs_on_a_thread_that_gives_way() {
        let here = thread::current().id();
        let (thread, priority) = background("test", || {
            let priority = rustix::process::getpriority_process(None).unwrap();
            (thread::current().id(), priority)
        })
        .await;
        assert_ne!(thread, here);
        assert_eq!(priority, NICEST);
        let mine = rustix::process::getpriority_process(None).unwrap();
        assert_ne!(mine, NICEST, "only that thread");
        let _inline = Inline::enter();
        assert_eq!(background("test", || thread::current().id()).await, here);
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller() {
        let caller = tokio::spawn(background("test", || panic!("no disk")));
        let panic = caller.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"no disk"));
    }

    #[test]
    fn what_is_produced_ahead_comes_in_order_on_a_thread_and_inline() {
        let counter = || {
            let mut next = 0;
            move || {
                next += 1;
                (next <= 100).then_some(next)
            }
        };
        let all: Vec<u32> = (1..=100).collect();
        let ahead = Ahead::start("test", 4, counter());
        assert_eq!(ahead.collect::<Vec<_>>(), all);
        let first = Ahead::start("test", 1, counter()).next();
        assert_eq!(first, Some(1));
        let _inline = Inline::enter();
        let ahead = Ahead::start("test", 4, counter());
        assert_eq!(ahead.collect::<Vec<_>>(), all);
    }
}
