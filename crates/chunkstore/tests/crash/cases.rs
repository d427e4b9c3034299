// What survives, whatever form replicas have: run for files and for packs.

use chunkstore::{ReplicaState, Victim, WriteError, Writer};
use env::disk::{Effect, Fault, Op, SimDisk};

use crate::common::{bytes, chunk, read_all, sums};
use crate::sequences::every_sequence;
use crate::support::{EIO, G1, G2, crash_everywhere, open, put, write};

#[test]
fn power_loss_while_writing_leaves_nothing_or_everything() {
    let data = bytes(1, 9000);
    crash_everywhere(
        PACKED_MAX,
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
fn power_loss_while_replacing_leaves_the_old_one_or_the_new() {
    let (old, new) = (bytes(1, 5000), bytes(2, 5000));
    crash_everywhere(
        PACKED_MAX,
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
                None => {
                    let adopted: Vec<_> = store.adopt();
                    let [writer] = &adopted[..] else { panic!("lost: {when}") };
                    assert!(!acknowledged, "{when}");
                    assert_eq!((writer.generation(), writer.received()), (G2, 5000), "{when}");
                    adopted.into_iter().for_each(|writer| writer.leave());
                }
            }
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

#[test]
fn power_loss_while_the_generation_rises_leaves_the_old_or_the_new() {
    let data = bytes(1, 5000);
    crash_everywhere(
        PACKED_MAX,
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
fn power_loss_while_cutting_leaves_the_old_length_or_the_new() {
    let data = bytes(1, 5000);
    crash_everywhere(
        PACKED_MAX,
        |store| put(store, 1, G1, &data).unwrap(),
        |store, acknowledged: &mut bool| *acknowledged = store.cut(chunk(1), G2, 1300).is_ok(),
        |store, report, acknowledged, when| {
            let replica = store.replica(chunk(1)).unwrap_or_else(|| panic!("lost: {when}"));
            let len = if replica.generation == G2 { 1300 } else { 5000 };
            assert!(len == 1300 || !acknowledged, "{when}");
            assert_eq!(read_all(store, chunk(1)).unwrap(), data[..len], "{when}");
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

#[test]
fn power_loss_while_cutting_within_a_generation_leaves_the_old_length_or_the_new() {
    for len in [700, 100_000] {
        let data = bytes(1, len);
        crash_everywhere(
            PACKED_MAX,
            |store| {
                put(store, 1, G1, &data).unwrap();
                store.bump_generation(chunk(1), G2).unwrap();
            },
            |store, acknowledged: &mut bool| *acknowledged = store.cut_within(chunk(1), G2, 300).is_ok(),
            |store, report, acknowledged, when| {
                let replica = store.replica(chunk(1)).unwrap_or_else(|| panic!("lost: {when}"));
                let len = if replica.len == 300 { 300 } else { len };
                assert_eq!((replica.generation, replica.len), (G2, len as u64), "{when}");
                assert!(len == 300 || !acknowledged, "{when}");
                assert_eq!(read_all(store, chunk(1)).unwrap(), data[..len], "{when}");
                assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
            },
        );
    }
}

#[test]
fn power_loss_while_deleting_or_taking_back_leaves_everything_or_nothing() {
    let data = bytes(1, 5000);
    crash_everywhere(
        PACKED_MAX,
        |store| {
            put(store, 1, G1, &data).unwrap();
            put(store, 2, G1, &data).unwrap();
        },
        |store, _: &mut ()| {
            let _ = store.delete(chunk(1), G1, Victim::Any);
            if let Ok(mut writer) = store.reopen(chunk(2), G1) {
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
                    None => assert_eq!(id, 1, "what is appended to is always there: {when}"),
                }
            }
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
        },
    );
}

/// How far the appending of [`power_loss_while_appending`] has come: its bytes that are synced, and whether it is finalized.
#[derive(Debug, Default)]
struct Appended {
    moved: bool,
    synced: usize,
    finalized: bool,
}

#[test]
fn power_loss_while_appending_keeps_what_was_there_and_every_synced_byte() {
    let data = bytes(5, 7000);
    crash_everywhere(
        PACKED_MAX,
        |store| put(store, 1, G1, &data[..1300]).unwrap(),
        |store, done: &mut Appended| {
            let append = |done: &mut Appended| {
                let mut writer = store.reopen(chunk(1), G1).ok()?;
                writer.bump_generation(G2).ok()?;
                done.moved = true;
                for (from, to) in [(1024_usize, 2000), (1536, 5000)] {
                    writer.write(from as u64, &data[from..to], &sums(&data[from..to])).ok()?;
                    writer.sync().ok()?;
                    done.synced = to;
                }
                writer.write(4608, &data[4608..], &sums(&data[4608..])).ok()?;
                writer.finalize().ok()
            };
            done.finalized = append(done).is_some();
        },
        |store, report, done, when| {
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
            let replica = store.replica(chunk(1)).unwrap_or_else(|| panic!("lost: {when}"));
            let len = if replica.generation == G2 { 7000 } else { 1300 };
            assert_eq!(read_all(store, chunk(1)).unwrap(), data[..len], "{when}");
            if replica.generation == G2 {
                return;
            }
            assert!(!done.finalized, "{when}");
            let mut adopted = store.adopt();
            let Some(writer) = adopted.pop() else {
                assert!(!done.moved, "the generation is lost: {when}");
                return;
            };
            assert_eq!((adopted.len(), writer.generation()), (0, G2), "{when}");
            let received = usize::try_from(writer.received()).unwrap();
            assert!(received >= done.synced.max(1300), "{received} of {done:?}: {when}");
            let (mut got, mut got_sums) = (vec![0; received], vec![0; received.div_ceil(512) * 4]);
            writer.read_verified(0, &mut got, &mut got_sums).unwrap();
            assert_eq!(got, data[..received], "{when}");
            writer.leave();
        },
    );
}

#[test]
fn power_loss_after_a_sync_keeps_every_synced_byte() {
    let data = bytes(6, 7000);
    crash_everywhere(
        PACKED_MAX,
        |_| {},
        |store, done: &mut Appended| {
            let write = |done: &mut Appended| {
                let mut writer = store.create(chunk(1), G1).ok()?;
                for (from, to) in [(0_usize, 700), (512, 5000)] {
                    writer.write(from as u64, &data[from..to], &sums(&data[from..to])).ok()?;
                    writer.sync().ok()?;
                    done.synced = to;
                }
                writer.bump_generation(G2).ok()?;
                done.moved = true;
                writer.write(4608, &data[4608..], &sums(&data[4608..])).ok()?;
                writer.truncate_to(6000).ok()?;
                writer.finalize().ok()
            };
            done.finalized = write(done).is_some();
        },
        |store, report, done, when| {
            assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
            if store.replica(chunk(1)).is_some() {
                assert_eq!(read_all(store, chunk(1)).unwrap(), data[..6000], "{when}");
                return;
            }
            assert!(!done.finalized, "{when}");
            let Some(writer) = store.adopt().pop() else {
                assert_eq!(done.synced, 0, "lost: {when}");
                return;
            };
            let received = usize::try_from(writer.received()).unwrap();
            assert!(received >= done.synced, "{received} of {done:?}: {when}");
            assert!(writer.generation() == G2 || !done.moved, "{when}");
            let (mut got, mut got_sums) = (vec![0; received], vec![0; received.div_ceil(512) * 4]);
            writer.read_verified(0, &mut got, &mut got_sums).unwrap();
            assert_eq!(got, data[..received], "{when}");
            writer.leave();
        },
    );
}

#[test]
fn every_sequence_of_three_operations_may_be_cut_off_anywhere() {
    every_sequence(PACKED_MAX);
}

#[test]
fn a_poisoned_writer_refuses_everything() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
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
fn a_writer_that_failed_falls_back_to_what_was_synced() {
    for (synced, len) in [(0, 5000), (700, 5000), (5000, 5100), (70_000, 100_000)] {
        for finishes in [false, true] {
            let disk = SimDisk::new();
            let store = open(&disk, PACKED_MAX).0;
            let data = bytes(1, len);
            let mut writer = store.create(chunk(1), G1).unwrap();
            write(&mut writer, &data[..synced]).unwrap();
            if synced > 0 {
                writer.sync().unwrap();
            }
            write(&mut writer, &data).unwrap();
            // A small one is packed at its end.
            disk.faults().add(Fault::once(Op::SyncData, 0, Effect::Fail(EIO)));
            let failed = match finishes {
                true => writer.try_finalize().map(drop),
                false => writer.sync(),
            };
            assert!(matches!(failed, Err(WriteError::Io { .. })), "{failed:?}");
            let left = writer.fall_back();
            assert_eq!(left.as_ref().map(Writer::received), (synced > 0).then_some(synced as u64));
            let Some(mut left) = left else {
                assert_eq!(store.adopt().len(), 0);
                continue;
            };
            let (mut got, mut got_sums) = (vec![0; synced], vec![0; synced.div_ceil(512) * 4]);
            left.read_verified(0, &mut got, &mut got_sums).unwrap();
            assert_eq!(got, data[..synced]);
            // It is for the next start too, and can be written on.
            left.leave();
            disk.crash(len as u64);
            let store = open(&disk, PACKED_MAX).0;
            left = store.adopt().pop().unwrap();
            assert_eq!((left.generation(), left.received()), (G1, synced as u64));
            write(&mut left, &data).unwrap();
            left.finalize().unwrap();
            assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
        }
    }
}

#[test]
fn on_a_full_disk_what_was_synced_stays() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    // So long that its sums have left memory: they are made anew, and need the space that they had.
    let data = bytes(1, (9 << 20) + 5000);
    let synced = (9 << 20) + 100;
    let mut writer = store.create(chunk(1), G1).unwrap();
    write(&mut writer, &data[..synced]).unwrap();
    writer.sync().unwrap();
    disk.set_capacity(disk.used());
    assert!(write(&mut writer, &data).is_none());
    let left = writer.fall_back().unwrap();
    assert_eq!((left.generation(), left.received()), (G1, synced as u64));
    disk.set_capacity(u64::MAX);
    left.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..synced]);
}

#[test]
fn an_append_that_failed_falls_back_to_what_was_synced_and_the_finalized_stays() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    let data = bytes(1, 200_000);
    put(&store, 1, G1, &data[..100_000]).unwrap();
    let mut writer = store.reopen(chunk(1), G1).unwrap();
    writer.bump_generation(G2).unwrap();
    write(&mut writer, &data[..150_000]).unwrap();
    writer.sync().unwrap();
    write(&mut writer, &data).unwrap();
    disk.faults().add(Fault::once(Op::SyncData, 0, Effect::Fail(EIO)));
    assert!(writer.sync().is_err());
    let mut left = writer.fall_back().unwrap();
    assert_eq!((left.generation(), left.received()), (G2, 150_000));
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..100_000]);
    write(&mut left, &data).unwrap();
    left.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
}

#[test]
fn what_was_synced_and_can_not_be_read_now_stays_for_the_next_start() {
    let disk = SimDisk::new();
    let data = bytes(1, 5000);
    let mut writer = open(&disk, PACKED_MAX).0.create(chunk(1), G1).unwrap();
    write(&mut writer, &data).unwrap();
    writer.sync().unwrap();
    writer.leave();
    for op in [Op::Open, Op::Read, Op::Create, Op::SetLen] {
        let store = open(&disk, PACKED_MAX).0;
        disk.faults().add(Fault::once(op, 0, Effect::Fail(EIO)));
        assert_eq!(store.adopt().len(), 0, "{op:?}");
        disk.faults().clear();
    }
    let adopted = open(&disk, PACKED_MAX).0.adopt();
    let received: Vec<_> = adopted.iter().map(|writer| writer.received()).collect();
    assert_eq!(received, [5000]);
    adopted.into_iter().for_each(|writer| writer.leave());
}

#[test]
fn a_disk_that_fails_is_named_until_it_works_again() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    disk.faults().add(Fault::always(Op::SyncData, Effect::Fail(EIO)));
    assert!(put(&store, 1, G1, b"abc").is_none());
    assert!(store.volumes()[0].failed.is_some());
    let refused = store.create(chunk(2), G1).err().unwrap().to_string();
    assert!(refused.contains("/volume: it can not be used"), "{refused}");
    disk.faults().clear();
    let storage = store.storages()[0];
    store.retry(storage).unwrap();
    assert_eq!(store.volumes()[0].failed, None);
    put(&store, 2, G1, b"abc").unwrap();
}
