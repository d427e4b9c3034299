//! The power goes at every operation of the disk: what was answered stays, in order.

use std::sync::Arc;

use crate::common::{append, open, world};
use env::Inline;
use env::disk::SimDisk;
use types::Term;

/// Proposes in waves from many callers until the disk dies; gives what was answered, by index, and the term.
async fn run(disk: &SimDisk, seed: u64) -> (Vec<(u64, String)>, Option<Term>) {
    let Ok((group, _)) = open(&world(Arc::new(disk.clone()), seed)).await else {
        return (Vec::new(), None);
    };
    let group = Arc::new(group);
    let mut answered = Vec::new();
    for wave in 0..6 {
        let callers: Vec<_> = (0..=wave % 4)
            .map(|caller| {
                let text = format!(
                    "{} wave {wave} caller {caller} {}",
                    group.term(),
                    "#".repeat(20 * caller)
                );
                let group = Arc::clone(&group);
                tokio::spawn(async move {
                    group
                        .propose(append(text.clone()))
                        .await
                        .map(|index| (index, text))
                })
            })
            .collect();
        for caller in callers {
            answered.extend(caller.await.unwrap());
        }
    }
    let term = group.term();
    group.close().await;
    answered.sort();
    (answered, Some(term))
}

fn survives(dies_at: u64, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _inline = Inline::enter();
        let disk = SimDisk::new();
        let mut answered = Vec::new();
        let mut terms = Vec::new();
        // Two lives that end early, and one that does not.
        for life in 0..2 {
            disk.die_after(if life == 0 {
                dies_at
            } else {
                dies_at.wrapping_mul(31 + seed) % 60
            });
            let (more, term) = run(&disk, seed).await;
            answered.extend(more);
            terms.extend(term);
            disk.crash(seed + life);
        }
        let (group, history) = open(&world(Arc::new(disk.clone()), seed)).await.unwrap();
        terms.push(group.term());
        assert!(
            terms.is_sorted_by(|a, b| a < b),
            "a term was used twice: {terms:?}"
        );
        let commands = history.commands();
        for (index, text) in &answered {
            let found = commands.get(usize::try_from(*index).unwrap() - 1);
            assert_eq!(found, Some(text), "dies at {dies_at}, seed {seed}");
        }
        let next = group.propose(append("still works")).await.unwrap();
        assert_eq!(usize::try_from(next), Ok(commands.len() + 1));
    })
}

#[test]
fn what_was_answered_survives_a_crash_at_every_operation() {
    let operations = {
        let disk = SimDisk::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let _inline = Inline::enter();
            assert_eq!(run(&disk, 0).await.0.len(), 13);
        });
        disk.mutations()
    };
    assert!(operations > 40, "{operations} operations");
    for seed in 0..8 {
        for dies_at in 0..=operations {
            survives(dies_at, seed);
        }
    }
}
