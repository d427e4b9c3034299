//! What is decided, case by case. That no order of events leads to two groups is shown in [`super::super::model`].

use types::Term;

use super::*;

fn strings(addresses: &[&str]) -> Vec<String> {
    addresses.iter().map(|&address| address.to_owned()).collect()
}

fn member(id: u64, address: &str) -> Member {
    Member {
        id: MasterId(id),
        address: address.to_owned(),
        voter: true,
    }
}

fn blank(address: &str, id: u64, configured: &[&str]) -> Heard {
    Heard {
        address: address.to_owned(),
        identity: Some(Identity {
            id: MasterId(id),
            configured: strings(configured),
            members: Vec::new(),
            leader: None,
            term: Term(0),
        }),
    }
}

fn in_group(address: &str, id: u64, members: &[Member], leader: u64, term: u64) -> Heard {
    let mut heard = blank(address, id, &[]);
    if let Some(identity) = &mut heard.identity {
        identity.members = members.to_vec();
        identity.leader = (leader != 0).then_some(MasterId(leader));
        identity.term = Term(term);
    }
    heard
}

fn silent(address: &str) -> Heard {
    Heard {
        address: address.to_owned(),
        identity: None,
    }
}

/// What the blank master 1 at `address` decides.
fn decided(address: &str, configured: &[&str], heard: &[Heard]) -> Decision {
    let own = Own {
        id: MasterId(1),
        address,
        configured: &strings(configured),
        members: &[],
        leader: None,
    };
    decide(&own, heard)
}

const ABC: [&str; 3] = ["a:1", "b:1", "c:1"];

#[test]
fn a_master_alone_begins_at_once() {
    let alone = Decision::Begin(vec![member(1, "a:1")]);
    assert_eq!(decided("a:1", &[], &[]), alone);
    assert_eq!(decided("a:1", &["a:1"], &[]), alone);
    assert_eq!(decided("a:1", &["a:1", "a:1"], &[]), alone);
}

#[test]
fn the_first_begins_when_all_are_there() {
    let b = blank("b:1", 2, &["c:1", "b:1", "a:1"]);
    let c = blank("c:1", 3, &ABC);
    let all = vec![member(2, "b:1"), member(3, "c:1"), member(1, "a:1")];
    assert_eq!(
        decided("a:1", &ABC, &[b.clone(), c.clone()]),
        Decision::Begin(all)
    );
    let waits = Waiting::Unreachable(strings(&["c:1"]));
    assert_eq!(decided("a:1", &ABC, &[b, silent("c:1")]), Decision::Wait(waits));
    let a = blank("a:1", 4, &ABC);
    let waits = Waiting::First("a:1".to_owned());
    assert_eq!(decided("b:1", &ABC, &[a, c]), Decision::Wait(waits));
}

#[test]
fn what_is_configured_wrongly_is_told() {
    let wait = |heard: &[Heard]| match decided("a:1", &ABC, heard) {
        Decision::Wait(waiting) => waiting,
        decision => panic!("{decision:?}"),
    };
    let (b, c) = (blank("b:1", 2, &ABC), blank("c:1", 3, &ABC));
    let other = blank("b:1", 2, &["a:1", "b:1"]);
    assert!(matches!(wait(&[other, c.clone()]), Waiting::ListsDiffer { .. }));
    let own = blank("b:1", 1, &ABC);
    assert_eq!(wait(&[own, c]), Waiting::Myself("b:1".to_owned()));
    let twin = blank("c:1", 2, &ABC);
    assert_eq!(
        wait(&[b.clone(), twin]),
        Waiting::Twins("b:1".to_owned(), "c:1".to_owned())
    );
    assert_eq!(
        decided("d:1", &ABC, &[b, blank("c:1", 3, &ABC), blank("a:1", 4, &ABC)]),
        Decision::Wait(Waiting::NotListed)
    );
}

