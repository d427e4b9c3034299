//! How much repair may take, and how long it waits.

use std::time::Duration;

use super::Priority;

/// A stream has room for so many bytes of small chunks at once; for one larger chunk.
pub(super) const STREAM_BYTES: u64 = 8 << 20;
/// The smallest share of a stream that a copy takes.
pub(super) const UNIT_BYTES: u64 = 256 << 10;
/// Units of a stream.
pub(super) const STREAM_UNITS: u32 = 32;
const _: () = assert!(
    STREAM_BYTES == UNIT_BYTES * STREAM_UNITS as u64,
    "a stream is whole units"
);

/// The limits of repair. They can be changed at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairSettings {
    /// Copies that a node sends at once, and that it receives at once. Small chunks share one: up to 32 of up to 256 KiB.
    pub streams_per_node: u32,
    /// Copies in the whole cluster at once.
    pub streams: u32,
    /// What each of these, and the bandwidth, is multiplied by for what is urgent.
    pub urgent_factor: u32,
    /// Bytes per second that all nodes send together; 0: no limit.
    pub bandwidth: u64,
    /// Bytes per second that a node sends; 0: no limit.
    pub bandwidth_per_node: u64,
    /// How long a chunk waits, but for the last copy of one, before it is copied: the node that went may come back.
    pub settle: Duration,
    /// How old a verification may be that a destruction rests on.
    pub verified_within: Duration,
    /// The rate that a copy without a limit is expected to have at the least, in bytes per second: slower ones time out.
    pub rate_min: u64,
    /// How long an order may take beside the time for its bytes.
    pub patience: Duration,
    /// How long what failed is not tried again in just the same way.
    pub retry_after: Duration,
}

impl Default for RepairSettings {
    fn default() -> Self {
        Self {
            streams_per_node: 2,
            streams: 64,
            urgent_factor: 4,
            bandwidth: 0,
            bandwidth_per_node: 0,
            settle: Duration::from_secs(15),
            verified_within: Duration::from_secs(600),
            rate_min: 2 << 20,
            patience: Duration::from_secs(30),
            retry_after: Duration::from_secs(60),
        }
    }
}

impl RepairSettings {
    const fn factor(&self, urgency: Priority) -> u32 {
        if urgency.is_urgent() {
            self.urgent_factor
        } else {
            1
        }
    }

    /// Units that a node sends, or receives, at once.
    pub(super) const fn node_units(&self, urgency: Priority) -> u32 {
        self.streams_per_node
            .saturating_mul(self.factor(urgency))
            .saturating_mul(STREAM_UNITS)
    }

    /// Units in the whole cluster at once.
    pub(super) const fn cluster_units(&self, urgency: Priority) -> u32 {
        self.streams
            .saturating_mul(self.factor(urgency))
            .saturating_mul(STREAM_UNITS)
    }

    /// How fast one copy may be in a cluster of so many nodes; 0: no limit. Copies that share a stream share its rate. A stream's
    /// rate is its share of what all streams may have that run at once; urgent copies have more streams, and so more of both.
    pub(super) fn rate(&self, units: u32, nodes: usize) -> u64 {
        let per_node = self.streams_per_node.max(1);
        let nodes = u32::try_from(nodes.max(1)).unwrap_or(u32::MAX);
        let all = self.streams.clamp(1, per_node.saturating_mul(nodes));
        let of_node = (self.bandwidth_per_node, per_node);
        let limits = [of_node, (self.bandwidth, all)].into_iter();
        let stream = limits
            .filter(|(bandwidth, _)| *bandwidth > 0)
            .map(|(bandwidth, streams)| bandwidth / u64::from(streams))
            .min();
        stream.map_or(0, |stream| {
            (stream.saturating_mul(u64::from(units)) / u64::from(STREAM_UNITS)).max(1)
        })
    }

    /// When an order for so many bytes has failed if nothing was heard.
    pub(super) fn time_for(&self, bytes: u64, rate: u64) -> Duration {
        let slowest = match rate {
            0 => self.rate_min,
            rate => self.rate_min.min(rate / 2),
        };
        let ms = bytes.saturating_mul(1000) / slowest.max(1);
        self.patience.saturating_add(Duration::from_millis(ms))
    }
}

/// The units of a stream that a copy of so many bytes takes.
pub(super) fn units(bytes: u64) -> u32 {
    let units = bytes.div_ceil(UNIT_BYTES).max(1);
    u32::try_from(units).unwrap_or(STREAM_UNITS).min(STREAM_UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_its_share_of_the_smaller_limit() {
        let mut settings = RepairSettings {
            streams_per_node: 2,
            streams: 64,
            ..RepairSettings::default()
        };
        assert_eq!(settings.rate(STREAM_UNITS, 5), 0, "no limit");
        settings.bandwidth_per_node = 100 << 20;
        assert_eq!(settings.rate(STREAM_UNITS, 5), 50 << 20);
        assert_eq!(settings.rate(STREAM_UNITS / 2, 5), 25 << 20);
        // Five nodes run ten streams at most, a thousand as many as all may.
        settings.bandwidth = 320 << 20;
        assert_eq!(settings.rate(STREAM_UNITS, 5), 32 << 20);
        assert_eq!(settings.rate(STREAM_UNITS, 1_000), 5 << 20);
        settings.bandwidth = 1 << 40;
        assert_eq!(settings.rate(STREAM_UNITS, 5), 50 << 20);
        settings.bandwidth = 1;
        assert_eq!(settings.rate(1, 1_000), 1, "never none at all");
    }
}
