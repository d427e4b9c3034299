//! The log, on stderr. What is logged can be changed while a server runs: it reads its configuration again on SIGHUP.

use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{Key, Settings};
use crate::output::colours;

/// How to change it.
struct Control {
    filter: reload::Handle<EnvFilter, Registry>,
    otherwise: String,
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// Begins logging at the level in force; `otherwise` is the level where nobody set one.
pub(crate) fn start(settings: &Settings, otherwise: &str) {
    let (filter, handle) = reload::Layer::new(filter(settings, otherwise));
    let traces = crate::traces::layer(settings);
    let json = settings.text(Key::LogFormat) == Some("json");
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(true);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(colours(&std::io::stderr())).boxed()
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces)
        .init();
    let _ = CONTROL.set(Control {
        filter: handle,
        otherwise: otherwise.to_owned(),
    });
}

/// Goes on at the level that is in force now.
pub(crate) fn again(settings: &Settings) {
    let Some(control) = CONTROL.get() else { return };
    let now = filter(settings, &control.otherwise);
    let level = now.to_string();
    match control.filter.reload(now) {
        Ok(()) => tracing::info!(level, "logging as the configuration says now"),
        Err(error) => tracing::error!(%error, "what is logged stays as it is"),
    }
}

fn filter(settings: &Settings, otherwise: &str) -> EnvFilter {
    let level = settings.text(Key::LogLevel).unwrap_or(otherwise);
    // The text has been checked when it was read.
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new(otherwise))
}
