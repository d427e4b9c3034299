// What a store does, whatever form its replicas have: run for files and for packs.

use chunkstore::{
    CreateError, DeleteError, GrowingError, OpenReplicaError, ReadError, ReopenError, Victim, WriteError,
};
use types::Generation;

use crate::common::{Fixture, bytes, checksums_match, chunk, read_all, sums};

const G1: Generation = Generation(1001);
const G2: Generation = Generation(1002);

#[test]
fn what_is_written_is_read_at_every_length() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for (id, len) in [0, 1, 511, 512, 513, 4096, 100_000, 1 << 20]
        .into_iter()
        .enumerate()
    {
        let data = bytes(id as u64, len);
        fixture.write(&store, id as u64, G1, &data);
        assert_eq!(read_all(&store, chunk(id as u64)).unwrap(), data, "{len} bytes");
    }
    assert_eq!(store.replicas(None, 100).len(), 8);
    let page = store.replicas(Some(chunk(2)), 2);
    assert_eq!(
        page.iter().map(|r| r.chunk).collect::<Vec<_>>(),
        [chunk(3), chunk(4)]
    );
}

#[test]
fn packets_follow_one_another_and_partial_units_are_sent_again() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(3, 3000);
    let mut writer = store.create(chunk(1), G1).unwrap();
    let mut put = |from: usize, to: usize| {
        let part = &data[from..to];
        writer.write(from as u64, part, &sums(part))
    };
    put(0, 700).unwrap();
    for (from, to) in [(701, 800), (1024, 1100)] {
        assert!(
            matches!(put(from, to), Err(WriteError::Misplaced { received: 700, .. })),
            "{from}..{to}"
        );
    }
    put(512, 1536).unwrap();
    // What a repair sends again is known.
    for (from, to) in [(0, 512), (512, 1000), (0, 1536)] {
        put(from, to).unwrap();
    }
    put(1536, 1537).unwrap();
    put(1536, 3000).unwrap();
    assert!(matches!(
        writer.write(2560, &data[2560..], &[]),
        Err(WriteError::Misplaced { .. })
    ));
    writer.write(3000, &[], &[]).unwrap();
    writer.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
}

#[test]
fn bytes_that_were_received_never_change() {
    for packed_max in [0, PACKED_MAX] {
        let fixture = Fixture::new(packed_max);
        let store = fixture.open();
        let data = bytes(3, 3000);
        let mut writer = store.create(chunk(1), G1).unwrap();
        writer.write(0, &data[..1300], &sums(&data[..1300])).unwrap();
        for at in [3, 600, 1100] {
            let mut other = data.clone();
            other[at] ^= 1;
            let changed = writer.write(0, &other, &sums(&other));
            assert!(matches!(changed, Err(WriteError::Differs { .. })), "{at}");
            assert_eq!(writer.received(), 1300);
        }
        writer.write(0, &data, &sums(&data)).unwrap();
        writer.finalize().unwrap();
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    }
}

#[test]
fn what_is_being_written_is_read_up_to_any_byte() {
    for packed_max in [0, PACKED_MAX] {
        let fixture = Fixture::new(packed_max);
        let store = fixture.open();
        let data = bytes(3, 3000);
        let mut writer = store.create(chunk(1), G1).unwrap();
        let growing = writer.growing();
        let check = |received: usize| {
            assert_eq!(growing.state(), Some((G1, received as u64)));
            for (from, to) in [(0, 0), (0, 1), (0, 600), (512, 700), (512, received), (0, received)] {
                let mut read = vec![0; to - from];
                let mut read_sums = vec![0; (to - from).div_ceil(512) * 4];
                growing
                    .read_verified(from as u64, &mut read, &mut read_sums)
                    .unwrap();
                assert_eq!(read, data[from..to]);
                assert_eq!(read_sums, sums(&data[from..to]), "{from}..{to}");
            }
        };
        writer.write(0, &data[..700], &sums(&data[..700])).unwrap();
        check(700);
        writer
            .write(512, &data[512..2100], &sums(&data[512..2100]))
            .unwrap();
        check(2100);
        let beyond = growing.read_verified(0, &mut [0; 2101], &mut [0; 20]);
        assert!(matches!(beyond, Err(GrowingError::Read(_))));
        writer.finalize().unwrap();
        assert_eq!(growing.state(), None);
        let ended = growing.read_verified(0, &mut [0; 512], &mut [0; 4]);
        assert!(matches!(ended, Err(GrowingError::Ended(_))));
    }
}

