//! What the tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

pub(crate) mod sim;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{ChunkStore, OpenReplicaError, Options, Reserve, ScanReport, VolumeDir};
use env::clock::RealClock;
use env::disk::{Disk, RealDisk};
use tempfile::TempDir;
use types::{ChunkId, ClusterId, Generation, PoolId, StorageId};

pub(crate) fn pool(seed: u8) -> PoolId {
    PoolId::of(ClusterId::from_random_bytes([seed; 16]))
}

pub(crate) fn chunk(id: u64) -> ChunkId {
    ChunkId::new(id).unwrap()
}

/// Bytes that differ from place to place.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// The sums of `data`, as a client sends them.
pub(crate) fn sums(data: &[u8]) -> Vec<u8> {
    data.chunks(512)
        .flat_map(|unit| crc_fast::crc32_iscsi(unit).to_be_bytes())
        .collect()
}

/// All bytes of a replica, by reads of a few units; each read's sums are compared too.
pub(crate) fn read_all(store: &ChunkStore, chunk: ChunkId) -> Result<Vec<u8>, OpenReplicaError> {
    let reader = store.open_replica(chunk)?;
    let mut all = Vec::new();
    let step = 64 << 10;
    while (all.len() as u64) < reader.len() {
        let len = (reader.len() - all.len() as u64).min(step) as usize;
        let (mut data, mut data_sums) = (vec![0; len], vec![0; len.div_ceil(512) * 4]);
        reader.read_verified(all.len() as u64, &mut data, &mut data_sums)?;
        assert_eq!(data_sums, sums(&data));
        all.extend_from_slice(&data);
    }
    Ok(all)
}

/// The checksums that are made from the stored sums, of the whole and of beginnings, are those of the data.
pub(crate) fn checksums_match(store: &ChunkStore, chunk: ChunkId, data: &[u8]) {
    let reader = store.open_replica(chunk).unwrap();
    for len in [
        0,
        1,
        511,
        512,
        513,
        data.len() / 2,
        data.len().saturating_sub(1),
        data.len(),
    ] {
        let Some(part) = data.get(..len) else { continue };
        let checksum = reader.checksum(len as u64).unwrap();
        assert_eq!(checksum, crc_fast::crc32_iscsi(part), "{len} of {}", data.len());
    }
    assert!(reader.checksum(data.len() as u64 + 1).is_err());
}

/// Volumes in temporary directories.
pub(crate) struct Fixture {
    directories: Vec<TempDir>,
    packed_max: u64,
}

impl Fixture {
    pub(crate) fn new(packed_max: u64) -> Self {
        Self::with_volumes(packed_max, 1)
    }

    pub(crate) fn with_volumes(packed_max: u64, count: usize) -> Self {
        Self {
            packed_max,
            directories: (0..count).map(|_| tempfile::tempdir().unwrap()).collect(),
        }
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }

    pub(crate) fn volumes(&self) -> Vec<VolumeDir> {
        let volume = |(position, directory): (usize, &TempDir)| VolumeDir {
            storage: StorageId::from_random_bytes([position as u8; 16]),
            dir: directory.path().to_owned(),
        };
        self.directories.iter().enumerate().map(volume).collect()
    }

    pub(crate) fn open(&self) -> ChunkStore {
        self.reopen().0
    }

    pub(crate) fn reopen(&self) -> (ChunkStore, ScanReport) {
        self.reopen_as(self.packed_max)
    }

    pub(crate) fn reopen_as(&self, packed_max: u64) -> (ChunkStore, ScanReport) {
        self.open_over(self.disk(), self.volumes(), packed_max)
    }

    /// Without the other volumes.
    pub(crate) fn open_only(&self, volume: VolumeDir) -> ChunkStore {
        self.open_over(self.disk(), vec![volume], self.packed_max).0
    }

    /// Over another disk.
    pub(crate) fn open_on(&self, disk: Arc<dyn Disk>) -> ChunkStore {
        self.open_over(disk, self.volumes(), self.packed_max).0
    }

    fn open_over(
        &self,
        disk: Arc<dyn Disk>,
        volumes: Vec<VolumeDir>,
        packed_max: u64,
    ) -> (ChunkStore, ScanReport) {
        let options = Options {
            reserve: Reserve::Bytes(0),
            packed_max,
            quarantine_retention: Duration::ZERO,
        };
        let clock = Arc::new(RealClock::new());
        ChunkStore::open(disk, clock, pool(1), volumes, options).unwrap()
    }

    pub(crate) fn write(&self, store: &ChunkStore, id: u64, generation: Generation, data: &[u8]) {
        let mut writer = store.create(chunk(id), generation).unwrap();
        writer.write(0, data, &sums(data)).unwrap();
        let replica = writer.finalize().unwrap();
        assert_eq!((replica.generation, replica.len), (generation, data.len() as u64));
    }

    /// Data file and sidecar of a finalized replica.
    pub(crate) fn files_of(&self, chunk: ChunkId) -> (PathBuf, PathBuf) {
        let name = format!("chunk-{}", pool(1).chunk_uuid(chunk));
        let bucket = format!("{:02x}", chunk.as_u64() & 0xff);
        let within = |directory: &TempDir| directory.path().join("chunks").join(&bucket).join(&name);
        let data = self
            .directories
            .iter()
            .map(within)
            .find(|path| path.exists())
            .unwrap();
        let sidecar = data.with_file_name(format!("{name}.meta"));
        (data, sidecar)
    }

    /// Changes a byte of `data` wherever it is on the disks: the 10th from its end.
    pub(crate) fn rot(&self, data: &[u8]) {
        let mut found = 0;
        let mut waiting: Vec<_> = self.directories.iter().map(|dir| dir.path().to_owned()).collect();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(
                    std::fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                continue;
            }
            let mut content = std::fs::read(&path).unwrap();
            let at = content.windows(data.len()).position(|window| window == data);
            if let Some(at) = at {
                content[at + data.len() - 10] ^= 1;
                std::fs::write(&path, content).unwrap();
                found += 1;
            }
        }
        assert!(found > 0, "it is somewhere");
    }

    pub(crate) fn temporary_files(&self) -> Vec<PathBuf> {
        let list = |directory: &TempDir| std::fs::read_dir(directory.path().join("tmp")).unwrap();
        let files = self.directories.iter().flat_map(list);
        files.map(|entry| entry.unwrap().path()).collect()
    }
}
