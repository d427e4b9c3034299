//! Callers that come at about the same time share a message: whoever comes while one is under way joins the next.
//!
//! # Guarantees
//! - Nobody waits for company: a caller that finds nothing under way goes as soon as those that can run at that moment have run.
//! - Each gets the answer to what it asked. Whether it still waits makes no difference to the others; an answer that nobody
//!   waits for is dropped.
//! - A message that takes long keeps nobody from the next one: after [`PATIENCE`] those that wait go without its end.
//! - A message has at most so many items, and so much weight, as it may.
//!
//! # Bounds
//! What waits here is what its callers have handed over, one item each.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a message keeps others of the same key waiting.
const PATIENCE: Duration = Duration::from_millis(20);

/// So many times a message lets others run without anybody joining, before it goes.
const QUIET_TURNS: u32 = 3;

/// Messages by key: of items `Q`, each of which is answered by an `A`.
pub(crate) struct Gather<K, Q, A> {
    /// What waits, of each key for which a message is under way.
    waiting: Mutex<HashMap<K, VecDeque<Waiting<Q, A>>>>,
    items_max: usize,
    weight_max: u64,
}

struct Waiting<Q, A> {
    item: Q,
    weight: u64,
    answer: oneshot::Sender<A>,
}

impl<K, Q, A> Gather<K, Q, A>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Q: Send + 'static,
    A: Send + 'static,
{
    /// A message has at most so many items, and, from its second item on, at most so much weight.
    pub(crate) fn new(items_max: usize, weight_max: u64) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            items_max: items_max.max(1),
            weight_max,
        })
    }

    /// Has `item` carried with others of the same key. `carry` sends a message, and gives an answer for each item, in their
    /// order; all callers mean the same by it. None when there is no answer, as of a message that gave fewer.
    pub(crate) async fn join<C, F>(self: &Arc<Self>, key: K, item: Q, weight: u64, carry: C) -> Option<A>
    where
        C: Fn(Vec<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { item, weight, answer };
        let goes = {
            let mut all = self.lock();
            let goes = !all.contains_key(&key);
            all.entry(key.clone()).or_default().push_back(waiting);
            goes
        };
        if goes {
            // In a task of its own: it is not this caller's alone, who may give up.
            tokio::spawn(Arc::clone(self).go(key, Arc::new(carry)));
        }
        answered.await.ok()
    }

    /// Sends one message after the other, until nothing waits.
    async fn go<C, F>(self: Arc<Self>, key: K, carry: Arc<C>)
    where
        C: Fn(Vec<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let mut turn = Turn {
            gather: &self,
            key: &key,
            ended: false,
        };
        loop {
            self.wait_for_company(&key).await;
            let Some(batch) = self.take(&key) else {
                turn.ended = true;
                return;
            };
            let (items, answers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|waiting| (waiting.item, waiting.answer))
                .unzip();
            let mut message = pin!(carry(items));
            let Ok(done) = tokio::time::timeout(PATIENCE, &mut message).await else {
                self.hand_over(&key, &carry);
                turn.ended = true;
                tell(answers, message.await);
                return;
            };
            tell(answers, done);
        }
    }

    /// Callers that were woken together, as by the answer to an earlier message, are not there all at once: lets them run for as
    /// long as more come. No time is waited for.
    async fn wait_for_company(&self, key: &K) {
        let (mut seen, mut quiet) = (0, 0);
        while quiet < QUIET_TURNS && seen < self.items_max {
            tokio::task::yield_now().await;
            let now = self.lock().get(key).map_or(0, VecDeque::len);
            quiet = if now > seen { 0 } else { quiet + 1 };
            seen = now;
        }
    }

    /// What goes with the next message; none when nothing waits, and then nobody goes any more.
    fn take(&self, key: &K) -> Option<Vec<Waiting<Q, A>>> {
        let mut all = self.lock();
        let queue = all.get_mut(key)?;
        let (mut count, mut weight) = (0, 0u64);
        for waiting in queue.iter() {
            weight = weight.saturating_add(waiting.weight);
            if count == self.items_max || (count > 0 && weight > self.weight_max) {
                break;
            }
            count += 1;
        }
        let batch: Vec<_> = queue.drain(..count).collect();
        if batch.is_empty() {
            all.remove(key);
            return None;
        }
        Some(batch)
    }

    /// Another one goes from here on, if anybody waits.
    fn hand_over<C, F>(self: &Arc<Self>, key: &K, carry: &Arc<C>)
    where
        C: Fn(Vec<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let mut all = self.lock();
        if all.get(key).is_none_or(VecDeque::is_empty) {
            all.remove(key);
            return;
        }
        drop(all);
        // Boxed: the task is of the type that spawns it.
        let next: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(Arc::clone(self).go(key.clone(), Arc::clone(carry)));
        tokio::spawn(next);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, VecDeque<Waiting<Q, A>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is to send. When it is cut off (a panic, the end of the runtime), those that wait get no answer, and the next
/// one begins anew.
struct Turn<'a, K: Eq + Hash, Q, A> {
    gather: &'a Gather<K, Q, A>,
    key: &'a K,
    ended: bool,
}

