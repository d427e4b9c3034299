//! Bytes that are not those that were written are found, and told with their place.

use std::io::ErrorKind;

use checkpoint::{
    BLOCK_BYTES_MAX, BadHeader, Checkpoint, Damage, Damaged, Error, ReceiveError, RestoreError, receive,
    restore_newest,
};

use crate::common::{World, content, directory, path, read_until_error};

/// How the file with these bytes is damaged: found by a look at it, else by reading.
fn damage_of(world: &World, bytes: &[u8]) -> Option<Damage> {
    world.put(1, bytes);
    match Checkpoint::open_file(&*world.disk, &path(1)) {
        Ok(checkpoint) => checkpoint.verify().err().map(|damaged| damaged.damage),
        Err(Error::Damaged(damaged)) => Some(damaged.damage),
        Err(error) => panic!("{error}"),
    }
}

/// Whether a receiver takes the bytes.
fn is_received(world: &World, bytes: &[u8]) -> bool {
    let mut receiver = receive(&world.disk, directory()).unwrap();
    receiver.take(bytes).is_ok() && receiver.finish().is_ok()
}

#[test]
fn every_flipped_bit_is_found() {
    let world = World::new();
    world.write(1, 40).unwrap();
    let mut bytes = world.file(1);
    assert_eq!(damage_of(&world, &bytes), None);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(damage_of(&world, &bytes).is_some(), "bit {bit} of byte {at}");
            assert!(!is_received(&world, &bytes), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn every_cut_and_everything_behind_the_end_is_found() {
    let world = World::new();
    world.write(1, 40).unwrap();
    let bytes = world.file(1);
    for length in 0..bytes.len() {
        assert!(damage_of(&world, &bytes[..length]).is_some(), "{length} bytes");
        assert!(!is_received(&world, &bytes[..length]), "{length} bytes");
    }
    for behind in [vec![0], vec![0; 4096], bytes.clone()] {
        let longer = [bytes.clone(), behind].concat();
        assert!(damage_of(&world, &longer).is_some());
        assert!(!is_received(&world, &longer));
    }
    assert!(is_received(&world, &bytes));
}

/// Blocks that are whole, each for itself: exchanged, twice, left out, or of another file of the same lengths.
#[test]
fn misdirected_blocks_are_found() {
    const BLOCK: usize = 8 + BLOCK_BYTES_MAX;
    let world = World::new();
    world.write(1, 3 * BLOCK_BYTES_MAX).unwrap();
    let bytes = world.file(1);
    let start = bytes.len() - 32 - 3 * BLOCK;
    let block = |number: usize| start + number * BLOCK..start + (number + 1) * BLOCK;
    world.write(2, 3 * BLOCK_BYTES_MAX).unwrap();
    let other = world.file(2);
    let put = |number: usize, source: &[u8]| {
        let mut changed = bytes.clone();
        changed[block(number)].copy_from_slice(source);
        changed
    };
    let mut exchanged = put(0, &bytes[block(1)]);
    exchanged[block(1)].copy_from_slice(&bytes[block(0)]);
    let stories = [
        (exchanged, 0),
        (put(2, &bytes[block(1)]), 2),
        (put(1, &other[block(1)]), 1),
        (put(1, &[0; BLOCK]), 1),
    ];
    for (changed, number) in stories {
        world.put(1, &changed);
        let found = Checkpoint::open_file(&*world.disk, &path(1)).unwrap();
        let damaged = found.verify().unwrap_err();
        assert_eq!(damaged.offset, block(number).start as u64);
        let (read, end) = read_until_error(&found);
        assert_eq!(
            read,
            content(1, number * BLOCK_BYTES_MAX),
            "nothing of the block is handed out"
        );
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.get_ref().unwrap().downcast_ref::<Damaged>(), Some(&damaged));
        assert!(!is_received(&world, &changed));
    }
    let left_out = [
        &bytes[..start],
        &bytes[block(1)],
        &bytes[block(2)],
        &bytes[bytes.len() - 32..],
    ]
    .concat();
    assert!(matches!(damage_of(&world, &left_out), Some(Damage::Size { .. })));
    assert!(!is_received(&world, &left_out));
    let other_end = [&bytes[..bytes.len() - 32], &other[other.len() - 32..]].concat();
    assert!(matches!(damage_of(&world, &other_end), Some(Damage::Crc { .. })));
}

#[test]
fn a_damaged_newest_is_passed_over_and_that_is_said() {
    let world = World::new();
    for index in [10, 20] {
        world.write(index, 5000).unwrap();
    }
    world.sim.corrupt(&path(20), 2000, 4).unwrap();
    let found = world.newest().unwrap();
    assert_eq!(found.header().index, 10);
    assert_eq!(found.passed_over().len(), 1);
    let text = found.passed_over()[0].to_string();
    assert!(
        text.contains("checkpoint-00000000000000000020 is damaged at byte 5"),
        "{text}"
    );

    // Whoever restores is asked again with the other one.
    let mut asked = Vec::new();
    let restored = restore_newest(&*world.disk, directory(), |header, input| {
        asked.push(header.index);
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map(|_| bytes)
    });
    let (_, bytes) = restored.unwrap().unwrap();
    assert_eq!((asked, bytes), (vec![20, 10], content(10, 5000)));

    // One whose beginning or end is gone is not even begun with.
    world.put(20, b"DFSCHK");
    world.put(30, b"");
    let found = world.newest().unwrap();
    assert_eq!(found.header().index, 10);
    assert_eq!(found.passed_over().len(), 2);
}

#[test]
fn where_none_is_whole_nothing_is_read_and_it_is_said_what_to_do() {
    let world = World::new();
    for index in [10, 20] {
        world.write(index, 5000).unwrap();
        world.sim.corrupt(&path(index), 2000, 4).unwrap();
    }
    let error = checkpoint::newest(&*world.disk, directory()).unwrap_err();
    let text = error.to_string();
    for part in [
        "00000020 is damaged at byte",
        "and so is the checkpoint before it",
        "admin restore",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(world.names().len(), 2, "nothing is removed");
}

#[test]
fn a_checkpoint_under_another_name_is_damage() {
    let world = World::new();
    world.write(10, 100).unwrap();
    world.write(20, 100).unwrap();
    world.put(30, &world.file(10));
    let found = world.newest().unwrap();
    assert_eq!(found.header().index, 20);
    assert_eq!(found.passed_over()[0].damage, Damage::Name(10));
}

#[test]
fn one_of_a_newer_program_is_refused_by_name_and_never_removed() {
    let world = World::new();
    world.write(10, 100).unwrap();
    world.write(20, 100).unwrap();
    let mut newer = world.file(20);
    newer[8] = 2;
    // The CRC32C of the magic and of version 2.
    let digest = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &newer[..12]);
    newer[12..16].copy_from_slice(&u32::try_from(digest).unwrap().to_le_bytes());
    world.put(30, &newer);
    let error = checkpoint::newest(&*world.disk, directory()).unwrap_err();
    assert!(matches!(
        error,
        Error::Newer {
            bad: BadHeader::Newer(2),
            ..
        }
    ));
    let text = error.to_string();
    assert!(
        text.contains("newer version") && text.contains("Start that version"),
        "{text}"
    );
    assert!(!is_received(&world, &newer));
    world.write(40, 100).unwrap();
    let left: Vec<_> = [20, 30, 40].into_iter().map(checkpoint::name).collect();
    assert_eq!(world.names(), left);
}

#[test]
fn a_state_that_is_not_taken_is_no_reason_to_take_an_older_one() {
    let world = World::new();
    world.write(10, 100).unwrap();
    world.write(20, 100).unwrap();
    let mut asked = 0;
    let restored = restore_newest(&*world.disk, directory(), |_, _| {
        asked += 1;
        Err::<(), _>("not mine")
    });
    let Err(RestoreError::State { error, .. }) = restored else {
        panic!("taken")
    };
    assert_eq!((asked, error), (1, "not mine"));
}

/// Any bytes are an error, and none a panic.
#[test]
fn any_bytes_are_refused() {
    let world = World::new();
    world.write(1, 100).unwrap();
    let whole = world.file(1);
    for seed in 0..2000_u64 {
        let noise = content(seed, usize::try_from(seed % 300).unwrap());
        // Noise alone, and noise behind a header that is whole.
        let with_header = [&whole[..55], &noise].concat();
        for bytes in [&noise, &with_header] {
            assert!(damage_of(&world, bytes).is_some());
            assert!(!is_received(&world, bytes));
        }
    }
}

#[test]
fn what_comes_over_the_wire_is_refused_at_its_first_wrong_part() {
    let world = World::new();
    world.write(1, 2 * BLOCK_BYTES_MAX).unwrap();
    let mut bytes = world.file(1);
    let at = bytes.len() - BLOCK_BYTES_MAX / 2;
    bytes[at] ^= 1;
    let mut receiver = receive(&world.disk, directory()).unwrap();
    let refused = bytes.chunks(4096).find_map(|piece| receiver.take(piece).err());
    let Some(ReceiveError::Damaged { offset, damage }) = refused else {
        panic!("taken")
    };
    assert!(offset > BLOCK_BYTES_MAX as u64 && matches!(damage, Damage::Crc { .. }));
}
