//! Evens out how full nodes are, a few moves at a time.
//!
//! ```text
//!            ┌──────────── plan: all near the mean? ──yes──▶ balanced
//!            ▼                        ▲
//!   chunks are offered,               │ heartbeats have told
//!   some begin to move                │ what is used now
//!            │                        │
//!            └── enough has moved ──▶ settling: what is on its way ends
//! ```
//!
//! How it is driven: [`Balancer::tick`] again and again; while it answers with true, chunks that are healthy are offered,
//! one after the other ([`Balancer::offer`]), each with the storages of its replicas; an answer is a copy to be ordered now.
//! At the end of all chunks [`Balancer::passed`]. What datanodes report goes to [`Balancer::received`],
//! [`Balancer::deleted`] and [`Balancer::failed`].
//!
//! A plan is made of what datanodes say that they use, so only when that stands still: a copy under way is not counted yet
//! where it goes to, a replica too many is still counted where it is. That holds for what others move as well: repair, and the
//! balancer of the leader before this one.
//!
//! Guarantees:
//! - it destroys nothing. A move is a copy; the replica too many is removed by repair, which verifies those that stay and
//!   prefers the fullest node. So safety has one place, and a balancer that stops in the middle (a new leader) leaves only
//!   what repair cleans up, to the same end;
//! - a chunk is on no fewer nodes, hosts and racks afterwards; only when nothing else can be moved, on two racks at least;
//! - nothing is moved that the plan does not need, but for chunks that are larger than the rest of a need;
//! - it ends: each round that moves anything brings the nodes nearer to the mean, and a round that can not move anything is
//!   the last.

mod moves;
mod plan;
mod round;

use std::time::Duration;

use types::{ChunkExtent, ChunkId, DatanodeId, StorageId};

use self::moves::{Ended, Moves};
use crate::ClusterView;

pub use plan::{BalancePlan, LeftOut, NodeBalance};
pub use round::{Move, RackRule, Round};

/// How much it may take. They can be changed at any time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalanceSettings {
    /// How far from the mean a node may be: a share.
    pub threshold: f64,
    /// Copies that a node sends and receives at once, together.
    pub streams_per_node: u32,
    /// Copies in the whole cluster at once.
    pub streams: usize,
    /// Bytes per second of one node; 0: no limit.
    pub bandwidth_per_node: u64,
    /// How long after the last move what datanodes say of their space is true: a few heartbeats.
    pub settle: Duration,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            threshold: 0.05,
            streams_per_node: 2,
            streams: 64,
            bandwidth_per_node: 10 << 20,
            settle: Duration::from_secs(10),
        }
    }
}

impl BalanceSettings {
    /// How fast one copy may be; 0: no limit.
    #[must_use]
    pub fn rate(&self) -> u64 {
        match self.bandwidth_per_node {
            0 => 0,
            bandwidth => (bandwidth / u64::from(self.streams_per_node.max(1))).max(1),
        }
    }
}

/// How long it waits for what others move: about as long as a slow copy of a whole chunk takes.
const OTHERS_PATIENCE: Duration = Duration::from_secs(180);

/// Rounds in a row of which no move was done, before it gives up.
const FRUITLESS_MAX: u32 = 3;

/// What it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BalanceState {
    /// It was not started, or was stopped: what is on its way still ends.
    #[default]
    Idle,
    /// It moves.
    Moving,
    /// It waits for moves to end, and for heartbeats.
    Settling,
    /// Every node is near enough to the mean.
    Balanced,
    /// Nodes are too far from the mean, but no chunk can be moved without making it less safe, or no move succeeds.
    Stuck,
}

/// How it goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BalanceStatus {
    /// What it is about.
    pub state: BalanceState,
    /// Plans that were carried out, this one too.
    pub rounds: u32,
    /// Bytes that this round has still to begin to move.
    pub left: u64,
    /// Copies that run.
    pub copying: usize,
    /// New replicas for which an old one is still there.
    pub untrimmed: usize,
    /// Moves that are done, since it was started.
    pub moved: u64,
    /// Bytes of these.
    pub moved_bytes: u64,
    /// Moves that came to nothing.
    pub failed: u64,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct Balancer {
    settings: BalanceSettings,
    status: BalanceStatus,
    round: Option<Round>,
    moves: Moves,
    /// Moves that were begun since the last end of all chunks, and in this round.
    begun: (u64, u64),
    /// Whether a chunk was left alone because somebody was busy.
    was_busy: bool,
    /// When something last moved, as far as is known.
    last: Duration,
    /// Since when it waits for what others move.
    others_since: Option<Duration>,
    /// Rounds in a row of which no move was done, and the moves done before this one.
    fruitless: u32,
    moved_before: u64,
}

