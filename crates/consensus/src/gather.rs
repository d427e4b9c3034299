//! Channels whose receivers let others finish what they have to say.
//!
//! On a thread that is busy, the first of many messages wakes their receiver, and a runtime that favours who was woken last has
//! it run before those who would have sent the others: each message then takes a turn of its own through Raft, the log and
//! the state machine. A receiver that has waited here goes to the end of the queue once before it takes anything, so that
//! what is ready to be said is said, and taken together. It costs no time: who is at the end of the queue waits only for
//! work that is to be done anyway.

use std::future::{Future, poll_fn};
use std::task::Poll;

use futures_util::TryFutureExt as _;
use openraft::OptionalSend;
use openraft::async_runtime::{Mpsc, MpscReceiver, MpscSender, MpscWeakSender, SendError, TryRecvError};
use tokio::sync::mpsc;

/// See the module's text.
pub(crate) struct Gathering;

pub(crate) struct Sender<T>(mpsc::Sender<T>);

pub(crate) struct WeakSender<T>(mpsc::WeakSender<T>);

pub(crate) struct Receiver<T>(mpsc::Receiver<T>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Mpsc for Gathering {
    type Sender<T: OptionalSend> = Sender<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type WeakSender<T: OptionalSend> = WeakSender<T>;

    fn channel<T: OptionalSend>(buffer: usize) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = mpsc::channel(buffer);
        (Sender(sender), Receiver(receiver))
    }
}

impl<T: OptionalSend> MpscSender<Gathering, T> for Sender<T> {
    fn send(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> + OptionalSend {
        self.0.send(message).map_err(|refused| SendError(refused.0))
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(self.0.downgrade())
    }
}

impl<T: OptionalSend> MpscWeakSender<Gathering, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        self.0.upgrade().map(Sender)
    }
}

impl<T: OptionalSend> MpscReceiver<T> for Receiver<T> {
    /// Nothing is lost when this is dropped: what it waits for stays in the channel until it is returned.
    fn recv(&mut self) -> impl Future<Output = Option<T>> + OptionalSend {
        let (mut waited, mut gave_way) = (false, false);
        poll_fn(move |context| {
            if waited && !gave_way && !self.0.is_empty() {
                gave_way = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            waited = true;
            self.0.poll_recv(context)
        })
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv().map_err(|error| match error {
            mpsc::error::TryRecvError::Empty => TryRecvError::Empty,
            mpsc::error::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: usize = 20;

    /// On one thread, tasks that are ready to send; how many messages are there when the first one is received.
    async fn found_together() -> usize {
        let (sender, mut receiver) = Gathering::channel(MESSAGES);
        let found = tokio::spawn(async move {
            let mut found = usize::from(receiver.recv().await.is_some());
            while receiver.try_recv().is_ok() {
                found += 1;
            }
            found
        });
        tokio::task::yield_now().await;
        for number in 0..MESSAGES {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(number).await.is_ok() });
        }
        found.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_ready_to_be_said_is_received_together() {
        assert_eq!(tokio::spawn(found_together()).await.unwrap(), MESSAGES);
    }

    #[tokio::test]
    async fn a_receiver_that_is_given_up_loses_nothing() {
        let (sender, mut receiver) = Gathering::channel(2);
        let mut given_up = Box::pin(receiver.recv());
        assert_eq!(futures_util::poll!(&mut given_up), Poll::Pending);
        sender.send(1).await.unwrap();
        assert_eq!(
            futures_util::poll!(&mut given_up),
            Poll::Pending,
            "it gives way once"
        );
        drop(given_up);
        assert_eq!(receiver.recv().await, Some(1));
        let weak = sender.downgrade();
        drop(sender);
        assert!(weak.upgrade().is_none());
        assert_eq!(receiver.recv().await, None);
    }
}
