//! Datanodes, in all that is known of them.

use std::time::Duration;

use proto::v1;
use transfer::Node;
use types::{AdminState, DatanodeId, StorageId, UnixMillis};

use super::admin_state;
use crate::Error;
use crate::status::node_from_wire;

/// Whether a datanode is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeLiveness {
    /// It is.
    Live,
    /// It should have been heard of by now.
    Late,
    /// It is silent, together with too many others to be held for dead.
    Suspicious,
    /// It is held for dead.
    Dead,
    /// It has not come since the leader started.
    Unknown,
}

/// A volume of a datanode.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeDetail {
    /// Which.
    pub id: StorageId,
    /// Its directory.
    pub directory: String,
    /// Its size in bytes.
    pub capacity: u64,
    /// Bytes of its chunks.
    pub used: u64,
    /// Bytes that are free.
    pub available: u64,
    /// Replicas on it.
    pub replicas: u64,
    /// Bytes of destroyed replicas that rest there; counted as free.
    pub quarantined: u64,
    /// Why it can not be used.
    pub failed: Option<String>,
    /// When the round of scrubbing began that runs, and how far it is, from 0 to 1.
    pub scrub: Option<(UnixMillis, f64)>,
}

/// How far a datanode is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// Since when.
    pub since: UnixMillis,
    /// Chunks that have too few copies elsewhere.
    pub left: u64,
    /// Whether all chunks have been looked at, so that `left` only falls.
    pub counted: bool,
}

/// A datanode.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDetail {
    /// Who it is.
    pub id: DatanodeId,
    /// `host:port` of its data plane.
    pub address: String,
    /// `host:port` of its HTTP side, if it has one.
    pub http: Option<String>,
    /// Data bytes that came to it since it started, from clients and other datanodes.
    pub received_bytes: u64,
    /// Data bytes that it sent to readers since it started.
    pub sent_bytes: u64,
    /// Its rack.
    pub rack: String,
    /// Whether it is heard of.
    pub liveness: NodeLiveness,
    /// How it takes part, by an operator's word.
    pub admin: AdminState,
    /// Since it was last heard of.
    pub silent: Option<Duration>,
    /// Data streams that run on it.
    pub streams: u32,
    /// Of these, copies for repair and balance.
    pub transfers: u32,
    /// Why it is held for slow.
    pub slow: Option<String>,
    /// Its volumes.
    pub volumes: Vec<VolumeDetail>,
    /// How far it is drained, while it is decommissioned.
    pub draining: Option<Draining>,
}

impl NodeLiveness {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Late => "late",
            Self::Suspicious => "suspicious",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

impl NodeDetail {
    /// The sum over its volumes that can be used.
    pub fn sum(&self, of: impl Fn(&VolumeDetail) -> u64) -> u64 {
        let usable = self.volumes.iter().filter(|volume| volume.failed.is_none());
        usable.map(of).fold(0, u64::saturating_add)
    }

    pub(super) fn from_wire(operation: &'static str, message: v1::NodeDetail) -> Result<Self, Error> {
        let liveness = match message.liveness() {
            v1::NodeLiveness::Live => NodeLiveness::Live,
            v1::NodeLiveness::Late => NodeLiveness::Late,
            v1::NodeLiveness::Suspicious => NodeLiveness::Suspicious,
            v1::NodeLiveness::Dead => NodeLiveness::Dead,
            v1::NodeLiveness::Unknown | v1::NodeLiveness::Unspecified => NodeLiveness::Unknown,
        };
        let admin = admin_state(
            message.admin(),
            message.admin_since_ms,
            message.maintenance_until_ms,
        );
        let rack = message.datanode.as_ref().map(|node| node.rack.clone());
        let node = node_from_wire(operation, message.datanode)?;
        let http = u16::try_from(message.http_port).ok().filter(|port| *port > 0);
        let http = http.map(|port| {
            let node = Node { port, ..node.clone() };
            node.address()
        });
        let volume = |volume: v1::Volume| {
            let id = proto::storage_id(&volume.id).map_err(|error| Error::Protocol {
                operation,
                why: error.to_string(),
            })?;
            Ok(VolumeDetail {
                id,
                directory: volume.directory,
                capacity: volume.capacity,
                used: volume.used,
                available: volume.available,
                replicas: volume.replicas,
                quarantined: volume.quarantined,
                failed: some(volume.failed),
                scrub: Some((UnixMillis(volume.scrub_begun_ms), volume.scrub_done))
                    .filter(|_| volume.scrub_begun_ms > 0),
            })
        };
        let volumes = message.volumes.into_iter().map(volume);
        Ok(Self {
            id: node.id,
            address: node.address(),
            http,
            received_bytes: message.received_bytes,
            sent_bytes: message.sent_bytes,
            rack: rack.unwrap_or_default(),
            liveness,
            admin,
            silent: message.silent_ms.map(Duration::from_millis),
            streams: message.streams,
            transfers: message.transfers,
            slow: some(message.slow),
            volumes: volumes.collect::<Result<_, Error>>()?,
            draining: message.draining.map(|draining| Draining {
                since: UnixMillis(draining.since_ms),
                left: draining.left,
                counted: draining.counted,
            }),
        })
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
