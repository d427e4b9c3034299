//! The store over a disk that loses power, fails, and rots.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "../store/common/mod.rs"]
mod common;
mod files;
mod packs;
mod sequences;
mod support;
mod upkeep;

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
