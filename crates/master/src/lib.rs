//! The master: the metadata service and its shell.
//!
//! [`Master::start`] locks its directory, recovers what is in it (which [`consensus`] keeps and [`namespace`] gives a
//! meaning), and serves clients, datanodes and other masters over gRPC, and its health over HTTP. One to five masters are a
//! group: one leads, the others stand by with the same log and the same picture of the cluster.
//!
//! Guarantees:
//! - a change is answered only when it is durable on a majority of the group, and a retried one (same client, same call)
//!   gets the first answer, from whatever master;
//! - only a leader answers, and only as long as nobody else can have been elected: what it says is what was acknowledged
//!   last. All others name the leader;
//! - permissions are checked against the caller of every single call; the superuser is decided here, not by the caller;
//! - a file is closed only when the datanodes themselves have reported enough replicas of the right version of each of its
//!   chunks;
//! - a replica is ordered to be deleted only by a leader, outside of safe mode, and only when the metadata of that very
//!   moment says that nobody needs it: its chunk is freed, or as many others as are wanted were read again from disk just
//!   before, and found good. The order names one exact generation, and carries the term of the leader;
//! - what is wrong with the replicas is counted at any moment, by every master, and mended by the leader;
//! - nobody who reads waits for somebody who writes, however long either takes.
//!
//! Where replicas are is not on disk: the datanodes tell it, to every master. Until they have, or have had the time to, what
//! is missing is "not ready yet" and not "denied", and a cluster that starts takes no changes.

mod activity;
mod audit;
mod cluster;
mod complete;
mod config;
mod core;
mod desk;
mod error;
mod http;
mod inspect;
mod jobs;
mod leadership;
mod lease;
mod liveness;
mod machine;
mod operations;
mod picture;
mod recovery;
mod rejection;
mod reserve;
mod serve;
mod service;
mod start;
mod telemetry;
mod together;
mod watch;

pub use config::{AuditLog, Config, InvalidConfig};
pub use error::{Failure, StartError};
pub use start::Master;
