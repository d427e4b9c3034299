//! The volumes of a store: they come, fail and go while it runs.
//!
//! # Guarantees
//! - A volume that can not be written to and read from, or whose directory has vanished, is *isolated*: its replicas leave
//!   the index, nothing is written to it, and the other volumes go on. Nothing on it is destroyed.
//! - It comes back by [`ChunkStore::retry`] alone, which looks through all of it again.
//! - A volume has a position in the list for as long as it works. One that comes back gets a new one: what still holds the
//!   old position (a writer, a reader) can not touch the index any more, and a writer acknowledges nothing.
//! - What was synced of replicas that were being written stays with its volume, and is adopted when that comes back.

use std::io;
use std::sync::{Arc, PoisonError};

use types::StorageId;

use crate::scan::{self, ScanReport};
use crate::store::{ChunkStore, Shared};
use crate::volume::{Volume, VolumeDir, VolumeStatus};

/// Reads that fail in a row before the volume is isolated, though it can be written to.
const FAILED_READS_MAX: u64 = 32;

/// What happened to a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeChange {
    /// It is not used any more.
    Isolated {
        /// Which one.
        storage: StorageId,
        /// Replicas that left the index with it.
        replicas: u64,
        /// Why.
        why: String,
    },
    /// It is used (again), with so many replicas.
    Attached {
        /// Which one.
        storage: StorageId,
        /// Replicas that came into the index with it.
        replicas: u64,
    },
    /// It was taken out.
    Detached {
        /// Which one.
        storage: StorageId,
        /// Replicas that left the index with it.
        replicas: u64,
    },
}

