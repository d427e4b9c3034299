//! The next orders.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use types::{ChunkId, DatanodeId};

use super::copy::{Found, Search, Way, missing};
use super::queue::Turn;
use super::running::CopyRun;
use super::settings::units;
use super::trim::Verdict;
use super::{Order, Priority, Repair, Rest, Situation, Wanted};
use crate::{Facts, Standing, classify};

/// Chunks that one plan looks at.
pub const LOOKED_MAX: usize = 2_000;

/// Chunks that rested until now and that one plan takes up: after a death all of its chunks settle at one moment, and a plan is
/// made under a lock.
const WOKEN_MAX: usize = 4_000;

/// Nodes that a plan lets the placement policy judge, all questions together; and the questions that it may ask in any case.
const JUDGED_MAX: usize = 20_000;
const ASKED_MIN: usize = 8;

/// How long a chunk rests that nobody can send or take.
const STUCK: Duration = Duration::from_secs(5);
/// How long a chunk rests of which nothing can be destroyed.
const UNTOUCHED: Duration = Duration::from_secs(60);

impl Repair {
    /// What is to be done now: up to about `limit` orders, with a look at up to [`LOOKED_MAX`] chunks, and
    /// fewer questions to the placement policy the more nodes there are. What `wanted` answers
    /// with is what the metadata says of a chunk; none when no file holds it.
    ///
    /// To be called whenever something happened, and at [`Repair::next_due`]. Every order is expected to be sent, or to be
    /// taken back by [`Repair::failed`].
    pub fn plan(
        &mut self,
        situation: &Situation<'_>,
        wanted: impl Fn(ChunkId) -> Option<Wanted>,
        rng: &mut fastrand::Rng,
        limit: usize,
    ) -> Vec<Order> {
        self.give_up(situation);
        self.queue.wake_due(situation.now, WOKEN_MAX);
        self.nodes = situation.view.nodes().count();
        self.asked_max = ASKED_MIN.max(JUDGED_MAX / self.nodes.max(1));
        self.asked = 0;
        let mut orders = Vec::new();
        let from = self.unasked.filter(|_| self.unasked_next);
        let turns = match from {
            Some(_) => self.queue.ready(from, LOOKED_MAX),
            None => self.next_turns(),
        };
        let mut looked = None;
        let mut is_over = false;
        for turn @ (priority, _, chunk) in turns {
            is_over = self.asked >= self.asked_max;
            if orders.len() >= limit || is_over {
                // Nobody was passed over: the next plan begins with the first again.
                self.turn = None;
                break;
            }
            looked = Some(turn);
            let has_room = self.running.units() < self.settings.cluster_units(priority);
            if has_room || priority == Priority::Surplus {
                self.work(situation, chunk, wanted(chunk), rng, &mut orders);
            }
        }
        if from.is_some() || self.unasked.is_none() {
            self.unasked = looked.filter(|_| is_over);
        }
        self.unasked_next = from.is_none() && self.unasked.is_some();
        orders
    }

    /// Those to be looked at now: the first ones, and as many from where the last plan stopped, so that those whose nodes
    /// are busy keep nobody else from his turn.
    fn next_turns(&mut self) -> Vec<Turn> {
        let mut turns = self.queue.ready(None, LOOKED_MAX / 2);
        if turns.len() < LOOKED_MAX / 2 {
            self.turn = None;
            return turns;
        }
        let from = self.turn.max(turns.last().copied());
        let more = self.queue.ready(from, LOOKED_MAX / 2);
        self.turn = match more.len() < LOOKED_MAX / 2 {
            true => None,
            false => more.last().copied(),
        };
        turns.extend(more);
        turns
    }

