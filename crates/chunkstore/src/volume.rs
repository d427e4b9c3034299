//! One directory of a store: its space, and whether it can be written to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use env::disk::{Disk, Open};
use types::StorageId;

use crate::names::{BUCKETS, CHUNKS, TMP};
use crate::pack::Packs;
use crate::sidecar;

/// Space counted for a replica that is being written, so that several begun at once spread over the volumes.
const EXPECTED_BYTES: u64 = 64 << 20;

/// A volume of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeDir {
    /// The identity of the storage.
    pub storage: StorageId,
    /// Where it is.
    pub dir: PathBuf,
}

/// How much of a volume's space is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reserve {
    /// 1 GiB, or a twentieth of the disk where that is less.
    #[default]
    Auto,
    /// This many bytes.
    Bytes(u64),
}

impl Reserve {
    const fn of(self, total: u64) -> u64 {
        const AUTO_MAX: u64 = 1 << 30;
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Auto if total / 20 < AUTO_MAX => total / 20,
            Self::Auto => AUTO_MAX,
        }
    }
}

/// What there is to say about a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeStatus {
    /// Which one.
    pub storage: StorageId,
    /// Bytes of its disk.
    pub capacity: u64,
    /// Bytes of its replicas, sidecars included.
    pub used: u64,
    /// Bytes that replicas may still take.
    pub available: u64,
    /// The number of its replicas.
    pub chunks: u64,
    /// Why nothing can be written to it; none when it can.
    pub failed: Option<String>,
}

pub(crate) struct Volume {
    pub(crate) storage: StorageId,
    pub(crate) dir: PathBuf,
    pub(crate) packs: Packs,
    reserve: Reserve,
    used: AtomicU64,
    chunks: AtomicU64,
    writers: AtomicU64,
    /// Subdirectories that are known to exist.
    made: Vec<AtomicBool>,
    failed: Mutex<Option<String>>,
}

impl Volume {
    pub(crate) fn new(disk: &Arc<dyn Disk>, place: VolumeDir, reserve: Reserve) -> Self {
        Self {
            packs: Packs::new(Arc::clone(disk), &place.dir, place.storage),
            storage: place.storage,
            dir: place.dir,
            reserve,
            used: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
            writers: AtomicU64::new(0),
            made: (0..BUCKETS).map(|_| AtomicBool::new(false)).collect(),
            failed: Mutex::new(None),
        }
    }

    pub(crate) fn prepare(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_dir_all(&self.dir.join(CHUNKS))?;
        disk.create_dir_all(&self.packs.directory)?;
        disk.create_dir_all(&self.dir.join(TMP))
    }

    /// Makes the subdirectory of a bucket, durably, unless it is there.
    pub(crate) fn prepare_bucket(&self, disk: &dyn Disk, bucket: usize, directory: &Path) -> io::Result<()> {
        let Some(made) = self.made.get(bucket) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if !made.load(Ordering::Acquire) {
            disk.create_dir_all(directory)?;
            made.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(crate) fn replica_added(&self, len: u64) {
        self.used
            .fetch_add(len + sidecar::file_len(len), Ordering::Relaxed);
        self.chunks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn replica_removed(&self, len: u64) {
        self.used
            .fetch_sub(len + sidecar::file_len(len), Ordering::Relaxed);
        self.chunks.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn writer_began(&self) {
        self.writers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn writer_ended(&self) {
        self.writers.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of the disk, and bytes that replicas may still take.
    pub(crate) fn space(&self, disk: &dyn Disk) -> io::Result<(u64, u64)> {
        let space = disk.space(&self.dir)?;
        let reserve = self.reserve.of(space.total);
        Ok((space.total, space.available.saturating_sub(reserve)))
    }

    /// What a new replica may count on: the space that is left when those being written have taken theirs. None when the
    /// volume is full, or can not be written to.
    pub(crate) fn room(&self, disk: &dyn Disk) -> Option<u64> {
        if self.failure().is_some() {
            return None;
        }
        let (_, available) = self.space(disk).ok()?;
        let promised = EXPECTED_BYTES.saturating_mul(self.writers.load(Ordering::Relaxed));
        (available > 0).then(|| available.saturating_sub(promised))
    }

    pub(crate) fn status(&self, disk: &dyn Disk) -> VolumeStatus {
        let (space, unknown) = match self.space(disk) {
            Ok(space) => (space, None),
            Err(error) => ((0, 0), Some(format!("its space is not known: {error}"))),
        };
        VolumeStatus {
            storage: self.storage,
            capacity: space.0,
            used: self.used.load(Ordering::Relaxed),
            available: space.1,
            chunks: self.chunks.load(Ordering::Relaxed),
            failed: self.failure().or(unknown),
        }
    }

    /// Finds out, by writing and syncing a small file, whether the volume can be written to, and remembers the answer.
    ///
    /// Asked after a write failed (one bad replica is not a bad disk), and again from time to time while it has failed.
    pub(crate) fn probe(&self, disk: &dyn Disk) {
        let outcome = self.try_write(disk);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => *failed = None,
            // A full disk is not a bad one; `room` refuses it by its free space.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => *failed = None,
            Err(error) => {
                tracing::error!(dir = %self.dir.display(), %error, "a volume can not be written to");
                *failed = Some(error.to_string());
            }
        }
    }

    fn try_write(&self, disk: &dyn Disk) -> io::Result<()> {
        let path = self.dir.join(TMP).join("probe");
        let file = disk.open(&path, Open::CreateTruncate)?;
        file.write_all_at(b"can this be written?", 0)?;
        file.sync_data()?;
        disk.remove_file(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_shrinks_with_the_disk() {
        assert_eq!(Reserve::Auto.of(1 << 40), 1 << 30);
        assert_eq!(Reserve::Auto.of(2_000), 100);
        assert_eq!(Reserve::Bytes(0).of(1 << 40), 0);
    }
}