/// Why a volume does not become a part of the store.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is one already.
    #[error("storage {0} is in use already")]
    InUse(StorageId),
    /// There is no such volume that has failed.
    #[error("storage {0} is none that has failed")]
    Unknown(StorageId),
    /// It can not be used.
    #[error("can not use the volume {dir}: {source}")]
    Volume {
        /// Where it is.
        dir: std::path::PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl ChunkStore {
    /// The storages that are, or were, a part of the store since it was opened; those that failed or were taken out have
    /// no replicas.
    #[must_use]
    pub fn storages(&self) -> Vec<StorageId> {
        let mut storages = Vec::new();
        for volume in self.0.volumes() {
            if !storages.contains(&volume.storage) {
                storages.push(volume.storage);
            }
        }
        storages
    }

    /// What there is to say about each volume that was not taken out.
    #[must_use]
    pub fn volumes(&self) -> Vec<VolumeStatus> {
        let shared = &self.0;
        let volumes = shared.volumes().into_iter().enumerate();
        let present = volumes.filter(|(_, volume)| !volume.is_detached());
        present
            .map(|(position, volume)| {
                let resting = shared.quarantine.bytes(position);
                volume.status(&*shared.disk, shared.index.tally(position), resting)
            })
            .collect()
    }

    /// Takes a directory in: prepares it, and looks through it. Requests go on meanwhile.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(&self, place: VolumeDir) -> Result<ScanReport, AttachError> {
        let shared = &self.0;
        let _one_at_a_time = shared.attaching.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.position_of(place.storage).is_some() {
            return Err(AttachError::InUse(place.storage));
        }
        let volume = Volume::new(&shared.disk, place, shared.options.reserve);
        let prepared = volume
            .prepare(&*shared.disk)
            .and_then(|()| volume.probe(&*shared.disk));
        if let Err(source) = prepared {
            return Err(AttachError::Volume {
                dir: volume.dir,
                source,
            });
        }
        shared.take_in(volume, None)
    }

    /// Tries a volume that has failed again. When it works, it is looked through and used. The caller has made sure that
    /// the directory is still that of the storage.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn retry(&self, storage: StorageId) -> Result<ScanReport, AttachError> {
        let shared = &self.0;
        let _one_at_a_time = shared.attaching.lock().unwrap_or_else(PoisonError::into_inner);
        let old = (shared
            .position_of(storage)
            .map(|position| shared.volume(position)))
        .filter(|volume| volume.failure().is_some())
        .ok_or(AttachError::Unknown(storage))?;
        let place = VolumeDir {
            storage,
            dir: old.dir.clone(),
        };
        let volume = Volume::new(&shared.disk, place, shared.options.reserve);
        // Before anything is made in it: a directory that has vanished is not to be begun anew.
        let works = volume
            .probe(&*shared.disk)
            .and_then(|()| volume.prepare(&*shared.disk));
        if let Err(source) = works {
            return Err(AttachError::Volume {
                dir: volume.dir,
                source,
            });
        }
        let taken = shared.take_in(volume, Some(&*old));
        if let Err(AttachError::Volume { source, .. }) = &taken {
            // The new position failed at once; it is the one to be retried.
            tracing::warn!(%storage, error = %source, "a volume that came back can not be looked through");
        }
        taken
    }

    /// Takes a volume out: its replicas leave the index, its files stay as they are. False when there is none.
    pub fn detach(&self, storage: StorageId) -> bool {
        let shared = &self.0;
        let Some(position) = shared.position_of(storage) else {
            return false;
        };
        shared.volume(position).detach();
        let replicas = shared.forget_volume(position);
        tracing::info!(%storage, replicas, "a volume was taken out");
        shared.tell(VolumeChange::Detached { storage, replicas });
        true
    }

    /// Makes every volume prove that it can be used; those that can not are isolated. Blocks as long as the slowest.
    pub fn check_volumes(&self) {
        for position in 0..self.0.volumes().len() {
            self.0.examine(position);
        }
    }

    /// What happened to volumes since this was asked last.
    #[must_use]
    pub fn take_volume_changes(&self) -> Vec<VolumeChange> {
        std::mem::take(&mut *self.0.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    /// All volumes, by position.
    pub(crate) fn volumes(&self) -> Vec<Arc<Volume>> {
        self.volumes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "positions are given out by `add_volume`, and the list only grows"
    )]
    pub(crate) fn volume(&self, position: usize) -> Arc<Volume> {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&volumes[position])
    }

    /// The position of a storage that was not taken out.
    pub(crate) fn position_of(&self, storage: StorageId) -> Option<usize> {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        volumes
            .iter()
            .position(|volume| volume.storage == storage && !volume.is_detached())
    }

    /// Gives a volume a position.
    pub(crate) fn add_volume(&self, volume: Volume) -> (usize, Arc<Volume>) {
        let mut volumes = self.volumes.write().unwrap_or_else(PoisonError::into_inner);
        let (position, volume) = (volumes.len(), Arc::new(volume));
        volumes.push(Arc::clone(&volume));
        self.index.open(position);
        (position, volume)
    }

    /// Looks through a volume that works, in the place of `old`.
    fn take_in(&self, volume: Volume, old: Option<&Volume>) -> Result<ScanReport, AttachError> {
        let mut report = ScanReport::default();
        let left = match self.empty_temporary(&volume, &mut report) {
            Ok(left) => left,
            Err(source) => {
                let dir = volume.dir;
                return Err(AttachError::Volume { dir, source });
            }
        };
        if let Some(old) = old {
            old.detach();
        }
        let (position, volume) = self.add_volume(volume);
        self.note_left(position, left);
        if let Err(source) = scan::volume(self, position, &volume, &mut report) {
            self.isolate(position, format!("it can not be looked through: {source}"));
            return Err(AttachError::Volume {
                dir: volume.dir.clone(),
                source,
            });
        }
        let storage = volume.storage;
        tracing::info!(%storage, dir = %volume.dir.display(), replicas = report.replicas, "a volume was taken in");
        self.tell(VolumeChange::Attached {
            storage,
            replicas: report.replicas,
        });
        Ok(report)
    }

    /// After something failed on a volume: it is isolated unless it proves that it works.
    pub(crate) fn examine(&self, position: usize) {
        let volume = self.volume(position);
        if !volume.is_working() {
            return;
        }
        if let Err(error) = volume.look(&*self.disk) {
            self.isolate(position, error.to_string());
        }
    }

    /// After a read of a replica failed, not for what was read: one bad spot is not a bad disk, many are.
    pub(crate) fn examine_reads(&self, position: usize) {
        if self.volume(position).note_read(true) >= FAILED_READS_MAX {
            self.isolate(position, format!("{FAILED_READS_MAX} reads in a row failed"));
        } else {
            self.examine(position);
        }
    }

    pub(crate) fn isolate(&self, position: usize, why: String) {
        let volume = self.volume(position);
        if !volume.fail(why.clone()) {
            return;
        }
        let replicas = self.forget_volume(position);
        tracing::error!(dir = %volume.dir.display(), why, replicas, "a volume is not used any more");
        self.tell(VolumeChange::Isolated {
            storage: volume.storage,
            replicas,
            why,
        });
    }

    fn forget_volume(&self, position: usize) -> u64 {
        let replicas = self.index.close(position);
        self.quarantine.forget_volume(position);
        replicas
    }

    fn tell(&self, change: VolumeChange) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
    }
}
