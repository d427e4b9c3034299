//! One plan, carried out chunk by chunk: which replica of this chunk goes where, if any.
//!
//! Guarantee: a move is a copy first, and only then one replica less, by the rules of repair. When both are done, the chunk
//! is on as many nodes and hosts as before, and on as many racks ([`RackRule::Keep`]), or at least on two where it was on
//! more ([`RackRule::Two`]).

use std::collections::{BTreeMap, HashMap};

use types::{ChunkExtent, DatanodeId, StorageId};

use super::BalancePlan;
use super::plan::float;
use crate::{ClusterView, Target};

/// Takers that are looked at for one chunk.
const DRAWS: usize = 12;

/// What a move may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RackRule {
    /// No rack.
    Keep,
    /// Racks beyond the second: where it can not be otherwise.
    Two,
}

/// A replica that is to be somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Of which chunk.
    pub extent: ChunkExtent,
    /// Where it is.
    pub from: Target,
    /// Where it is to be.
    pub to: Target,
}

#[derive(Debug, Clone)]
struct Member {
    id: DatanodeId,
    rack: u32,
    host: u32,
    usable: u64,
    gives: u64,
    takes: u64,
    /// What it may give, or take, beyond that.
    spare_gives: u64,
    spare_takes: u64,
    /// The volumes that can take something, and what is left on each.
    volumes: Vec<(StorageId, u64)>,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Round {
    members: Vec<Member>,
    by_storage: HashMap<StorageId, u32>,
    /// Those that still take something.
    takers: Vec<u32>,
    rule: RackRule,
    left: u64,
    /// The longest chunk that was considered.
    longest: u64,
}

impl Round {
    /// Carries `plan` out, which was made of `view` just now.
    #[must_use]
    pub fn new(view: &ClusterView, plan: &BalancePlan, rule: RackRule) -> Self {
        let parts: BTreeMap<_, _> = plan.nodes.iter().map(|node| (node.datanode, node)).collect();
        let (mut racks, mut hosts) = (Numbers::default(), Numbers::default());
        let mut by_storage = HashMap::new();
        let mut members = Vec::new();
        for (number, node) in (0..).zip(view.nodes()) {
            by_storage.extend(node.storages.iter().map(|storage| (storage.reported.id, number)));
            let part = parts.get(&node.id);
            let reserve = view.thresholds().reserve_bytes;
            members.push(Member {
                id: node.id,
                rack: racks.of(&node.rack),
                host: hosts.of(&node.host),
                usable: part.map_or(0, |part| part.usable),
                gives: part.map_or(0, |part| part.gives),
                takes: part.map_or(0, |part| part.takes),
                spare_gives: part
                    .filter(|part| part.share() > plan.mean)
                    .map_or(0, |part| part.spare),
                spare_takes: part
                    .filter(|part| part.share() < plan.mean)
                    .map_or(0, |part| part.spare),
                volumes: node
                    .working()
                    .filter(|storage| storage.slow.is_none())
                    .map(|storage| (storage.reported.id, storage.unclaimed().saturating_sub(reserve)))
                    .collect(),
            });
        }
        let takers = (0..)
            .zip(&members)
            .filter(|(_, member)| member.takes > 0)
            .map(|(n, _)| n);
        Self {
            takers: takers.collect(),
            members,
            by_storage,
            rule,
            left: plan.bytes,
            longest: 0,
        }
    }

    /// Bytes that are still to be moved.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// From now on nodes may give or take more than their part, as far as the plan allows: the parts that are left are too
    /// small for whole chunks. False when that changes nothing.
    pub fn loosen(&mut self) -> bool {
        let mut more = false;
        for (number, member) in (0..).zip(&mut self.members) {
            let gives = std::mem::take(&mut member.spare_gives);
            let takes = std::mem::take(&mut member.spare_takes);
            more |= gives > 0 || takes > 0;
            if member.takes == 0 && takes > 0 {
                self.takers.push(number);
            }
            member.gives += gives;
            member.takes += takes;
        }
        more && self.left > 0
    }

    /// Another rule from now on.
    pub const fn set_rule(&mut self, rule: RackRule) {
        self.rule = rule;
    }

    /// The rule in force.
    #[must_use]
    pub const fn rule(&self) -> RackRule {
        self.rule
    }

    /// Whether nothing is left to be moved, or nobody takes anything. What is less than half of a chunk counts as nothing,
    /// once chunks were considered.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let crumb = self.longest.div_ceil(2).max(1);
        let none = |of: fn(&Member) -> u64| self.members.iter().all(|member| of(member) < crumb);
        self.left == 0 || none(|member| member.gives) || none(|member| member.takes)
    }

    /// The same, but for crumbs, and at once.
    pub(super) const fn is_done(&self) -> bool {
        self.left == 0 || self.takers.is_empty()
    }

