//! Which checkpoints stay.

use crate::common::{World, directory, path};

fn names(indexes: &[u64]) -> Vec<String> {
    indexes.iter().copied().map(checkpoint::name).collect()
}

#[test]
fn the_two_newest_stay_and_the_older_is_told() {
    let world = World::new();
    assert_eq!(
        world.write(10, 100).unwrap().older,
        None,
        "the log is needed from its beginning"
    );
    assert_eq!(world.write(20, 100).unwrap().older, Some(10));
    assert_eq!(world.write(30, 100).unwrap().older, Some(20));
    assert_eq!(world.names(), names(&[20, 30]));
    // Once more at the same index: nothing happened since.
    assert_eq!(world.write(30, 100).unwrap().older, Some(20));
    assert_eq!(world.names(), names(&[20, 30]));
}

#[test]
fn one_that_can_be_seen_to_be_damaged_does_not_count() {
    let world = World::new();
    world.write(10, 100).unwrap();
    world.write(20, 100).unwrap();
    world.put(20, b"nothing");
    assert_eq!(world.write(30, 100).unwrap().older, Some(10));
    assert_eq!(
        world.names(),
        names(&[10, 30]),
        "the damaged one is of no use any more"
    );
}

#[test]
fn what_an_ended_process_left_is_tidied_up() {
    let world = World::new();
    world.write(10, 100).unwrap();
    for index in [1, 2] {
        world.sim.die_after(index);
        assert!(world.write(20, 100).is_err());
        world.sim.kill();
    }
    let mut receiver = checkpoint::receive(&world.disk, directory()).unwrap();
    receiver.take(&world.file(10)).unwrap();
    std::mem::forget(receiver);
    world.sim.kill();
    let other = directory().join("wal-1.log");
    world.disk.open(&other, env::disk::Open::CreateNew).unwrap();
    assert!(world.names().len() > 2);
    checkpoint::tidy(&*world.disk, directory()).unwrap();
    assert_eq!(world.names(), [checkpoint::name(10), "wal-1.log".to_owned()]);
    checkpoint::tidy(&*world.disk, &path(10).join("nowhere")).unwrap();
}

/// Two at once, as when a follower receives one while it writes its own, do not get into each other's way.
#[test]
fn writing_and_receiving_at_once() {
    let world = World::new();
    world.write(10, 100).unwrap();
    let bytes = world.file(10);
    let mut first = checkpoint::receive(&world.disk, directory()).unwrap();
    let mut second = checkpoint::receive(&world.disk, directory()).unwrap();
    first.take(&bytes[..50]).unwrap();
    second.take(&bytes[..100]).unwrap();
    world.write(20, 100).unwrap();
    first.take(&bytes[50..]).unwrap();
    second.take(&bytes[100..]).unwrap();
    first.finish().unwrap();
    second.finish().unwrap();
    assert_eq!(world.names(), names(&[10, 20]));
    assert_eq!(world.newest_index(), Some(20));
}
