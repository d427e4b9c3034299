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
    for (from, to) in [(700, 800), (1024, 1100)] {
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
fn a_finalized_replica_can_be_taken_back_and_written_on() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(2, 5000);
    fixture.write(&store, 1, G1, &data[..4500]);
    assert!(matches!(
        store.reopen(chunk(1), G2),
        Err(ReopenError::Generation { present: G1, .. })
    ));
    let (mut writer, was) = store.reopen(chunk(1), G1).unwrap();
    assert_eq!((was.generation, was.len, writer.received()), (G1, 4500, 4500));
    assert!(store.replica(chunk(1)).is_none());
    writer.truncate_to(1000).unwrap();
    writer.bump_generation(G2).unwrap();
    writer.write(512, &data[512..], &sums(&data[512..])).unwrap();
    writer.finalize().unwrap();
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    let (again, report) = fixture.reopen();
    assert_eq!(report.findings, []);
    assert_eq!(read_all(&again, chunk(1)).unwrap(), data);
}
