//! Where replicas go, which nodes are alive, and which replicas are good: pure policies.
//!
//! Nothing here does I/O, reads a clock or draws a number by itself: time (the time since some start, which never goes
//! back) and random numbers come in as arguments.
//!
//! - [`ClusterView`]: the datanodes as they last reported, with what is reserved on them by writes that go on now.
//! - [`FailureDetector`]: who is live, late, suspicious or dead.
//! - [`Placement`]: which of them take a chunk, and for each other one the reason why not. [`Spread`] is the default.
//! - [`ReplicaMap`]: who has which chunk in which version, and what of that is to be deleted.

mod detector;
mod first;
mod policy;
mod refusal;
mod replicas;
mod spread;
mod view;

pub use detector::{FailureDetector, Liveness, Observation};
pub use first::First;
pub use policy::{Choice, Placement, Request, Target};
pub use refusal::{Reason, Refusal};
pub use replicas::{
    ChunkFate, Excess, Expected, Replica, ReplicaMap, ReplicaState, Replicas, ReplicasIntoIter,
    ReportSummary, Standing,
};
pub use spread::Spread;
pub use view::{ClusterView, Node, Storage, StorageReport, Thresholds};
