//! The command line as people and scripts use it: the real binary against a real cluster in one process.

mod config;
mod errors;
mod mini;
mod names;
mod support;
mod transfer;