    /// Ends what is out of time, or whose nodes are gone.
    fn give_up(&mut self, situation: &Situation<'_>) {
        let now = situation.now;
        let nodes = situation.view.nodes();
        let gone: BTreeSet<DatanodeId> = nodes
            .filter(|node| !node.liveness.is_usable())
            .map(|node| node.id)
            .collect();
        let (copies, unverified) = self.running.expire(now, &self.settings, &gone);
        for (run, is_gone) in copies {
            let (chunk, source, target) = (run.extent.chunk, run.source, run.target.datanode);
            if !is_gone {
                self.running.note_failure(now, &run, &self.settings);
                self.tally.timed_out += 1;
                let took = now.saturating_sub(run.since).as_secs();
                self.tally.last_error = Some(format!(
                    "the copy of chunk {chunk} from {source} to {target} did not arrive within {took} s"
                ));
            }
            self.queue.wake(chunk);
        }
        for chunk in unverified {
            self.queue.wake(chunk);
        }
    }

    fn work(
        &mut self,
        situation: &Situation<'_>,
        chunk: ChunkId,
        wanted: Option<Wanted>,
        rng: &mut fastrand::Rng,
        orders: &mut Vec<Order>,
    ) {
        let now = situation.now;
        let Some(wanted) = wanted else {
            self.queue.remove(chunk);
            return;
        };
        let facts = Facts::of(situation.replicas, chunk, wanted.expected, wanted.replicas);
        let Some(priority) = Priority::of(classify(&facts), wanted.min_replicas) else {
            self.queue.remove(chunk);
            return;
        };
        if self.queue.entry(chunk).map(|entry| entry.priority) != Some(priority) {
            self.queue.set(now, chunk, priority, self.settings.settle);
            if self.queue.entry(chunk).is_none_or(|entry| entry.rest.is_some()) {
                return;
            }
        }
        match priority {
            Priority::Surplus => self.tidy(situation, chunk, wanted, orders),
            _ => self.copy(situation, (chunk, wanted, priority), &facts, rng, orders),
        }
    }

    fn copy(
        &mut self,
        situation: &Situation<'_>,
        (chunk, wanted, priority): (ChunkId, Wanted, Priority),
        facts: &Facts,
        rng: &mut fastrand::Rng,
        orders: &mut Vec<Order>,
    ) {
        let now = situation.now;
        loop {
            let running = self.running.copies_of(chunk);
            let deadline = running.iter().map(|run| run.deadline).min();
            if missing(facts, priority, running.len()) == 0 {
                let (until, why) = match deadline {
                    Some(deadline) => (deadline, Rest::Copying),
                    None => (now.saturating_add(STUCK), Rest::Silent),
                };
                self.queue.rest(chunk, until, why);
                return;
            }
            if self.running.units() >= self.settings.cluster_units(priority) || self.asked >= self.asked_max {
                return;
            }
            let search = Search {
                situation,
                settings: &self.settings,
                running: &self.running,
                asked: Cell::new(0),
            };
            let found = search.find(chunk, wanted, priority, rng);
            self.asked += search.asked.get();
            let rest = match found {
                Found::Way(way) => {
                    orders.push(self.begin(now, way, priority));
                    continue;
                }
                Found::Busy => return,
                Found::NoSource => Rest::NoSource,
                Found::NoTarget => Rest::NoTarget,
            };
            let again = now.saturating_add(STUCK);
            self.queue
                .rest(chunk, deadline.map_or(again, |at| at.min(again)), rest);
            return;
        }
    }

    fn begin(&mut self, now: Duration, way: Way, urgency: Priority) -> Order {
        let Way {
            extent,
            source,
            target,
        } = way;
        let bytes_per_s = self.settings.rate(units(extent.len), self.nodes);
        self.running.copy(CopyRun {
            extent,
            source,
            target,
            since: now,
            deadline: now.saturating_add(self.settings.time_for(extent.len, bytes_per_s)),
        });
        Order::Copy {
            extent,
            source,
            target,
            urgency,
            bytes_per_s,
        }
    }

