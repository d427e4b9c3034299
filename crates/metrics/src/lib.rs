//! What a process counts of itself, and how it tells it to Prometheus.
//!
//! Two kinds of numbers. Those of things that happen are counted where they happen, by a handle that is held there: a
//! [`Counter`] or a [`Histogram`] is one or two atomic additions, without a lock, a lookup or an allocation. Those of how
//! things are (how many chunks are at risk, how full a volume is) are asked for when somebody looks, by a function that is
//! given to [`Registry::ask`].
//!
//! Each server has a [`Registry`] of its own: several of them in one process do not add up. Text is made by
//! `prometheus-client`, in the OpenMetrics format that Prometheus reads.

mod histogram;
mod registry;
mod scrape;

pub use histogram::Histogram;
pub use prometheus_client::metrics::counter::Counter;
pub use registry::{CONTENT_TYPE, RareCounter, Registry};
pub use scrape::Scrape;
