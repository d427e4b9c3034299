//! Replicas in packs.

use std::path::Path;

use chunkstore::{SmallReplica, Victim};
use env::disk::{Disk, Effect, Fault, Op, Open, SimDisk};

use crate::common::{bytes, chunk, read_all, sums};
use crate::support::{EIO, G1, G2, crash_everywhere, open, put};

const PACKED_MAX: u64 = 64 << 10;

#[test]
fn power_loss_while_a_pack_is_emptied_loses_nothing() {
    for died in 0..30 {
        for seed in 0..12 {
            let disk = SimDisk::new();
            let store = open(&disk, PACKED_MAX).0;
            for id in 0..6 {
                put(&store, id, G1, &bytes(id, 3000)).unwrap();
            }
            drop(store);
            let store = open(&disk, PACKED_MAX).0;
            for id in 0..4 {
                store.delete(chunk(id), G1, Victim::Any).unwrap();
            }
            disk.die_after(died);
            let _ = store.compact();
            disk.crash(seed);
            drop(store);
            let (again, report) = open(&disk, PACKED_MAX);
            for id in 4..6 {
                let read = read_all(&again, chunk(id)).unwrap();
                assert_eq!(read, bytes(id, 3000), "died after {died}, seed {seed}");
            }
            assert_eq!(report.corrupt, 0, "died after {died}, seed {seed}");
        }
    }
}

#[test]
fn a_failed_write_or_sync_is_final_and_leaves_nothing_to_be_found() {
    for op in [Op::Create, Op::Write, Op::SyncData, Op::SyncDir] {
        for first in [true, false] {
            let disk = SimDisk::new();
            let store = open(&disk, PACKED_MAX).0;
            if !first {
                put(&store, 9, G1, &bytes(9, 500)).unwrap();
            }
            disk.faults()
                .add(Fault::once(op, 0, Effect::Fail(EIO)).on("pack"));
            let done = put(&store, 1, G1, &bytes(1, 5000));
            assert_eq!(
                done.is_some(),
                !first && matches!(op, Op::Create | Op::SyncDir),
                "{op:?} {first}"
            );
            disk.faults().clear();
            if done.is_none() {
                assert!(store.replica(chunk(1)).is_none());
                // The process is started again, the machine is not: what is in the page cache may never have reached the disk.
                let (again, _) = open(&disk, PACKED_MAX);
                assert!(again.replica(chunk(1)).is_none(), "{op:?} {first}");
                put(&again, 1, G1, &bytes(2, 5000)).unwrap();
                assert_eq!(read_all(&again, chunk(1)).unwrap(), bytes(2, 5000));
            }
            let (again, _) = open(&disk, PACKED_MAX);
            assert_eq!(again.replica(chunk(9)).is_some(), !first);
        }
    }
}

#[test]
fn any_flipped_bit_is_an_error_and_never_a_wrong_byte() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    let data = bytes(4, 1100);
    put(&store, 1, G1, &data).unwrap();
    let path = Path::new("/volume/packs/pack-00000001");
    let len = disk.open(path, Open::Read).unwrap().size().unwrap();
    let entry = 64..64 + 64 + 12 + 1100;
    for bit in 0..len * 8 {
        let (offset, mask) = (bit / 8, 1 << (bit % 8));
        disk.corrupt(path, offset, mask).unwrap();
        let read = read_all(&store, chunk(1));
        if entry.contains(&offset) {
            assert!(read.is_err(), "bit {bit}");
        } else {
            assert_eq!(read.unwrap(), data, "bit {bit}");
        }
        disk.corrupt(path, offset, mask).unwrap();
    }
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
}

#[test]
fn a_packed_replica_costs_one_write_and_one_sync() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    put(&store, 1, G1, &bytes(1, 100)).unwrap();
    let before = disk.mutations();
    put(&store, 2, G1, &bytes(2, 100)).unwrap();
    assert_eq!(
        disk.mutations() - before,
        2,
        "one write, one sync: no file, no name"
    );
}

fn small(id: u64, generation: types::Generation, seed: u64) -> SmallReplica {
    let data = bytes(seed, 700 + usize::try_from(id).unwrap_or_default() * 900);
    SmallReplica {
        chunk: chunk(id),
        generation,
        sums: sums(&data),
        data,
    }
}

/// Of chunks 0 and 1 there are older replicas, one packed and one in files; 2 and 3 are new.
#[test]
fn power_loss_while_many_are_put_leaves_each_old_or_new_and_what_was_acknowledged() {
    crash_everywhere(
        4 << 10,
        |store| {
            put(store, 0, G1, &bytes(70, 800)).unwrap();
            put(store, 1, G1, &bytes(71, 8_000)).unwrap();
        },
        |store, put: &mut bool| {
            let all = (0..4).map(|id| small(id, G2, id)).collect();
            *put = store.put_small(None, all).iter().all(Result::is_ok);
        },
        |store, report, put, when| {
            assert_eq!(report.corrupt, 0, "{when}");
            for id in 0..4 {
                let new = store
                    .replica(chunk(id))
                    .is_some_and(|replica| replica.generation == G2);
                assert!(new || !*put, "chunk {id} was acknowledged; {when}");
                if new {
                    assert_eq!(
                        read_all(store, chunk(id)).unwrap(),
                        small(id, G2, id).data,
                        "{when}"
                    );
                } else if id < 2 {
                    let old = bytes(70 + id, if id == 0 { 800 } else { 8_000 });
                    assert_eq!(read_all(store, chunk(id)).unwrap(), old, "{when}");
                }
            }
        },
    );
}

#[test]
fn many_put_at_once_cost_one_write_and_one_sync() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    put(&store, 100, G1, &bytes(1, 100)).unwrap();
    let before = disk.mutations();
    let put = store.put_small(None, (0..50).map(|id| small(id, G1, id)).collect());
    assert!(put.iter().all(Result::is_ok));
    assert_eq!(disk.mutations() - before, 2, "one write, one sync");
}

#[test]
fn a_failed_write_or_sync_of_many_is_final_for_all_of_them() {
    for op in [Op::Write, Op::SyncData] {
        let disk = SimDisk::new();
        let store = open(&disk, PACKED_MAX).0;
        put(&store, 9, G1, &bytes(9, 500)).unwrap();
        disk.faults()
            .add(Fault::once(op, 0, Effect::Fail(EIO)).on("pack"));
        let outcomes = store.put_small(None, (0..3).map(|id| small(id, G1, id)).collect());
        assert!(outcomes.iter().all(Result::is_err), "{op:?}");
        disk.faults().clear();
        let (again, _) = open(&disk, PACKED_MAX);
        assert!((0..3).all(|id| again.replica(chunk(id)).is_none()), "{op:?}");
        assert!(again.replica(chunk(9)).is_some());
    }
}
