//! What a datanode counts of itself, and tells to Prometheus at `/metrics`. Every name is explained in
//! `docs/operations/metrics.md`.

use std::sync::{Arc, Weak};

use chunkstore::VolumeStatus;
use metrics::{Counter, Histogram, Registry, Scrape};
use transfer::Op;

use crate::node::Node;

/// The requests on the data plane that are measured, as they are told.
const OPERATIONS: [&str; 6] = [
    "write_block",
    "read_block",
    "block_checksum",
    "transfer_block",
    "write_small",
    "read_small",
];

/// What is counted, and where it is told.
pub(crate) struct Telemetry {
    pub(crate) registry: Registry,
    operations: Vec<Histogram>,
    /// Data bytes that came in packets.
    pub(crate) received_bytes: Counter,
    /// Data bytes that left in packets to readers.
    pub(crate) sent_bytes: Counter,
    /// Pipelines that go on after a failure.
    pub(crate) recoveries_streaming: Counter,
    /// Pipelines that end after a failure.
    pub(crate) recoveries_closing: Counter,
    /// Packets that came with wrong checksums.
    pub(crate) checksum_failures_wire: Counter,
    /// Replicas that are not what was written.
    pub(crate) checksum_failures_disk: Counter,
    /// From the last packet of a replica to its being on disk under its final name.
    pub(crate) finalizing: Histogram,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let [recoveries_streaming, recoveries_closing] = registry.counters(
            "distrifs_datanode_pipeline_recoveries",
            "Pipelines that failed and that this datanode, a survivor, went on with or ended",
            "stage",
            ["streaming", "closing"],
        );
        let [checksum_failures_wire, checksum_failures_disk] = registry.counters(
            "distrifs_datanode_checksum_failures",
            "Bytes that did not match their checksums: packets from the wire, replicas read from disk",
            "source",
            ["wire", "disk"],
        );
        Self {
            operations: registry.histograms(
                "distrifs_datanode_operation_seconds",
                "Time of a request on the data plane from its first byte to its end, with the data that it moves",
                OPERATIONS.map(|name| [("operation", name.to_owned())]),
            ),
            received_bytes: registry.counter(
                "distrifs_datanode_received_bytes",
                "Data bytes that came in packets, from clients and other datanodes",
            ),
            sent_bytes: registry.counter(
                "distrifs_datanode_sent_bytes",
                "Data bytes that were sent to readers",
            ),
            finalizing: registry.histogram(
                "distrifs_datanode_finalize_seconds",
                "Time of making a whole replica durable under its final name: its syncs and renames",
            ),
            recoveries_streaming,
            recoveries_closing,
            checksum_failures_wire,
            checksum_failures_disk,
            registry,
        }
    }

    /// Where the time of a request goes; none of those that are not served.
    pub(crate) fn operation(&self, op: &Op) -> Option<&Histogram> {
        let place = match op {
            Op::WriteBlock(_) => 0,
            Op::ReadBlock(_) => 1,
            Op::BlockChecksum(_) => 2,
            Op::TransferBlock(_) => 3,
            Op::WriteSmall(_) => 4,
            Op::ReadSmall(_) => 5,
            _ => return None,
        };
        self.operations.get(place)
    }

    /// Has `node` asked for how things are.
    pub(crate) fn watch(&self, node: &Arc<Node>) {
        let node = Arc::downgrade(node);
        self.registry.ask(move |scrape| tell(&node, scrape));
    }
}

fn tell(node: &Weak<Node>, scrape: &mut Scrape<'_>) {
    let Some(node) = node.upgrade() else { return };
    scrape.gauges(
        "distrifs_build",
        "1, labelled with the version that runs",
        [([("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    );
    scrape.gauge(
        "distrifs_datanode_streams",
        "Connections on which data moves",
        number(node.busy_streams()),
    );
    scrape.gauge(
        "distrifs_datanode_idle_connections",
        "Connections that wait for their next request",
        number(node.idle.count()),
    );
    scrape.gauge(
        "distrifs_datanode_copies",
        "Replicas that are being copied for repair or balance, in either direction",
        f64::from(node.orders.copying()),
    );
    scrape.gauge(
        "distrifs_datanode_masters",
        "Masters that know this datanode and all of its replicas",
        number(*node.registered().borrow()),
    );
    let volumes = node.replicas().map(|replicas| replicas.store.volumes());
    volumes_of(&volumes.unwrap_or_default(), scrape);
}

fn volumes_of(volumes: &[VolumeStatus], scrape: &mut Scrape<'_>) {
    type Of = fn(&VolumeStatus) -> f64;
    let all: [(&str, &str, Of); 7] = [
        (
            "distrifs_datanode_volume_capacity_bytes",
            "Size of a volume",
            |volume| float(volume.capacity),
        ),
        (
            "distrifs_datanode_volume_used_bytes",
            "Bytes of chunks on a volume",
            |volume| float(volume.used),
        ),
        (
            "distrifs_datanode_volume_available_bytes",
            "Bytes that chunks may still take on a volume",
            |volume| float(volume.available),
        ),
        (
            "distrifs_datanode_volume_quarantined_bytes",
            "Bytes of deleted replicas that rest on a volume; counted as available",
            |volume| float(volume.quarantined),
        ),
        (
            "distrifs_datanode_volume_replicas",
            "Replicas on a volume",
            |volume| float(volume.chunks),
        ),
        (
            "distrifs_datanode_volume_scrub_ratio",
            "How much of a volume the round of scrubbing that runs has read, from 0 to 1",
            |volume| volume.scrub_done,
        ),
        (
            "distrifs_datanode_volume_failed",
            "1 for a volume that can not be used",
            |volume| if volume.failed.is_some() { 1.0 } else { 0.0 },
        ),
    ];
    for (name, help, of) in all {
        scrape.gauges(
            name,
            help,
            volumes
                .iter()
                .map(|volume| ([("volume", volume.dir.display().to_string())], of(volume))),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number to be looked at")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn number(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}
