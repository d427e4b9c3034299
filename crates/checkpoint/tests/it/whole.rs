//! What is written is read.

use std::io::Read as _;
use std::sync::Arc;

use checkpoint::{BLOCK_BYTES_MAX, Checkpoint, MEMBERSHIP_BYTES_MAX, Pace, WriteError, write, write_to};
use env::disk::{Disk, RealDisk};
use proptest::prelude::*;

use crate::common::{World, content, directory, header, path, read};

#[test]
fn nothing_is_none() {
    let world = World::new();
    assert!(world.newest().is_none());
    let elsewhere = std::path::Path::new("/elsewhere");
    assert!(checkpoint::newest(&*world.disk, elsewhere).unwrap().is_none());
}

#[test]
fn contents_of_all_lengths_come_back() {
    let world = World::new();
    let lengths = [
        0,
        1,
        BLOCK_BYTES_MAX - 1,
        BLOCK_BYTES_MAX,
        BLOCK_BYTES_MAX + 1,
        3 * BLOCK_BYTES_MAX,
    ];
    for (index, length) in (1..).zip(lengths) {
        let info = world.write(index, length).unwrap();
        assert_eq!((info.index, info.totals.bytes), (index, length as u64));
        assert_eq!(info.totals.blocks, length.div_ceil(BLOCK_BYTES_MAX) as u64);
        assert_eq!(info.bytes, world.file(index).len() as u64);
        assert_eq!(world.newest_index(), Some(index));
        let found = world.newest().unwrap();
        assert_eq!((found.totals(), found.bytes()), (info.totals, info.bytes));
        assert_eq!(read(&found).len(), length);
        assert_eq!(found.verify(), Ok(info.totals));
        assert!(found.passed_over().is_empty());
    }
}

/// With the real disk, and threads that read ahead.
#[test]
fn on_a_real_disk_and_in_small_pieces() {
    let home = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let content = content(5, 2 * BLOCK_BYTES_MAX + 77);
    let info = write(&disk, home.path(), &header(5), Pace::at(1 << 30), |out| {
        content.chunks(777).try_for_each(|piece| out.write_all(piece))
    });
    assert_eq!(
        info.unwrap().path,
        home.path().join("checkpoint-00000000000000000005")
    );
    let found = checkpoint::newest(&*disk, home.path()).unwrap().unwrap();
    assert_eq!(read(&found), content);
    // One that is read in part is no trouble to the next.
    let mut reader = found.open();
    let mut part = [0; 10];
    reader.read_exact(&mut part).unwrap();
    assert_eq!(part, content[..10]);
    assert_eq!(reader.finish().unwrap().bytes, content.len() as u64);
}

#[test]
fn equal_states_give_equal_files_wherever_they_are_written() {
    let world = World::new();
    world.write(9, 5000).unwrap();
    let mut bytes = Vec::new();
    let totals = write_to(&mut bytes, &header(9), |out| {
        content(9, 5000)
            .iter()
            .try_for_each(|byte| out.write_all(&[*byte]))
    });
    assert_eq!(totals.unwrap().bytes, 5000);
    assert_eq!(bytes, world.file(9));
}

/// A file of this layout is read by every later version of this program.
#[test]
fn golden_file() {
    let golden = b"DFSCHK\r\n\x01\0\0\0\xbc\x7b\x18\x25\
        \x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x47\x42\x0f\0\0\0\0\0\x07\0\0\0members\x05\x4d\x56\x56\
        \x52\x47\x53\x0b\x05\0\0\0state\
        \x91\xbb\x61\x48\0\0\0\0\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0DFSCHKE\n";
    let world = World::new();
    let mut bytes = Vec::new();
    write_to(&mut bytes, &header(7), |out| out.write_all(b"state")).unwrap();
    assert_eq!(bytes, golden, "{bytes:02x?}");
    world.put(7, golden);
    let found = Checkpoint::open_file(&*world.disk, &path(7)).unwrap();
    assert_eq!((found.header(), read(&found)), (&header(7), b"state".to_vec()));
}

#[test]
fn a_file_is_read_to_its_end_though_it_is_removed_meanwhile() {
    let world = World::new();
    world.write(1, 3 * BLOCK_BYTES_MAX).unwrap();
    let found = world.newest().unwrap();
    let mut reader = found.open();
    let mut bytes = vec![0; 10];
    reader.read_exact(&mut bytes).unwrap();
    world.disk.remove_file(&path(1)).unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, content(1, 3 * BLOCK_BYTES_MAX));
}

#[test]
fn a_membership_that_no_header_holds_is_refused() {
    let world = World::new();
    let mut header = header(1);
    header.membership = vec![0; MEMBERSHIP_BYTES_MAX];
    write(&world.disk, directory(), &header, Pace::FULL, |_| Ok(())).unwrap();
    assert_eq!(world.newest().unwrap().header(), &header);
    header.membership.push(0);
    let refused = write(&world.disk, directory(), &header, Pace::FULL, |_| Ok(()));
    assert!(matches!(refused, Err(WriteError::Membership(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_of_any_size_come_back_in_pieces_of_any_size(
        lengths in prop::collection::vec(0_usize..150_000, 0..24),
        size in 1_usize..300_000,
    ) {
        let world = World::new();
        let pieces: Vec<_> = lengths.iter().map(|length| content(*length as u64, *length)).collect();
        let info = write(&world.disk, directory(), &header(1), Pace::FULL, |out| {
            pieces.iter().try_for_each(|piece| out.write_all(piece))
        });
        prop_assert_eq!(info.unwrap().totals.bytes, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        let mut reader = world.newest().unwrap().open();
        let (mut back, mut piece) = (Vec::new(), vec![0; size]);
        loop {
            match reader.read(&mut piece).unwrap() {
                0 => break,
                read => back.extend_from_slice(&piece[..read]),
            }
        }
        prop_assert_eq!(back, pieces.concat());
    }
}
