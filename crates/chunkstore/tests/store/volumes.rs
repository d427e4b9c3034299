//! Volumes that fail, come back, are added and taken out; room, and moves between them.

use std::path::Path;

use chunkstore::{
    AttachError, ChunkStore, CreateError, DeleteError, ReopenError, Verdict, Victim, VolumeChange,
    WriteError, Writer,
};
use env::disk::{Disk, Effect, Fault, Gate, Op};

use crate::common::sim::{EIO, G1, G2, World, assert_adds_up, put, storage, volume};
use crate::common::{Fixture, bytes, chunk, read_all, sums};

const FORMS: [u64; 2] = [0, 64 << 10];
const EROFS: i32 = 30;

/// Ten replicas over two volumes; gives the ids on the first.
fn spread(store: &ChunkStore) -> Vec<u64> {
    let mut held = Vec::new();
    for id in 0..10 {
        // Those that are begun at once go to different volumes.
        let mut writer = store.create(chunk(id), G1).unwrap();
        let data = bytes(id, 3000);
        writer.write(0, &data, &sums(&data)).unwrap();
        held.push(writer);
    }
    held.into_iter()
        .for_each(|writer| assert!(writer.finalize().is_ok()));
    let replicas = store.list(storage(0), None, None, 100).replicas;
    let on_first: Vec<u64> = replicas.iter().map(|replica| replica.chunk.as_u64()).collect();
    assert!(!on_first.is_empty() && on_first.len() < 10);
    on_first
}

#[test]
fn a_volume_that_fails_takes_only_its_own_replicas_along_and_comes_back_with_them() {
    for form in FORMS {
        for (op, code) in [(Op::SyncData, EIO), (Op::Write, EIO), (Op::Create, EROFS)] {
            let world = World::new(form);
            let (store, _) = world.open(2);
            let on_first = spread(&store);
            let whole = store.fingerprint(storage(0));
            world
                .disk
                .faults()
                .add(Fault::always(op, Effect::Fail(code)).on("/a/"));
            if op == Op::Create {
                // A pack that is open already would still be written to: a look finds it out.
                store.check_volumes();
            }
            // One write after the other meets the failing disk, and then none.
            for id in 100..110 {
                let _ = put(&store, id, G1, &bytes(id, 3000));
            }
            put(&store, 200, G1, &bytes(200, 3000)).unwrap();
            let changes = store.take_volume_changes();
            assert!(
                matches!(changes.as_slice(), [VolumeChange::Isolated { storage: s, replicas, .. }]
                    if *s == storage(0) && *replicas == on_first.len() as u64),
                "{changes:?}"
            );
            assert!(store.volumes()[0].failed.is_some() && store.volumes()[1].failed.is_none());
            assert_eq!((store.volumes()[0].chunks, store.volumes()[0].available), (0, 0));
            assert_eq!(
                store.fingerprint(storage(0)),
                types::fingerprint::Fingerprint::default()
            );
            assert_adds_up(&store);
            for id in 0..10 {
                assert_eq!(
                    read_all(&store, chunk(id)).is_ok(),
                    !on_first.contains(&id),
                    "{op:?} {id}"
                );
            }
            assert!(matches!(store.retry(storage(0)), Err(AttachError::Volume { .. })));
            world.disk.faults().clear();
            let report = store.retry(storage(0)).unwrap();
            assert_eq!(report.replicas, on_first.len() as u64, "{:?}", report.findings);
            assert_eq!(store.fingerprint(storage(0)), whole);
            assert!(matches!(store.retry(storage(0)), Err(AttachError::Unknown(_))));
            for id in 0..10 {
                assert_eq!(read_all(&store, chunk(id)).unwrap(), bytes(id, 3000));
            }
            assert_eq!(store.storages().len(), 2);
            assert_adds_up(&store);
        }
    }
}

#[test]
fn a_directory_that_vanishes_is_not_begun_anew() {
    let fixture = Fixture::with_volumes(0, 2);
    let store = fixture.open();
    for id in 0..10 {
        fixture.write(&store, id, G1, &bytes(id, 3000));
    }
    let dir = fixture.volumes()[0].dir.clone();
    let away = dir.with_extension("away");
    std::fs::rename(&dir, &away).unwrap();
    store.check_volumes();
    assert!(matches!(
        store.take_volume_changes().as_slice(),
        [VolumeChange::Isolated { .. }]
    ));
    // An empty directory, as of a disk that is not mounted, is none of ours either.
    std::fs::create_dir(&dir).unwrap();
    let failed = fixture.volumes()[0].storage;
    assert!(store.retry(failed).is_err());
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir(&dir).unwrap();
    std::fs::rename(&away, &dir).unwrap();
    store.retry(failed).unwrap();
    for id in 0..10 {
        assert_eq!(read_all(&store, chunk(id)).unwrap(), bytes(id, 3000));
    }
}

