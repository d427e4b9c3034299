//! The library's tasks on tokio, with randomness that a simulation owns.
//!
//! All that the library draws is election timeouts. [`scope`] gives a member a seed; every task that the library spawns in
//! it gets one that follows from it. Time is tokio's, which a simulation can stop.

use std::cell::Cell;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use openraft::{AsyncRuntime, TokioRuntime};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::gather::Gathering;

tokio::task_local! {
    static SEED: Cell<u64>;
}

/// Runs `future` with a seed: everything random in it, and in what it spawns, follows from that.
pub(crate) async fn scope<F: Future>(seed: u64, future: F) -> F::Output {
    SEED.scope(Cell::new(seed), future).await
}

/// Draws the next number of this task; one that can not be foreseen outside of a scope.
fn draw() -> u64 {
    SEED.try_with(|seed| {
        let mut rng = fastrand::Rng::with_seed(seed.get());
        let drawn = rng.u64(..);
        seed.set(rng.u64(..));
        drawn
    })
    .unwrap_or_else(|_| std::hash::RandomState::new().build_hasher().finish())
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Runtime(TokioRuntime);

impl AsyncRuntime for Runtime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: Send + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + Send> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = SmallRng;
    type Mpsc = Gathering;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: Send + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        if SEED.try_with(|_| ()).is_ok() {
            TokioRuntime::spawn(SEED.scope(Cell::new(draw()), future))
        } else {
            TokioRuntime::spawn(future)
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + Send>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + Send>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(error)
    }

    fn thread_rng() -> SmallRng {
        SmallRng::seed_from_u64(draw())
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    async fn drawn(seed: u64) -> Vec<u64> {
        scope(seed, async {
            let here = Runtime::thread_rng().next_u64();
            let there = Runtime::spawn(async { Runtime::thread_rng().next_u64() });
            vec![here, there.await.unwrap(), Runtime::thread_rng().next_u64()]
        })
        .await
    }

    #[tokio::test]
    async fn what_is_drawn_follows_from_the_seed() {
        let first = drawn(7).await;
        assert_eq!(first, drawn(7).await);
        assert_ne!(first, drawn(8).await);
        assert!(first.windows(2).all(|pair| pair.first() != pair.last()));
        assert_ne!(Runtime::thread_rng().next_u64(), Runtime::thread_rng().next_u64());
    }
}
