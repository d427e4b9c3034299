//! Which fault comes next, and which may. Pure: time and what is known of the cluster come in as arguments.
//!
//! # The budget
//! What the cluster guarantees is that an acknowledged byte is on `min_replicas` disks, and on `replication` disks once the
//! cluster says that it is whole. So:
//! - one datanode's replicas may be destroyed when the cluster is whole: what was acknowledged in that moment is on two;
//! - two at once only while nobody writes, and the cluster is whole;
//! - after that none, until the damage is found (rot is found by scrubbing only) and the cluster says again that it is whole.
//! - Masters: a minority at a time is away, and a directory is lost only when all the others serve. All may be *killed* at
//!   once: their logs are on disk.
//! - Where files are open all the time ([`Rules::memory_counts`]), what was flushed is only in the memory of datanodes:
//!   one datanode at a time, whatever happens to it, until the cluster is whole.
//!
//! # How it goes
//! Rounds of two kinds take turns: some faults that destroy nothing, which overlap; then a calm until the cluster is whole (for
//! a limited time), and one that does, with faults of masters beside it.

mod fault;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

pub use fault::{Fault, Kind, Target};

/// What there is to torment, and how far one may go.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Datanodes.
    pub datanodes: usize,
    /// Masters.
    pub masters: usize,
    /// Replicas of each chunk.
    pub replication: usize,
    /// Replicas without which nothing is acknowledged.
    pub min_replicas: usize,
    /// Whether cables can be pulled.
    pub cuts: bool,
    /// Whether disks can be filled.
    pub fills: bool,
    /// Whether bytes that are only in the memory of datanodes count.
    pub memory_counts: bool,
    /// How long until damage that nobody reads is found.
    pub detection: Duration,
    /// So many times as long between two faults.
    pub pace: u32,
}

/// What is known of the cluster.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// When the cluster was asked last, and whether it was whole: every chunk has all its copies, everybody is there.
    pub whole: Option<(Duration, bool)>,
    /// The master that leads, if one is known to.
    pub leader: Option<usize>,
    /// When the masters were asked last, and for each whether it takes part, and is not far behind.
    pub masters: Option<(Duration, Vec<bool>)>,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// A fault begins.
    Begin(Fault),
    /// It ends: whatever was done is undone.
    End(Fault),
}

/// A whole cluster is believed for so long.
const FRESH: Duration = Duration::from_secs(3);
/// A calm is given up after so long, for faults that destroy nothing.
const CALM_MAX: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// So many faults that destroy nothing are left.
    Rough(u32),
    /// Waiting for the cluster to be whole, since then; then something is destroyed.
    Calm(Duration),
}

/// Plans faults.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    random: Rng,
    round: Round,
    active: Vec<(Duration, Fault)>,
    /// Datanodes whose replicas were damaged, and when the last damage was over.
    damaged: BTreeMap<usize, Duration>,
    /// When the last fault ended.
    quiet_since: Duration,
    next_at: Duration,
    number: u64,
}

impl Planner {
    /// The first fault comes after `warm_up`.
    #[must_use]
    pub fn new(rules: Rules, seed: u64, warm_up: Duration) -> Self {
        Self {
            rules,
            random: Rng::with_seed(seed),
            round: Round::Rough(4),
            active: Vec::new(),
            damaged: BTreeMap::new(),
            quiet_since: Duration::ZERO,
            next_at: warm_up,
            number: 0,
        }
    }

    /// What is to be done at `now`; none: ask again a little later.
    pub fn poll(&mut self, now: Duration, view: &View) -> Option<Order> {
        if let Some(place) = self.active.iter().position(|(ends, _)| *ends <= now) {
            return Some(Order::End(self.active.swap_remove(place).1));
        }
        self.learn(view);
        if now < self.next_at {
            return None;
        }
        let fault = match self.round {
            Round::Rough(left) => {
                self.round = match left {
                    0 => Round::Calm(now),
                    left => Round::Rough(left - 1),
                };
                self.next_at = now + self.between(500, 5_000).saturating_mul(self.rules.pace);
                self.harmless(view)
            }
            Round::Calm(since) => self.calm(now, since, view),
        }?;
        self.active.push((now + fault.lasts, fault.clone()));
        Some(Order::Begin(fault))
    }

    /// A fault was undone at `now`.
    pub fn ended(&mut self, fault: &Fault, now: Duration) {
        self.quiet_since = self.quiet_since.max(now);
        for node in fault.target.datanodes() {
            if let Some(over) = self.damaged.get_mut(&node) {
                *over = now;
            }
        }
    }

    /// No more faults: those that are to be undone.
    pub fn finish(&mut self) -> Vec<Fault> {
        self.active.drain(..).map(|(_, fault)| fault).collect()
    }

    /// What is going on.
    pub fn active(&self) -> impl Iterator<Item = &Fault> {
        self.active.iter().map(|(_, fault)| fault)
    }

    /// Damage is over when it must have been found, and the cluster was whole after that.
    fn learn(&mut self, view: &View) {
        let Some((asked, true)) = view.whole else { return };
        let hit: Vec<usize> = self.active().flat_map(|fault| fault.target.datanodes()).collect();
        let detection = self.rules.detection;
        self.damaged
            .retain(|node, over| hit.contains(node) || asked < *over + detection);
    }

