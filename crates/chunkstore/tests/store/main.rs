//! The store over real files, and over a simulated disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
mod files;
mod packs;
mod quarantine;
mod volumes;

/// The same, for replicas in files of their own.
mod in_files {
    const PACKED_MAX: u64 = 0;
    include!("cases.rs");
}

/// And for packed ones.
mod packed {
    const PACKED_MAX: u64 = 64 << 10;
    include!("cases.rs");
}
