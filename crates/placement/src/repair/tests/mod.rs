mod chaos;
mod world;

use self::world::{MIB, World, chunk, secs};
use super::queue::QUEUED_MAX;
use super::*;
use crate::{Admin, Class};

/// 60 chunks of 64 MiB, three copies each, spread over five nodes.
fn five_nodes() -> World {
    let mut world = World::of(5);
    for n in 0..60u64 {
        let first = usize::try_from(n % 5).unwrap();
        world.write(n, 64 * MIB, &[first, (first + 1) % 5, (first + 2) % 5]);
    }
    world
}

#[test]
fn one_node_of_five_dies_and_its_chunks_are_copied_after_a_while() {
    let mut world = five_nodes();
    let died = world.now;
    world.kill(0);
    world.run(secs(20));
    assert_eq!(world.ledger.chunks().of(Class::AtRisk { left: 2 }), 36);
    assert_eq!(world.ledger.files().at_risk(), 36);
    assert!(world.copies().is_empty(), "it may come back");
    world.run_until_healthy(secs(60));
    let copies = world.copies();
    assert_eq!(copies.len(), 36, "each once");
    assert!(
        copies.iter().all(|(at, priority, _)| {
            *at >= died + secs(10 + 15) && *priority == Priority::UnderReplicated
        })
    );
    assert!((0..60).all(|n| world.good(n).len() == 3));
    assert_eq!(world.ledger.files().total(), 0);
    assert_eq!(world.repair.status().copied, 36);
    assert_eq!(world.repair.status().copied_bytes, 36 * 64 * MIB);
}

#[test]
fn two_die_at_once_and_last_copies_come_first() {
    let mut world = five_nodes();
    let died = world.now;
    world.kill(0);
    world.kill(1);
    world.run(secs(12));
    world.run_until_healthy(secs(120));
    let copies = world.copies();
    let last = |(_, priority, _): &&(Duration, Priority, ChunkId)| *priority == Priority::LastCopy;
    // 0-1-2 and 4-0-1 had one copy left.
    let urgent: Vec<_> = copies.iter().filter(last).collect();
    assert!(urgent.len() >= 24);
    assert!(
        urgent.iter().all(|(at, ..)| *at < died + secs(10 + 15)),
        "they do not wait for others to settle: {urgent:?}"
    );
    let first_other = copies
        .iter()
        .position(|(_, priority, _)| *priority != Priority::LastCopy);
    let last_urgent = copies
        .iter()
        .rposition(|(_, priority, _)| *priority == Priority::LastCopy);
    assert!(last_urgent < first_other, "last copies first");
    assert!((0..60).all(|n| world.good(n).len() == 3));
}

#[test]
fn a_node_that_comes_back_within_the_settle_time_causes_no_copy() {
    let mut world = five_nodes();
    for _ in 0..4 {
        world.kill(3);
        world.run(secs(18));
        assert_eq!(world.class(3), Class::AtRisk { left: 2 });
        world.revive(3);
        world.run(secs(10));
        assert_eq!(world.class(3), Class::Healthy);
    }
    world.run(secs(60));
    assert!(world.orders.is_empty(), "{:?}", world.orders);
}

#[test]
fn with_three_nodes_a_bad_replica_is_replaced_where_it_is() {
    let mut world = World::of(3);
    world.write(1, MIB, &[0, 1, 2]);
    world.rot(1, 1);
    world.run(secs(5));
    world.find_rot(1, 1);
    assert_eq!(world.class(1), Class::AtRisk { left: 2 });
    assert_eq!(world.ledger.chunks().with_corrupt(), 1);
    world.run_until_healthy(secs(30));
    assert_eq!(world.first_target(), 1, "no other node can take it");
    assert_eq!(world.good(1), [0, 1, 2]);
    assert_eq!(world.deletions(), 0, "the good one took its place");
}

#[test]
fn with_a_fourth_node_a_bad_replica_is_replaced_there_and_then_destroyed() {
    let mut world = World::of(4);
    world.write(1, MIB, &[0, 1, 2]);
    world.rot(1, 1);
    world.find_rot(1, 1);
    world.run_until_healthy(secs(60));
    assert_eq!(world.first_target(), 3);
    assert_eq!(world.has(1), [0, 2, 3]);
    assert_eq!((world.verifications(), world.deletions()), (3, 1));
}

