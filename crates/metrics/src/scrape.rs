//! What is asked for when somebody looks.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The names and values of labels.
pub(crate) type Labels = Vec<(String, String)>;

/// Where the answers go. See [`Registry::ask`](crate::Registry::ask).
pub struct Scrape<'a> {
    encoder: DescriptorEncoder<'a>,
    result: Result<(), Error>,
}

impl<'a> Scrape<'a> {
    pub(crate) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self {
            encoder,
            result: Ok(()),
        }
    }

    pub(crate) const fn ended(self) -> Result<(), Error> {
        self.result
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.describe(name, help, MetricType::Gauge, |mut metric| {
            metric.encode_gauge(&value)
        });
    }

    /// Several of them, told apart by labels.
    pub fn gauges<L: Into<String>, V: Into<String>, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(L, V); N], f64)>,
    ) {
        self.describe(name, help, MetricType::Gauge, |mut metric| {
            for (labels, value) in values {
                let labels: Labels = labels.map(|(name, value)| (name.into(), value.into())).to_vec();
                metric.encode_family(&labels)?.encode_gauge(&value)?;
            }
            Ok(())
        });
    }

    /// A number that only grows, as long as the process runs; `name` is without `_total`.
    pub fn count(&mut self, name: &str, help: &str, value: u64) {
        self.describe(name, help, MetricType::Counter, |mut metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
        });
    }

    fn describe(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        encode: impl FnOnce(MetricEncoder<'_>) -> Result<(), Error>,
    ) {
        if self.result.is_ok() {
            self.result = self
                .encoder
                .encode_descriptor(name, help, None, kind)
                .and_then(encode);
        }
    }
}