#[test]
fn a_chunk_is_never_longer_than_a_chunk() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let mut writer = store.create(chunk(1), G1).unwrap();
    // Only the rule is asked: the offset does not follow, and its end would overflow.
    assert!(matches!(
        writer.write(u64::MAX, b"x", &sums(b"x")),
        Err(WriteError::Misplaced { .. })
    ));
}

#[test]
fn cutting_gives_the_bytes_before_the_cut() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    // Long enough that sums have left memory: 64 KiB of them are 8 MiB of data.
    let data = bytes(7, (9 << 20) + 100);
    for (id, cut) in [
        0,
        1,
        512,
        700,
        8 << 20,
        (8 << 20) + 5,
        (9 << 20) + 99,
        (9 << 20) + 100,
    ]
    .into_iter()
    .enumerate()
    {
        let id = id as u64;
        let mut writer = store.create(chunk(id), G1).unwrap();
        for (at, part) in data.chunks(1 << 20).enumerate() {
            writer.write((at as u64) << 20, part, &sums(part)).unwrap();
        }
        assert!(matches!(
            writer.truncate_to(data.len() as u64 + 1),
            Err(WriteError::TooShort { .. })
        ));
        writer.truncate_to(cut as u64).unwrap();
        assert_eq!(writer.received(), cut as u64);
        writer.bump_generation(G2).unwrap();
        assert!(matches!(
            writer.bump_generation(G1),
            Err(WriteError::Older { .. })
        ));
        // And on from there, to a length that is not the old one.
        let from = cut - cut % 512;
        let more = &data[from..(cut + 1000).min(data.len())];
        writer.write(from as u64, more, &sums(more)).unwrap();
        let replica = writer.finalize().unwrap();
        assert_eq!(replica.generation, G2);
        assert_eq!(
            read_all(&store, chunk(id)).unwrap(),
            data[..from + more.len()],
            "cut to {cut}"
        );
        checksums_match(&store, chunk(id), &data[..from + more.len()]);
    }
}

#[test]
fn a_replica_that_is_being_written_can_be_read_and_checked() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(5, (9 << 20) + 17);
    let mut writer = store.create(chunk(1), G1).unwrap();
    for (at, part) in data.chunks(1 << 20).enumerate() {
        writer.write((at as u64) << 20, part, &sums(part)).unwrap();
    }
    for (from, to) in [
        (0, 512),
        (8 << 20, (8 << 20) + 1024),
        ((8 << 20) - 512, data.len()),
    ] {
        let (mut got, mut got_sums) = (vec![0; to - from], vec![0; (to - from).div_ceil(512) * 4]);
        writer
            .read_verified(from as u64, &mut got, &mut got_sums)
            .unwrap();
        assert_eq!(got, data[from..to]);
        assert_eq!(got_sums, sums(&got));
    }
    let short = writer.read_verified(0, &mut [0; 100], &mut [0; 4]);
    assert!(matches!(short, Err(ReadError::Range { .. })));
}

#[test]
fn a_replica_is_replaced_only_by_a_newer_one() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, b"old");
    assert!(matches!(
        store.create(chunk(1), G1),
        Err(CreateError::Exists { present: G1, .. })
    ));
    fixture.write(&store, 1, G2, b"newer");
    assert_eq!(read_all(&store, chunk(1)).unwrap(), b"newer");
    assert!(matches!(
        store.create(chunk(1), G1),
        Err(CreateError::Exists { present: G2, .. })
    ));
    assert_eq!(store.volumes()[0].chunks, 1);

    let mut late = store.create(chunk(2), G1).unwrap();
    late.write(0, b"late", &sums(b"late")).unwrap();
    fixture.write(&store, 2, G2, b"first");
    assert!(matches!(
        late.finalize(),
        Err(WriteError::Superseded { present: G2, .. })
    ));
    assert_eq!(read_all(&store, chunk(2)).unwrap(), b"first");
}

