//! A whole cluster (masters, datanodes, clients, their disks, clocks and network) in one process and one thread, from one seed.
//!
//! # What runs
//! The production code: the shells of master and datanode, the client SDK, everything below them. Only the world is simulated,
//! behind the seams of `env`. What the clients do, what they may see, and what is asked at the end is the torment's of real
//! processes (`chaos`), in this world.
//!
//! # How time passes
//! In steps of a millisecond, or of as many as nothing happens in. With each, what is due on the network arrives, then every process
//! runs, one after the other, that was told something or has a timer that is due, until it has nothing more to do. Nothing that one
//! process sends reaches another one within the same step, so the order in which they run changes nothing but the order of the random
//! numbers.
//!
//! # What makes it deterministic
//! - Each process has a runtime of its own, of one thread, which never waits for the system: dropping it is a crash at that very moment.
//! - Nothing blocks, and there is no other thread (`env::Inline`).
//! - The process that simulates has the simulation's time and random numbers in the place of the system's, also for libraries
//!   that ask the system themselves (see the binary's `interpose`). So one process simulates one seed: `sim --seeds` starts one for
//!   each.
//!
//! The same seed gives the same trace, byte by byte (`tests/replay.rs`).

pub mod clock;
mod cluster;
mod coverage;
mod faults;
mod host;
mod invariants;
pub mod memory;
mod names;
pub mod options;
mod process;
mod report;
mod run;
mod shrink;
mod simulation;
mod speech;
mod sweep;
mod torment;
mod trace;
mod weather;

pub use options::{Options, Plant};
pub use report::{Happened, Report};
pub use run::run;
pub use shrink::{Shrunk, shrink};
pub use sweep::{Sweep, Swept, sweep};
