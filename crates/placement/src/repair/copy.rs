//! From where to where a chunk is copied.

use std::cell::Cell;

use types::{ChunkExtent, ChunkId, DatanodeId};

use super::running::Running;
use super::settings::units;
use super::{Priority, RepairSettings, Situation, Wanted};
use crate::replicas::Located;
use crate::{ClusterView, Facts, Reach, Request, Standing, Target};

/// Targets that are asked for one after the other when the policy names such as do not do.
const TRIES: usize = 8;

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) extent: ChunkExtent,
    pub(super) source: DatanodeId,
    pub(super) target: Target,
}

/// What came of looking for a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Way(Way),
    /// There is one, but a node on it does as much as it may already.
    Busy,
    NoSource,
    NoTarget,
}

/// Whether a node is known to be slower than its peers.
pub(super) fn is_slow(view: &ClusterView, node: DatanodeId) -> bool {
    view.node(node).is_some_and(|node| node.slow.is_some())
}

/// How many copies of a chunk are to be ordered beside those on their way.
pub(super) fn missing(facts: &Facts, priority: Priority, running: usize) -> usize {
    let needed = match priority {
        Priority::Misplaced => 1,
        _ => facts.needed(),
    };
    needed.saturating_sub(running)
}

/// What looking for a way takes.
pub(super) struct Search<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) settings: &'a RepairSettings,
    pub(super) running: &'a Running,
    /// How often the policy was asked.
    pub(super) asked: Cell<usize>,
}