#[test]
fn a_node_that_is_to_leave_is_drained_and_nothing_of_it_is_destroyed() {
    let mut world = five_nodes();
    world.admin(2, Admin::Decommissioning);
    world.run(secs(2));
    assert_eq!(world.ledger.chunks().of(Class::Draining), 36);
    assert_eq!(world.ledger.chunks().at_risk(), 0, "it is still there to be read");
    world.run_until_healthy(secs(120));
    assert!((0..60).all(|n| world.good(n).iter().filter(|node| **node != 2).count() == 3));
    assert_eq!(world.deletions(), 0);
    world.admin(2, Admin::InService);
    world.run(secs(1));
    assert_eq!(world.ledger.chunks().of(Class::Surplus), 36);
    world.run_until_healthy(secs(120));
    assert!((0..60).all(|n| world.good(n).len() == 3));
}

#[test]
fn nothing_is_copied_for_a_node_in_maintenance_unless_it_has_all_copies() {
    let mut world = World::of(5);
    world.write(1, MIB, &[0, 1, 2]);
    world.write(2, MIB, &[0, 1, 2]);
    world.want(2, 1);
    world.run_until_healthy(secs(60));
    let keeper = world.good(2)[0];
    let before = world.copies().len();
    world.admin(keeper, Admin::Maintenance { until: secs(10_000) });
    world.run(secs(30));
    let copied: Vec<_> = world.copies()[before..]
        .iter()
        .map(|(.., chunk)| *chunk)
        .collect();
    assert_eq!(copied, [chunk(2)], "it would be the only one, and away");
    world.kill(keeper);
    world.run(secs(60));
    assert_eq!(world.copies().len(), before + 1);
    assert_eq!(world.class(1), Class::Healthy);
}

#[test]
fn when_the_source_dies_in_the_middle_another_one_sends() {
    let mut world = World::of(5);
    world.write(1, 64 * MIB, &[0, 1, 2]);
    world.bytes_per_s = 2 * MIB;
    world.kill(0);
    while world.copies().is_empty() {
        world.step();
    }
    let source = world.first_source();
    world.kill(source);
    world.bytes_per_s = 64 * MIB;
    world.run(secs(15));
    world.run_until_healthy(secs(60));
    let living = [1, 2, 3, 4].into_iter().filter(|n| *n != source);
    assert_eq!(world.good(1), living.collect::<Vec<_>>());
}

#[test]
fn a_copy_that_nothing_is_heard_of_is_tried_in_another_way() {
    let mut world = World::of(5);
    world.write(1, MIB, &[0, 1, 2]);
    world.bytes_per_s = 1024;
    world.kill(0);
    while world.copies().is_empty() {
        world.step();
    }
    world.bytes_per_s = 64 * MIB;
    let target = world.first_target();
    world.run_until_healthy(secs(60));
    assert_eq!(world.copies().len(), 2);
    assert!(!world.good(1).contains(&target), "to the other one");
    assert_eq!(world.repair.status().timed_out, 1);
    let why = world.repair.status().last_error.unwrap();
    assert!(why.contains("did not arrive within 30 s"), "{why}");
}

#[test]
fn a_node_that_refuses_copies_is_passed_over() {
    let mut world = World::of(5);
    for n in 0..20 {
        world.write(n, MIB, &[0, 1, 2]);
    }
    world.refuse_copies(3);
    world.kill(0);
    world.run(secs(15));
    world.run_until_healthy(secs(90));
    assert!((0..20).all(|n| world.good(n) == [1, 2, 4]));
    let status = world.repair.status();
    assert!(status.failed > 0);
    assert_eq!(status.last_error.as_deref(), Some("connection refused"));
}

#[test]
fn what_was_too_much_is_destroyed_only_after_the_others_were_read() {
    let mut world = five_nodes();
    world.kill(0);
    world.run(secs(15));
    world.run_until_healthy(secs(90));
    world.revive(0);
    world.run(secs(1));
    assert_eq!(world.ledger.chunks().of(Class::Surplus), 36);
    world.run_until_healthy(secs(120));
    assert_eq!(world.deletions(), 36);
    assert!(world.verifications() >= 36 * 3);
    assert!((0..60).all(|n| world.good(n).len() == 3));
}

#[test]
fn nothing_is_destroyed_when_a_verification_is_not_answered() {
    let mut world = World::of(4);
    world.write(1, MIB, &[0, 1, 2, 3]);
    for n in 0..4 {
        world.answer_no_verifications(n);
    }
    world.run(secs(600));
    assert!(world.verifications() >= 3);
    assert_eq!(world.deletions(), 0);
    assert_eq!(world.has(1), [0, 1, 2, 3]);
}

