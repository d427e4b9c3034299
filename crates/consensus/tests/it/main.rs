//! The group from outside: on a disk that fails, and on one that loses power.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the lints let tests fail in functions marked as tests only, and these are helpers of tests"
)]

mod changing;
mod common;
mod crash;
mod failing;
mod forming;
mod group;
mod masters;
