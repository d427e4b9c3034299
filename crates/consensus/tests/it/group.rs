//! A group of one: order, durability, terms, failure and closing.

use std::sync::Arc;

use crate::common::{append, directory, open, world};
use consensus::{Failure, OpenError, ProposeError};
use env::disk::{Disk, Effect, Fault, FaultDisk, Gate, Op, SimDisk};
use types::Term;

#[tokio::test]
async fn commands_are_applied_answered_and_found_again() {
    let env = world(Arc::new(SimDisk::new()), 1);
    let (group, history) = open(&env).await.unwrap();
    for number in 1..=100 {
        assert_eq!(
            group.propose(append(format!("command {number}"))).await.unwrap(),
            number
        );
    }
    group.close().await;
    let late = group.propose(append("late")).await;
    assert!(matches!(late, Err(ProposeError::Closed)), "{late:?}");
    let (_group, again) = open(&env).await.unwrap();
    assert_eq!(again.commands(), history.commands());
    assert_eq!(again.commands().len(), 100);
}

#[tokio::test]
async fn every_opening_has_a_higher_term() {
    let disk = SimDisk::new();
    let env = world(Arc::new(disk.clone()), 1);
    for term in 1..=4 {
        let (group, _) = open(&env).await.unwrap();
        assert_eq!(group.term(), Term(term));
        if term == 2 {
            group.propose(append("x")).await.unwrap();
        }
        disk.crash(term);
    }
}

#[tokio::test]
async fn proposals_that_wait_share_a_sync() {
    let disk = SimDisk::new();
    let gate = Gate::new();
    let (group, history) = open(&world(Arc::new(disk.clone()), 1)).await.unwrap();
    let group = Arc::new(group);
    disk.faults()
        .add(Fault::once(Op::SyncData, 0, Effect::Hold(gate.clone())));
    let propose = |number: usize| {
        let group = Arc::clone(&group);
        tokio::spawn(async move { group.propose(append(format!("command {number}"))).await })
    };
    let first = propose(0);
    let held = gate.clone();
    env::blocking(move || held.wait_for(1)).await;
    let mut others: Vec<_> = (1..10).map(propose).collect();
    tokio::task::yield_now().await;
    assert!(
        history.commands().is_empty(),
        "nothing is applied before it is durable"
    );
    let before = disk.mutations();
    gate.open();
    others.insert(0, first);
    for (number, other) in others.into_iter().enumerate() {
        let index = usize::try_from(other.await.unwrap().unwrap()).unwrap();
        assert_eq!(history.commands()[index - 1], format!("command {number}"));
    }
    // Each batch: a write and a sync of the log, a write of the position; and perhaps a new segment.
    assert!(
        disk.mutations() - before < 9 * 3,
        "{} operations",
        disk.mutations() - before
    );
}

#[tokio::test]
async fn a_failed_disk_ends_the_group_for_everyone() {
    for op in [Op::Write, Op::SyncData] {
        let disk = FaultDisk::new(Arc::new(SimDisk::new()));
        let env = world(Arc::new(disk.clone()), 1);
        let (group, history) = open(&env).await.unwrap();
        group.propose(append("before")).await.unwrap();
        disk.faults().add(Fault::once(op, 0, Effect::Fail(5)).on("wal-"));
        let failed = [
            group.propose(append("during")).await.unwrap_err(),
            group.propose(append("after")).await.unwrap_err(),
        ];
        for error in failed {
            assert!(
                matches!(
                    error,
                    ProposeError::Failed {
                        cause: Failure::Log(_)
                    }
                ),
                "{error}"
            );
            assert!(error.to_string().contains("/meta/wal-0"), "{error}");
        }
        assert!(matches!(group.failed().await, Failure::Log(_)));
        assert_eq!(history.commands(), ["before"]);
        group.close().await;
        let (group, history) = open(&env).await.unwrap();
        assert_eq!(history.commands()[0], "before");
        group.propose(append("again")).await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_of_the_machine_is_a_failure() {
    let (group, _) = open(&world(Arc::new(SimDisk::new()), 1)).await.unwrap();
    let panicked = |error| {
        matches!(
            error,
            ProposeError::Failed {
                cause: Failure::Panicked
            }
        )
    };
    assert!(panicked(group.propose(append("panic")).await.unwrap_err()));
    assert!(panicked(group.propose(append("after")).await.unwrap_err()));
    assert!(matches!(group.failed().await, Failure::Panicked));
    group.close().await;
}

#[tokio::test]
async fn what_can_not_be_opened_is_explained() {
    let disk = SimDisk::new();
    let env = world(Arc::new(disk.clone()), 1);
    let (group, _) = open(&env).await.unwrap();
    group.propose(append("fine")).await.unwrap();
    group.propose(append("undecodable")).await.unwrap();
    group.close().await;
    let error = open(&env).await.err().unwrap();
    assert!(
        matches!(error, OpenError::Failed(Failure::Decode { index: 4, op: 9, .. })),
        "{error}"
    );
    assert!(error.to_string().contains("record 4"), "{error}");
}

#[tokio::test]
async fn a_lost_term_is_not_made_up() {
    let disk = SimDisk::new();
    let env = world(Arc::new(disk.clone()), 1);
    let (group, _) = open(&env).await.unwrap();
    group.propose(append("x")).await.unwrap();
    group.close().await;
    disk.remove_file(&directory().join("meta")).unwrap();
    let error = open(&env).await.err().unwrap().to_string();
    assert!(error.contains("/meta/meta"), "{error}");
}

#[tokio::test]
async fn a_command_that_is_too_large_is_refused() {
    let (group, _) = open(&world(Arc::new(SimDisk::new()), 1)).await.unwrap();
    let error = group
        .propose(append("x".repeat((16 << 20) + 1)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProposeError::TooLarge { .. }), "{error}");
    assert_eq!(group.propose(append("x".repeat(1 << 20))).await.unwrap(), 1);
}