impl Balancer {
    /// At rest.
    #[must_use]
    pub fn new(settings: BalanceSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// At rest, with the default's limits, in the place of one that nothing is known of: what that one has begun may have
    /// ended just `now`.
    #[must_use]
    pub fn in_place_of_another(now: Duration) -> Self {
        Self {
            last: now,
            ..Self::default()
        }
    }

    /// The limits.
    #[must_use]
    pub const fn settings(&self) -> &BalanceSettings {
        &self.settings
    }

    /// Other limits, from now on.
    pub const fn set_settings(&mut self, settings: BalanceSettings) {
        self.settings = settings;
    }

    /// Begins, unless it moves already.
    pub fn start(&mut self) {
        if !matches!(self.status.state, BalanceState::Moving | BalanceState::Settling) {
            *self = Self {
                settings: self.settings,
                moves: std::mem::take(&mut self.moves),
                last: self.last,
                status: BalanceStatus {
                    state: BalanceState::Settling,
                    ..BalanceStatus::default()
                },
                ..Self::default()
            };
        }
    }

    /// Begins no more moves.
    pub fn stop(&mut self) {
        self.end(BalanceState::Idle);
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> BalanceStatus {
        BalanceStatus {
            left: self.round.as_ref().map_or(0, Round::left),
            copying: self.moves.copying(),
            untrimmed: self.moves.untrimmed(),
            ..self.status.clone()
        }
    }

    /// Plans that were carried out since it was started, the one under way too.
    #[must_use]
    pub const fn rounds(&self) -> u32 {
        self.status.rounds
    }

    /// What it is about.
    #[must_use]
    pub const fn state(&self) -> BalanceState {
        self.status.state
    }

    /// Goes on; whether chunks are to be offered now. `moving` says whether there are copies under way, or replicas too many,
    /// by whomever's doing.
    pub fn tick(&mut self, now: Duration, view: &ClusterView, moving: bool) -> bool {
        for ended in self.moves.expire(now) {
            self.ended(now, ended);
        }
        if self.status.state == BalanceState::Settling && self.moves.is_empty() {
            if moving && self.waits_for_others(now) {
                self.last = now;
            } else if now.saturating_sub(self.last) >= self.settings.settle {
                self.others_since = None;
                self.plan(now, view);
            }
        }
        self.status.state == BalanceState::Moving && self.moves.has_room(&self.settings)
    }

    fn waits_for_others(&mut self, now: Duration) -> bool {
        let since = *self.others_since.get_or_insert(now);
        now.saturating_sub(since) < OTHERS_PATIENCE
    }

    fn plan(&mut self, now: Duration, view: &ClusterView) {
        let plan = BalancePlan::of(view, now, self.settings.threshold);
        if plan.is_balanced() {
            return self.end(BalanceState::Balanced);
        }
        // Nothing has come of several rounds: something else is wrong, and is told as the last error of orders.
        let fruitless = self.begun.1 > 0 && self.status.moved == self.moved_before;
        self.fruitless = if fruitless { self.fruitless + 1 } else { 0 };
        if self.fruitless >= FRUITLESS_MAX {
            return self.end(BalanceState::Stuck);
        }
        self.moved_before = self.status.moved;
        self.round = Some(Round::new(view, &plan, RackRule::Keep));
        self.begun = (0, 0);
        self.was_busy = false;
        self.status.rounds += 1;
        self.status.state = BalanceState::Moving;
    }

    /// A chunk that is healthy, with the storages of its replicas: whether one of them is to move. Then the copy is to be
    /// ordered now, from any of them, at [`BalanceSettings::rate`].
    pub fn offer(
        &mut self,
        now: Duration,
        extent: ChunkExtent,
        storages: &[StorageId],
        rng: &mut fastrand::Rng,
    ) -> Option<Move> {
        let Self {
            round,
            moves,
            settings,
            was_busy,
            ..
        } = self;
        if !moves.has_room(settings) || moves.has(extent.chunk) {
            *was_busy = true;
            return None;
        }
        let busy = std::cell::Cell::new(false);
        let free = |node| {
            let free = moves.is_free(node, settings);
            busy.set(busy.get() || !free);
            free
        };
        let found = round.as_mut()?.consider(extent, storages, free, rng);
        *was_busy |= busy.get();
        let what = found?;
        moves.begin(now, what, settings.rate());
        self.begun = (self.begun.0 + 1, self.begun.1 + 1);
        if self.round.as_ref().is_some_and(Round::is_done) {
            self.settle();
        }
        Some(what)
    }

    /// All chunks have been offered once.
    pub fn passed(&mut self) {
        let idle = self.begun.0 == 0 && !self.was_busy;
        self.begun.0 = 0;
        self.was_busy = false;
        let Some(round) = &mut self.round else {
            return;
        };
        // Only where nothing could be moved by parts: what is left of them after moves is for the next plan.
        let nothing = round.is_over() && self.begun.1 == 0;
        let loosened = nothing && round.loosen() && !round.is_over();
        match (round.is_over(), round.rule()) {
            // Whole chunks do not come nearer.
            (true, _) if self.begun.1 == 0 => self.end(BalanceState::Balanced),
            (true, _) => self.settle(),
            (false, _) if !idle || loosened => {}
            (false, RackRule::Keep) => round.set_rule(RackRule::Two),
            (false, RackRule::Two) if self.begun.1 > 0 => self.settle(),
            (false, RackRule::Two) => self.end(BalanceState::Stuck),
        }
    }

    fn end(&mut self, state: BalanceState) {
        self.round = None;
        self.status.state = state;
    }

    fn settle(&mut self) {
        self.end(BalanceState::Settling);
    }

    /// A replica of `chunk` is on disk.
    pub fn received(&mut self, now: Duration, chunk: ChunkId, storage: StorageId, node: DatanodeId) {
        self.moves.copied(now, chunk, storage, node);
    }

    /// A replica of `chunk` is gone, or the chunk is.
    pub fn deleted(&mut self, now: Duration, chunk: ChunkId) {
        if let Some(ended) = self.moves.deleted(chunk) {
            self.ended(now, ended);
        }
    }

    /// An order about `chunk` came to nothing.
    pub fn failed(&mut self, now: Duration, chunk: ChunkId) {
        if let Some(ended) = self.moves.failed(chunk) {
            self.ended(now, ended);
        }
    }

    fn ended(&mut self, now: Duration, ended: Ended) {
        self.last = now;
        match ended {
            Ended::Moved(what) => {
                self.status.moved += 1;
                self.status.moved_bytes = self.status.moved_bytes.saturating_add(what.extent.len);
            }
            Ended::Failed(_) => self.status.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests;