#[test]
fn a_corrupt_replica_may_be_replaced_by_one_of_its_generation() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, b"right");
    assert!(!store.mark_corrupt(chunk(1), G2), "another generation");
    assert!(store.mark_corrupt(chunk(1), G1));
    assert!(!store.mark_corrupt(chunk(1), G1), "known already");
    assert!(matches!(
        store.open_replica(chunk(1)),
        Err(OpenReplicaError::MarkedCorrupt { .. })
    ));
    fixture.write(&store, 1, G1, b"right");
    assert_eq!(read_all(&store, chunk(1)).unwrap(), b"right");
}

#[test]
fn deleting_asks_for_the_exact_generation() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G2, b"abc");
    assert!(matches!(
        store.delete(chunk(1), G1, Victim::Any),
        Err(DeleteError::Generation { present: G2, .. })
    ));
    let mut open = store
        .open_replica(chunk(1))
        .map(|reader| (reader, [0; 3]))
        .unwrap();
    assert_eq!(store.delete(chunk(1), G2, Victim::Any).unwrap().len, 3);
    assert!(matches!(store.delete(chunk(1), G2, Victim::Any), Err(DeleteError::Unknown(_))));
    open.0.read_verified(0, &mut open.1, &mut [0; 4]).unwrap();
    assert_eq!(&open.1, b"abc", "who has it open reads on");
    let (again, report) = fixture.reopen();
    assert!(again.replica(chunk(1)).is_none());
    assert_eq!(report.findings, []);
    assert_eq!((store.volumes()[0].used, store.volumes()[0].chunks), (0, 0));
}

#[test]
fn a_new_generation_survives_a_restart() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, &bytes(1, 5000));
    assert_eq!(store.bump_generation(chunk(1), G2).unwrap().generation, G2);
    assert_eq!(
        store.bump_generation(chunk(1), G2).unwrap().generation,
        G2,
        "a repeat changes nothing"
    );
    assert!(store.bump_generation(chunk(1), G1).is_err());
    let (again, report) = fixture.reopen();
    assert_eq!(report.findings, []);
    assert_eq!(again.replica(chunk(1)).unwrap().generation, G2);
    assert_eq!(read_all(&again, chunk(1)).unwrap(), bytes(1, 5000));
}

#[test]
fn a_finalized_replica_is_cut_under_a_newer_generation() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let long = bytes(7, (9 << 20) + 100);
    let cases = [
        (5000, 5000),
        (5000, 4999),
        (5000, 4608),
        (5000, 700),
        (5000, 0),
        (long.len(), (8 << 20) + 512 + 17),
    ];
    for (id, (len, cut)) in cases.into_iter().enumerate() {
        let (id, data) = (id as u64, &long[..len]);
        fixture.write(&store, id, G1, data);
        let reader = store.open_replica(chunk(id)).unwrap();
        if cut < len {
            assert!(store.cut(chunk(id), G1, cut as u64).is_err(), "under the same generation");
            assert_eq!(read_all(&store, chunk(id)).unwrap(), data);
        }
        for _ in 0..2 {
            let replica = store.cut(chunk(id), G2, cut as u64).unwrap();
            assert_eq!((replica.generation, replica.len), (G2, cut as u64), "a repeat changes nothing");
        }
        assert_eq!(read_all(&store, chunk(id)).unwrap(), data[..cut], "cut to {cut}");
        checksums_match(&store, chunk(id), &data[..cut]);
        assert!(store.cut(chunk(id), G1, 0).is_err());
        let mut first = [0; 512];
        match reader.read_verified(0, &mut first, &mut [0; 4]) {
            Ok(()) => assert_eq!(first, data[..512], "who has it open reads on"),
            Err(_) => assert!(cut < 512, "what is gone is not made up"),
        }
    }
    let (again, report) = fixture.reopen();
    assert_eq!(report.findings, []);
    for (id, (_, cut)) in cases.into_iter().enumerate() {
        assert_eq!(read_all(&again, chunk(id as u64)).unwrap(), long[..cut]);
    }
}

