//! Errors of the disk in a running group.

use std::time::Duration;

use env::disk::{Disk, Effect, Fault, Op};

use super::world::{Append, World, directory, simulate};
use crate::{CheckpointError, Failure, ProposeError};

#[test]
fn a_follower_whose_disk_fails_stops_and_the_others_go_on() {
    for (op, file) in [(Op::SyncData, "wal-"), (Op::Write, "wal-")] {
        for code in [5, 28] {
            simulate(async {
                let mut world = World::formed(1, 3).await;
                world.propose("before").await;
                world.settled().await;
                let follower = (world.leader().await + 1) % 3;
                let member = world.members.get(&follower).unwrap();
                member
                    .faults
                    .faults()
                    .add(Fault::once(op, 0, Effect::Fail(code)).on(file));
                let group = world.group(follower);
                world.propose("during").await;
                let failure = group.failed().await;
                assert!(matches!(failure, Failure::Log(_)), "{failure}");
                world.propose("after").await;
                drop(group);
                world.kill(follower).await;
                world.restart(follower).await;
                assert_eq!(world.settled().await, ["before", "during", "after"]);
            });
        }
    }
}

#[test]
fn a_leader_whose_disk_fails_acknowledges_nothing_and_another_takes_over() {
    for op in [Op::SyncData, Op::Write] {
        simulate(async {
            let mut world = World::formed(1, 3).await;
            world.propose("before").await;
            let leader = world.leader().await;
            let member = world.members.get(&leader).unwrap();
            member
                .faults
                .faults()
                .add(Fault::once(op, 0, Effect::Fail(5)).on("wal-"));
            let group = world.group(leader);
            let error = group.propose(Append("during".to_owned())).await.unwrap_err();
            let failed = |error: &ProposeError| {
                matches!(
                    error,
                    ProposeError::Failed {
                        cause: Failure::Log(_)
                    }
                )
            };
            assert!(failed(&error), "{error}");
            assert!(matches!(group.failed().await, Failure::Log(_)));
            world.pass(Duration::from_millis(10)).await;
            assert_eq!(group.leads(), None);
            let error = group.propose(Append("later".to_owned())).await.unwrap_err();
            assert!(failed(&error), "{error}");
            drop(group);
            world.kill(leader).await;
            world.propose("after").await;
            world.restart(leader).await;
            let commands = world.settled().await;
            assert_eq!(commands.first().map(String::as_str), Some("before"));
            assert_eq!(commands.last().map(String::as_str), Some("after"));
        });
    }
}

#[test]
fn a_vote_that_can_not_be_stored_is_not_given() {
    simulate(async {
        let mut world = World::formed(1, 3).await;
        world.propose("before").await;
        world.settled().await;
        let leader = world.leader().await;
        let voter = (leader + 1) % 3;
        let member = world.members.get(&voter).unwrap();
        member
            .faults
            .faults()
            .add(Fault::once(Op::SyncData, 0, Effect::Fail(5)).on("meta"));
        let group = world.group(voter);
        world.kill(leader).await;
        assert!(matches!(group.failed().await, Failure::Log(_)));
        // One of three is left: nobody leads.
        world.pass(Duration::from_secs(3)).await;
        assert_eq!(world.leads(), None);
        drop(group);
        world.kill(voter).await;
        world.restart(voter).await;
        world.propose("after").await;
        world.restart(leader).await;
        assert_eq!(world.settled().await, ["before", "after"]);
    });
}

#[test]
fn a_checkpoint_that_can_not_be_written_harms_nothing() {
    for (op, code) in [
        (Op::Create, 28),
        (Op::Write, 28),
        (Op::Write, 5),
        (Op::SyncData, 5),
    ] {
        simulate(async {
            let mut world = World::formed(1, 1).await;
            for number in 0..60 {
                world
                    .propose(&format!("command {number} {}", "#".repeat(80)))
                    .await;
            }
            let group = world.group(0);
            group.checkpoint().await.unwrap();
            world.propose("between").await;
            let member = world.members.get(&0).unwrap();
            member
                .faults
                .faults()
                .add(Fault::once(op, 0, Effect::Fail(code)).on("checkpoint-"));
            let error = group.checkpoint().await.unwrap_err();
            assert!(matches!(error, CheckpointError::Write(_)), "{error}");
            world.propose("after").await;
            group.checkpoint().await.unwrap();
            world.pass(Duration::from_millis(100)).await;
            let files = member.disk.read_dir(directory()).unwrap();
            let first = files
                .iter()
                .find(|entry| entry.path.to_string_lossy().contains("wal-"));
            let first = first.unwrap().path.display().to_string();
            assert!(
                !first.ends_with("wal-00000000000000000001.log"),
                "{first}: the log is cut later"
            );
            drop(group);
            let expected = world.settled().await;
            world.kill(0).await;
            world.restart(0).await;
            assert_eq!(world.settled().await, expected);
        });
    }
}
