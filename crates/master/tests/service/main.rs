//! A master over real gRPC, with clients and datanodes that are driven by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

mod harness;

mod crash;
mod deletion;
mod lifecycle;
mod membership;
mod namespace;
mod placement;
mod writing;
