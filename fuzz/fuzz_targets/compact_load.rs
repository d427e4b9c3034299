//! Any bytes as each of the tables, and the bytes of tables with some of them changed: no panic, little memory, and what is
//! taken for a table is one. See `compact::checks`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| compact::checks::load(input));
