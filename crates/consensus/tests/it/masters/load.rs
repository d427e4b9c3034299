//! Callers that propose all the time, to whoever leads, and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Masters;
use crate::common::append;

/// How long a caller waits for an answer before it asks elsewhere.
const ANSWER: Duration = Duration::from_millis(400);

/// What callers have done.
#[derive(Default)]
pub(crate) struct Load {
    acknowledged: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Load {
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Proposes one command until it is acknowledged, each time under another name: whether it was done is not always
    /// known.
    pub(crate) async fn propose(&self, masters: &tokio::sync::RwLock<Masters>, name: &str) {
        let mut attempt = 0;
        let mut ask = 0;
        while !self.ended.load(Ordering::Relaxed) {
            attempt += 1;
            let text = format!("{name}.{attempt}");
            let command = append(text.clone());
            let proposed = {
                let masters = masters.read().await;
                let places: Vec<_> = masters.running().map(|(place, _)| place).collect();
                let place = masters
                    .leader_now()
                    .or(places.get(ask % places.len().max(1)).copied());
                ask += 1;
                let Some(place) = place else { continue };
                let group = Arc::clone(&masters.member(place).group);
                masters
                    .member(place)
                    .spawn(async move { group.propose(command).await })
            };
            match tokio::time::timeout(ANSWER, proposed).await {
                Ok(Ok(Ok(_))) => {
                    self.acknowledged.lock().unwrap().push(text);
                    return;
                }
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Starts callers.
    pub(crate) fn start(
        self: &Arc<Self>,
        masters: &Arc<tokio::sync::RwLock<Masters>>,
        callers: usize,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let call = |caller: usize| {
            let (load, masters) = (Arc::clone(self), Arc::clone(masters));
            tokio::spawn(async move {
                let mut number = 0;
                while !load.ended.load(Ordering::Relaxed) {
                    number += 1;
                    load.propose(&masters, &format!("c{caller}.{number}")).await;
                }
            })
        };
        (0..callers).map(call).collect()
    }

    /// Ends the callers, and gives what was acknowledged.
    pub(crate) async fn end(&self, callers: Vec<tokio::task::JoinHandle<()>>) -> Vec<String> {
        self.ended.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        self.acknowledged()
    }
}
