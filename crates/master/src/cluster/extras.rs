//! What datanodes tell of themselves that no decision is based on, for those who look at it.

use std::collections::BTreeMap;

use placement::{Node, Storage};
use proto::v1;
use types::{DatanodeId, StorageId, UnixMillis};

use super::Cluster;

/// Of a volume.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct VolumeExtra {
    pub(crate) directory: String,
    /// Bytes of destroyed replicas that rest; counted as available.
    pub(crate) quarantined: u64,
    /// When the round of scrubbing began that runs, and how far it is, 0 to 1.
    pub(crate) scrub: Option<(UnixMillis, f64)>,
    /// It is no volume of its datanode any more: it is known for as long as the datanode runs, and nothing is told of it.
    pub(crate) taken_out: bool,
}

/// Of everybody.
#[derive(Debug, Default)]
pub(super) struct Extras {
    volumes: BTreeMap<StorageId, VolumeExtra>,
    transfers: BTreeMap<DatanodeId, u32>,
    http_ports: BTreeMap<DatanodeId, u16>,
    jobs: BTreeMap<DatanodeId, Vec<v1::Job>>,
    traffic: BTreeMap<DatanodeId, Traffic>,
}

/// Data bytes that a datanode has moved since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Jobs of a datanode that are remembered, and characters of what each says.
const JOBS_MAX: usize = 16;
const WORDS_MAX: usize = 400;

impl Cluster {
    /// Takes in what a datanode says of its volumes.
    pub(crate) fn volumes_said(&mut self, storages: &[v1::StorageStatus]) {
        for status in storages {
            if let Ok(id) = proto::storage_id(&status.id) {
                let begun = UnixMillis(status.scrub_begun_ms);
                let extra = VolumeExtra {
                    directory: status.directory.clone(),
                    quarantined: status.quarantined,
                    scrub: (begun.0 > 0).then(|| (begun, status.scrub_done.clamp(0.0, 1.0))),
                    taken_out: status.taken_out,
                };
                self.extras.volumes.insert(id, extra);
            }
        }
    }

    /// Takes in how many copies a datanode is at.
    pub(crate) fn transfers_said(&mut self, datanode: DatanodeId, transfers: u32) {
        self.extras.transfers.insert(datanode, transfers);
    }

    /// Takes in how much data a datanode has moved.
    pub(crate) fn traffic_said(&mut self, datanode: DatanodeId, received: u64, sent: u64) {
        self.extras.traffic.insert(datanode, Traffic { received, sent });
    }

    /// How much data a datanode has moved.
    pub(crate) fn traffic_of(&self, datanode: DatanodeId) -> Traffic {
        self.extras.traffic.get(&datanode).copied().unwrap_or_default()
    }

    /// Takes in where a datanode serves HTTP; 0: nowhere.
    pub(crate) fn http_port_said(&mut self, datanode: DatanodeId, port: u16) {
        self.extras.http_ports.insert(datanode, port);
    }

    /// Where a datanode serves HTTP; 0: nowhere, as far as is known.
    pub(crate) fn http_port_of(&self, datanode: DatanodeId) -> u16 {
        self.extras.http_ports.get(&datanode).copied().unwrap_or_default()
    }

    /// Takes in what a datanode does by itself.
    pub(crate) fn jobs_said(&mut self, datanode: DatanodeId, jobs: Vec<v1::Job>) {
        let bounded = |mut job: v1::Job| {
            for words in [&mut job.name, &mut job.detail, &mut job.last_error] {
                if let Some((at, _)) = words.char_indices().nth(WORDS_MAX) {
                    words.truncate(at);
                }
            }
            job.limits.clear();
            job
        };
        let jobs = jobs.into_iter().take(JOBS_MAX).map(bounded).collect();
        self.extras.jobs.insert(datanode, jobs);
    }

    /// What a datanode does by itself, as it said.
    pub(crate) fn jobs_of(&self, datanode: DatanodeId) -> &[v1::Job] {
        self.extras.jobs.get(&datanode).map_or(&[], Vec::as_slice)
    }

    /// What was told of a volume.
    pub(crate) fn volume_extra(&self, storage: StorageId) -> VolumeExtra {
        self.extras.volumes.get(&storage).cloned().unwrap_or_default()
    }

    /// The volumes of a datanode, without those that were taken out.
    pub(crate) fn volumes_of<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Storage> {
        let is_out = |storage: &Storage| {
            let extra = self.extras.volumes.get(&storage.reported.id);
            extra.is_some_and(|extra| extra.taken_out)
        };
        node.storages.iter().filter(move |storage| !is_out(storage))
    }

    /// How many copies a datanode is at.
    pub(crate) fn transfers_of(&self, datanode: DatanodeId) -> u32 {
        self.extras.transfers.get(&datanode).copied().unwrap_or_default()
    }

    /// A datanode is none any more.
    pub(super) fn forget_extras(&mut self, datanode: DatanodeId, storages: &[StorageId]) {
        self.extras.transfers.remove(&datanode);
        self.extras.http_ports.remove(&datanode);
        self.extras.traffic.remove(&datanode);
        self.extras.jobs.remove(&datanode);
        for storage in storages {
            self.extras.volumes.remove(storage);
        }
    }
}
