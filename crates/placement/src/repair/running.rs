//! What was ordered and not heard of yet, what it takes of the limits, and what failed lately.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::{ChunkExtent, ChunkId, DatanodeId, StorageId};

use super::settings::units;
use super::{Copying, RepairSettings};
use crate::Target;

/// Failures that are remembered.
const FAILURES_MAX: usize = 64 << 10;
/// Failures between two nodes without a success in between after which neither is tried with the other for a while.
const STREAK: u32 = 3;

/// A copy on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyRun {
    pub(super) extent: ChunkExtent,
    pub(super) source: DatanodeId,
    pub(super) target: Target,
    pub(super) since: Duration,
    pub(super) deadline: Duration,
}

/// What a node has to do.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    sent: u32,
    received: u32,
    verified: u32,
}

#[derive(Debug, Clone, Copy)]
struct Streak {
    failures: u32,
    until: Duration,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    copies: BTreeMap<ChunkId, Vec<CopyRun>>,
    verifications: BTreeMap<(ChunkId, DatanodeId), (Duration, u32)>,
    /// When a destruction was ordered. Until it is heard of, or for long, its replica is neither one that stays nor one
    /// that could be chosen anew.
    deletions: BTreeMap<ChunkId, Vec<(DatanodeId, Duration)>>,
    load: BTreeMap<DatanodeId, Load>,
    /// What arrives on a storage.
    incoming: BTreeMap<StorageId, u64>,
    copying: usize,
    units: u32,
    bytes: u64,
    /// From where to where a chunk is not to be copied, and until when.
    failed: BTreeMap<ChunkId, Vec<(DatanodeId, DatanodeId, Duration)>>,
    streaks: BTreeMap<(DatanodeId, DatanodeId), Streak>,
}

impl Running {
    pub(super) fn copy(&mut self, run: CopyRun) {
        let units = units(run.extent.len);
        self.finish_copy(run.extent.chunk, run.target.datanode);
        self.load.entry(run.source).or_default().sent += units;
        self.load.entry(run.target.datanode).or_default().received += units;
        *self.incoming.entry(run.target.storage).or_default() += run.extent.len;
        self.units += units;
        self.bytes += run.extent.len;
        self.copying += 1;
        self.copies.entry(run.extent.chunk).or_default().push(run);
    }

    /// A copy is over, one way or the other.
    pub(super) fn finish_copy(&mut self, chunk: ChunkId, target: DatanodeId) -> Option<CopyRun> {
        let runs = self.copies.get_mut(&chunk)?;
        let at = runs.iter().position(|run| run.target.datanode == target)?;
        let run = runs.swap_remove(at);
        if runs.is_empty() {
            self.copies.remove(&chunk);
        }
        self.copying = self.copying.saturating_sub(1);
        let (units, len) = (units(run.extent.len), run.extent.len);
        self.unload(run.source, |load| load.sent = load.sent.saturating_sub(units));
        self.unload(target, |load| load.received = load.received.saturating_sub(units));
        if let Some(incoming) = self.incoming.get_mut(&run.target.storage) {
            *incoming = incoming.saturating_sub(len);
            if *incoming == 0 {
                self.incoming.remove(&run.target.storage);
            }
        }
        self.units = self.units.saturating_sub(units);
        self.bytes = self.bytes.saturating_sub(len);
        Some(run)
    }

    pub(super) fn verify(&mut self, chunk: ChunkId, node: DatanodeId, deadline: Duration, units: u32) {
        self.finish_verification(chunk, node);
        self.load.entry(node).or_default().verified += units;
        self.verifications.insert((chunk, node), (deadline, units));
    }

    pub(super) fn finish_verification(&mut self, chunk: ChunkId, node: DatanodeId) -> bool {
        let Some((_, units)) = self.verifications.remove(&(chunk, node)) else {
            return false;
        };
        self.unload(node, |load| load.verified = load.verified.saturating_sub(units));
        true
    }

    pub(super) fn delete(&mut self, now: Duration, chunk: ChunkId, node: DatanodeId) {
        self.finish_deletion(chunk, node);
        self.deletions.entry(chunk).or_default().push((node, now));
    }

    pub(super) fn finish_deletion(&mut self, chunk: ChunkId, node: DatanodeId) -> bool {
        let Some(deletions) = self.deletions.get_mut(&chunk) else {
            return false;
        };
        let before = deletions.len();
        deletions.retain(|(other, _)| *other != node);
        let found = deletions.len() < before;
        if deletions.is_empty() {
            self.deletions.remove(&chunk);
        }
        found
    }

    fn unload(&mut self, node: DatanodeId, change: impl FnOnce(&mut Load)) {
        if let Some(load) = self.load.get_mut(&node) {
            change(load);
            if (load.sent, load.received, load.verified) == (0, 0, 0) {
                self.load.remove(&node);
            }
        }
    }

    /// The copies of a chunk on their way.
    pub(super) fn copies_of(&self, chunk: ChunkId) -> &[CopyRun] {
        self.copies.get(&chunk).map_or(&[], Vec::as_slice)
    }

    /// The replicas whose destruction was ordered.
    pub(super) fn deletions(&self) -> impl Iterator<Item = (ChunkId, DatanodeId)> {
        let each = self.deletions.iter();
        each.flat_map(|(chunk, nodes)| nodes.iter().map(move |(node, _)| (*chunk, *node)))
    }

