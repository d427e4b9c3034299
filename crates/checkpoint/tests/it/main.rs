//! Checkpoints on disks that are well, damaged, failing, full and dying.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints let tests do this in functions marked as tests only, and these are helpers of tests"
)]

mod common;
mod crash;
mod damage;
mod failure;
mod keeping;
mod receiving;
mod whole;
