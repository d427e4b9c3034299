//! The store over a disk that loses power, fails, and rots.

#![allow(clippy::panic, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::Arc;

use chunkstore::{ChunkStore, OpenError, ReplicaState, Reserve, ScanReport, VolumeDir, WriteError, Writer};
use common::{bytes, chunk, pool, read_all, sums};
use env::disk::{Disk, Effect, Fault, Op, SimDisk};
use types::{Generation, StorageId};

const G1: Generation = Generation(1001);
const G2: Generation = Generation(1002);
const EIO: i32 = 5;

fn open(disk: &SimDisk) -> (ChunkStore, ScanReport) {
    try_open(disk).unwrap_or_else(|error| panic!("{error}"))
}

fn try_open(disk: &SimDisk) -> Result<(ChunkStore, ScanReport), OpenError> {
    let volume = VolumeDir {
        storage: StorageId::from_random_bytes([1; 16]),
        dir: "/volume".into(),
    };
    ChunkStore::open(Arc::new(disk.clone()), pool(1), vec![volume], Reserve::Bytes(0))
}

fn write(writer: &mut Writer, data: &[u8]) -> Option<()> {
    for (at, part) in data.chunks(4096).enumerate() {
        writer.write(at as u64 * 4096, part, &sums(part)).ok()?;
    }
    Some(())
}

fn put(store: &ChunkStore, id: u64, generation: Generation, data: &[u8]) -> Option<()> {
    let mut writer = store.create(chunk(id), generation).ok()?;
    write(&mut writer, data)?;
    writer.finalize().ok().map(drop)
}

/// Runs `work` again and again, so that the power goes at every operation that it does, each time with several outcomes;
/// `check` looks at what is there after the restart, and knows how far the work has come.
fn crash_everywhere<T>(
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
    assert!(operations > 5, "the work does something");
    for died in 0..=operations {
        for seed in 0..12 {
            run(Some(died), seed);
        }
    }
}

