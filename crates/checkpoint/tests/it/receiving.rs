//! A checkpoint that comes from another master.

use checkpoint::{BLOCK_BYTES_MAX, Checkpoint, Damage, ReceiveError, receive, receive_as};

use crate::common::{World, content, directory, header, read};

#[test]
fn it_arrives_in_pieces_of_any_size() {
    let leader = World::new();
    leader.write(7, BLOCK_BYTES_MAX + 100).unwrap();
    let bytes = leader.file(7);
    for piece in [1000, 65_536, BLOCK_BYTES_MAX, bytes.len()] {
        let follower = World::new();
        let mut receiver = receive(&follower.disk, directory()).unwrap();
        for piece in bytes.chunks(piece) {
            receiver.take(piece).unwrap();
        }
        assert_eq!(receiver.header(), Some(&header(7)));
        assert_eq!(receiver.received(), bytes.len() as u64);
        let received = receiver.finish().unwrap();
        assert_eq!(read(&received), content(7, BLOCK_BYTES_MAX + 100));
        follower.sim.crash(1);
        assert_eq!(follower.newest_index(), Some(7));
        assert_eq!(follower.file(7), bytes);
    }
}

#[test]
fn byte_by_byte() {
    let world = World::new();
    world.write(7, 50).unwrap();
    let bytes = world.file(7);
    let mut receiver = receive(&world.disk, directory()).unwrap();
    for byte in &bytes {
        receiver.take(&[*byte]).unwrap();
    }
    assert_eq!(read(&receiver.finish().unwrap()), content(7, 50));
}

#[test]
fn an_interrupted_one_leaves_nothing() {
    let world = World::new();
    world.write(7, 5000).unwrap();
    let bytes = world.file(7);
    for end in [0, 10, 3000, bytes.len() - 1] {
        let mut receiver = receive(&world.disk, directory()).unwrap();
        receiver.take(&bytes[..end]).unwrap();
        drop(receiver);
        assert_eq!(world.names(), [checkpoint::name(7)]);

        let mut receiver = receive(&world.disk, directory()).unwrap();
        receiver.take(&bytes[..end]).unwrap();
        let cut = receiver.finish().unwrap_err();
        let ReceiveError::Damaged { offset, damage } = cut else {
            panic!("{cut}")
        };
        assert_eq!((offset, damage), (end as u64, Damage::Cut("what was sent")));
        assert_eq!(world.names(), [checkpoint::name(7)]);
    }
}

#[test]
fn nothing_may_come_behind_its_end() {
    let world = World::new();
    world.write(7, 50).unwrap();
    let mut receiver = receive(&world.disk, directory()).unwrap();
    receiver.take(&world.file(7)).unwrap();
    let refused = receiver.take(b"x").unwrap_err();
    assert!(matches!(
        refused,
        ReceiveError::Damaged {
            damage: Damage::Behind,
            ..
        }
    ));
}

#[test]
fn a_backup_has_any_name_and_touches_no_checkpoint() {
    let world = World::new();
    for index in [10, 20] {
        world.write(index, 50).unwrap();
    }
    let path = directory().join("backup of monday");
    for index in [10, 20] {
        let mut receiver = receive_as(&world.disk, &path).unwrap();
        receiver.take(&world.file(index)).unwrap();
        let received = receiver.finish().unwrap();
        assert_eq!((received.header().index, received.path()), (index, &*path));
    }
    assert_eq!(world.names().len(), 3);
    assert_eq!(world.newest_index(), Some(20));
    let found = Checkpoint::open_file(&*world.disk, &path).unwrap();
    assert_eq!(read(&found), content(20, 50));
    assert!(receive_as(&world.disk, std::path::Path::new("/")).is_err());
}
