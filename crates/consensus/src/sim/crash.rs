//! The power of one member goes at every operation of its disk, while a group is formed, elects, cuts its log and goes on.

use std::time::Duration;

use super::world::{World, simulate};

/// What happens to a group: member `dying` loses its power at some moment. Gives how often its disk was changed.
async fn run(seed: u64, dying: usize, dies_at: Option<u64>) -> u64 {
    let mut world = World::formed(seed, 3).await;
    world.settings.checkpoint_log_bytes = 600;
    // Until the others have heard of it, the group is its first member alone.
    world.propose_patiently("formed").await;
    world.settled().await;
    let disk = world.members.get(&dying).unwrap().disk.clone();
    let begin = disk.mutations();
    if let Some(dies_at) = dies_at {
        disk.die_after(dies_at);
    }
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        for number in 0..4 {
            let text = format!("round {round} number {number} {}", "#".repeat(50));
            world.propose_patiently(&text).await;
            acknowledged.push(text);
        }
        // Another one leads.
        let leader = world.leader().await;
        if world.down.is_empty() && leader != dying {
            world.kill(leader).await;
            world.pass(Duration::from_millis(700)).await;
            world.restart(leader).await;
        }
    }
    let used = disk.mutations() - begin;
    world.kill(dying).await;
    world.restart(dying).await;
    world.propose_patiently("the end").await;
    acknowledged.push("the end".to_owned());
    let commands = world.settled().await;
    let mut found = commands.iter();
    for text in &acknowledged {
        assert!(
            found.any(|command| command == text),
            "dies at {dies_at:?}, seed {seed}: {text} is lost"
        );
    }
    used
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_a_member_at_every_operation() {
    let operations = simulate(run(1, 0, None));
    assert!(operations > 20, "{operations} operations");
    for dies_at in 0..operations {
        simulate(run(1, 0, Some(dies_at)));
    }
}
