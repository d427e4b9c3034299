//! One datanode, as it last reported.

use std::time::Duration;

use types::{DatanodeId, StorageId};

use crate::{Admin, Comebacks, Liveness, Slow};

/// How long a disk takes. Recent means, as its datanode measures them; 0: not known, because it had nothing to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskTimes {
    /// Microseconds for a sync.
    pub sync_us: u32,
    /// Microseconds for a read of up to 1 MiB.
    pub read_us: u32,
}

/// A storage as its datanode reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageReport {
    /// Which.
    pub id: StorageId,
    /// Bytes in all.
    pub capacity: u64,
    /// Bytes used by chunks.
    pub used: u64,
    /// Bytes that may still be used.
    pub available: u64,
    /// Replicas on it.
    pub chunks: u64,
    /// Why it can not be used; none when it can.
    pub failed: Option<String>,
    /// How long its disk takes.
    pub times: DiskTimes,
}

/// A volume of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What was last reported.
    pub reported: StorageReport,
    /// Bytes that writes in progress may still fill.
    pub reserved: u64,
    /// Why it counts as slow; none when it does not.
    pub slow: Option<Slow>,
}

impl Storage {
    /// Whether it can be used.
    #[must_use]
    pub const fn works(&self) -> bool {
        self.reported.failed.is_none()
    }

    /// Bytes that nobody has spoken for.
    #[must_use]
    pub const fn unclaimed(&self) -> u64 {
        self.reported.available.saturating_sub(self.reserved)
    }
}

/// A datanode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which.
    pub id: DatanodeId,
    /// How it wants to be reached.
    pub host: String,
    /// The port of its data plane.
    pub data_port: u16,
    /// Its rack.
    pub rack: String,
    /// Its volumes.
    pub storages: Vec<Storage>,
    /// Data streams that it last reported.
    pub streams: u32,
    /// Writes in progress that were sent to it.
    pub reserved_streams: u32,
    /// When it last reported; none when it has not registered.
    pub last_heartbeat: Option<Duration>,
    /// What the failure detector made of it last.
    pub liveness: Liveness,
    /// Since when it is that.
    pub since: Duration,
    /// What operators want of it.
    pub admin: Admin,
    /// How often it came back from the dead.
    pub comebacks: Comebacks,
    /// Why it counts as slow, all of it; none when it does not.
    pub slow: Option<Slow>,
    /// By how much its heartbeats came late recently: a mean, in microseconds.
    pub late_us: u64,
    /// The part of its silence in which this process may have been deaf.
    pub(crate) excused: Duration,
}

/// How a node is introduced: host, port of the data plane, rack.
pub type Named = (String, u16, String);

impl Node {
    pub(crate) fn expected(id: DatanodeId, (host, data_port, rack): Named) -> Self {
        Self {
            id,
            host,
            data_port,
            rack,
            storages: Vec::new(),
            streams: 0,
            reserved_streams: 0,
            last_heartbeat: None,
            liveness: Liveness::Absent,
            since: Duration::ZERO,
            admin: Admin::InService,
            comebacks: Comebacks::NONE,
            slow: None,
            late_us: 0,
            excused: Duration::ZERO,
        }
    }

    /// `host:port` of the data plane.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.data_port)
    }

    /// The time since the last heartbeat; none when it has not registered.
    #[must_use]
    pub fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.last_heartbeat.map(|at| now.saturating_sub(at))
    }

    /// Streams that run or are about to. A write in progress is in the node's own figure only since the last heartbeat,
    /// and reads are only in that figure: the larger of the two counts no stream twice.
    #[must_use]
    pub fn busy_streams(&self) -> u32 {
        self.streams.max(self.reserved_streams)
    }

    /// The volumes that can be used.
    pub fn working(&self) -> impl Iterator<Item = &Storage> {
        self.storages.iter().filter(|storage| storage.works())
    }

    /// Bytes on the volumes that can be used: those used by chunks, and all that chunks may use, those included.
    #[must_use]
    pub fn space(&self) -> (u64, u64) {
        self.working().fold((0, 0), |(used, usable), storage| {
            let reported = &storage.reported;
            let both = reported.used.saturating_add(reported.available);
            (
                used.saturating_add(reported.used),
                usable.saturating_add(both.min(reported.capacity.max(reported.used))),
            )
        })
    }

    pub(crate) fn storage_mut(&mut self, id: StorageId) -> Option<&mut Storage> {
        self.storages.iter_mut().find(|storage| storage.reported.id == id)
    }

    pub(crate) fn update(&mut self, reports: Vec<StorageReport>) {
        let old = std::mem::take(&mut self.storages);
        self.storages = reports
            .into_iter()
            .map(|reported| {
                let same = old.iter().find(|storage| storage.reported.id == reported.id);
                Storage {
                    reserved: same.map_or(0, |storage| storage.reserved),
                    slow: same.and_then(|storage| storage.slow),
                    reported,
                }
            })
            .collect();
    }
}