#[test]
fn what_a_recovery_has_moved_is_cut_at_its_generation() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(7, 100_000);
    let cases = [(700, 300), (700, 0), (100_000, 70_000), (100_000, 300)];
    for (id, (len, cut)) in cases.into_iter().enumerate() {
        let (chunk, cut) = (chunk(id as u64), cut as u64);
        fixture.write(&store, id as u64, G1, &data[..len]);
        assert!(store.cut_within(chunk, G2, cut).is_err(), "it is not at that generation");
        store.bump_generation(chunk, G2).unwrap();
        assert!(store.cut(chunk, G2, cut).is_err(), "nobody else may");
        assert!(store.cut_within(chunk, G1, cut).is_err());
        assert_eq!(read_all(&store, chunk).unwrap(), data[..len]);
        for _ in 0..2 {
            let replica = store.cut_within(chunk, G2, cut).unwrap();
            assert_eq!((replica.generation, replica.len), (G2, cut), "a repeat changes nothing");
        }
        checksums_match(&store, chunk, &data[..cut as usize]);
    }
    let (again, report) = fixture.reopen();
    assert_eq!((report.replicas, report.findings.len()), (cases.len() as u64, 0));
    for (id, (_, cut)) in cases.into_iter().enumerate() {
        assert_eq!(read_all(&again, chunk(id as u64)).unwrap(), data[..cut]);
    }
}

#[test]
fn of_two_forms_of_a_generation_the_shorter_counts() {
    // A move between volumes left the longer one, and a crash brought it back after the cut.
    let fixture = Fixture::with_volumes(PACKED_MAX, 2);
    for lens in [[5000, 1300], [700, 300], [1300, 5000]] {
        let data = bytes(1, 5000);
        let id = lens[0] as u64;
        for (volume, len) in fixture.volumes().into_iter().zip(lens) {
            let store = fixture.open_only(volume);
            fixture.write(&store, id, G2, &data[..len]);
        }
        let shorter = lens[0].min(lens[1]);
        assert_eq!(read_all(&fixture.open(), chunk(id)).unwrap(), data[..shorter]);
    }
}

#[test]
fn a_cut_never_blesses_what_is_rotten() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(7, 5000);
    fixture.write(&store, 1, G1, &data);
    fixture.rot(&data[..600]);
    assert!(store.cut(chunk(1), G2, 550).is_err(), "its unit is not what was written");
    assert_eq!(store.replica(chunk(1)).unwrap().generation, G1);
}

#[test]
fn behind_a_finalized_replica_is_written_on_while_it_stays_what_it_is() {
    let long = bytes(2, (9 << 20) + 300);
    for (len, more) in [(4500, 5000), (4500, 4608), (4608, 4609), (1, 200_000), (4500, 4500), (9 << 20, long.len())] {
        let fixture = Fixture::new(PACKED_MAX);
        let store = fixture.open();
        let data = &long[..more];
        fixture.write(&store, 1, G1, &data[..len]);
        assert!(matches!(
            store.reopen(chunk(1), G2),
            Err(ReopenError::Generation { present: G1, .. })
        ));
        let mut writer = store.reopen(chunk(1), G1).unwrap();
        assert!(matches!(store.reopen(chunk(1), G1), Err(ReopenError::Busy(_))));
        assert!(matches!(store.delete(chunk(1), G1, Victim::Any), Err(DeleteError::Busy(_))));
        assert_eq!((writer.received(), writer.generation()), (len as u64, G1));
        writer.bump_generation(G2).unwrap();
        let from = len - len % 512;
        for (at, part) in data[from..].chunks(1 << 20).enumerate() {
            writer.write((from + (at << 20)) as u64, part, &sums(part)).unwrap();
            assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..len], "as it was");
        }
        writer.sync().unwrap();
        assert_eq!(store.replica(chunk(1)).unwrap().generation, G1);
        let replica = writer.finalize().unwrap();
        assert_eq!((replica.generation, replica.len), (G2, more as u64));
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
        checksums_match(&store, chunk(1), data);
        assert_eq!(fixture.temporary_files(), Vec::<std::path::PathBuf>::new());
        let (again, report) = fixture.reopen();
        assert_eq!(report.findings, []);
        assert_eq!(read_all(&again, chunk(1)).unwrap(), data);
        assert_eq!(again.volumes()[0].chunks, 1);
    }
}