impl Search<'_> {
    /// A way for one more copy of a chunk.
    pub(super) fn find(
        &self,
        chunk: ChunkId,
        wanted: Wanted,
        priority: Priority,
        rng: &mut fastrand::Rng,
    ) -> Found {
        let located: Vec<Located> = self.situation.replicas.located(chunk).collect();
        let valid = |here: &&Located| here.replica.standing(wanted.expected) == Standing::Valid;
        let Some(len) = wanted.expected.len else {
            return Found::NoSource;
        };
        let extent = ChunkExtent {
            chunk,
            generation: wanted.expected.generation,
            len,
        };
        let share = units(len);
        let max = self.settings.node_units(priority);
        let readable: Vec<&Located> = located
            .iter()
            .filter(valid)
            .filter(|here| here.reach.is_readable())
            .collect();
        let sources = self.sources(&readable, chunk, share, max);
        if sources.is_empty() {
            return match readable.is_empty() {
                true => Found::NoSource,
                false => Found::Busy,
            };
        }
        // Where it is, or is to be: not chosen, but their racks count.
        let mut existing: Vec<DatanodeId> = located
            .iter()
            .filter(valid)
            .filter(|here| !matches!(here.reach, Reach::Draining | Reach::Gone))
            .filter_map(|here| here.node)
            .collect();
        existing.extend(
            self.running
                .copies_of(chunk)
                .iter()
                .map(|run| run.target.datanode),
        );
        // Where something of it is that does not count.
        let others: Vec<DatanodeId> = located
            .iter()
            .filter(|here| here.reach != Reach::Gone)
            .filter_map(|here| here.node)
            .filter(|node| !existing.contains(node))
            .collect();
        let full: Vec<DatanodeId> = self.running.full_receivers(share, max).collect();
        let mut busy = false;
        for &source in &sources {
            let avoided = self.running.avoided(chunk, source);
            let mut ask = |but: &[DatanodeId]| {
                let exclude = [&others, &avoided, but].concat();
                self.target(extent, priority, &existing, exclude, rng)
            };
            let mut target = ask(&full);
            if target.is_none() && !full.is_empty() && ask(&[]).is_some() {
                busy = true;
                continue;
            }
            if target.is_none() {
                target = self.in_place(chunk, &located, wanted, |node| {
                    node == source || full.contains(&node) || avoided.contains(&node)
                });
            }
            if let Some(target) = target {
                return Found::Way(Way {
                    extent,
                    source,
                    target,
                });
            }
        }
        match busy {
            true => Found::Busy,
            false => Found::NoTarget,
        }
    }

    /// Who can send it now, the best first: not slow, with little to do, in service.
    fn sources(&self, readable: &[&Located], chunk: ChunkId, share: u32, max: u32) -> Vec<DatanodeId> {
        let view = self.situation.view;
        let sends_it = |node: DatanodeId| {
            let mut copies = self.running.copies_of(chunk).iter();
            copies.any(|run| run.source == node)
        };
        let mut ranked: Vec<_> = readable
            .iter()
            .filter_map(|here| Some((here.node?, here.reach)))
            .filter(|(node, _)| {
                let sent = self.running.sent(*node);
                !sends_it(*node) && (sent == 0 || sent + share <= max)
            })
            .map(|(node, reach)| {
                let streams = view.node(node).map_or(0, crate::Node::busy_streams);
                let load = (self.running.sent(node), streams);
                (is_slow(view, node), load, reach, node)
            })
            .collect();
        ranked.sort_unstable();
        ranked.dedup_by_key(|(.., node)| *node);
        ranked.into_iter().map(|(.., node)| node).collect()
    }

    /// Whom the policy names, if he can take it.
    fn target(
        &self,
        extent: ChunkExtent,
        priority: Priority,
        existing: &[DatanodeId],
        mut exclude: Vec<DatanodeId>,
        rng: &mut fastrand::Rng,
    ) -> Option<Target> {
        for _ in 0..TRIES {
            self.asked.set(self.asked.get() + 1);
            let request = Request {
                now: self.situation.now,
                key: extent.chunk.as_u64(),
                count: 1,
                bytes: extent.len,
                existing,
                exclude: &exclude,
                client_host: "",
            };
            let choice = self.situation.policy.choose(self.situation.view, &request, rng);
            let target = *choice.targets.first()?;
            if self.can_take(target, extent.len, priority, existing) {
                return Some(target);
            }
            exclude.push(target.datanode);
        }
        None
    }

    /// Whether a node serves, has room beside what is on its way to it, and for a misplaced chunk is in another rack.
    fn can_take(&self, target: Target, len: u64, priority: Priority, existing: &[DatanodeId]) -> bool {
        let view = self.situation.view;
        let Some(node) = view.node(target.datanode) else {
            return false;
        };
        let mut storages = node.storages.iter();
        let room = storages
            .find(|storage| storage.reported.id == target.storage)
            .map_or(0, crate::Storage::unclaimed);
        let in_rack = |id: &DatanodeId| view.node(*id).is_some_and(|other| other.rack == node.rack);
        self.situation.replicas.reach(target.storage) == Reach::Serving
            && room >= len.saturating_add(self.running.incoming(target.storage))
            && (priority != Priority::Misplaced || !existing.iter().any(in_rack))
    }

    /// Where no other node can take it: a node whose replica is of no use, which the good one replaces.
    fn in_place(
        &self,
        chunk: ChunkId,
        located: &[Located],
        wanted: Wanted,
        not: impl Fn(DatanodeId) -> bool,
    ) -> Option<Target> {
        let standing = |here: &Located| here.replica.standing(wanted.expected);
        let len = wanted.expected.len?;
        let is_taken = |node: DatanodeId| {
            let here = |other: &Located| other.node == Some(node) && standing(other) == Standing::Valid;
            let mut copies = self.running.copies_of(chunk).iter();
            located.iter().any(here) || copies.any(|run| run.target.datanode == node)
        };
        located.iter().find_map(|here| {
            let target = Target {
                datanode: here.node?,
                storage: here.replica.storage,
            };
            let of_no_use = matches!(
                standing(here),
                Standing::Corrupt | Standing::Stale | Standing::WrongLength
            );
            let fits = of_no_use
                && !is_taken(target.datanode)
                && !not(target.datanode)
                && self.can_take(target, len, Priority::Corrupt, &[]);
            fits.then_some(target)
        })
    }
}
