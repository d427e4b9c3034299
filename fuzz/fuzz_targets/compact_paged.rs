//! A paged array: the input as operations on it and on a naive model of it, whose answers must be the same; clones taken along the
//! way must not change. See `compact::checks`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| compact::checks::paged(input));
