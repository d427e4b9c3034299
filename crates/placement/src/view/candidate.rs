//! Which nodes can take a chunk, on which volume, and why the others can not.

use std::time::Duration;

use crate::{Admin, ClusterView, Liveness, Node, Reason, Refusal, Request, Storage, Target};

/// A node that can take a chunk.
pub(crate) struct Candidate<'a> {
    pub(crate) node: &'a Node,
    /// Why it is used only when nothing else is to be had.
    pub(crate) doubt: Option<Reason>,
    /// 0 is empty and idle; 2 is full and busy.
    pub(crate) load: f64,
    /// Bytes of its volumes: what it can carry, compared with others.
    pub(crate) capacity: u64,
    /// The volumes that have room.
    volumes: Vec<&'a Storage>,
    /// Of these, the one that has most.
    emptiest: &'a Storage,
}

impl Candidate<'_> {
    /// One of its volumes, by `draw`, a number from all of `u64`: each in proportion to the room it has, so that all of
    /// them work, and fill up together.
    pub(crate) fn target(&self, draw: u64) -> Target {
        let room = |storage: &&Storage| u128::from(storage.unclaimed().max(1));
        let total: u128 = self.volumes.iter().map(room).sum();
        let mut at = (u128::from(draw) * total) >> 64;
        let drawn = self
            .volumes
            .iter()
            .find(|storage| match at.checked_sub(room(storage)) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            });
        self.on(drawn.copied().unwrap_or(self.emptiest))
    }

    /// The volume with the most room.
    pub(crate) fn emptiest(&self) -> Target {
        self.on(self.emptiest)
    }

    fn on(&self, storage: &Storage) -> Target {
        Target {
            datanode: self.node.id,
            storage: storage.reported.id,
        }
    }
}

impl ClusterView {
    /// The nodes that can take what `request` asks for, and why each other one can not; both in the order of their ids.
    /// Every policy starts from here.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> (Vec<Candidate<'_>>, Vec<Refusal>) {
        let (mut candidates, mut refusals) = (Vec::new(), Vec::new());
        for node in self.nodes() {
            match self.judge(node, request) {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => refusals.push(Refusal {
                    datanode: node.id,
                    address: node.address(),
                    reason,
                }),
            }
        }
        (candidates, refusals)
    }

    fn judge<'a>(&self, node: &'a Node, request: &Request<'_>) -> Result<Candidate<'a>, Reason> {
        if request.existing.contains(&node.id) {
            return Err(Reason::HasReplica);
        }
        if request.exclude.contains(&node.id) {
            let silent_for = node.silent_for(request.now);
            let conspicuous = |age: &Duration| *age >= self.detector().late_after;
            return Err(Reason::Excluded {
                silent_for: silent_for.filter(conspicuous),
            });
        }
        self.serves(node, request.now)?;
        let (volumes, emptiest) = self.volumes(node, request.bytes)?;
        let (streams, max) = (node.busy_streams(), self.thresholds().streams_max);
        if streams >= max {
            return Err(Reason::Busy { streams, max });
        }
        Ok(Candidate {
            node,
            doubt: self.doubt(node, request.now),
            load: load(node, streams, max),
            capacity: node.working().map(|storage| storage.reported.capacity).sum(),
            volumes,
            emptiest,
        })
    }

    /// Whether operators, and its heartbeats, let it serve.
    fn serves(&self, node: &Node, now: Duration) -> Result<(), Reason> {
        match node.admin.at(now) {
            Admin::InService => {}
            Admin::Decommissioning => return Err(Reason::Draining { drained: false }),
            Admin::Decommissioned => return Err(Reason::Draining { drained: true }),
            Admin::Maintenance { until } => {
                return Err(Reason::Maintenance {
                    for_another: until.saturating_sub(now),
                });
            }
        }
        match (node.liveness, node.silent_for(now)) {
            (Liveness::Absent, _) | (_, None) => Err(Reason::Absent),
            (Liveness::Dead, Some(silent_for)) => Err(Reason::Dead { silent_for }),
            _ => Ok(()),
        }
    }

    /// The volumes that have room for `bytes`: those that are not slow, if there are any.
    fn volumes<'a>(&self, node: &'a Node, bytes: u64) -> Result<(Vec<&'a Storage>, &'a Storage), Reason> {
        let Some(roomiest) = node.working().max_by_key(|storage| storage.unclaimed()) else {
            let failed = node
                .storages
                .iter()
                .find_map(|storage| storage.reported.failed.clone());
            return Err(failed.map_or(Reason::NoStorage, |why| Reason::Failed { why }));
        };
        let reserve = self.thresholds().reserve_bytes;
        let needed = bytes.saturating_add(reserve);
        if roomiest.unclaimed() < needed {
            return Err(Reason::Full {
                left: roomiest.unclaimed(),
                needed: bytes,
                reserve,
            });
        }
        let mut volumes: Vec<_> = node
            .working()
            .filter(|storage| storage.unclaimed() >= needed)
            .collect();
        if volumes.iter().any(|storage| storage.slow.is_none()) {
            volumes.retain(|storage| storage.slow.is_none());
        }
        let emptiest = volumes.iter().copied().max_by_key(|storage| storage.unclaimed());
        Ok((volumes, emptiest.unwrap_or(roomiest)))
    }

    /// Why a node that could is better left alone.
    fn doubt(&self, node: &Node, now: Duration) -> Option<Reason> {
        if let Some(slow) = node.slow {
            return Some(Reason::Slow(slow));
        }
        let wait = self.probation(node, now)?;
        Some(Reason::Unsteady {
            comebacks: self.detector().flapping.count(node.comebacks, now),
            wait,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a score: the lowest bits of a size do not matter"
)]
fn load(node: &Node, streams: u32, max: u32) -> f64 {
    let (unclaimed, capacity) = node.working().fold((0.0, 0.0), |(unclaimed, capacity), storage| {
        (
            unclaimed + storage.unclaimed() as f64,
            capacity + storage.reported.capacity as f64,
        )
    });
    let full = 1.0 - unclaimed / f64::max(capacity, 1.0);
    full.max(0.0) + f64::from(streams) / f64::from(max.max(1))
}
