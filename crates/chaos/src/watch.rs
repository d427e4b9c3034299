//! What the cluster says of itself, asked every second; and what an operator would do about datanodes whose disk was lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{DataClass, FileSystem, Health, MasterRole, NodeLiveness};

use crate::field::Field;
use crate::plan::View;

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(700);
/// And at most so many times as long: plans need to know how the cluster is.
const SLOWEST: u32 = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A master whose log is so few entries behind has caught up.
const LAG_MAX: u64 = 2_000;

/// Asks, and remembers.
pub struct Watch {
    field: Arc<Field>,
    fs: FileSystem,
    view: Mutex<View>,
    why: Mutex<String>,
}

impl Watch {
    /// Somebody who asks as `fs`.
    #[must_use]
    pub fn new(field: Arc<Field>, fs: FileSystem) -> Self {
        Self {
            field,
            fs,
            view: Mutex::default(),
            why: Mutex::default(),
        }
    }

    /// What was known last.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the cluster was not whole, as far as it said.
    #[must_use]
    pub fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks again and again.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.ask().await;
            tokio::time::sleep(INTERVAL * self.field.pace.min(SLOWEST)).await;
        }
    }

    /// Asks once. Answers whether the cluster is whole.
    pub async fn ask(&self) -> bool {
        let asked = self.field.now();
        let missing = match tokio::time::timeout(PATIENCE, self.missing()).await {
            Ok(missing) => missing,
            Err(_) => Some("no answer".to_owned()),
        };
        let whole = missing.is_none();
        let asked_masters = self.field.now();
        let masters = tokio::time::timeout(PATIENCE, self.masters())
            .await
            .ok()
            .flatten();
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.whole = Some((asked, whole));
        view.leader = masters.as_ref().and_then(|(leader, _)| *leader);
        view.masters = masters.map(|(_, ready)| (asked_masters, ready));
        drop(view);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = missing.unwrap_or_default();
        whole
    }

    /// What is missing until the cluster is whole.
    async fn missing(&self) -> Option<String> {
        let operations = self.fs.operations();
        let health = match operations.health().await {
            Ok(health) => health,
            Err(error) => return Some(error.to_string()),
        };
        let nodes = match operations.nodes().await {
            Ok(nodes) => nodes,
            Err(error) => return Some(error.to_string()),
        };
        // Datanodes that came again with an empty disk: who they were is gone for good.
        let live: BTreeSet<&str> = nodes
            .iter()
            .filter(|node| node.liveness == NodeLiveness::Live)
            .map(|node| node.address.as_str())
            .collect();
        for node in &nodes {
            let gone = node.liveness == NodeLiveness::Dead && live.contains(node.address.as_str());
            if gone {
                let id = node.id.to_string();
                match operations.remove_node(&id, false).await {
                    Ok(()) => self.field.event(&format!("{} ({id}) is forgotten", node.address)),
                    Err(error) => self.field.event(&format!("{id} is not forgotten: {error}")),
                }
            }
        }
        let count = self.field.options.datanodes;
        if live.len() < count {
            return Some(format!("{} of {count} datanodes are there", live.len()));
        }
        shortcoming(&health)
    }

    /// Who leads, and who takes part.
    async fn masters(&self) -> Option<(Option<usize>, Vec<bool>)> {
        let group = self.fs.admin().masters().await.ok()?;
        let addresses = &self.field.addresses;
        let of = |address: &String| group.masters.iter().find(|master| master.address == *address);
        let leader = addresses
            .iter()
            .position(|address| of(address).is_some_and(|master| master.role == MasterRole::Leader));
        let most = group
            .masters
            .iter()
            .filter_map(|master| master.last_index)
            .max()
            .unwrap_or_default();
        let ready = addresses.iter().map(|address| {
            of(address).is_some_and(|master| {
                master.answers
                    && matches!(master.role, MasterRole::Leader | MasterRole::Follower)
                    && master.applied_index.is_some_and(|index| index + LAG_MAX >= most)
            })
        });
        Some((leader, ready.collect()))
    }
}

/// What is missing, by what the leader counts.
fn shortcoming(health: &Health) -> Option<String> {
    if health.safe_mode {
        return Some("safe mode".to_owned());
    }
    if let Some(share) = health.recounted {
        return Some(format!("it counts anew: {:.0} %", share * 100.0));
    }
    let bad: Vec<String> = health
        .chunks
        .iter()
        .filter(|(condition, _)| {
            condition.corrupt || !matches!(condition.class, DataClass::Healthy | DataClass::BeingWritten)
        })
        .map(|(condition, count)| format!("{count} chunks: {condition}"))
        .collect();
    (!bad.is_empty()).then(|| bad.join(", "))
}
