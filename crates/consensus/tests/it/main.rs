//! The group from outside: on a disk that fails, and on one that loses power.
#![expect(
    clippy::unwrap_used,
    reason = "the lints let tests unwrap in functions marked as tests only, and these are helpers of tests"
)]

mod common;
mod crash;
mod group;
