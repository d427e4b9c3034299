//! Members that come and go for good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use env::disk::SimDisk;
use openraft::ChangeMembers;

use super::world::{World, simulate};
use crate::Role;
use crate::raft::Address;

async fn add(world: &World, number: usize) {
    let leader = world.group(world.leader().await);
    let (raft, id) = (&leader.node.raft, world.id(number).0);
    leader.node.lease.several();
    let address = Address(format!("master-{number}"));
    raft.add_learner(id, address, true).await.unwrap();
    let voters = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
    raft.change_membership(voters, false).await.unwrap();
}

#[test]
fn a_group_of_one_grows_to_three_and_shrinks() {
    simulate(async {
        let mut world = World::new(4);
        world.settings.peers = Vec::new();
        world.start(0, SimDisk::new()).await.unwrap();
        for number in 1..=10 {
            assert_eq!(world.propose(&format!("command {number}")).await, number);
        }
        world.settings.peers = vec!["several".to_owned()];
        for number in 1..3 {
            world.start(number, SimDisk::new()).await.unwrap();
            assert_eq!(world.group(number).status().borrow().role, Role::Unformatted);
            add(&world, number).await;
        }
        world.propose("of three").await;
        assert_eq!(world.settled().await.len(), 11);
        world.pass(Duration::from_millis(100)).await;
        for member in world.members.values() {
            let status = member.group.status().borrow().clone();
            assert!(status.formatted());
            assert_eq!(status.members.len(), 3);
            assert!(status.members.iter().all(|member| member.voter));
            assert!(status.leader_address().unwrap().starts_with("master-"));
        }
        // The first one is not needed any more, and each of them remembers who belongs.
        world.kill(0).await;
        world.propose("of two").await;
        for number in [1, 2] {
            world.kill(number).await;
            world.restart(number).await;
        }
        world.propose("of two again").await;
        let gone = world.down.len();
        assert_eq!(gone, 1);
        let leader = world.group(world.leader().await);
        let ids: BTreeSet<_> = world.ids().into_iter().map(|id| id.0).collect();
        leader.node.raft.change_membership(ids, false).await.unwrap();
        world.propose("without it").await;
        assert_eq!(world.settled().await.len(), 14);
        world.pass(Duration::from_millis(100)).await;
        assert_eq!(leader.status().borrow().members.len(), 2);
    });
}

#[test]
fn a_leader_that_is_removed_hands_over() {
    for seed in 0..5 {
        simulate(async {
            let world = World::formed(seed, 3).await;
            world.propose("before").await;
            let old = world.leader().await;
            let removed = world.group(old);
            let rest: BTreeSet<_> = world
                .ids()
                .into_iter()
                .map(|id| id.0)
                .filter(|id| *id != removed.id().0)
                .collect();
            removed.node.raft.change_membership(rest, false).await.unwrap();
            // `World::leads` looks that there is never more than one.
            world.pass(Duration::from_secs(3)).await;
            assert_ne!(world.leader().await, old);
            world.propose("after").await;
            assert_eq!(removed.leads(), None);
        });
    }
}

#[test]
fn leadership_is_handed_over_and_an_offer_to_the_dead_comes_to_an_end() {
    for seed in 0..5 {
        simulate(async {
            let mut world = World::formed(seed, 3).await;
            world.propose("before").await;
            let (old, term) = world.leads().unwrap();
            let (to, other) = ((old + 1) % 3, (old + 2) % 3);
            let group = world.group(old);
            group.node.lease.give_up();
            assert_eq!(group.leads(), None);
            group
                .node
                .raft
                .trigger()
                .transfer_leader(world.id(to).0)
                .await
                .unwrap();
            world.pass(Duration::from_millis(100)).await;
            assert_eq!(world.leads().map(|(number, _)| number), Some(to));
            world.propose("after").await;
            // Now to one that is down.
            let (leader, again) = world.leads().unwrap();
            assert!(leader == to && again > term);
            let dead = world.id(other);
            world.kill(other).await;
            let group = world.group(to);
            group.node.lease.give_up();
            group.node.raft.trigger().transfer_leader(dead.0).await.unwrap();
            world.propose("in the end").await;
            assert!(world.leads().unwrap().1 > again);
            world.restart(other).await;
            assert_eq!(world.settled().await, ["before", "after", "in the end"]);
        });
    }
}

#[test]
fn two_lives_with_one_address_are_two_members() {
    simulate(async {
        let mut world = World::formed(6, 3).await;
        world.propose("before").await;
        let lost = (world.leader().await + 1) % 3;
        let old = world.id(lost);
        world.kill(lost).await;
        world.down.remove(&lost);
        world.start(lost, SimDisk::new()).await.unwrap();
        let new = world.id(lost);
        assert_ne!(old, new);
        let leader = world.group(world.leader().await);
        let raft = &leader.node.raft;
        raft.add_learner(new.0, Address(format!("master-{lost}")), true)
            .await
            .unwrap();
        let voters: BTreeMap<_, _> = world
            .members
            .iter()
            .map(|(number, member)| (member.group.id().0, Address(format!("master-{number}"))))
            .collect();
        let ids: BTreeSet<_> = voters.keys().copied().collect();
        raft.change_membership(ids, false).await.unwrap();
        world.propose("after").await;
        assert_eq!(world.settled().await, ["before", "after"]);
        world.pass(Duration::from_millis(100)).await;
        assert!(leader.status().borrow().member(old).is_none());
        assert!(leader.status().borrow().member(new).unwrap().voter);
    });
}