#[test]
fn power_loss_while_writing_leaves_nothing_or_everything() {
    let data = bytes(1, 9000);
    crash_everywhere(
        |_| {},
        |store, acknowledged: &mut bool| *acknowledged = put(store, 1, G1, &data).is_some(),
        |store, report, acknowledged, when| {
            match store.replica(chunk(1)) {
                Some(replica) => {
                    assert_eq!(replica.state, ReplicaState::Finalized, "{when}");
                    assert_eq!(read_all(store, chunk(1)).unwrap(), data, "{when}");
                }
                None => assert!(!acknowledged, "lost: {when}"),
            }
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

#[test]
fn power_loss_while_replacing_leaves_old_nothing_or_new() {
    let (old, new) = (bytes(1, 5000), bytes(2, 5000));
    crash_everywhere(
        |store| put(store, 1, G1, &old).unwrap(),
        |store, acknowledged: &mut bool| *acknowledged = put(store, 1, G2, &new).is_some(),
        |store, report, acknowledged, when| {
            match store.replica(chunk(1)).map(|replica| replica.generation) {
                Some(G1) => assert!(
                    !acknowledged && read_all(store, chunk(1)).unwrap() == old,
                    "{when}"
                ),
                Some(G2) => assert_eq!(read_all(store, chunk(1)).unwrap(), new, "{when}"),
                Some(other) => panic!("generation {other}: {when}"),
                None => assert!(!acknowledged, "lost: {when}"),
            }
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

#[test]
fn power_loss_while_the_generation_rises_leaves_the_old_or_the_new() {
    let data = bytes(1, 5000);
    crash_everywhere(
        |store| put(store, 1, G1, &data).unwrap(),
        |store, acknowledged: &mut bool| *acknowledged = store.bump_generation(chunk(1), G2).is_ok(),
        |store, _, acknowledged, when| {
            let replica = store.replica(chunk(1)).unwrap_or_else(|| panic!("lost: {when}"));
            assert!(
                replica.generation == G2 || (replica.generation == G1 && !acknowledged),
                "{when}"
            );
            assert_eq!(read_all(store, chunk(1)).unwrap(), data, "{when}");
        },
    );
}

#[test]
fn power_loss_while_deleting_or_taking_back_leaves_everything_or_nothing() {
    let data = bytes(1, 5000);
    crash_everywhere(
        |store| {
            put(store, 1, G1, &data).unwrap();
            put(store, 2, G1, &data).unwrap();
        },
        |store, _: &mut ()| {
            let _ = store.delete(chunk(1), G1);
            if let Ok((mut writer, _)) = store.reopen(chunk(2), G1) {
                let _ = writer.truncate_to(1000);
                let _ = writer.bump_generation(G2);
                let _ = writer.finalize();
            }
        },
        |store, report, (), when| {
            for id in [1, 2] {
                match store.replica(chunk(id)) {
                    Some(replica) if replica.generation == G2 => {
                        assert_eq!(read_all(store, chunk(id)).unwrap(), data[..1000], "{when}");
                    }
                    Some(_) => assert_eq!(read_all(store, chunk(id)).unwrap(), data, "{when}"),
                    None => {}
                }
            }
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

#[test]
fn power_loss_while_starting_is_no_harm() {
    let data = bytes(1, 2000);
    for died in 0..8 {
        let disk = SimDisk::new();
        let store = open(&disk).0;
        put(&store, 1, G1, &data).unwrap();
        let mut unfinished = store.create(chunk(2), G1).unwrap();
        write(&mut unfinished, &data).unwrap();
        disk.kill();
        drop((unfinished, store));
        disk.die_after(died);
        let _ = try_open(&disk);
        disk.crash(died);
        let (store, _) = open(&disk);
        assert_eq!(store.replicas(None, 10).len(), 1);
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    }
}

#[test]
fn a_failed_operation_is_final_for_its_replica() {
    for op in [
        Op::Create,
        Op::Write,
        Op::SetLen,
        Op::SyncData,
        Op::Rename,
        Op::SyncDir,
    ] {
        for skip in 0..4 {
            let disk = SimDisk::new();
            let store = open(&disk).0;
            disk.faults()
                .add(Fault::once(op, skip, Effect::Fail(EIO)).on("chunk"));
            let done = put(&store, 1, G1, &bytes(1, 5000));
            if done.is_none() {
                assert!(store.replica(chunk(1)).is_none(), "{op:?} {skip}");
                assert_eq!(
                    disk.read_dir(Path::new("/volume/tmp")).unwrap(),
                    [],
                    "{op:?} {skip}"
                );
            }
            disk.faults().clear();
            assert_eq!(store.volumes()[0].failed, None, "one bad file is not a bad disk");
            // A new replica may be tried, from the beginning.
            if done.is_none() {
                put(&store, 1, G1, &bytes(2, 5000)).unwrap();
                assert_eq!(read_all(&store, chunk(1)).unwrap(), bytes(2, 5000));
            }
        }
    }
}

#[test]
fn a_poisoned_writer_refuses_everything() {
    let disk = SimDisk::new();
    let store = open(&disk).0;
    let mut writer = store.create(chunk(1), G1).unwrap();
    write(&mut writer, &bytes(1, 5000)).unwrap();
    disk.faults().add(Fault::once(Op::SyncData, 0, Effect::Fail(EIO)));
    assert!(matches!(writer.sync(), Err(WriteError::Io { .. })));
    let synced = disk.mutations();
    assert!(matches!(writer.sync(), Err(WriteError::Poisoned(_))));
    assert!(matches!(
        writer.write(4608, &[0; 512], &[0; 4]),
        Err(WriteError::Poisoned(_))
    ));
    assert!(matches!(writer.truncate_to(0), Err(WriteError::Poisoned(_))));
    assert!(matches!(writer.bump_generation(G2), Err(WriteError::Poisoned(_))));
    assert_eq!(disk.mutations(), synced, "a failed sync is never tried again");
    assert!(matches!(writer.finalize(), Err(WriteError::Poisoned(_))));
}

#[test]
fn a_disk_that_fails_is_named_until_it_works_again() {
    let disk = SimDisk::new();
    let store = open(&disk).0;
    disk.faults().add(Fault::always(Op::SyncData, Effect::Fail(EIO)));
    assert!(put(&store, 1, G1, b"abc").is_none());
    assert!(store.volumes()[0].failed.is_some());
    let refused = store.create(chunk(2), G1).err().unwrap().to_string();
    assert!(refused.contains("/volume: it can not be written to"), "{refused}");
    disk.faults().clear();
    assert_eq!(store.volumes()[0].failed, None);
    put(&store, 2, G1, b"abc").unwrap();
}

#[test]
fn a_full_disk_fails_the_replica_and_not_the_volume() {
    let disk = SimDisk::new();
    let store = open(&disk).0;
    disk.set_capacity(6000);
    let mut writer = store.create(chunk(1), G1).unwrap();
    assert!(write(&mut writer, &bytes(1, 9000)).is_none());
    assert_eq!(store.volumes()[0].failed, None);
    drop(writer);
    put(&store, 2, G1, &bytes(2, 3000)).unwrap();
}

#[test]
fn any_flipped_bit_is_an_error_and_never_a_wrong_byte() {
    let disk = SimDisk::new();
    let store = open(&disk).0;
    let data = bytes(4, 1100);
    put(&store, 1, G1, &data).unwrap();
    let name = format!("/volume/chunks/01/chunk-{}", pool(1).chunk_uuid(chunk(1)));
    for path in [name.clone(), format!("{name}.meta")] {
        let path = Path::new(&path);
        let len = disk.open(path, env::disk::Open::Read).unwrap().size().unwrap();
        for bit in 0..len * 8 {
            let (offset, mask) = (bit / 8, 1 << (bit % 8));
            disk.corrupt(path, offset, mask).unwrap();
            assert!(
                read_all(&store, chunk(1)).is_err(),
                "{}: bit {bit}",
                path.display()
            );
            let of_sums = store
                .open_replica(chunk(1))
                .map(|reader| reader.checksum(data.len() as u64));
            if path.extension().is_some() {
                assert!(!matches!(of_sums, Ok(Ok(_))), "sidecar, bit {bit}");
            }
            disk.corrupt(path, offset, mask).unwrap();
        }
    }
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
}