    /// There are enough copies, and something beside them is to go: first those that stay are verified.
    fn tidy(&mut self, situation: &Situation<'_>, chunk: ChunkId, wanted: Wanted, orders: &mut Vec<Order>) {
        let now = situation.now;
        let verdict = self.verdict(situation, chunk, wanted);
        let len = wanted.expected.len.unwrap_or_default();
        let until = now.saturating_add(self.settings.time_for(len, 0));
        if verdict.doomed.is_empty() {
            self.queue
                .rest(chunk, now.saturating_add(UNTOUCHED), Rest::NothingToDestroy);
            return;
        }
        let mut waits = false;
        for &node in &verdict.unverified {
            if self.running.is_verifying(chunk, node) {
                continue;
            }
            let (share, busy) = (units(len), self.running.verified(node));
            if busy > 0 && busy + share > self.settings.node_units(Priority::Surplus) {
                waits = true;
                continue;
            }
            self.running.verify(chunk, node, until, share);
            orders.push(Order::Verify {
                node,
                chunk,
                generation: wanted.expected.generation,
            });
        }
        if !verdict.unverified.is_empty() {
            if !waits {
                self.queue.rest(chunk, until, Rest::Verifying);
            }
            return;
        }
        for doomed in verdict.doomed {
            self.running.delete(now, chunk, doomed.node);
            orders.push(Order::Delete {
                node: doomed.node,
                chunk,
                generation: doomed.generation,
                only_corrupt: doomed.only_corrupt,
            });
        }
        self.queue
            .rest(chunk, now.saturating_add(self.settings.patience), Rest::Deleting);
    }

    fn verdict(&self, situation: &Situation<'_>, chunk: ChunkId, wanted: Wanted) -> Verdict {
        let going = self.running.deletions_of(chunk);
        Verdict::of(situation, chunk, wanted, going, self.settings.verified_within)
    }

    /// Whether an order is still right at the moment when it is sent; if it is not, it counts as taken back. For destruction
    /// it is this moment that counts: the copies that stay are there, serve, and were verified.
    pub fn confirm(
        &mut self,
        situation: &Situation<'_>,
        order: &Order,
        wanted: impl Fn(ChunkId) -> Option<Wanted>,
    ) -> bool {
        let chunk = order.chunk();
        let right = wanted(chunk).is_some_and(|wanted| self.is_right(situation, order, wanted));
        if !right {
            match *order {
                Order::Copy { target, .. } => {
                    self.running.finish_copy(chunk, target.datanode);
                }
                Order::Verify { node, .. } => {
                    self.running.finish_verification(chunk, node);
                }
                Order::Delete { node, .. } => {
                    self.running.finish_deletion(chunk, node);
                }
            }
            self.queue.wake(chunk);
        }
        right
    }

    fn is_right(&self, situation: &Situation<'_>, order: &Order, wanted: Wanted) -> bool {
        let chunk = order.chunk();
        let mut located = situation.replicas.located(chunk);
        match *order {
            Order::Copy {
                extent,
                source,
                target,
                ..
            } => {
                let facts = Facts::of(situation.replicas, chunk, wanted.expected, wanted.replicas);
                let priority = Priority::of(classify(&facts), wanted.min_replicas);
                let is_it = |run: &CopyRun| (run.source, run.target, run.extent) == (source, target, extent);
                priority.is_some_and(|priority| priority != Priority::Surplus)
                    && self.running.copies_of(chunk).iter().any(is_it)
                    && located.any(|here| {
                        here.node == Some(source)
                            && here.reach.is_readable()
                            && here.replica.standing(wanted.expected) == Standing::Valid
                            && (here.replica.generation, here.replica.len) == (extent.generation, extent.len)
                    })
            }
            Order::Verify { node, generation, .. } => {
                located.any(|here| here.node == Some(node) && here.replica.generation == generation)
            }
            Order::Delete {
                node,
                generation,
                only_corrupt,
                ..
            } => {
                let verdict = self.verdict(situation, chunk, wanted);
                let same = |doomed: &super::trim::Doomed| {
                    (doomed.node, doomed.generation, doomed.only_corrupt) == (node, generation, only_corrupt)
                };
                verdict.unverified.is_empty() && verdict.doomed.iter().any(same)
            }
        }
    }
}