#[test]
fn rot_that_a_verification_finds_keeps_the_others() {
    let mut world = World::of(4);
    world.write(1, MIB, &[0, 1, 2, 3]);
    world.rot(0, 1);
    world.rot(1, 1);
    world.run(secs(600));
    assert_eq!(
        world.good(1).len(),
        3,
        "two rotten ones went, one was copied anew"
    );
    assert_eq!(world.class(1), Class::Healthy);
}

#[test]
fn a_slow_deletion_is_not_followed_by_that_of_another() {
    let mut world = World::of(5);
    world.write(1, MIB, &[0, 1, 2, 3, 4]);
    for n in 0..5 {
        world.delete_slowly(n, secs(100));
    }
    world.run(secs(400));
    assert_eq!(world.good(1).len(), 3);
}

#[test]
fn a_silent_majority_causes_no_copies() {
    let mut world = five_nodes();
    for n in 0..3 {
        world.kill(n);
    }
    world.run(secs(100));
    assert!(world.copies().is_empty());
    // 0-1-2 is nowhere else.
    assert_eq!(world.class(0), Class::Unavailable);
    assert_eq!(world.ledger.chunks().of(Class::Unavailable), 12);
    assert_eq!(world.ledger.files().of(Class::Unavailable), 12);
    assert_eq!(world.ledger.chunks().of(Class::Lost), 0, "they may come back");
    for n in 0..3 {
        world.revive(n);
    }
    world.run(secs(30));
    assert_eq!(world.ledger.chunks().of(Class::Healthy), 60);
    assert!(world.orders.is_empty());
}

#[test]
fn what_nobody_has_is_lost() {
    let mut world = World::of(5);
    world.write(1, MIB, &[0, 1]);
    world.want(1, 2);
    world.kill(0);
    world.kill(1);
    world.run(secs(12));
    assert_eq!(world.class(1), Class::Unavailable);
    world.wipe(0);
    world.wipe(1);
    world.revive(0);
    world.revive(1);
    world.run(secs(1));
    assert_eq!(world.class(1), Class::Lost);
    let listed = world
        .ledger
        .list_chunks(0, 10, |condition| condition.class == Class::Lost);
    assert_eq!(listed.items[0].chunk, chunk(1));
    world.run(secs(60));
    assert!(world.orders.is_empty());
}

#[test]
fn copies_in_one_rack_get_one_in_another_and_keep_it() {
    let mut world = World::in_racks(&["/a", "/a", "/a", "/b", "/b"]);
    world.write(1, MIB, &[0, 1, 2]);
    assert_eq!(world.class(1), Class::Misplaced);
    world.run_until_healthy(secs(120));
    let good = world.good(1);
    assert_eq!(good.len(), 3);
    assert!(good.contains(&3) || good.contains(&4), "{good:?}");
    world.want(1, 2);
    world.run_until_healthy(secs(120));
    let good = world.good(1);
    assert_eq!(good.len(), 2);
    assert!(good[0] < 3 && good[1] >= 3, "one in each rack: {good:?}");
}

#[test]
fn setrep_up_and_down() {
    let mut world = World::of(5);
    world.write(1, MIB, &[0, 1, 2]);
    world.want(1, 5);
    world.run_until_healthy(secs(60));
    assert_eq!(world.good(1).len(), 5);
    world.want(1, 1);
    world.run_until_healthy(secs(120));
    assert_eq!(world.good(1).len(), 1);
}

#[test]
fn small_chunks_share_a_stream() {
    let mut world = World::of(5);
    for n in 0..200 {
        world.write(n, 4096, &[0, 1, 2]);
    }
    world.kill(0);
    while world.copies().is_empty() {
        world.step();
    }
    // Two nodes send, two receive, two streams each, 32 small ones in each.
    assert_eq!(world.copies().len(), 128);
    world.run_until_healthy(secs(10));
}

#[test]
fn of_many_nodes_a_plan_asks_for_few_and_the_next_for_more() {
    let mut world = World::of(200);
    for n in 0..198 {
        let first = usize::try_from(n).unwrap() + 1;
        world.write(n, 4096, &[0, first]);
        world.want(n, 2);
    }
    world.kill(0);
    while world.copies().is_empty() {
        world.step();
    }
    let begun = world.copies().len();
    assert!((50..=110).contains(&begun), "{begun}");
    world.step();
    world.step();
    assert_eq!(world.copies().len(), 198);
}

