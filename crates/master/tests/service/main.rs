//! A master over real gRPC, with clients and datanodes that are driven by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

mod group;
mod harness;
mod node;
mod wires;

mod admin;
mod appending;
mod audit;
mod crash;
mod deletion;
mod failover;
mod leaving;
mod lifecycle;
mod membership;
mod namespace;
mod operations;
mod placement;
mod repair;
mod reports;
mod reshape;
mod safe_mode;
mod small;
mod tree;
mod writing;