    fn calm(&mut self, now: Duration, since: Duration, view: &View) -> Option<Fault> {
        let (asked, whole) = view.whole.unwrap_or_default();
        let settled = asked >= self.quiet_since && asked + FRESH >= now;
        if self.active.is_empty() && whole && settled && self.damaged.is_empty() {
            self.round = Round::Rough(self.random.u32(2..=8));
            // The rough round begins while the damage is there.
            self.next_at = now + self.between(1_000, 3_000);
            return self.destruction();
        }
        if now > since + CALM_MAX {
            self.round = Round::Rough(self.random.u32(2..=8));
        }
        None
    }

    /// One that destroys as much as may be.
    fn destruction(&mut self) -> Option<Fault> {
        let Rules {
            datanodes,
            replication,
            min_replicas,
            memory_counts,
            ..
        } = self.rules;
        if min_replicas < 2 || datanodes < 2 {
            return None;
        }
        let two = replication >= 3 && datanodes >= 3 && !memory_counts;
        let kind = match self.random.u32(0..10) {
            0..=4 if !memory_counts => Kind::Rot,
            8.. if two => Kind::WipeTwo,
            _ => Kind::Wipe,
        };
        let one = self.random.usize(..datanodes);
        let target = if kind == Kind::WipeTwo {
            let other = (one + self.random.usize(1..datanodes)) % datanodes;
            Target::Datanodes(one, other)
        } else {
            Target::Datanode(one)
        };
        for node in target.datanodes() {
            self.damaged
                .insert(node, Duration::MAX.saturating_sub(self.rules.detection));
        }
        Some(self.fault(kind, target, 500, 3_000))
    }

    /// One that destroys nothing, if there is anybody whom it may meet.
    fn harmless(&mut self, view: &View) -> Option<Fault> {
        let everybody = self.active.is_empty() && !self.rules.memory_counts;
        match self.random.u32(0..20) {
            0 if everybody => Some(self.fault(Kind::Blackout, Target::All, 200, 3_000)),
            1..=8 => self.of_master(view),
            _ => self.of_datanode(),
        }
    }

    fn of_master(&mut self, view: &View) -> Option<Fault> {
        let masters = self.rules.masters;
        if self.active().any(|fault| fault.target == Target::All) {
            return None;
        }
        let hit: Vec<Target> = self.active().map(|fault| fault.target.clone()).collect();
        let away = |number| hit.contains(&Target::Master(number));
        // One that was away, and has not caught up yet, counts as away.
        let (asked, ready) = view.masters.as_ref()?;
        let fresh = *asked >= self.quiet_since;
        let serves = |number| fresh && ready.get(number) == Some(&true) && !away(number);
        let missing = (0..masters).filter(|number| !serves(*number)).count();
        if missing > 0 && missing >= masters.saturating_sub(1) / 2 {
            return None;
        }
        let leader = view.leader.filter(|_| self.random.u32(0..10) < 6);
        let victim = leader.unwrap_or_else(|| self.random.usize(..masters));
        if away(victim) {
            return None;
        }
        let kind = match self.random.u32(0..12) {
            0..=3 => Kind::Kill,
            4..=6 => Kind::Stop,
            7..=8 if self.rules.cuts => Kind::Cut,
            9 if masters >= 3 && missing == 0 => Kind::Wipe,
            _ => Kind::Restart,
        };
        Some(self.fault(kind, Target::Master(victim), 500, 6_000))
    }

    fn of_datanode(&mut self) -> Option<Fault> {
        let datanodes = self.rules.datanodes;
        let hit: Vec<usize> = self.active().flat_map(|fault| fault.target.datanodes()).collect();
        let memory = self.rules.memory_counts;
        // So that most writes find as many as they need, and a file that is open keeps one of its datanodes.
        let most = if memory {
            1
        } else {
            datanodes.saturating_sub(self.rules.min_replicas).clamp(1, 2)
        };
        if hit.len() >= most || self.active().any(|fault| fault.target == Target::All) {
            return None;
        }
        if memory && (self.rules.min_replicas < 2 || !self.damaged.is_empty()) {
            return None;
        }
        let free: Vec<usize> = (0..datanodes).filter(|node| !hit.contains(node)).collect();
        let victim = *free.get(self.random.usize(..free.len().max(1)))?;
        let kind = match self.random.u32(0..14) {
            0..=4 => Kind::Kill,
            5..=7 => Kind::Stop,
            8..=9 if self.rules.cuts => Kind::Cut,
            10..=11 if self.rules.fills => Kind::Fill,
            _ => Kind::Restart,
        };
        if memory {
            self.damaged
                .insert(victim, Duration::MAX.saturating_sub(self.rules.detection));
        }
        Some(self.fault(kind, Target::Datanode(victim), 500, 12_000))
    }

    fn fault(&mut self, kind: Kind, target: Target, from_ms: u64, to_ms: u64) -> Fault {
        self.number += 1;
        Fault {
            number: self.number,
            kind,
            target,
            lasts: self.between(from_ms, to_ms),
        }
    }

    fn between(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.random.u64(from_ms..to_ms))
    }
}