#[test]
fn what_was_written_behind_a_finalized_replica_can_be_given_up() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(2, 9000);
    fixture.write(&store, 1, G1, &data[..4500]);
    for _ in 0..2 {
        let mut writer = store.reopen(chunk(1), G1).unwrap();
        writer.bump_generation(G2).unwrap();
        writer.write(4096, &data[4096..], &sums(&data[4096..])).unwrap();
        assert!(matches!(store.reopen(chunk(1), G1), Err(ReopenError::Busy(_))));
        let (mut got, mut got_sums) = (vec![0; 9000], vec![0; 18 * 4]);
        writer.read_verified(0, &mut got, &mut got_sums).unwrap();
        assert!(got == data, "nobody else touches what is appended");
        writer.abandon();
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..4500]);
    }
    assert_eq!(fixture.temporary_files(), Vec::<std::path::PathBuf>::new());
    let mut writer = store.reopen(chunk(1), G1).unwrap();
    writer.bump_generation(G2).unwrap();
    // It has moved on meanwhile, by another way.
    store.bump_generation(chunk(1), G2).unwrap();
    assert!(matches!(writer.finalize(), Err(WriteError::Superseded { .. })));
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..4500]);
    let (again, report) = fixture.reopen();
    assert_eq!(report.findings, []);
    assert_eq!(read_all(&again, chunk(1)).unwrap(), data[..4500]);
}

#[test]
fn bytes_may_go_on_within_a_unit() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(2, 3000);
    fixture.write(&store, 1, G1, &data[..700]);
    let mut writer = store.reopen(chunk(1), G1).unwrap();
    writer.bump_generation(G2).unwrap();
    let mut put = |from: usize, to: usize| {
        let part = &data[from..to];
        writer.write(from as u64, part, &sums(part))
    };
    for (from, to) in [(701, 710), (700, 1025), (600, 1030)] {
        assert!(matches!(put(from, to), Err(WriteError::Misplaced { .. })), "{from}..{to}");
    }
    for (from, to) in [(700, 800), (700, 800), (750, 1024), (1024, 3000), (2999, 3000)] {
        put(from, to).unwrap();
    }
    let mut other = data[700..800].to_vec();
    other[7] ^= 1;
    let changed = writer.write(700, &other, &sums(&other));
    assert!(matches!(changed, Err(WriteError::Differs { .. })));
    writer.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    checksums_match(&store, chunk(1), &data);
}

#[test]
fn a_rotten_end_is_not_written_on() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(2, 4500);
    fixture.write(&store, 1, G1, &data);
    fixture.rot(&data[4096..]);
    for _ in 0..2 {
        assert!(matches!(store.reopen(chunk(1), G1), Err(ReopenError::Write(WriteError::Read(_)))));
    }
}

