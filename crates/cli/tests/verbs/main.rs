//! The command line as people and scripts use it: the real binary against a real cluster in one process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod admin;
mod api;
mod config;
mod console;
mod errors;
mod healthcheck;
mod http;
mod kubernetes;
mod logging;
mod metrics;
mod mini;
mod names;
mod python;
mod support;
mod transfer;
mod webhdfs;