    /// Whether a replica of this chunk is to move. `storages` are where its replicas are, all of them good and as many as
    /// are wanted; `free` says whether a node can send, or get, one more now. What is answered counts as done; if it comes
    /// to nothing, the next plan sees it.
    pub fn consider(
        &mut self,
        extent: ChunkExtent,
        storages: &[StorageId],
        free: impl Fn(DatanodeId) -> bool,
        rng: &mut fastrand::Rng,
    ) -> Option<Move> {
        let places: Vec<(StorageId, u32)> = storages
            .iter()
            .map(|storage| Some((*storage, *self.by_storage.get(storage)?)))
            .collect::<Option<_>>()?;
        self.longest = self.longest.max(extent.len);
        // Half of a chunk too much is as good as half of one too little.
        let enough = extent.len.div_ceil(2).max(1);
        let mut givers: Vec<_> = places
            .iter()
            .filter_map(|(storage, number)| {
                let member = self.member(*number)?;
                (member.gives >= enough && free(member.id)).then_some((*storage, *number, member.gives))
            })
            .collect();
        givers.sort_unstable_by_key(|(_, _, gives)| std::cmp::Reverse(*gives));
        for (storage, giver, _) in givers {
            if let Some((place, volume)) = self.taker(&places, giver, extent.len, enough, &free, rng) {
                return self.settle(extent, (storage, giver), (place, volume));
            }
        }
        None
    }

    fn member(&self, number: u32) -> Option<&Member> {
        self.members.get(usize::try_from(number).ok()?)
    }

    /// Of some takers, the one that is to get most for its size: its place among them, and its volume.
    fn taker(
        &self,
        places: &[(StorageId, u32)],
        giver: u32,
        len: u64,
        enough: u64,
        free: &impl Fn(DatanodeId) -> bool,
        rng: &mut fastrand::Rng,
    ) -> Option<(usize, StorageId)> {
        let all = self.takers.len() <= DRAWS;
        let draws = if all { self.takers.len() } else { DRAWS };
        let mut best: Option<(f64, usize, StorageId)> = None;
        for draw in 0..draws {
            let place = if all { draw } else { rng.usize(..self.takers.len()) };
            let number = *self.takers.get(place)?;
            let member = self.member(number)?;
            let need = float(member.takes) / float(member.usable.max(1));
            if member.takes < enough
                || best.is_some_and(|(most, ..)| need <= most)
                || !free(member.id)
                || !self.keeps_safe(places, giver, number)
            {
                continue;
            }
            let roomy = member.volumes.iter().max_by_key(|(_, left)| *left);
            if let Some((volume, _)) = roomy.filter(|(_, left)| *left >= len) {
                best = Some((need, place, *volume));
            }
        }
        best.map(|(_, place, volume)| (place, volume))
    }

    /// Whether the chunk would be as safe with `taker` in the place of `giver`.
    fn keeps_safe(&self, places: &[(StorageId, u32)], giver: u32, taker: u32) -> bool {
        if places.iter().any(|(_, number)| *number == taker) {
            return false;
        }
        let before = places.iter().map(|(_, number)| *number);
        let after = before.clone().filter(|number| *number != giver).chain([taker]);
        let (racks, hosts) = (|m: &Member| m.rack, |m: &Member| m.host);
        let floor = match self.rule {
            RackRule::Keep => usize::MAX,
            RackRule::Two => 2,
        };
        self.distinct(after.clone(), racks) >= self.distinct(before.clone(), racks).min(floor)
            && self.distinct(after, hosts) >= self.distinct(before, hosts)
    }

    fn distinct(&self, numbers: impl Iterator<Item = u32>, of: fn(&Member) -> u32) -> usize {
        let mut seen = Vec::with_capacity(4);
        for number in numbers {
            let name = self.member(number).map(of);
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen.len()
    }

    /// Counts a move as done.
    fn settle(
        &mut self,
        extent: ChunkExtent,
        (source, giver): (StorageId, u32),
        (place, volume): (usize, StorageId),
    ) -> Option<Move> {
        let number = *self.takers.get(place)?;
        let taker = self.members.get_mut(usize::try_from(number).ok()?)?;
        taker.takes = taker.takes.saturating_sub(extent.len);
        if let Some((_, left)) = taker.volumes.iter_mut().find(|(id, _)| *id == volume) {
            *left = left.saturating_sub(extent.len);
        }
        let to = Target {
            datanode: taker.id,
            storage: volume,
        };
        if taker.takes == 0 {
            self.takers.swap_remove(place);
        }
        let giver = self.members.get_mut(usize::try_from(giver).ok()?)?;
        giver.gives = giver.gives.saturating_sub(extent.len);
        self.left = self.left.saturating_sub(extent.len);
        let from = Target {
            datanode: giver.id,
            storage: source,
        };
        Some(Move { extent, from, to })
    }
}

/// Names as small numbers.
#[derive(Default)]
struct Numbers<'a>(HashMap<&'a str, u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, name: &'a str) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(name).or_insert(next)
    }
}
