//! How each chunk is: judged whenever something is heard of it, and for all chunks when somebody comes or goes.
//!
//! To be judged by the newest state, whoever judges takes the lock of the cluster first and the published metadata then.
//!
//! Before the picture is settled nothing is counted: nearly everything would be missing. It is all counted at once then.

use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{ChunkFate, ClusterView, Condition, Counts, Facts, ReplicaMap, Storage, classify};
use types::{ChunkId, DatanodeId, StorageId};

use super::{Cluster, expected, fate};

impl Cluster {
    /// Something may have changed about `chunk`: counts it as what it is now, and has done what is to be done. Answers with
    /// what the metadata says of it.
    pub(crate) fn judge(&mut self, now: Duration, namespace: &Namespace, chunk: ChunkId) -> ChunkFate {
        match namespace.chunk(chunk) {
            Some(info) => {
                if self.counts {
                    self.count(now, &info);
                }
                ChunkFate::Held(expected(&info))
            }
            None => {
                self.ledger.remove(now, chunk);
                self.repair.set(now, chunk, None, 0);
                self.balancer.deleted(now, chunk);
                let fate = fate(namespace, chunk);
                self.invalidate(chunk, fate);
                fate
            }
        }
    }

    fn count(&mut self, now: Duration, info: &ChunkInfo) {
        let condition = self.condition(info);
        self.ledger.set(now, info.chunk, info.owner, condition);
        self.tell_repair(now, info, condition);
    }

    fn tell_repair(&mut self, now: Duration, info: &ChunkInfo, condition: Condition) {
        if self.leads {
            let promised = self.min_replicas.min(info.replication);
            self.repair.set(now, info.chunk, Some(condition), promised.into());
        }
    }

    /// How a chunk is.
    pub(crate) fn condition(&self, info: &ChunkInfo) -> Condition {
        classify(&self.facts(info))
    }

    /// What is known of its replicas, as numbers.
    pub(crate) fn facts(&self, info: &ChunkInfo) -> Facts {
        let wanted = usize::from(info.replication);
        Facts::of(&self.replicas, info.chunk, expected(info), wanted)
    }

    /// A datanode has come, or has got a volume: what is new counts at once, for the rest see [`Self::look_around`].
    pub(crate) fn came(&mut self, now: Duration, id: DatanodeId) {
        let Some(node) = self.view.node(id) else { return };
        for storage in &node.storages {
            let storage = storage.reported.id;
            self.replicas.came(storage, self.view.place(node, storage, now));
        }
    }

    /// Looks where everybody is now. When that matters for the chunks, all of them are to be judged anew.
    pub(crate) fn look_around(&mut self, now: Duration) -> bool {
        let view = &self.view;
        let replicas = &mut self.replicas;
        let unheard = unheard(view, replicas);
        let place = |storage: StorageId| Some(view.place(view.owner(storage)?, storage, now));
        let changed = replicas.place(unheard, place);
        if changed || !self.counts {
            self.counts = true;
            self.sweep.ask(now);
            return true;
        }
        false
    }

    /// Whether chunks are to be judged anew.
    pub(crate) fn recount_due(&self) -> bool {
        self.sweep.next().is_some()
    }

    /// Judges some chunks anew. False when none were left.
    pub(crate) fn recount(&mut self, now: Duration, namespace: &Namespace, limit: usize) -> bool {
        let Some((from, until)) = self.sweep.next() else {
            return false;
        };
        let end = until.unwrap_or(u64::MAX);
        let slot = |chunk: ChunkId| chunk.as_u64() & u64::from(u32::MAX);
        let mut infos = namespace
            .chunks_from(u32::try_from(from).unwrap_or(u32::MAX))
            .take_while(|info| slot(info.chunk) < end);
        let judged: Vec<_> = infos.by_ref().take(limit).collect();
        let to = match judged.last() {
            Some(last) if judged.len() == limit => Some(slot(last.chunk) + 1),
            _ => until,
        };
        let conditions: Vec<_> = judged
            .iter()
            .map(|info| (info.chunk, info.owner, self.condition(info)))
            .collect();
        for (info, (_, _, condition)) in judged.iter().zip(&conditions) {
            self.tell_repair(now, info, *condition);
        }
        let slots = from..to.unwrap_or(u64::from(u32::MAX) + 1);
        self.ledger.set_slice(now, slots, conditions);
        self.sweep.advance(to);
        true
    }

    /// Whether chunks are counted: from the moment on at which the picture is settled. Before that all counts are 0.
    pub(crate) const fn counts(&self) -> bool {
        self.counts
    }

    /// Files by the condition of their worst chunk. One without chunks is healthy.
    pub(crate) fn file_counts(&self, namespace: &Namespace) -> Counts {
        let sick = self.ledger.files().clone();
        match self.counts {
            true => sick.among(namespace.totals().files),
            false => sick,
        }
    }

    /// Since when chunks are judged anew, and how much of it is done, 0 to 1; none when the counts are exact.
    pub(crate) fn recounting(&self, namespace: &Namespace) -> Option<(Duration, f64)> {
        self.sweep.progress(namespace.chunk_slots())
    }
}

/// Whether somebody may have replicas that have not been told of: a member that has not registered, or a volume of which no
/// report has come.
fn unheard(view: &ClusterView, replicas: &ReplicaMap) -> bool {
    view.nodes().any(|node| {
        let owes = |storage: &Storage| storage.works() && !replicas.has_reported(storage.reported.id);
        node.last_heartbeat.is_none() || (node.liveness.is_usable() && node.storages.iter().any(owes))
    })
}
