//! Who leads, who answers, and that nothing that was acknowledged is ever lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::world::{Append, World, simulate};
use crate::{NotLeader, ProposeError};

#[test]
fn several_agree_and_only_the_leader_answers() {
    for count in [1, 3, 5] {
        simulate(async {
            let world = World::formed(1, count).await;
            for number in 1..=20 {
                assert_eq!(world.propose(&format!("command {number}")).await, number);
            }
            assert_eq!(world.settled().await.len(), 20);
            let leader = world.leader().await;
            let address = format!("master-{leader}");
            for (number, member) in &world.members {
                if *number == leader {
                    assert_eq!(member.group.read_barrier().await.ok(), member.group.leads());
                    continue;
                }
                let expected = NotLeader {
                    leader: Some(address.clone()),
                };
                assert_eq!(member.group.leads(), None);
                assert_eq!(member.group.read_barrier().await, Err(expected.clone()));
                let error = member.group.propose(Append("x".to_owned())).await.unwrap_err();
                assert!(
                    matches!(&error, ProposeError::NotLeader(to) if *to == expected),
                    "{error}"
                );
            }
        });
    }
}

#[test]
fn another_takes_over_soon() {
    let mut times: Vec<_> = (0..20)
        .map(|seed| {
            simulate(async {
                let mut world = World::formed(seed, 3).await;
                world.propose("before").await;
                let (leader, term) = world.leads().unwrap();
                world.kill(leader).await;
                let begin = Instant::now();
                world.propose("after").await;
                let time = begin.elapsed();
                assert!(world.leads().unwrap().1 > term);
                world.restart(leader).await;
                assert_eq!(world.settled().await, ["before", "after"]);
                time
            })
        })
        .collect();
    times.sort();
    // Simulated time: it does not depend on the machine. The longest ones are split votes.
    assert!(times[10] < Duration::from_millis(600), "{times:?}");
    assert!(times[19] < Duration::from_millis(1600), "{times:?}");
}

#[test]
fn a_leader_that_is_cut_off_stops_answering_before_another_begins() {
    for seed in 0..20 {
        simulate(async {
            let world = World::formed(seed, 3).await;
            world.propose("before").await;
            let old = world.leader().await;
            let (cut_off, ids) = (world.group(old), world.ids());
            world.router.isolate(cut_off.id(), &ids, true);
            let lost = {
                let cut_off = Arc::clone(&cut_off);
                tokio::spawn(async move { cut_off.propose(Append("lost".to_owned())).await })
            };
            // `World::leads` looks all the while that nobody else leads as long as it does.
            while world.leads().is_none_or(|(number, _)| number == old) {
                world.pass(Duration::from_millis(3)).await;
            }
            assert_eq!(cut_off.leads(), None);
            assert!(cut_off.read_barrier().await.is_err());
            world.propose("after").await;
            world.router.isolate(cut_off.id(), &ids, false);
            let error = lost.await.unwrap().unwrap_err();
            assert!(matches!(error, ProposeError::Unknown { .. }), "{error}");
            assert_eq!(world.settled().await, ["before", "after"]);
        });
    }
}

#[test]
fn a_proposal_without_a_quorum_is_answered_when_leadership_ends() {
    simulate(async {
        let mut world = World::formed(3, 3).await;
        let leader = world.leader().await;
        let group = world.group(leader);
        for number in (0..3).filter(|number| *number != leader) {
            world.kill(number).await;
        }
        let under_way = {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.propose(Append("under way".to_owned())).await })
        };
        world.pass(Duration::from_secs(2)).await;
        assert_eq!(group.leads(), None);
        let error = group.propose(Append("refused".to_owned())).await.unwrap_err();
        assert!(matches!(error, ProposeError::NotLeader(_)), "{error}");
        for number in (0..3).filter(|number| *number != leader) {
            world.restart(number).await;
        }
        // It is applied after all, or it is said that nobody knows.
        let under_way = under_way.await.unwrap();
        let last = world.propose("last").await;
        assert_eq!(world.settled().await.len() as u64, last);
        match under_way {
            Ok(index) => assert_eq!((index, last), (1, 2)),
            Err(error) => assert!(matches!(error, ProposeError::Unknown { .. }), "{error}"),
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    for (seed, count) in (0..6).flat_map(|seed| [(seed, 3), (seed + 100, 5)]) {
        simulate(torment(seed, count));
    }
}

/// Members die, come back and are cut off, a minority at a time; callers propose all the while.
async fn torment(seed: u64, count: usize) {
    let mut world = World::formed(seed, count).await;
    world.settings.checkpoint_log_bytes = 1500;
    let mut acknowledged = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for round in 0..25 {
        let troubled = world.rng.usize(..count);
        let ids = world.ids();
        match world.rng.u8(..4) {
            0 if world.down.len() < (count - 1) / 2 => world.kill(troubled).await,
            1 => world.restart(troubled).await,
            2 if world.members.contains_key(&troubled) && world.down.is_empty() => {
                world.router.isolate(world.id(troubled), &ids, true);
                let time = world.rng.u64(..900);
                world.pass(Duration::from_millis(time)).await;
            }
            _ => {}
        }
        let callers: Vec<_> = world
            .members
            .iter()
            .flat_map(|(number, member)| (0..3).map(move |caller| (*number, caller, &member.group)))
            .map(|(number, caller, group)| {
                let group = Arc::clone(group);
                let text = format!("round {round} at {number} by {caller}");
                let proposal = async move {
                    let answer = group.propose(Append(text.clone()));
                    (tokio::time::timeout(Duration::from_secs(3), answer).await, text)
                };
                tokio::spawn(proposal)
            })
            .collect();
        let time = world.rng.u64(..400);
        world.pass(Duration::from_millis(time)).await;
        for id in &ids {
            world.router.isolate(*id, &ids, false);
        }
        for caller in callers {
            match caller.await.unwrap() {
                (Ok(Ok(_)), text) => assert!(acknowledged.insert(text)),
                (Ok(Err(ProposeError::Unknown { .. })) | Err(_), text) => assert!(unknown.insert(text)),
                (Ok(Err(ProposeError::NotLeader(_))), _) => {}
                (Ok(Err(error)), _) => panic!("{error}"),
            }
        }
    }
    for number in 0..count {
        world.restart(number).await;
    }
    let last = world.propose("the end").await;
    let commands = world.settled().await;
    assert_eq!(commands.len() as u64, last);
    let found: BTreeSet<_> = commands.iter().cloned().collect();
    assert_eq!(
        found.len(),
        commands.len(),
        "seed {seed}: something was applied twice"
    );
    assert!(acknowledged.is_subset(&found), "seed {seed}: lost");
    assert!(
        found
            .iter()
            .all(|text| acknowledged.contains(text) || unknown.contains(text) || text == "the end"),
        "seed {seed}: what was refused was applied"
    );
    assert!(
        acknowledged.len() > 20,
        "seed {seed}: only {} acknowledged",
        acknowledged.len()
    );
}