#[test]
fn a_lost_master_asks_the_leader_for_its_place() {
    let members = [member(7, "a:1"), member(2, "b:1"), member(3, "c:1")];
    let follower = in_group("b:1", 2, &members, 3, 4);
    let rejoins = Decision::Rejoin {
        leader: "c:1".to_owned(),
        lost: MasterId(7),
    };
    assert_eq!(decided("a:1", &ABC, &[follower, silent("c:1")]), rejoins);
    let lonely = in_group("b:1", 2, &members, 0, 4);
    assert_eq!(
        decided("a:1", &ABC, &[lonely, silent("c:1")]),
        Decision::Wait(Waiting::NoLeader)
    );
    let stale = in_group("b:1", 2, &members, 7, 4);
    assert_eq!(
        decided("a:1", &ABC, &[stale, silent("c:1")]),
        Decision::Wait(Waiting::NoLeader),
        "it still takes the lost one for the leader"
    );
}

#[test]
fn who_knows_a_leader_of_a_later_term_is_believed() {
    let old = [member(7, "a:1"), member(2, "b:1"), member(3, "c:1")];
    let new = [member(1, "a:1"), member(2, "b:1"), member(3, "c:1")];
    let heard = [in_group("b:1", 2, &old, 0, 9), in_group("c:1", 3, &new, 3, 5)];
    assert_eq!(decided("a:1", &ABC, &heard), Decision::Wait(Waiting::Leader));
    let heard = [in_group("b:1", 2, &old, 2, 4), in_group("c:1", 3, &new, 3, 5)];
    assert_eq!(decided("a:1", &ABC, &heard), Decision::Wait(Waiting::Leader));
}

#[test]
fn a_stranger_waits_to_be_added() {
    let members = [member(2, "b:1"), member(3, "c:1")];
    let heard = [in_group("b:1", 2, &members, 2, 4), silent("c:1")];
    for address in ["a:1", "d:1"] {
        assert_eq!(
            decided(address, &ABC, &heard),
            Decision::Wait(Waiting::ToBeAdded(members.to_vec()))
        );
    }
}

#[test]
fn two_groups_are_none() {
    let heard = [
        in_group("b:1", 2, &[member(2, "b:1")], 2, 4),
        in_group("c:1", 3, &[member(3, "c:1")], 3, 5),
    ];
    let several = Waiting::SeveralGroups("c:1".to_owned(), "b:1".to_owned());
    assert_eq!(decided("a:1", &ABC, &heard), Decision::Wait(several));
}

#[test]
fn who_has_a_group_keeps_it() {
    let configured = strings(&ABC);
    let decided = |members: &[Member], leader: u64| {
        let own = Own {
            id: MasterId(1),
            address: "a:1",
            configured: &configured,
            members,
            leader: Some(MasterId(leader)),
        };
        decide(&own, &[])
    };
    let learner = Member {
        voter: false,
        ..member(1, "a:1")
    };
    assert_eq!(
        decided(&[member(1, "a:1"), member(2, "b:1")], 2),
        Decision::Belongs
    );
    assert_eq!(
        decided(&[learner.clone(), member(2, "b:1")], 2),
        Decision::Belongs
    );
    assert_eq!(decided(&[member(2, "b:1")], 2), Decision::Wait(Waiting::Removed));
    let half = [learner, member(7, "a:1"), member(2, "b:1")];
    let rejoins = Decision::Rejoin {
        leader: "b:1".to_owned(),
        lost: MasterId(7),
    };
    assert_eq!(decided(&half, 2), rejoins, "the swap was interrupted");
}

#[test]
fn every_reason_says_what_to_do() {
    let waits = [
        Waiting::Unreachable(strings(&["b:1", "c:1"])),
        Waiting::ToBeAdded(vec![member(2, "b:1")]),
        Waiting::Removed,
    ];
    let texts = waits.map(|waiting| waiting.to_string());
    assert!(texts[0].ends_with("not reached yet: b:1, c:1"), "{}", texts[0]);
    assert!(
        texts[1].contains("(b:1)") && texts[1].contains("admin master add"),
        "{}",
        texts[1]
    );
    assert!(texts[2].contains("removed"), "{}", texts[2]);
}
