//! Directories of earlier versions, and those that tools make.

use std::sync::Arc;

use checkpoint::{Header, Pace};
use env::disk::{Disk, SimDisk, replace_file};
use types::{MasterId, Term, UnixMillis};
use wal::{LogId, Meta, Options, Wal};

use super::world::{World, directory, simulate};

/// Version 1 of the stored term: 258.
const META_V1: &[u8] = b"DFSMETA\n\x01\0\0\0\x02\x01\0\0\0\0\0\0\xac\x7b\x13\xbc";

/// A log as the version before groups wrote it: commands only, the first in term 1.
fn old_directory() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(directory()).unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options {
        segment_bytes: super::world::settings().segment_bytes,
        ..Options::new(LogId(*b"a log for tests!"))
    };
    let (mut wal, _) = Wal::open(shared, directory(), options, 1, |_| {}).unwrap();
    for term in [1, 1, 3, 257] {
        let text = format!("of term {term}");
        wal.append(Term(term), 9, text.as_bytes()).unwrap();
    }
    wal.sync().unwrap();
    drop(wal);
    replace_file(&disk, &directory().join("meta"), META_V1).unwrap();
    disk
}

const OLD: [&str; 4] = ["of term 1", "of term 1", "of term 3", "of term 257"];

fn alone(seed: u64) -> World {
    let mut world = World::new(seed);
    world.settings.peers = Vec::new();
    world
}

#[test]
fn an_old_log_is_that_of_a_group_of_one() {
    simulate(async {
        let mut world = alone(1);
        world.start(0, old_directory()).await.unwrap();
        assert_eq!(world.settled().await, OLD);
        let (id, term) = (world.id(0), world.leads().unwrap().1);
        assert!(term > Term(258), "{term}: no term twice");
        let status = world.group(0).status().borrow().clone();
        assert_eq!(status.members.len(), 1);
        assert_eq!(world.propose("new").await, 5);
        world.kill(0).await;
        world.restart(0).await;
        assert_eq!(world.id(0), id);
        assert!(world.leads().unwrap().1 > term);
        assert_eq!(world.settled().await.len(), 5);
    });
}

#[test]
fn migration_may_be_interrupted_anywhere() {
    let operations = {
        let disk = old_directory();
        let before = disk.mutations();
        simulate(async {
            alone(1).start(0, disk.clone()).await.unwrap();
        });
        disk.mutations() - before
    };
    assert!(operations > 5, "{operations} operations");
    for dies_at in 0..=operations {
        simulate(async {
            let disk = old_directory();
            disk.die_after(dies_at);
            let mut first = alone(1);
            let _ = first.start(0, disk.clone()).await;
            if first.members.contains_key(&0) {
                first.kill(0).await;
            } else {
                disk.crash(dies_at);
            }
            let mut world = alone(2);
            world.start(0, disk).await.unwrap();
            assert_eq!(world.settled().await, OLD, "dies at {dies_at}");
            assert_eq!(world.group(0).status().borrow().members.len(), 1);
            world.propose("new").await;
        });
    }
}

#[test]
fn who_has_a_part_of_an_old_log_from_its_leader_is_no_group() {
    simulate(async {
        let disk = old_directory();
        let meta = Meta {
            term: Term(300),
            member: MasterId(5),
            voted_for: Some(MasterId(6)),
            elected: true,
        };
        meta.store(&disk, directory()).unwrap();
        let mut world = alone(1);
        world.start(0, disk).await.unwrap();
        world.pass(std::time::Duration::from_secs(2)).await;
        assert_eq!(world.leads(), None);
        assert!(!world.group(0).status().borrow().formatted());
    });
}

#[test]
fn a_log_without_its_votes_is_refused() {
    simulate(async {
        let disk = old_directory();
        disk.remove_file(&directory().join("meta")).unwrap();
        let error = alone(1).start(0, disk).await.err().unwrap().to_string();
        assert!(error.contains("/meta/meta"), "{error}");
    });
}

#[test]
fn a_restored_directory_goes_on_behind_its_checkpoint() {
    simulate(async {
        let disk = SimDisk::new();
        disk.create_dir_all(directory()).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let header = Header {
            term: Term(5),
            index: 41,
            written: UnixMillis(0),
            membership: Vec::new(),
        };
        let save = |out: &mut dyn std::io::Write| out.write_all(b"7 restored\n");
        checkpoint::write(&shared, directory(), &header, Pace::FULL, save).unwrap();
        let meta = Meta {
            term: Term(9),
            member: MasterId(77),
            ..Meta::default()
        };
        meta.store(&disk, directory()).unwrap();
        let mut world = alone(1);
        world.start(0, disk).await.unwrap();
        assert_eq!(world.id(0), MasterId(77));
        assert_eq!(world.settled().await, ["restored"]);
        assert!(world.leads().unwrap().1 > Term(9));
        world.propose("new").await;
        let status = world.group(0).status().borrow().clone();
        assert!(status.last > 41 && status.members.len() == 1, "{status:?}");
        for _ in 0..2 {
            world.kill(0).await;
            world.restart(0).await;
            assert_eq!(world.settled().await, ["restored", "new"]);
            world.group(0).checkpoint().await.unwrap();
        }
    });
}
