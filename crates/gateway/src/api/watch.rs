//! What the console looks at: how the cluster is now, how it was in the last hour, and what has happened.
//!
//! A master's gateway asks the leader every few seconds, and every second while somebody looks; all who look share one
//! question. What it remembers is bounded, in memory, and begins anew with the process: for longer there is `/metrics`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::Gateway;
use crate::events::Events;
use crate::look::{Before, Look};

/// Between two questions, while nobody looks and while somebody does.
const PACE: Duration = Duration::from_secs(5);
const PACE_WATCHED: Duration = Duration::from_secs(1);

/// A sample is remembered so often, and so many of them: an hour.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const SAMPLES_MAX: usize = 720;

/// See the module's text.
pub(crate) struct Watch {
    now: watch::Sender<Arc<Value>>,
    samples: Mutex<VecDeque<Value>>,
    events: Mutex<Events>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            now: watch::Sender::new(Arc::new(Value::Null)),
            samples: Mutex::default(),
            events: Mutex::default(),
        }
    }
}

/// Asks for as long as the gateway lives.
pub(crate) async fn run(gateway: Weak<Gateway>) {
    let mut before: Option<Before> = None;
    let mut sampled: Option<Instant> = None;
    loop {
        let Some(gateway) = gateway.upgrade() else { return };
        let watch = &gateway.watch;
        let at_ms = gateway.env.clock.wall().as_u64();
        let fs = gateway.users.file_system(None);
        let now = match &Look::take(&fs, at_ms).await {
            Ok(look) => {
                let (rates, after) = look.rates(before.take());
                before = Some(after);
                watch.events().see(look);
                let due = sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_EVERY);
                if due {
                    sampled = Some(Instant::now());
                    watch.remember(sample(look, &rates));
                }
                look.to_json(&rates)
            }
            Err(why) => {
                before = None;
                watch.events().silence(at_ms, why);
                json!({ "at_ms": at_ms, "error": why })
            }
        };
        watch.now.send_replace(Arc::new(now));
        let pace = match watch.now.receiver_count() {
            0 => PACE,
            _ => PACE_WATCHED,
        };
        // Whoever comes does not wait for the pace of before.
        drop(gateway);
        sleep(pace).await;
    }
}

impl Watch {
    fn events(&self) -> std::sync::MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, sample: Value) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }
}

fn sample(look: &Look, rates: &Value) -> Value {
    let Look {
        at_ms, health, nodes, ..
    } = look;
    let count = |is: fn(client::Condition) -> bool| health.chunks.count(is);
    let live = nodes.iter().filter(|node| {
        matches!(
            node.liveness,
            client::NodeLiveness::Live | client::NodeLiveness::Late
        )
    });
    json!({
        "at_ms": at_ms,
        "lost": count(|condition| !condition.class.is_readable()),
        "at_risk": count(|condition| condition.class.is_at_risk()),
        "queued": health.repairing.queued,
        "repair_per_s": health.repairing.bytes_per_s,
        "chunks": health.chunks.total(),
        "used": health.used,
        "capacity": health.capacity,
        "live": live.count(),
        "calls_per_s": rates.get("calls_per_s"),
        "call_us": rates.get("call_us"),
        "in_per_s": rates.get("in_per_s"),
        "out_per_s": rates.get("out_per_s"),
    })
}

/// The samples of the last hour, oldest first.
pub(super) async fn history(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let samples = gateway
        .watch
        .samples
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "every_ms": types::millis(SAMPLE_EVERY), "samples": *samples }))
}

/// What has happened, newest first.
pub(super) async fn events(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({ "events": gateway.watch.events().newest_first() }))
}

/// How it is, again and again, as server-sent events.
pub(super) async fn live(
    State(gateway): State<Arc<Gateway>>,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let receiver = gateway.watch.now.subscribe();
    let states = stream::unfold((receiver, true), |(mut receiver, is_first)| async move {
        // The first one at once, if there is one.
        if !is_first || receiver.borrow().is_null() {
            receiver.changed().await.ok()?;
        }
        let now = Arc::clone(&receiver.borrow_and_update());
        let event = SseEvent::default().data(now.to_string());
        Some((Ok(event), (receiver, false)))
    });
    Sse::new(states).keep_alive(KeepAlive::default())
}
