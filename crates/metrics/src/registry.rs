//! What a server has to tell.

use std::fmt::{Debug, Error, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry;

use crate::scrape::Labels;
use crate::{Histogram, Scrape};

/// The content type of what [`Registry::encode`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one server. Clones are the same registry.
///
/// Names follow the conventions of Prometheus: a prefix, base units, `_seconds`, `_bytes`; the `_total` of counters is put
/// there by the encoder.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<registry::Registry>>);

impl Debug for Registry {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, registry::Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something; `name` is without `_total`.
    #[must_use]
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.inner().register(name, help, counter.clone());
        counter
    }

    /// Counts several kinds of something, told apart by the values of one label: a counter for each, in their order.
    #[must_use]
    pub fn counters<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: [&str; N],
    ) -> [Counter; N] {
        let family = Family::<Labels, Counter>::default();
        self.inner().register(name, help, family.clone());
        values.map(|value| family.get_or_create(&labels([(label, value)])).clone())
    }

    /// Counts what is told apart by labels that are not known before. A lookup each time: not for what happens often.
    #[must_use]
    pub fn rare_counter<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        names: [&'static str; N],
    ) -> RareCounter<N> {
        let family = Family::<Labels, Counter>::default();
        self.inner().register(name, help, family.clone());
        RareCounter { names, family }
    }

    /// Times something.
    #[must_use]
    pub fn histogram(&self, name: &'static str, help: &'static str) -> Histogram {
        let histogram = Histogram::default();
        self.register_histogram(name, help, &histogram);
        histogram
    }

    /// Tells of a histogram that somebody else keeps.
    pub fn register_histogram(&self, name: &'static str, help: &'static str, histogram: &Histogram) {
        self.inner().register(name, help, histogram.clone());
    }

    /// Times several kinds of something, told apart by labels: a histogram for each, in their order.
    #[must_use]
    pub fn histograms<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        kinds: impl IntoIterator<Item = [(&'static str, String); N]>,
    ) -> Vec<Histogram> {
        let family = Family::<Labels, Histogram>::default();
        self.inner().register(name, help, family.clone());
        kinds
            .into_iter()
            .map(|kind| family.get_or_create(&labels(kind)).clone())
            .collect()
    }

    /// Has `tell` asked whenever somebody looks.
    pub fn ask(&self, tell: impl Fn(&mut Scrape<'_>) + Send + Sync + 'static) {
        self.inner().register_collector(Box::new(Asked(Box::new(tell))));
    }

    /// All of it, as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.inner());
        text
    }
}

/// A counter whose labels come as they come.
#[derive(Clone)]
pub struct RareCounter<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels, Counter>,
}

impl<const N: usize> RareCounter<N> {
    /// One more with these values of the labels.
    pub fn inc(&self, values: [&str; N]) {
        let mut values = values.into_iter();
        let labels = self.names.map(|name| (name, values.next().unwrap_or_default()));
        self.family.get_or_create(&self::labels(labels)).inc();
    }
}

fn labels<K: Into<String>, V: Into<String>, const N: usize>(pairs: [(K, V); N]) -> Labels {
    pairs.map(|(name, value)| (name.into(), value.into())).to_vec()
}

type Tell = dyn Fn(&mut Scrape<'_>) + Send + Sync;

struct Asked(Box<Tell>);

impl Debug for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

impl Collector for Asked {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut scrape = Scrape::new(encoder);
        (self.0)(&mut scrape);
        scrape.ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_and_what_is_asked_for_is_told() {
        let registry = Registry::new();
        let [good, bad] = registry.counters("tries", "Tries", "outcome", ["good", "bad"]);
        good.inc();
        bad.inc_by(2);
        let rare = registry.rare_counter("errors", "Errors", ["operation", "code"]);
        rare.inc(["stat", "5"]);
        registry.ask(|scrape| {
            scrape.gauge("depth", "Depth", 1.5);
            scrape.gauges(
                "level",
                "Level",
                [([("who", "a\"b")], 7.0), ([("who", "c")], 8.0)],
            );
            scrape.count("seen", "Seen", 3);
        });
        let text = registry.encode();
        for line in [
            "# TYPE tries counter",
            "tries_total{outcome=\"good\"} 1",
            "tries_total{outcome=\"bad\"} 2",
            "errors_total{operation=\"stat\",code=\"5\"} 1",
            "# TYPE depth gauge",
            "depth 1.5",
            "level{who=\"a\\\"b\"} 7.0",
            "level{who=\"c\"} 8.0",
            "seen_total 3",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