    /// The nodes that were told to destroy a replica of a chunk, and when.
    pub(super) fn deletions_of(&self, chunk: ChunkId) -> &[(DatanodeId, Duration)] {
        self.deletions.get(&chunk).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_verifying(&self, chunk: ChunkId, node: DatanodeId) -> bool {
        self.verifications.contains_key(&(chunk, node))
    }

    /// Units that a node sends.
    pub(super) fn sent(&self, node: DatanodeId) -> u32 {
        self.load.get(&node).map_or(0, |load| load.sent)
    }

    /// Units that a node verifies.
    pub(super) fn verified(&self, node: DatanodeId) -> u32 {
        self.load.get(&node).map_or(0, |load| load.verified)
    }

    /// The nodes that can not receive so much more at once.
    pub(super) fn full_receivers(&self, more: u32, max: u32) -> impl Iterator<Item = DatanodeId> {
        let full = move |(_, load): &(&DatanodeId, &Load)| load.received > 0 && load.received + more > max;
        self.load.iter().filter(full).map(|(node, _)| *node)
    }

    /// Bytes that are to arrive on a storage.
    pub(super) fn incoming(&self, storage: StorageId) -> u64 {
        self.incoming.get(&storage).copied().unwrap_or_default()
    }

    /// Units of all copies.
    pub(super) const fn units(&self) -> u32 {
        self.units
    }

    /// Bytes of all copies.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn copying(&self) -> usize {
        self.copying
    }

    pub(super) fn verifying(&self) -> usize {
        self.verifications.len()
    }

    /// A copy from one node to another came to nothing.
    pub(super) fn note_failure(&mut self, now: Duration, run: &CopyRun, settings: &RepairSettings) {
        if self.failed.len() >= FAILURES_MAX {
            self.failed.clear();
        }
        let until = now.saturating_add(settings.retry_after);
        let (source, target) = (run.source, run.target.datanode);
        let of_chunk = self.failed.entry(run.extent.chunk).or_default();
        of_chunk.retain(|(from, to, _)| (*from, *to) != (source, target));
        of_chunk.push((source, target, until));
        let streak = self
            .streaks
            .entry((source, target))
            .or_insert(Streak { failures: 0, until });
        streak.failures += 1;
        streak.until = until;
    }

    pub(super) fn note_success(&mut self, run: &CopyRun) {
        self.streaks.remove(&(run.source, run.target.datanode));
    }

    /// The nodes to which a chunk is not to be copied from `source` for now.
    pub(super) fn avoided(&self, chunk: ChunkId, source: DatanodeId) -> Vec<DatanodeId> {
        let of_chunk = self.failed.get(&chunk).into_iter().flatten();
        let of_chunk = of_chunk
            .filter(|(from, ..)| *from == source)
            .map(|(_, to, _)| *to);
        let of_pair = self.streaks.iter();
        let of_pair = of_pair.filter(|((from, _), streak)| *from == source && streak.failures >= STREAK);
        of_chunk.chain(of_pair.map(|((_, to), _)| *to)).collect()
    }

    /// Forgets what is out of time, or of nodes that are gone, or a failure that is long ago. Answers with the copies that
    /// came to nothing, and the chunks of which a verification did.
    pub(super) fn expire(
        &mut self,
        now: Duration,
        settings: &RepairSettings,
        gone: &BTreeSet<DatanodeId>,
    ) -> (Vec<(CopyRun, bool)>, Vec<ChunkId>) {
        let runs = self
            .copies
            .iter()
            .flat_map(|(chunk, runs)| runs.iter().map(move |run| (*chunk, run)));
        let over: Vec<_> = runs
            .filter_map(|(chunk, run)| {
                let target = run.target.datanode;
                let is_gone = gone.contains(&run.source) || gone.contains(&target);
                (is_gone || run.deadline <= now).then_some((chunk, target, is_gone))
            })
            .collect();
        let copies = over
            .into_iter()
            .filter_map(|(chunk, target, is_gone)| Some((self.finish_copy(chunk, target)?, is_gone)))
            .collect();
        let silent: Vec<_> = self
            .verifications
            .iter()
            .filter(|((_, node), (deadline, _))| *deadline <= now || gone.contains(node))
            .map(|(key, _)| *key)
            .collect();
        for (chunk, node) in &silent {
            self.finish_verification(*chunk, *node);
        }
        let long = settings.verified_within;
        self.deletions.retain(|_, nodes| {
            nodes.retain(|(_, ordered_at)| now.saturating_sub(*ordered_at) < long);
            !nodes.is_empty()
        });
        self.failed.retain(|_, pairs| {
            pairs.retain(|(.., until)| *until > now);
            !pairs.is_empty()
        });
        self.streaks.retain(|_, streak| streak.until > now);
        (copies, silent.into_iter().map(|(chunk, _)| chunk).collect())
    }
}

impl From<&CopyRun> for Copying {
    fn from(run: &CopyRun) -> Self {
        Self {
            source: run.source,
            target: run.target.datanode,
            since: run.since,
            deadline: run.deadline,
        }
    }
}
