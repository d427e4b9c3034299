//! The log, on stderr.

use tracing_subscriber::EnvFilter;

use crate::config::{Key, Settings};
use crate::output::colours;

/// Begins logging at the level in force; `otherwise` is the level where nobody set one.
pub(crate) fn start(settings: &Settings, otherwise: &str) {
    let level = settings.text(Key::LogLevel).unwrap_or(otherwise);
    // The text has been checked when it was read.
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new(otherwise));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .with_target(true)
        .init();
}