#[test]
fn one_volume_that_can_not_be_opened_does_not_keep_the_store_from_it() {
    let world = World::new(0);
    drop(world.open(2));
    world
        .disk
        .faults()
        .add(Fault::always(Op::Read, Effect::Fail(EIO)).on("/a/"));
    let (store, _) = world.open(2);
    assert!(store.volumes()[0].failed.is_some());
    put(&store, 1, G1, b"abc").unwrap();
    world.disk.faults().clear();
    store.retry(storage(0)).unwrap();
    assert!(store.volumes().iter().all(|volume| volume.failed.is_none()));
}

#[test]
fn volumes_are_taken_in_and_out_while_the_store_is_used() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        put(&store, 1, G1, &bytes(1, 3000)).unwrap();
        let busy = store.create(chunk(50), G1).unwrap();
        store.attach(volume(1)).unwrap();
        assert!(matches!(store.attach(volume(1)), Err(AttachError::InUse(_))));
        put(&store, 2, G1, &bytes(2, 3000)).unwrap();
        drop(busy);
        assert_eq!(store.replica(chunk(2)).unwrap().storage, storage(1));
        let reader = store.open_replica(chunk(2)).unwrap();
        let late = store.create(chunk(3), G1).unwrap();
        let on_second = late.storage() == storage(1);
        assert!(store.detach(storage(1)) && !store.detach(storage(1)));
        assert_eq!(late.finalize().is_err(), on_second);
        assert!(store.replica(chunk(2)).is_none());
        assert_eq!(store.volumes().len(), 1);
        assert_eq!(store.storages().len(), 2, "its masters are told that it is empty");
        let (mut data, mut data_sums) = (vec![0; 3000], vec![0; 24]);
        reader.read_verified(0, &mut data, &mut data_sums).unwrap();
        assert_eq!(data, bytes(2, 3000), "who has it open reads on");
        let report = store.attach(volume(1)).unwrap();
        assert_eq!(
            report.replicas,
            1 + u64::from(!on_second && store.replica(chunk(3)).is_none())
        );
        assert_eq!(read_all(&store, chunk(2)).unwrap(), bytes(2, 3000));
        assert_adds_up(&store);
    }
}

#[test]
fn room_for_the_whole_chunk_is_kept_when_it_is_begun() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    world.disk.set_capacity(100_000);
    let first = store.create_expecting(chunk(1), G1, 60_000).unwrap();
    let refused = store.create_expecting(chunk(2), G1, 60_000).err().unwrap();
    assert!(matches!(refused, CreateError::NoRoom { .. }), "{refused}");
    assert!(refused.to_string().contains("are needed"), "{refused}");
    let small = store.create_expecting(chunk(3), G1, 30_000).unwrap();
    drop(first);
    let mut second = store.create_expecting(chunk(2), G1, 60_000).unwrap();
    // What is written is counted once: by the file system.
    let data = bytes(2, 60_000);
    for (at, part) in data.chunks(4096).enumerate() {
        second.write(at as u64 * 4096, part, &sums(part)).unwrap();
    }
    let refused = store.create_expecting(chunk(4), G1, 10_000).err().unwrap();
    assert!(matches!(refused, CreateError::NoRoom { .. }));
    drop(small);
    let mut fourth = store.create_expecting(chunk(4), G1, 30_000).unwrap();
    second.finalize().unwrap();
    let data = bytes(4, 30_000);
    fourth.write(0, &data, &sums(&data)).unwrap();
    fourth.finalize().unwrap();
}

