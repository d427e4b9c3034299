//! The master: the metadata service and its shell.

mod config;

pub use config::{Config, InvalidConfig};
