//! The log from outside: on disks that are damaged, that fail, and that lose power.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lints let tests do this in functions marked as tests only, and these are helpers of tests"
)]

mod common;
mod crash;
mod damage;
mod failure;
mod inspect;
mod reader;
mod sequences;
mod trim;