#[test]
fn a_deletion_is_called_off_when_a_copy_that_stays_is_gone_before_it_is_sent() {
    let mut world = World::of(4);
    world.write(1, MIB, &[0, 1, 2, 3]);
    let mut planned = Vec::new();
    while planned.is_empty() {
        world.now += secs(1);
        for order in world.plan() {
            match order {
                Order::Delete { .. } => planned.push(order),
                _ => {
                    assert!(world.confirm(&order));
                    world.answer(order);
                }
            }
        }
    }
    assert!(world.confirm(&planned[0]));
    let Order::Delete { node, .. } = planned[0] else {
        panic!("a deletion");
    };
    world.lose_another_than(node, 1);
    assert!(!world.confirm(&planned[0]), "three are left in all");
}

#[test]
fn a_file_that_is_removed_leaves_the_queue() {
    let mut world = five_nodes();
    world.kill(0);
    world.run(secs(12));
    assert!(world.repair.explain(chunk(0)).is_some());
    for n in 0..60 {
        world.remove_file(n);
    }
    assert_eq!(world.repair.status().queued, []);
    world.run(secs(60));
    assert!(world.orders.is_empty());
}

#[test]
fn the_queue_is_bounded_and_is_filled_again() {
    let mut repair = Repair::new(RepairSettings::default());
    let at_risk = Condition {
        class: Class::AtRisk { left: 2 },
        corrupt: false,
    };
    let more = QUEUED_MAX as u64 + 1_000;
    for n in 0..more {
        repair.set(secs(1), chunk(n), Some(at_risk), 2);
    }
    assert_eq!(repair.status().queued, [(Priority::UnderReplicated, QUEUED_MAX)]);
    assert!(repair.status().is_cut && !repair.is_short());
    for n in 0..more - 2_000 {
        repair.set(secs(2), chunk(n), Some(Condition::HEALTHY), 2);
    }
    assert!(repair.is_short());
    repair.refill();
    for n in more - 2_000..more {
        repair.set(secs(3), chunk(n), Some(at_risk), 2);
    }
    assert_eq!(repair.status().queued, [(Priority::UnderReplicated, 2_000)]);
    assert!(!repair.status().is_cut && !repair.is_short());
}

#[test]
fn those_whose_source_is_busy_keep_nobody_from_his_turn() {
    let mut world = World::of(6).with_policy_first();
    world.bytes_per_s = 1024;
    let many = LOOKED_MAX as u64 + 500;
    for n in 0..many {
        world.write(n, 64 * MIB, &[0, 1]);
        world.want(n, 2);
    }
    world.write(many, 64 * MIB, &[1, 2]);
    world.want(many, 2);
    world.kill(1);
    world.run(secs(20));
    let copied = |(.., copied): &(Duration, Priority, ChunkId)| *copied == chunk(many);
    assert!(
        world.copies().iter().any(copied),
        "{} copies",
        world.copies().len()
    );
}

#[test]
fn of_very_many_nodes_those_who_ask_in_vain_keep_nobody_from_his_turn() {
    // So many nodes that a plan asks eight questions; all but five of them are to leave.
    let mut world = World::of(2_600).with_policy_first();
    for n in 5..2_600 {
        world.admin(n, Admin::Decommissioning);
    }
    world.bytes_per_s = 1024;
    // Only node 3 can take these, and it is busy with the first two.
    for n in 0..40 {
        world.write(n, 64 * MIB, &[0, 1, 2, 4]);
        world.want(n, 4);
    }
    // This one goes to node 4.
    world.write(40, 64 * MIB, &[0, 1, 2, 3]);
    world.want(40, 4);
    world.kill(1);
    world.run(secs(60));
    let copied = world.copies().into_iter().map(|(.., copied)| copied);
    let copied: Vec<_> = copied.collect();
    assert!(copied.contains(&chunk(40)), "{copied:?}");
}

#[test]
fn why_a_chunk_waits_is_told() {
    let mut world = World::of(3);
    world.write(1, MIB, &[0, 1, 2]);
    world.kill(0);
    world.run(secs(15));
    let told = world.repair.explain(chunk(1)).unwrap();
    assert_eq!(told.priority, Priority::UnderReplicated);
    assert!(matches!(told.rest, Some((Rest::Settling, _))));
    world.run(secs(30));
    let told = world.repair.explain(chunk(1)).unwrap();
    assert!(matches!(told.rest, Some((Rest::NoTarget, _))), "{told:?}");
    assert_eq!(world.repair.status().stuck, 1);
    assert_eq!(world.repair.explain(chunk(2)), None);
}
