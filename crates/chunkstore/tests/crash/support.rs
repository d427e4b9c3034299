//! A store over a disk that loses power at every operation.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::{ChunkStore, OpenError, Options, Reserve, ScanReport, VolumeDir, Writer};
use env::clock::RealClock;
use env::disk::SimDisk;
use types::{Generation, StorageId};

use crate::common::{chunk, pool, sums};

pub(crate) const G1: Generation = Generation(1001);
pub(crate) const G2: Generation = Generation(1002);
pub(crate) const EIO: i32 = 5;

pub(crate) fn open(disk: &SimDisk, packed_max: u64) -> (ChunkStore, ScanReport) {
    try_open(disk, packed_max).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn try_open(disk: &SimDisk, packed_max: u64) -> Result<(ChunkStore, ScanReport), OpenError> {
    let volume = VolumeDir {
        storage: StorageId::from_random_bytes([1; 16]),
        dir: "/volume".into(),
    };
    let options = Options {
        reserve: Reserve::Bytes(0),
        packed_max,
        quarantine_retention: Duration::ZERO,
    };
    let disk = Arc::new(disk.clone());
    ChunkStore::open(disk, Arc::new(RealClock::new()), pool(1), vec![volume], options)
}

pub(crate) fn write(writer: &mut Writer, data: &[u8]) -> Option<()> {
    for (at, part) in data.chunks(4096).enumerate() {
        writer.write(at as u64 * 4096, part, &sums(part)).ok()?;
    }
    Some(())
}

pub(crate) fn put(store: &ChunkStore, id: u64, generation: Generation, data: &[u8]) -> Option<()> {
    let mut writer = store.create(chunk(id), generation).ok()?;
    write(&mut writer, data)?;
    writer.finalize().ok().map(drop)
}

/// Runs `work` again and again, so that the power goes at every operation that it does, each time with several outcomes;
/// `check` looks at what is there after the restart, and knows how far the work has come.
pub(crate) fn crash_everywhere<T>(
    packed_max: u64,
    prepare: impl Fn(&ChunkStore),
    work: impl Fn(&ChunkStore, &mut T),
    check: impl Fn(&ChunkStore, &ScanReport, &T, &str),
) where
    T: Default,
{
    crash_everywhere_with(|disk| open(disk, packed_max), prepare, work, check);
}

/// The same, over a store that `open` opens.
pub(crate) fn crash_everywhere_with<T>(
    open: impl Fn(&SimDisk) -> (ChunkStore, ScanReport),
    prepare: impl Fn(&ChunkStore),
    work: impl Fn(&ChunkStore, &mut T),
    check: impl Fn(&ChunkStore, &ScanReport, &T, &str),
) where
    T: Default,
{
    let run = |dies_after: Option<u64>, seed: u64| {
        let disk = SimDisk::new();
        let store = open(&disk).0;
        prepare(&store);
        let before = disk.mutations();
        if let Some(operations) = dies_after {
            disk.die_after(operations);
        }
        let mut progress = T::default();
        work(&store, &mut progress);
        let operations = disk.mutations() - before;
        disk.crash(seed);
        drop(store);
        let (again, report) = open(&disk);
        check(
            &again,
            &report,
            &progress,
            &format!("died after {dies_after:?}, seed {seed}"),
        );
        // Opening is safe to be interrupted, too, and finds nothing more to do.
        let (_, report) = open(&disk);
        assert_eq!(report.temporary_removed, 0);
        operations
    };
    let operations = run(None, 0);
    assert!(operations > 1, "the work does something");
    for died in 0..=operations {
        for seed in 0..12 {
            run(Some(died), seed);
        }
    }
}
