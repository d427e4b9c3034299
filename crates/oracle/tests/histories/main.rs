//! Histories whose verdict is known: written by hand, found by brute force, or made so.

#![expect(clippy::indexing_slicing, reason = "a place out of range must fail the test")]
#![expect(clippy::panic, reason = "a verdict that is not expected must fail the test")]

mod brute;
mod known;
mod random;
mod support;
