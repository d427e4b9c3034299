//! The question that every placement policy answers.

use std::time::Duration;

use types::{DatanodeId, StorageId};

use crate::{ClusterView, Refusal};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Now, on the clock that the view's heartbeats were stamped with.
    pub now: Duration,
    /// A number for the chunk, from which policies that place by a hash go on: its id, or, before it has one, any that
    /// differs from chunk to chunk.
    pub key: u64,
    /// How many nodes are wanted.
    pub count: usize,
    /// The bytes that each must have room for.
    pub bytes: u64,
    /// Nodes that have, or are to have, a replica already. They are not chosen, but their racks count.
    pub existing: &'a [DatanodeId],
    /// Nodes not to use.
    pub exclude: &'a [DatanodeId],
    /// The host that the client runs on; empty when it is not known.
    pub client_host: &'a str,
}

/// Where a replica is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The node.
    pub datanode: DatanodeId,
    /// The volume on it.
    pub storage: StorageId,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Where to, in the order of the pipeline: never two on one node; fewer than asked for when no more can take it.
    pub targets: Vec<Target>,
    /// Why each node that could not take it could not, in the order of their ids. Nodes that could but were not needed
    /// are not among them.
    pub refusals: Vec<Refusal>,
}

/// A placement policy.
pub trait Placement: Send + Sync {
    /// The name that it is configured by.
    fn name(&self) -> &'static str;

    /// Chooses up to `request.count` nodes.
    fn choose(&self, view: &ClusterView, request: &Request<'_>, rng: &mut fastrand::Rng) -> Choice;
}
