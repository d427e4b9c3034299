//! Who has too much, who too little, and the least that has to move.
//!
//! ```text
//!   share of a node = used / usable          mean = of all that take part
//!
//!   mean + threshold ┈┈┈┈┈█┈┈┈┈┈┈┈┈┈┈   above: gives, down to a line
//!   mean             ┈┈┈█┈█┈┈┈█┈┈┈┈┈┈
//!   mean − threshold ┈█┈█┈█┈█┈█┈┈┈█┈┈   below: takes, up to a line
//! ```
//!
//! What has to move is the larger one of what is above the band and what is below it. Where one side alone is not enough,
//! the line of the other lies nearer to the mean, so that both are equal: nothing is moved that need not be.
//!
//! What is to move by a line that lies nearer may be spread so thin that nobody has a whole chunk of it: a thousand nodes, each to take a thousandth
//! of what one node has too much. Each of these may give or take more than its part, but not beyond the mean.

use std::time::Duration;

use types::DatanodeId;

use crate::{Admin, ClusterView, Liveness, Node};

/// A node that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBalance {
    /// Which.
    pub datanode: DatanodeId,
    /// Its `host:port`.
    pub address: String,
    /// Bytes used by chunks.
    pub used: u64,
    /// Bytes that chunks may use, those included.
    pub usable: u64,
    /// Bytes that it is to give away.
    pub gives: u64,
    /// Bytes that it is to get.
    pub takes: u64,
    /// Bytes that it may give, or get, beyond its part, where the parts are too small for whole chunks.
    pub spare: u64,
}

impl NodeBalance {
    /// How full it is, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        float(self.used) / float(self.usable)
    }

    /// How full it will be.
    #[must_use]
    pub fn share_after(&self) -> f64 {
        float((self.used - self.gives.min(self.used)).saturating_add(self.takes)) / float(self.usable)
    }
}

/// A node that takes no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub datanode: DatanodeId,
    /// Its `host:port`.
    pub address: String,
    /// Why.
    pub why: &'static str,
}

/// What is to be moved, node by node: what a dry run shows.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancePlan {
    /// How full all of them together are.
    pub mean: f64,
    /// How far from that a node may be.
    pub threshold: f64,
    /// Those that take part, in the order of their ids.
    pub nodes: Vec<NodeBalance>,
    /// Those that do not.
    pub left_out: Vec<LeftOut>,
    /// The least that has to move, in bytes.
    pub bytes: u64,
}

impl BalancePlan {
    /// For the nodes as they are now.
    #[must_use]
    pub fn of(view: &ClusterView, now: Duration, threshold: f64) -> Self {
        let (mut nodes, mut left_out) = (Vec::new(), Vec::new());
        let mut takers = Vec::new();
        for node in view.nodes() {
            match part(node, now) {
                Ok(takes) => {
                    let (used, usable) = node.space();
                    takers.push(takes && view.probation(node, now).is_none());
                    nodes.push(NodeBalance {
                        datanode: node.id,
                        address: node.address(),
                        used,
                        usable,
                        gives: 0,
                        takes: 0,
                        spare: 0,
                    });
                }
                Err(why) => left_out.push(LeftOut {
                    datanode: node.id,
                    address: node.address(),
                    why,
                }),
            }
        }
        let sum = |of: fn(&NodeBalance) -> u64| nodes.iter().map(|node| float(of(node))).sum::<f64>();
        let mean = sum(|node| node.used) / sum(|node| node.usable).max(1.0);
        let mut plan = Self {
            mean,
            threshold,
            nodes,
            left_out,
            bytes: 0,
        };
        plan.set_lines(&takers);
        plan
    }

    /// Whether every node is near enough to the mean, or nobody can do anything about it.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        self.bytes == 0
    }

    /// The node that is farthest from the mean, and how far: a share, above or below zero.
    #[must_use]
    pub fn worst(&self) -> Option<(&NodeBalance, f64)> {
        let off = |node: &NodeBalance| node.share() - self.mean;
        self.nodes
            .iter()
            .map(|node| (node, off(node)))
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }

    fn set_lines(&mut self, takers: &[bool]) {
        let above = |line: f64| -> f64 { self.nodes.iter().map(|node| over(node, line)).sum() };
        let can_take = || self.nodes.iter().zip(takers).filter(|(_, takes)| **takes);
        let below = |line: f64| -> f64 { can_take().map(|(node, _)| under(node, line)).sum() };
        let (high, low) = (self.mean + self.threshold, self.mean - self.threshold);
        let least = above(high)
            .max(below(low))
            .min(above(self.mean))
            .min(below(self.mean));
        // Less than a byte is nothing.
        if least < 1.0 {
            return;
        }
        let upper = line(self.mean, f64::max(high, 1.0), |line| above(line) > least);
        let lower = line(self.mean, 0.0, |line| below(line) > least);
        // Only on the side whose line is drawn in: the parts of the other one are what has to move.
        let (givers_may, takers_may) = (above(high) + 1.0 < least, below(low) + 1.0 < least);
        self.bytes = whole(least);
        for (node, takes) in self.nodes.iter_mut().zip(takers) {
            node.gives = whole(over(node, upper));
            node.takes = if *takes { whole(under(node, lower)) } else { 0 };
            node.spare = match node.share() < self.mean {
                true if takers_may && *takes => whole(under(node, self.mean)).saturating_sub(node.takes),
                false if givers_may => whole(over(node, self.mean)).saturating_sub(node.gives),
                _ => 0,
            };
        }
    }
}

/// Whether a node takes part, and may get something.
fn part(node: &Node, now: Duration) -> Result<bool, &'static str> {
    match node.admin.at(now) {
        Admin::InService => {}
        Admin::Decommissioning | Admin::Decommissioned => return Err("it is being decommissioned"),
        Admin::Maintenance { .. } => return Err("it is in maintenance"),
    }
    match node.liveness {
        Liveness::Live | Liveness::Late => {}
        Liveness::Suspicious | Liveness::Dead => return Err("it is silent"),
        Liveness::Absent => return Err("it has not registered"),
    }
    if node.space().1 == 0 {
        return Err("it has no storage that works");
    }
    Ok(node.slow.is_none() && node.liveness == Liveness::Live)
}

/// From `mean`, where too much lies outside, towards `end`: the nearest line outside of which it is no longer too much.
fn line(mean: f64, end: f64, too_much: impl Fn(f64) -> bool) -> f64 {
    let (mut inner, mut outer) = (mean, end);
    for _ in 0..64 {
        let middle = f64::midpoint(inner, outer);
        if too_much(middle) {
            inner = middle;
        } else {
            outer = middle;
        }
    }
    outer
}

fn over(node: &NodeBalance, line: f64) -> f64 {
    (float(node.used) - line * float(node.usable)).max(0.0)
}

fn under(node: &NodeBalance, line: f64) -> f64 {
    (line * float(node.usable) - float(node.used)).max(0.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shares: the lowest bits of a size do not matter"
)]
pub(super) const fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; never below zero"
)]
const fn whole(bytes: f64) -> u64 {
    bytes as u64
}
