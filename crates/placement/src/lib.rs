//! Where replicas go, which nodes are alive, and which replicas are good: pure policies.
//!
//! Nothing here does I/O, reads a clock or draws a number by itself: time (the time since some start, which never goes
//! back) and random numbers come in as arguments.
//!
//! - [`ClusterView`]: the datanodes as they last reported, with what is reserved on them by writes that go on now, what
//!   operators want of them ([`Admin`]), and which are slow ([`Slow`]).
//! - [`FailureDetector`]: who is live, late, suspicious or dead.
//! - [`Placement`]: which of them take a chunk, and for each other one the reason why not. [`Spread`] is the default,
//!   [`Policy`] is any of them, by its name.
//! - [`ReplicaMap`]: who has which chunk in which version, and what of that is to be deleted.
//! - [`Ledger`]: how many chunks and files are healthy, at risk, lost, and which.
//! - [`Balancer`]: what is to be moved so that nodes are as full as each other.
//! - [`Repair`]: what is to be copied, verified and destroyed next.

mod admin;
mod balancer;
mod detector;
mod first;
mod ledger;
mod policies;
mod policy;
mod rank;
mod refusal;
mod repair;
mod replicas;
mod ring;
mod slow;
mod spread;
mod view;

pub use admin::Admin;
pub use balancer::{
    BalancePlan, BalanceSettings, BalanceState, BalanceStatus, Balancer, LeftOut, Move, NodeBalance,
    RackRule, Round,
};
pub use detector::{Assessment, Comebacks, FailureDetector, Flapping, Liveness, Observation, Why};
pub use first::First;
pub use ledger::{Class, Condition, Counts, Facts, LEFT_MAX, Ledger, ListedChunk, Page, Sweep, classify};
pub use policies::{Policy, PolicyName, UnknownPolicy};
pub use policy::{Choice, Placement, Request, Target};
pub use refusal::{Reason, Refusal};
pub use repair::{
    Copying, Explanation, LOOKED_MAX, Order, Priority, QUEUED_MAX, Repair, RepairSettings, RepairStatus,
    Rest, Situation, Wanted,
};
pub use replicas::{
    Buckets, ChunkFate, Excess, Expected, Located, Place, Reach, Replica, ReplicaMap, ReplicaState, Replicas,
    ReplicasIntoIter, Report, ReportSummary, Standing,
};
pub use ring::Ring;
pub use slow::{Measure, Slow, SlowChange};
pub use spread::Spread;
pub use view::{ClusterView, DiskTimes, Named, Node, Pause, Storage, StorageReport, Thresholds};
