//! Members that are so far behind that the log does not reach back to them.

use std::time::Duration;

use env::disk::Disk;

use super::world::{World, directory, simulate};

/// Enough for several segments.
async fn write(world: &World, from: usize, count: usize) {
    for number in from..from + count {
        world
            .propose(&format!("command {number} {}", "#".repeat(60)))
            .await;
    }
}

/// Two checkpoints at the leader, so that the log is cut.
async fn cut_log(world: &World) {
    let leader = world.group(world.leader().await);
    for round in 0..2 {
        leader.checkpoint().await.unwrap();
        write(world, 1000 + round, 40).await;
    }
    leader.checkpoint().await.unwrap();
    // The log is cut by a task of its own.
    world.pass(Duration::from_millis(100)).await;
}

#[test]
fn who_was_away_for_long_is_given_a_checkpoint() {
    for seed in 0..4 {
        simulate(async {
            let mut world = World::formed(seed, 3).await;
            write(&world, 0, 10).await;
            world.settled().await;
            let away = (world.leader().await + 1) % 3;
            world.kill(away).await;
            write(&world, 10, 60).await;
            cut_log(&world).await;
            let leader = world.leader().await;
            let segments = world
                .members
                .get(&leader)
                .unwrap()
                .disk
                .read_dir(directory())
                .unwrap();
            let first = format!("{}/wal-{:020}.log", directory().display(), 1);
            assert!(
                segments.iter().all(|entry| entry.path.to_str() != Some(&first)),
                "the log was not cut"
            );
            world.restart(away).await;
            let commands = world.settled().await;
            assert_eq!(commands.len(), 150);
            assert_eq!(world.router.snapshots(), 1);
            // From here on it follows the log, and it can be left with nobody but another one.
            world.kill(leader).await;
            write(&world, 5000, 5).await;
            assert_eq!(world.settled().await.len(), 155);
            for number in 0..3 {
                world.kill(number).await;
            }
            for number in 0..3 {
                world.restart(number).await;
            }
            assert_eq!(world.settled().await.len(), 155);
        });
    }
}

#[test]
fn who_has_entries_that_were_never_agreed_on_is_given_a_checkpoint_too() {
    simulate(async {
        let mut world = World::formed(9, 3).await;
        write(&world, 0, 5).await;
        let old = world.leader().await;
        let (ids, group) = (world.ids(), world.group(old));
        world.router.isolate(group.id(), &ids, true);
        for number in 0..20 {
            let group = world.group(old);
            let text = format!("never agreed on {number}");
            tokio::spawn(async move { group.propose(super::world::Append(text)).await });
        }
        world.pass(Duration::from_secs(1)).await;
        drop(group);
        write(&world, 5, 60).await;
        cut_log(&world).await;
        world.kill(old).await;
        for id in &ids {
            world.router.isolate(*id, &ids, false);
        }
        world.restart(old).await;
        let commands = world.settled().await;
        assert_eq!(commands.len(), 145);
        assert!(commands.iter().all(|text| !text.contains("never")));
        write(&world, 70, 5).await;
        assert_eq!(world.settled().await.len(), 150);
    });
}

#[test]
fn a_start_needs_the_newest_checkpoint_or_the_one_before() {
    simulate(async {
        let mut world = World::formed(2, 1).await;
        write(&world, 0, 60).await;
        cut_log(&world).await;
        write(&world, 100, 5).await;
        let expected = world.settled().await;
        world.kill(0).await;
        world.restart(0).await;
        assert_eq!(world.settled().await, expected);
        let disk = world.members.get(&0).unwrap().disk.clone();
        let mut checkpoints: Vec<_> = disk
            .read_dir(directory())
            .unwrap()
            .into_iter()
            .filter(|entry| entry.path.to_string_lossy().contains("checkpoint-"))
            .map(|entry| entry.path)
            .collect();
        checkpoints.sort();
        assert_eq!(checkpoints.len(), 2);
        world.kill(0).await;
        let down = world.down.get(&0).unwrap();
        down.corrupt(checkpoints.last().unwrap(), 300, 1).unwrap();
        world.restart(0).await;
        assert_eq!(world.settled().await, expected);
        // Neither: it says so, and begins nothing new.
        world.kill(0).await;
        let down = world.down.remove(&0).unwrap();
        for path in &checkpoints {
            if down.exists(path).unwrap() {
                down.corrupt(path, 300, 0x80).unwrap();
            }
        }
        let error = world.start(0, down).await.err().unwrap().to_string();
        assert!(error.contains("checkpoint-"), "{error}");
    });
}

#[test]
fn a_backup_is_a_checkpoint_as_of_now() {
    simulate(async {
        let world = World::formed(2, 1).await;
        write(&world, 0, 30).await;
        let group = world.group(0);
        let mut backup = group.backup().await.unwrap();
        let mut bytes = Vec::new();
        while let Some(part) = backup.next().await.unwrap() {
            bytes.extend_from_slice(&part);
        }
        assert_eq!(bytes.len() as u64, backup.length());
        world.pass(Duration::from_millis(10)).await;
        assert_eq!(backup.index(), group.status().borrow().applied);
        let disk = env::disk::SimDisk::new();
        disk.create_dir_all(directory()).unwrap();
        let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(disk);
        let mut receiver = checkpoint::receive(&disk, directory()).unwrap();
        receiver.take(&bytes).unwrap();
        assert_eq!(receiver.finish().unwrap().header().index, backup.index());
    });
}
