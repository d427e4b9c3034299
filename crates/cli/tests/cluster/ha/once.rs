//! Every change is made once, however often it had to be asked for.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::Group;

#[test]
fn renames_and_creates_that_meet_failovers_are_made_once() {
    let mut group = Group::start(3, 1);
    group.client.ok(&["mkdir", "/name-0"]);
    let client = group.client.clone();
    let done = AtomicBool::new(false);
    let (renames, kills) = std::thread::scope(|scope| {
        // Made twice, a rename would not find its source, and a directory would be there already.
        let worker = scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Acquire) {
                client.ok(&["mv", &format!("/name-{number}"), &format!("/name-{}", number + 1)]);
                client.ok(&["mkdir", &format!("/new-{number}")]);
                number += 1;
            }
            number
        });
        for _ in 0..4 {
            let leader = group.leader();
            group.masters[leader].kill();
            group.leader_other_than(leader);
            group.masters[leader].start();
            group.wait_for_members(&[0, 1, 2]);
            let leader = group.leader();
            group.masters[leader].freeze();
            group.leader_other_than(leader);
            group.masters[leader].thaw();
            group.wait_for_members(&[0, 1, 2]);
        }
        done.store(true, Ordering::Release);
        (worker.join().unwrap(), 8)
    });
    assert!(renames >= kills, "there were {renames} renames only");
    let listed = String::from_utf8(group.client.ok(&["ls", "/"])).unwrap();
    let mut expected: Vec<_> = (0..renames).map(|number| format!("new-{number}")).collect();
    expected.push(format!("name-{renames}"));
    expected.sort();
    let mut found: Vec<_> = listed
        .lines()
        .map(|line| line.trim_end_matches('/').to_owned())
        .collect();
    found.sort();
    assert_eq!(found, expected);
}
