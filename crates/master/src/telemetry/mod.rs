//! What a master tells to Prometheus at `/metrics`. Every name is explained in `docs/operations/metrics.md`.

mod cluster;
mod group;
mod operations;

use std::sync::{Arc, Weak};

use metrics::{Histogram, Registry, Scrape};

use crate::core::Core;

pub(crate) use operations::{Calls, Measure, Operations};

/// What is counted, and where it is told.
pub(crate) struct Telemetry {
    pub(crate) registry: Registry,
    pub(crate) operations: Arc<Operations>,
    /// Kept by the log.
    pub(crate) log_syncs: Histogram,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        Self {
            operations: Arc::new(Operations::new(&registry)),
            log_syncs: registry.histogram(
                "distrifs_master_log_sync_seconds",
                "Time of a sync of the log, which makes one batch of changes durable",
            ),
            registry,
        }
    }

    /// Has `core` asked for how things are.
    pub(crate) fn watch(&self, core: &Arc<Core>) {
        let core = Arc::downgrade(core);
        self.registry.ask(move |scrape| tell(&core, scrape));
    }
}

fn tell(core: &Weak<Core>, scrape: &mut Scrape<'_>) {
    let Some(core) = core.upgrade() else { return };
    scrape.gauges(
        "distrifs_build",
        "1, labelled with the version that runs",
        [([("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    );
    group::tell(&core, scrape);
    cluster::tell(&core, scrape);
}

/// A count as Prometheus has it.
#[expect(clippy::cast_precision_loss, reason = "a number to be looked at")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// A count as Prometheus has it.
pub(super) fn number(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}