#[test]
fn a_write_that_meets_the_end_of_the_disk_leaves_nothing_torn() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        put(&store, 1, G1, &bytes(1, 3000)).unwrap();
        let space = world.disk.space(Path::new("/a")).unwrap();
        // Somebody else fills the disk while a replica is written, at any byte of it.
        for left in (0..69_000).step_by(4_999) {
            world.disk.set_capacity(space.total - space.available + left);
            let writer = store.create(chunk(2), G1);
            let written = writer.ok().and_then(|mut writer| {
                for (at, part) in bytes(2, 70_000).chunks(4096).enumerate() {
                    writer.write(at as u64 * 4096, part, &sums(part)).ok()?;
                }
                writer.finalize().ok()
            });
            assert_eq!(written, None, "{left}");
            assert_eq!(store.volumes()[0].failed, None, "full is not failed");
            assert_eq!(read_all(&store, chunk(1)).unwrap(), bytes(1, 3000));
        }
        world.disk.set_capacity(1 << 30);
        drop(store);
        let (store, report) = world.open(1);
        assert_eq!(
            (report.replicas, report.temporary_removed, report.findings.len()),
            (1, 0, 0)
        );
        put(&store, 2, G1, &bytes(2, 70_000)).unwrap();
    }
}

#[test]
fn moving_evens_out_volumes_and_ends() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    for id in 0..40 {
        put(&store, id, G1, &bytes(id, 5000)).unwrap();
    }
    store.attach(volume(1)).unwrap();
    world.disk.set_capacity(400_000);
    let (mut moves, mut after) = (0, None);
    while let Some(next) = store.next_move(0.05, after) {
        assert_eq!((next.replica.storage, next.target), (storage(0), storage(1)));
        let moved = store
            .move_replica(next.replica.chunk, G1, next.target, &mut |_| true)
            .unwrap();
        assert_eq!((moved.0.storage, moved.1.storage), (storage(0), storage(1)));
        after = Some(next.replica.chunk);
        moves += 1;
        assert!(moves < 30, "it ends");
    }
    let [first, second] = &store.volumes()[..] else {
        panic!("two")
    };
    assert!(first.chunks.abs_diff(second.chunks) <= 6, "{first:?} {second:?}");
    assert!(moves >= 15);
    assert_adds_up(&store);
    for store in [store, world.open(2).0] {
        for id in 0..40 {
            assert_eq!(read_all(&store, chunk(id)).unwrap(), bytes(id, 5000));
        }
        assert_eq!(store.replicas(None, 100).len(), 40);
    }
}

#[test]
fn rot_of_every_kind_is_found_when_it_is_looked_for_and_when_it_is_read() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 6] = [
        ("a flipped byte of data", |data| flip(data, 700)),
        ("a flipped byte of a sidecar", |data| flip(&sidecar(data), 66)),
        ("a flipped byte of a sidecar's header", |data| {
            flip(&sidecar(data), 30)
        }),
        ("cut data", |data| cut(data)),
        ("a cut sidecar", |data| cut(&sidecar(data))),
        ("no sidecar", |data| std::fs::remove_file(sidecar(data)).unwrap()),
    ];
    for (what, spoil) in spoils {
        for read_first in [true, false] {
            let fixture = Fixture::new(0);
            let store = fixture.open();
            fixture.write(&store, 1, G1, &bytes(1, 5000));
            assert!(matches!(store.verify(chunk(1), G1), Verdict::Whole(_)));
            spoil(&fixture.files_of(chunk(1)).0);
            if read_first {
                assert!(read_all(&store, chunk(1)).is_err(), "{what}");
            }
            let verdict = store.verify(chunk(1), G1);
            assert!(
                matches!(verdict, Verdict::Corrupt { first: true, .. }),
                "{what}: {verdict:?}"
            );
            let again = store.verify(chunk(1), G1);
            assert!(matches!(again, Verdict::Corrupt { first: false, .. }), "{what}");
            assert_adds_up(&store);
            fixture.write(&store, 1, G1, &bytes(1, 5000));
            assert!(matches!(store.verify(chunk(1), G1), Verdict::Whole(_)), "{what}");
        }
    }
    let fixture = Fixture::new(0);
    let store = fixture.open();
    fixture.write(&store, 1, G1, &bytes(1, 5000));
    let (data, meta) = fixture.files_of(chunk(1));
    std::fs::remove_file(data).unwrap();
    std::fs::remove_file(meta).unwrap();
    assert!(matches!(store.verify(chunk(1), G1), Verdict::Missing(_)));
    assert!(matches!(store.verify(chunk(1), G1), Verdict::Unknown));
    assert!(store.replica(chunk(1)).is_none());
    assert_adds_up(&store);
}