impl<K: Eq + Hash, Q, A> Drop for Turn<'_, K, Q, A> {
    fn drop(&mut self) {
        if !self.ended {
            let waiting = (self.gather.waiting.lock())
                .unwrap_or_else(PoisonError::into_inner)
                .remove(self.key);
            drop(waiting);
        }
    }
}

fn tell<A>(waiting: Vec<oneshot::Sender<A>>, answers: Vec<A>) {
    for (waiting, answer) in waiting.into_iter().zip(answers) {
        // Whoever has given up does not want it.
        let _ = waiting.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    type Numbers = Gather<u8, u64, u64>;

    /// A message that waits for a permit, says how many items it has, and doubles them.
    struct Wire {
        go: Semaphore,
        messages: Mutex<Vec<usize>>,
        under_way: AtomicUsize,
    }

    impl Wire {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                go: Semaphore::new(0),
                messages: Mutex::default(),
                under_way: AtomicUsize::new(0),
            })
        }

        fn carry(
            self: &Arc<Self>,
        ) -> impl Fn(Vec<u64>) -> futures_util::future::BoxFuture<'static, Vec<u64>> + use<> {
            let wire = Arc::clone(self);
            move |items| {
                let wire = Arc::clone(&wire);
                Box::pin(async move {
                    wire.under_way.fetch_add(1, Ordering::SeqCst);
                    wire.messages.lock().unwrap().push(items.len());
                    wire.go.acquire().await.unwrap().forget();
                    items.into_iter().map(|item| item * 2).collect()
                })
            }
        }

        fn messages(&self) -> Vec<usize> {
            self.messages.lock().unwrap().clone()
        }
    }

    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_a_message_is_under_way_joins_the_next() {
        let (gather, wire) = (Numbers::new(3, 100), Wire::new());
        let join = |key, item, weight| {
            let (gather, carry) = (Arc::clone(&gather), wire.carry());
            tokio::spawn(async move { gather.join(key, item, weight, carry).await })
        };
        let first = join(1, 1, 1);
        settle().await;
        let others: Vec<_> = (2..7).map(|item| join(1, item, 1)).collect();
        let elsewhere = join(2, 50, 1);
        settle().await;
        assert_eq!(wire.messages(), [1, 1], "one for each key");
        wire.go.add_permits(10);
        assert_eq!(first.await.unwrap(), Some(2));
        assert_eq!(elsewhere.await.unwrap(), Some(100));
        for (item, other) in (2..).zip(others) {
            assert_eq!(other.await.unwrap(), Some(item * 2));
        }
        assert_eq!(wire.messages(), [1, 1, 3, 2], "at most three at once");
        settle().await;
        assert!(gather.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_not_too_heavy_unless_one_item_is() {
        let (gather, wire) = (Numbers::new(10, 100), Wire::new());
        wire.go.add_permits(10);
        let joins = [60, 60, 500, 10, 10].map(|weight| gather.join(1, 7, weight, wire.carry()));
        futures_util::future::join_all(joins).await;
        assert_eq!(wire.messages(), [1, 1, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_takes_long_keeps_nobody() {
        let (gather, wire) = (Numbers::new(10, 100), Wire::new());
        let join = |item| {
            let (gather, carry) = (Arc::clone(&gather), wire.carry());
            tokio::spawn(async move { gather.join(1, item, 1, carry).await })
        };
        let stuck = join(1);
        settle().await;
        let next = join(2);
        settle().await;
        assert_eq!(wire.messages(), [1]);
        tokio::time::sleep(PATIENCE * 2).await;
        settle().await;
        assert_eq!(
            wire.messages(),
            [1, 1],
            "the second went without the end of the first"
        );
        tokio::time::sleep(PATIENCE * 2).await;
        let third = join(3);
        settle().await;
        assert_eq!(wire.messages(), [1, 1, 1]);
        wire.go.add_permits(3);
        assert_eq!(
            [stuck.await.unwrap(), next.await.unwrap(), third.await.unwrap()],
            [Some(2), Some(4), Some(6)]
        );
        settle().await;
        assert!(gather.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_does_not_keep_the_others_from_their_answers() {
        let (gather, wire) = (Numbers::new(10, 100), Wire::new());
        let join = |item| {
            let (gather, carry) = (Arc::clone(&gather), wire.carry());
            tokio::spawn(async move { gather.join(1, item, 1, carry).await })
        };
        let first = join(1);
        let second = join(2);
        settle().await;
        first.abort();
        wire.go.add_permits(2);
        assert_eq!(second.await.unwrap(), Some(4));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_does_not_come() {
        let gather = Numbers::new(10, 100);
        let none = gather
            .join(1, 1, 1, |_: Vec<u64>| async { panic!("on purpose") })
            .await;
        assert_eq!(none, None);
        assert_eq!(gather.join(1, 1, 1, |items| async { items }).await, Some(1));
    }

    #[tokio::test]
    async fn an_item_without_an_answer_has_none() {
        let gather = Numbers::new(10, 100);
        assert_eq!(gather.join(1, 1, 1, |_| async { Vec::new() }).await, None);
        assert_eq!(gather.join(2, 1, 1, |items| async { items }).await, Some(1));
    }
}
