//! A cluster of real processes is tormented while clients work on it; at the end every byte that was acknowledged is asked back.
//!
//! # What it does
//! Masters and datanodes are started from one binary, below one directory, each on a host of its own where network namespaces
//! can be made, each datanode with a disk of its own where one can be mounted. Clients upload, overwrite, append, rename, delete
//! and read without a pause, through the SDK, while processes are killed, stopped, cut off, restarted, disks are filled, rot and are
//! lost. Then the faults stop; the cluster must become whole, and everything that was acknowledged is read and compared.
//!
//! # What it finds
//! - **lost**: an acknowledged file, or bytes of it, is not there;
//! - **corrupted**: a byte that was not written there was read, at any moment; replicas differ;
//! - **undone**: an acknowledged removal or renaming is not in force any more, or a change was refused that can not have been;
//! - **stuck**: a call without an end; **died**: a server ended by itself; **unhealed**: the cluster did not become whole.
//!
//! # How it is made
//! What may be seen is decided by a pure [`model`], what may happen by a pure [`plan`] with a budget of what the cluster's guarantees
//! allow to be destroyed. Contents follow from numbers ([`content`]), so nothing is kept to compare with. The seed gives the same
//! plan, operations and contents; what happens between processes is up to the machine, so the same seed twice is not the same run.
//!
//! # Who else uses it
//! Clients, model and the questions at the end know a [`World`] and nothing of processes: the simulator lets the same ones work in its
//! own ([`Field`], [`spawn_clients`], [`Watch`], [`heal`], [`read_back`]).
//!
//! # What it does not do
//! The power is never cut: what a process has handed to the operating system survives its death. Torn and lost writes are the matter
//! of the tests of crash states.

mod clients;
mod cluster;
pub mod content;
mod error;
mod faults;
mod field;
mod finish;
mod live;
pub mod model;
mod options;
pub mod plan;
mod report;
mod run;
mod tally;
mod watch;

pub use clients::spawn as spawn_clients;
pub use error::{Error, Result};
pub use field::{Field, Tell, World};
pub use finish::{heal, read_back};
pub use live::Live;
pub use options::{Options, Profile, USER};
pub use report::{Finding, FindingKind, Report};
pub use run::run;
pub use tally::{Counts, Operation};
pub use watch::Watch;