#[test]
fn a_bad_spot_is_a_corrupt_replica_and_a_lack_of_means_is_none() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    put(&store, 1, G1, &bytes(1, 5000)).unwrap();
    const EMFILE: i32 = 24;
    world
        .disk
        .faults()
        .add(Fault::always(Op::Open, Effect::Fail(EMFILE)).on("chunk-"));
    assert!(matches!(store.verify(chunk(1), G1), Verdict::Failed(_)));
    world.disk.faults().clear();
    assert!(matches!(store.verify(chunk(1), G1), Verdict::Whole(_)));
    world
        .disk
        .faults()
        .add(Fault::always(Op::Read, Effect::Fail(EIO)).on("chunk-"));
    assert!(matches!(
        store.verify(chunk(1), G1),
        Verdict::Corrupt { first: true, .. }
    ));
    assert_eq!(store.volumes()[0].failed, None);
}

fn sidecar(data: &Path) -> std::path::PathBuf {
    data.with_file_name(format!("{}.meta", data.file_name().unwrap().to_str().unwrap()))
}

fn flip(path: &Path, at: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 0x10;
    std::fs::write(path, content).unwrap();
}

fn cut(path: &Path) {
    let content = std::fs::read(path).unwrap();
    std::fs::write(path, &content[..content.len() - 1]).unwrap();
}

#[test]
fn a_replica_goes_where_it_is_wished_to_be_if_that_can_be() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(2);
        let begin = |id: u64, wish| store.create_on(chunk(id), G1, 3000, wish).unwrap();
        // Held all at once: without a wish they would take turns.
        let wished: Vec<_> = (0..4).map(|id| begin(id, Some(storage(1)))).collect();
        assert!(wished.iter().all(|writer| writer.storage() == storage(1)));
        let freely: Vec<_> = (10..14).map(|id| begin(id, None)).collect();
        assert!(freely.iter().any(|writer| writer.storage() == storage(0)));
        drop((wished, freely));
        // One that is not ours, and one that has failed.
        begin(20, Some(storage(9))).abandon();
        world
            .disk
            .faults()
            .add(Fault::always(Op::Create, Effect::Fail(EROFS)).on("/b/"));
        store.check_volumes();
        assert_eq!(begin(21, Some(storage(1))).storage(), storage(0));
    }
}

/// What was adopted of a chunk, and all of its bytes.
fn adopted_of(store: &ChunkStore, id: u64) -> (Writer, Vec<u8>) {
    let mut adopted = store.adopt();
    let writer = adopted.pop().unwrap();
    assert_eq!((adopted.len(), writer.chunk()), (0, chunk(id)));
    let received = writer.received() as usize;
    let (mut data, mut data_sums) = (vec![0; received], vec![0; received.div_ceil(512) * 4]);
    writer.read_verified(0, &mut data, &mut data_sums).unwrap();
    (writer, data)
}

fn tmp(world: &World) -> usize {
    world.disk.read_dir(Path::new("/a/tmp")).unwrap().len()
}

#[test]
fn what_was_synced_stays_on_a_volume_that_fails_and_is_adopted_when_it_comes_back() {
    let data = bytes(1, 100_000);
    for (form, kept_writer) in [(0, true), (0, false), (FORMS[1], true), (FORMS[1], false)] {
        let world = World::new(form);
        let (store, _) = world.open(2);
        let begin = |id| store.create_on(chunk(id), G1, 100_000, Some(storage(0))).unwrap();
        let (mut writer, mut unsynced) = (begin(1), begin(2));
        writer.write(0, &data[..5000], &sums(&data[..5000])).unwrap();
        writer.sync().unwrap();
        writer
            .write(4608, &data[4608..90_000], &sums(&data[4608..90_000]))
            .unwrap();
        unsynced.write(0, &data, &sums(&data)).unwrap();
        let fault = Fault::always(Op::SyncData, Effect::Fail(EIO)).on("/a/tmp/probe");
        world.disk.faults().add(fault);
        store.check_volumes();
        assert!(writer.is_stranded() && store.adopt().is_empty());
        assert!(
            matches!(writer.sync(), Err(WriteError::Io { .. })),
            "nothing is acknowledged"
        );
        let rest = &data[89_600..];
        assert!(writer.write(89_600, rest, &sums(rest)).is_err());
        let files = tmp(&world);
        unsynced.abandon();
        let kept_writer = kept_writer.then_some(writer);
        assert_eq!(tmp(&world), files, "its files are left alone");
        world.disk.faults().clear();
        store.retry(storage(0)).unwrap();
        assert!(kept_writer.as_ref().is_none_or(Writer::is_stranded));

        assert!(
            store.adopt_where(&mut |_| false).is_empty(),
            "it is left for another call"
        );
        let (mut writer, found) = adopted_of(&store, 1);
        assert!(found == data[..5000]);
        if let Some(mut stranded) = kept_writer {
            assert!(stranded.sync().is_err() && stranded.finalize().is_err());
        }
        writer.write(4608, &data[4608..], &sums(&data[4608..])).unwrap();
        writer.sync().unwrap();
        writer.finalize().unwrap();
        assert_eq!(tmp(&world), 0);
        world.disk.crash(1);
        let (store, _) = world.open(2);
        assert!(read_all(&store, chunk(1)).unwrap() == data);
        assert_adds_up(&store);
    }
}

