//! The master: the metadata service and its shell.
//!
//! [`Master::start`] locks its directory, recovers the log (which [`consensus`] keeps and [`namespace`] gives a meaning),
//! and serves clients and datanodes over gRPC and its health over HTTP.
//!
//! Guarantees:
//! - a change is answered only when it is durable, and a retried one (same client, same call) gets the first answer;
//! - permissions are checked against the caller of every single call; the superuser is decided here, not by the caller;
//! - a file is closed only when the datanodes themselves have reported enough replicas of the right version of each of its
//!   chunks;
//! - a replica is ordered to be deleted only when the metadata of that very moment says that nobody needs it: its chunk is
//!   freed, or it is stale and enough good ones are confirmed. The order names one exact generation.
//!
//! Where replicas are is not on disk: after a start, the datanodes tell it. Until they have, or have had the time to,
//! what is missing is "not ready yet" and not "denied".

mod cluster;
mod complete;
mod config;
mod core;
mod error;
mod http;
mod lease;
mod liveness;
mod machine;
mod rejection;
mod reserve;
mod serve;
mod service;
mod start;
mod watch;

pub use config::{Config, InvalidConfig};
pub use error::{Failure, StartError};
pub use start::Master;
