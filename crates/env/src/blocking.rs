//! The one seam between async code and calls that block (the disk above all).
//!
//! In the real world a blocking call goes to the runtime's threads for such calls. In a simulation there must be no
//! second thread, or the order of events would no longer follow from the seed: there it runs on the spot.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

thread_local! {
    static INLINE: Cell<bool> = const { Cell::new(false) };
    static OWED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `f`, which may block, without holding up the other tasks of this thread.
///
/// A panic in `f` goes on in the caller. When the caller is dropped while it waits, `f` runs to its end all the same.
pub async fn blocking<T, F>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if is_inline() {
        return on_the_spot(f).await;
    }
    match tokio::task::spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never started: the runtime is being shut down, and this task will be dropped with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// While it lives, this thread makes no other threads: [`blocking`] calls run on the spot, and
/// [`StreamThreads`](crate::StreamThreads) spawns onto this thread's `LocalSet`.
#[derive(Debug)]
pub struct Inline {
    before: bool,
    // The guard belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl Inline {
    /// Starts it: the first line of a simulation.
    #[must_use]
    pub fn enter() -> Self {
        Self {
            before: INLINE.replace(true),
            _not_send: PhantomData,
        }
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        INLINE.set(self.before);
    }
}

pub(crate) fn is_inline() -> bool {
    INLINE.get()
}

/// Where nothing may block, what would have takes its time at the end of the call that it is in: of [`blocking`], of
/// [`background`](crate::background), or of a stream between two awaits.
pub(crate) fn owe(time: Duration) {
    OWED.set(OWED.get().saturating_add(time));
}

/// Calls `f`, and says how long it would have blocked. What others owe is theirs.
fn owing<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let others = OWED.take();
    let value = f();
    (value, OWED.replace(others))
}

/// Runs `f` where nothing may block.
pub(crate) async fn on_the_spot<T>(f: impl FnOnce() -> T) -> T {
    let (value, owed) = owing(f);
    if !owed.is_zero() {
        tokio::time::sleep(owed).await;
    }
    value
}

/// Runs what has a thread for itself, and may block at will, where nothing may.
pub(crate) async fn as_a_thread<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let polled = poll_fn(|context| match owing(|| future.as_mut().poll(context)) {
            (Poll::Ready(value), owed) => Poll::Ready((Some(value), owed)),
            (Poll::Pending, Duration::ZERO) => Poll::Pending,
            (Poll::Pending, owed) => Poll::Ready((None, owed)),
        });
        let (value, owed) = polled.await;
        if !owed.is_zero() {
            tokio::time::sleep(owed).await;
        }
        if let Some(value) = value {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn blocking_calls_run_elsewhere_unless_inline() {
        let here = thread::current().id();
        assert_ne!(blocking(|| thread::current().id()).await, here);
        {
            let _inline = Inline::enter();
            assert_eq!(blocking(|| thread::current().id()).await, here);
        }
        assert_ne!(blocking(|| thread::current().id()).await, here);
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_have_blocked_takes_its_time_all_the_same() {
        let _inline = Inline::enter();
        let begun = tokio::time::Instant::now();
        blocking(|| owe(Duration::from_secs(1))).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        blocking(|| ()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        crate::background("checkpoint", || owe(Duration::from_secs(2))).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_disk_of_another() {
        let _inline = Inline::enter();
        let begun = tokio::time::Instant::now();
        owe(Duration::from_secs(9));
        blocking(|| ()).await;
        as_a_thread(blocking(|| owe(Duration::from_secs(1)))).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_takes_the_time_that_it_blocks() {
        let _inline = Inline::enter();
        let begun = tokio::time::Instant::now();
        as_a_thread(async {
            owe(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(begun.elapsed(), Duration::from_secs(1));
            owe(Duration::from_secs(2));
        })
        .await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller() {
        let caller = tokio::spawn(blocking(|| panic!("no disk")));
        let panic = caller.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"no disk"));
    }
}
