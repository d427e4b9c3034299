//! One look at the cluster: what the console, `distrifs top` and `distrifs logs` are made from.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{FileSystem, Health, MasterGroup, NodeDetail};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::api::model;

/// How long the leader may take to say how things are.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the cluster is at a moment, as the leader says.
#[derive(Debug)]
pub struct Look {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// How the data is.
    pub health: Health,
    /// The datanodes.
    pub nodes: Vec<NodeDetail>,
    /// The masters.
    pub masters: MasterGroup,
}

/// What moves, as counters: rates are differences.
#[derive(Debug)]
pub struct Before {
    at: Instant,
    calls: (u64, Duration),
    traffic: BTreeMap<String, (u64, u64)>,
}

impl Look {
    /// Asks the leader; `at_ms` is now.
    ///
    /// # Errors
    /// When nobody says how things are, in words.
    pub async fn take(fs: &FileSystem, at_ms: u64) -> Result<Self, String> {
        let (operations, admin) = (fs.operations(), fs.admin());
        let asking = async {
            let (health, nodes, masters) =
                tokio::join!(operations.health(), operations.nodes(), admin.masters());
            Ok::<_, client::Error>(Self {
                at_ms,
                health: health?,
                nodes: nodes?,
                masters: masters?,
            })
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(look)) => Ok(look),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no master that leads has answered for some seconds".to_owned()),
        }
    }

    /// What has moved since `before`, a second; null at first. And what the next look needs for that.
    #[expect(clippy::cast_precision_loss, reason = "rates, to be looked at")]
    #[must_use]
    pub fn rates(&self, before: Option<Before>) -> (Value, Before) {
        let traffic: BTreeMap<_, _> = self
            .nodes
            .iter()
            .map(|node| (node.id.to_string(), (node.received_bytes, node.sent_bytes)))
            .collect();
        let after = Before {
            at: Instant::now(),
            calls: (self.health.calls, self.health.calls_time),
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

    /// All of it, with rates, as the API tells it.
    #[must_use]
    pub fn to_json(&self, rates: &Value) -> Value {
        json!({
            "at_ms": self.at_ms,
            "health": model::health(&self.health),
            "jobs": model::all(&self.health.jobs, model::job),
            "nodes": model::all(&self.nodes, model::node),
            "masters": model::masters(&self.masters),
            "rates": rates,
        })
    }
}
