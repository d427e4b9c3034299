//! What the console looks at: how the cluster is now, how it was in the last hour, and what has happened.
//!
//! A master's gateway asks the leader every few seconds, and every second while somebody looks; all who look share one
//! question. What it remembers is bounded, in memory, and begins anew with the process: for longer there is `/metrics`.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use client::{Health, MasterGroup, NodeDetail};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::events::{self, Events, Seen};
use super::model;
use crate::Gateway;

/// Between two questions, while nobody looks and while somebody does.
const PACE: Duration = Duration::from_secs(5);
const PACE_WATCHED: Duration = Duration::from_secs(1);

/// How long the leader may take to say how things are.
const PATIENCE: Duration = Duration::from_secs(3);

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

/// What moves, as counters: rates are differences.
struct Before {
    at: Instant,
    calls: (u64, Duration),
    traffic: BTreeMap<String, (u64, u64)>,
}

/// Asks for as long as the gateway lives.
pub(crate) async fn run(gateway: Weak<Gateway>) {
    let mut before: Option<Before> = None;
    let mut seen = Seen::default();
    let mut sampled: Option<Instant> = None;
    loop {
        let Some(gateway) = gateway.upgrade() else { return };
        let watch = &gateway.watch;
        let at_ms = gateway.env.clock.wall().as_u64();
        let fs = gateway.users.file_system(None);
        let (operations, admin) = (fs.operations(), fs.admin());
        let asking = async {
            let (health, nodes, masters) =
                tokio::join!(operations.health(), operations.nodes(), admin.masters());
            Ok::<_, client::Error>((health?, nodes?, masters?))
        };
        let told = match timeout(PATIENCE, asking).await {
            Ok(Ok(told)) => Ok(told),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no master that leads has answered for some seconds".to_owned()),
        };
        let now = match &told {
            Ok((health, nodes, masters)) => {
                let (rates, after) = rates(before.take(), health, nodes);
                before = Some(after);
                events::of_change(&mut watch.events(), &mut seen, at_ms, health, nodes, masters);
                let due = sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_EVERY);
                if due {
                    sampled = Some(Instant::now());
                    watch.remember(sample(at_ms, health, nodes, &rates));
                }
                told_json(at_ms, health, nodes, masters, &rates)
            }
            Err(why) => {
                before = None;
                events::of_silence(&mut watch.events(), &mut seen, at_ms, why);
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

#[expect(clippy::cast_precision_loss, reason = "rates, to be looked at")]
fn rates(before: Option<Before>, health: &Health, nodes: &[NodeDetail]) -> (Value, Before) {
    let traffic: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| (node.id.to_string(), (node.received_bytes, node.sent_bytes)))
        .collect();
    let after = Before {
        at: Instant::now(),
        calls: (health.calls, health.calls_time),
        traffic,
    };
    let Some(before) = before else {
        return (Value::Null, after);
    };
    let seconds = after.at.duration_since(before.at).as_secs_f64().max(0.001);
    let per_s = |count: u64| count as f64 / seconds;
    let calls = after.calls.0.saturating_sub(before.calls.0);
    let time = after.calls.1.saturating_sub(before.calls.1);
    let mean_us = if calls == 0 {
        Value::Null
    } else {
        json!(time.as_micros() as f64 / calls as f64)
    };
    let (mut received, mut sent, mut by_node) = (0, 0, serde_json::Map::new());
    for (id, (now_in, now_out)) in &after.traffic {
        let (was_in, was_out) = before.traffic.get(id).copied().unwrap_or((*now_in, *now_out));
        let (came, went) = (now_in.saturating_sub(was_in), now_out.saturating_sub(was_out));
        received += came;
        sent += went;
        by_node.insert(
            id.clone(),
            json!({ "in_per_s": per_s(came), "out_per_s": per_s(went) }),
        );
    }
    let rates = json!({
        "calls_per_s": per_s(calls),
        "call_us": mean_us,
        "in_per_s": per_s(received),
        "out_per_s": per_s(sent),
        "by_node": by_node,
    });
    (rates, after)
}

fn told_json(
    at_ms: u64,
    health: &Health,
    nodes: &[NodeDetail],
    masters: &MasterGroup,
    rates: &Value,
) -> Value {
    json!({
        "at_ms": at_ms,
        "health": model::health(health),
        "jobs": model::all(&health.jobs, model::job),
        "nodes": model::all(nodes, model::node),
        "masters": model::masters(masters),
        "rates": rates,
    })
}

fn sample(at_ms: u64, health: &Health, nodes: &[NodeDetail], rates: &Value) -> Value {
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
    Json(json!({ "every_ms": model::millis(SAMPLE_EVERY), "samples": *samples }))
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
