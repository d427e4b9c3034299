//! What is asked for by many at about the same time.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::Error;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};
use tokio::time::Instant;

type Attempt<T> = BoxFuture<'static, Result<T, Error>>;

/// An answer that is good for a moment. Those who ask meanwhile wait for one attempt, and share what becomes of it, an error too:
/// how long it takes to find that nobody answers does not add up. An attempt is given up when nobody waits for it any more.
pub(crate) struct OfTheMoment<T> {
    fresh: Duration,
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    known: Option<(Instant, T)>,
    attempt: Option<WeakShared<Attempt<T>>>,
}

impl<T: Clone + Send + Sync + 'static> OfTheMoment<T> {
    /// Nothing is known yet. What is told then is good for `fresh`.
    pub(crate) fn new(fresh: Duration) -> Self {
        let state = State {
            known: None,
            attempt: None,
        };
        Self {
            fresh,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What is known, or what `ask` answers.
    ///
    /// # Errors
    /// Those of `ask`, or of the one who asked first.
    pub(crate) async fn get<F>(&self, ask: impl FnOnce() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let attempt = {
            let mut state = lock(&self.state);
            if let Some((since, known)) = &state.known
                && since.elapsed() < self.fresh
            {
                return Ok(known.clone());
            }
            let under_way = state.attempt.as_ref().and_then(WeakShared::upgrade);
            match under_way.filter(|attempt| attempt.peek().is_none()) {
                Some(attempt) => attempt,
                None => {
                    let attempt = attempt(Arc::clone(&self.state), ask()).shared();
                    state.attempt = attempt.downgrade();
                    attempt
                }
            }
        };
        attempt.await
    }
}

fn attempt<T, F>(state: Arc<Mutex<State<T>>>, asking: F) -> Attempt<T>
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let asked = async move {
        let answer = asking.await?;
        lock(&state).known = Some((Instant::now(), answer.clone()));
        Ok(answer)
    };
    asked.boxed()
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    fn error() -> Error {
        Error::Config("nobody answers".to_owned())
    }

    #[tokio::test]
    async fn an_error_is_shared_by_all_who_wait_for_it() {
        let moment = OfTheMoment::new(Duration::from_secs(60));
        let (fail, failed) = oneshot::channel::<()>();
        let first = moment.get(|| async {
            let _ = failed.await;
            Err(error())
        });
        let others = (0..5).map(|n| moment.get(move || ready(Ok(n))));
        let (first, others, ()) = tokio::join!(first, join_all(others), async {
            fail.send(()).unwrap();
        });
        assert_eq!(first, Err(error()));
        assert_eq!(others, vec![Err(error()); 5]);
        assert_eq!(
            moment.get(|| ready(Ok(7))).await,
            Ok(7),
            "who comes later asks again"
        );
        assert_eq!(moment.get(|| ready(Ok(8))).await, Ok(7), "it is fresh");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_asked_again() {
        let moment = OfTheMoment::new(Duration::from_secs(60));
        tokio::select! {
            biased;
            _ = moment.get(pending) => panic!("nobody answered"),
            () = ready(()) => {}
        }
        assert_eq!(moment.get(|| ready(Ok(7))).await, Ok(7));
    }
}