#[test]
fn what_was_synced_outlives_the_process() {
    // Sums are looked at 16,384 at a time: the last of as many, too, may be that of a unit that is not full.
    const PIECE: usize = 16_384 * 512;
    let data = bytes(3, PIECE + 3000);
    let lengths = [(1, 600), (700, 5000), (5000, 5000), (150_000, 200_000), (PIECE - 100, PIECE + 3000), (PIECE, PIECE + 1)];
    for (synced, end) in lengths {
        let fixture = Fixture::new(PACKED_MAX);
        let store = fixture.open();
        assert_eq!(store.adopt().len(), 0);
        let mut writer = store.create(chunk(1), G1).unwrap();
        writer.write(0, &data[..synced], &sums(&data[..synced])).unwrap();
        writer.sync().unwrap();
        writer.bump_generation(G2).unwrap();
        let from = synced - synced % 512;
        writer.write(from as u64, &data[from..end], &sums(&data[from..end])).unwrap();
        writer.leave();
        let mut nothing = store.create(chunk(2), G1).unwrap();
        nothing.write(0, &data[..9], &sums(&data[..9])).unwrap();
        nothing.leave();

        for round in 0..2 {
            let store = fixture.open();
            let mut adopted = store.adopt();
            let mut writer = adopted.pop().unwrap();
            assert_eq!((adopted.len(), writer.chunk(), writer.generation()), (0, chunk(1), G2));
            assert_eq!(writer.received(), synced as u64, "and no byte that was not synced");
            assert!(store.replica(chunk(1)).is_none());
            let (mut got, mut got_sums) = (vec![0; synced], vec![0; synced.div_ceil(512) * 4]);
            writer.read_verified(0, &mut got, &mut got_sums).unwrap();
            assert!(got == data[..synced]);
            if round == 0 {
                writer.leave();
                continue;
            }
            writer.write(from as u64, &data[from..end], &sums(&data[from..end])).unwrap();
            writer.finalize().unwrap();
            assert!(read_all(&store, chunk(1)).unwrap() == data[..end]);
        }
        assert_eq!(fixture.temporary_files(), Vec::<std::path::PathBuf>::new());
        let (again, report) = fixture.reopen();
        assert_eq!((report.findings, again.adopt().len()), (Vec::new(), 0));
        assert!(read_all(&again, chunk(1)).unwrap() == data[..end]);
    }
}

#[test]
fn what_was_appended_and_synced_outlives_the_process_beside_what_was_there() {
    let data = bytes(4, 200_000);
    for (len, synced) in [(4500, 4500), (4500, 60_000), (150_000, 160_001)] {
        let fixture = Fixture::new(PACKED_MAX);
        let store = fixture.open();
        fixture.write(&store, 1, G1, &data[..len]);
        let mut writer = store.reopen(chunk(1), G1).unwrap();
        writer.bump_generation(G2).unwrap();
        let from = len - len % 512;
        writer.write(from as u64, &data[from..synced], &sums(&data[from..synced])).unwrap();
        writer.sync().unwrap();
        let from = synced - synced % 512;
        writer.write(from as u64, &data[from..], &sums(&data[from..])).unwrap();
        writer.leave();

        let store = fixture.open();
        let mut adopted = store.adopt();
        let writer = adopted.pop().unwrap();
        assert_eq!((adopted.len(), writer.generation(), writer.received()), (0, G2, synced as u64));
        assert!(read_all(&store, chunk(1)).unwrap() == data[..len], "served as before");
        assert_eq!(store.replica(chunk(1)).unwrap().generation, G1);
        let replica = writer.finalize().unwrap();
        assert_eq!((replica.generation, replica.len), (G2, synced as u64));
        assert!(read_all(&store, chunk(1)).unwrap() == data[..synced]);
        assert_eq!(fixture.temporary_files(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn rotten_bytes_are_not_adopted() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(3, 9_000);
    let mut writer = store.create(chunk(1), G1).unwrap();
    for (from, to) in [(0, 5_000), (4_608, 9_000)] {
        writer.write(from as u64, &data[from..to], &sums(&data[from..to])).unwrap();
        writer.sync().unwrap();
    }
    writer.leave();
    fixture.rot(&data[8_000..]);
    // What was synced before is still what it was.
    let adopted = fixture.open().adopt();
    let received: Vec<_> = adopted.iter().map(|writer| writer.received()).collect();
    assert_eq!(received, [5_000]);
    adopted.into_iter().for_each(|writer| writer.leave());
    fixture.rot(&data[..600]);
    assert_eq!(fixture.open().adopt().len(), 0);
    assert_eq!(fixture.temporary_files(), Vec::<std::path::PathBuf>::new());
}
