//! A store over a simulated disk, with a clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chunkstore::{ChunkStore, Options, Reserve, ScanReport, VolumeDir};
use env::clock::Clock;
use env::disk::SimDisk;
use types::{Generation, StorageId, UnixMillis};

use super::{chunk, pool, sums};

/// An hour, in milliseconds.
pub(crate) const HOUR: u64 = 3_600_000;

pub(crate) const G1: Generation = Generation(1001);
pub(crate) const G2: Generation = Generation(1002);
pub(crate) const EIO: i32 = 5;

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub(crate) struct SetClock(AtomicU64);

impl SetClock {
    pub(crate) fn forward(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

/// A disk with the directories `/a`, `/b`, …, and a clock.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) options: Options,
}

pub(crate) fn storage(number: u8) -> StorageId {
    StorageId::from_random_bytes([number; 16])
}

pub(crate) fn volume(number: u8) -> VolumeDir {
    VolumeDir {
        storage: storage(number),
        dir: format!("/{}", char::from(b'a' + number)).into(),
    }
}

impl World {
    pub(crate) fn new(packed_max: u64) -> Self {
        Self {
            disk: SimDisk::new(),
            clock: Arc::default(),
            options: Options {
                reserve: Reserve::Bytes(0),
                packed_max,
                quarantine_retention: Duration::from_millis(HOUR),
            },
        }
    }

    pub(crate) fn open(&self, volumes: u8) -> (ChunkStore, ScanReport) {
        let volumes = (0..volumes).map(volume).collect();
        let disk = Arc::new(self.disk.clone());
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        ChunkStore::open(disk, clock, pool(1), volumes, self.options).unwrap()
    }
}

pub(crate) fn put(store: &ChunkStore, id: u64, generation: Generation, data: &[u8]) -> Option<()> {
    let mut writer = store.create(chunk(id), generation).ok()?;
    for (at, part) in data.chunks(4096).enumerate() {
        writer.write(at as u64 * 4096, part, &sums(part)).ok()?;
    }
    writer.finalize().ok().map(drop)
}

/// The fingerprints are those of what is listed, and the counts too.
pub(crate) fn assert_adds_up(store: &ChunkStore) {
    for volume in store.volumes() {
        let listing = store.list(volume.storage, None, None, usize::MAX);
        assert_eq!(listing.next, None);
        let mut recount = types::fingerprint::Fingerprint::default();
        for replica in &listing.replicas {
            recount.add(types::ChunkExtent {
                chunk: replica.chunk,
                generation: replica.generation,
                len: replica.len,
            });
        }
        assert_eq!(recount, store.fingerprint(volume.storage));
        let all = store.replicas(None, usize::MAX).into_iter();
        let on = all.filter(|replica| replica.storage == volume.storage).count();
        assert_eq!(on as u64, volume.chunks);
    }
}