#[test]
fn what_was_appended_and_synced_is_adopted_with_a_volume_that_comes_back() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    let data = bytes(1, 9000);
    put(&store, 1, G1, &data[..1300]).unwrap();
    let mut stranded = store.reopen(chunk(1), G1).unwrap();
    stranded.bump_generation(G2).unwrap();
    stranded
        .write(1024, &data[1024..5000], &sums(&data[1024..5000]))
        .unwrap();
    stranded.sync().unwrap();
    let fault = Fault::always(Op::SyncData, Effect::Fail(EIO)).on("/a/tmp/probe");
    world.disk.faults().add(fault);
    store.check_volumes();
    world.disk.faults().clear();
    store.retry(storage(0)).unwrap();
    assert!(matches!(store.reopen(chunk(1), G1), Err(ReopenError::Busy(_))));
    let (mut writer, found) = adopted_of(&store, 1);
    assert_eq!((writer.generation(), found), (G2, data[..5000].to_vec()));
    drop(stranded);
    let deleted = store.delete(chunk(1), G1, Victim::Any);
    assert!(matches!(deleted, Err(DeleteError::Busy(_))), "it is appended to");
    writer.write(4608, &data[4608..], &sums(&data[4608..])).unwrap();
    writer.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    assert_eq!(tmp(&world), 0);
}

#[test]
fn a_sync_that_ends_after_its_volume_was_given_up_acknowledges_nothing() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    let mut writer = store.create(chunk(1), G1).unwrap();
    let data = bytes(1, 5000);
    writer.write(0, &data, &sums(&data)).unwrap();
    let gate = Gate::new();
    let hold = Fault::once(Op::SyncData, 0, Effect::Hold(gate.clone()));
    world.disk.faults().add(hold.on("/a/tmp/chunk-"));
    let syncing = std::thread::spawn(move || writer.sync().is_ok());
    gate.wait_for(1);
    let fault = Fault::once(Op::SyncData, 0, Effect::Fail(EIO)).on("/a/tmp/probe");
    world.disk.faults().add(fault);
    store.check_volumes();
    store.retry(storage(0)).unwrap();
    gate.open();
    assert!(!syncing.join().unwrap());
}

#[test]
fn what_was_synced_on_a_volume_that_was_away_at_the_start_is_adopted_when_it_comes() {
    let world = World::new(0);
    let (store, _) = world.open(2);
    let mut writer = store.create_on(chunk(1), G1, 5000, Some(storage(0))).unwrap();
    let data = bytes(1, 5000);
    writer.write(0, &data, &sums(&data)).unwrap();
    writer.sync().unwrap();
    writer.leave();
    drop(store);
    for attached in [false, true] {
        world
            .disk
            .faults()
            .add(Fault::always(Op::Read, Effect::Fail(EIO)).on("/a/"));
        let (store, _) = world.open(2);
        assert_eq!(store.adopt().len(), 0);
        world.disk.faults().clear();
        if attached {
            assert!(store.detach(storage(0)));
            store.attach(volume(0)).unwrap();
        } else {
            store.retry(storage(0)).unwrap();
        }
        let (writer, found) = adopted_of(&store, 1);
        assert!(found == data);
        writer.leave();
    }
}

#[test]
fn many_may_look_whether_a_volume_works_at_once() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| store.check_volumes()));
        }
    });
    assert_eq!(store.take_volume_changes(), []);
    assert_eq!(tmp(&world), 0);
}

#[test]
fn a_lack_of_means_says_nothing_of_a_disk() {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let world = World::new(0);
    let (store, _) = world.open(1);
    for code in [ENOMEM, ENFILE, EMFILE, EIO] {
        let fault = Fault::once(Op::Create, 0, Effect::Fail(code)).on("/a/tmp/probe");
        world.disk.faults().add(fault);
        store.check_volumes();
        assert_eq!(store.volumes()[0].failed.is_some(), code == EIO);
    }
}
