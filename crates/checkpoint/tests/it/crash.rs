//! The power fails, or the process ends, at every operation that changes the disk: the newest checkpoint is then the one
//! that was written last, or the one before it, whole, and never less than what was answered for.

use checkpoint::{BLOCK_BYTES_MAX, ReceiveError, receive, tidy};

use crate::common::{World, directory};

/// How the power is cut after each operation.
const SEEDS: u64 = 12;

/// A second one of two blocks, where there is time for it.
const TWO_BLOCKS: usize = BLOCK_BYTES_MAX + 100;

/// Three checkpoints are written in turn: with the third, the first is removed. Gives the index of the last one that was
/// answered for.
fn write_three(world: &World, second: usize) -> u64 {
    let mut answered = 0;
    for (index, length) in [(10, 2500), (20, second), (30, 2500)] {
        match world.write(index, length) {
            Ok(_) => answered = index,
            Err(_) => break,
        }
    }
    answered
}

/// Runs `story` up to each of its operations in turn, then ends the process or cuts the power, and looks at what is left.
fn at_every_operation(seeds: u64, story: impl Fn(&World) -> u64) {
    let whole = World::new();
    let before = whole.sim.mutations();
    assert_eq!(story(&whole), 30);
    let operations = whole.sim.mutations() - before;
    drop(whole);
    for operation in 0..=operations {
        // The process ends.
        let world = World::new();
        world.sim.die_after(operation);
        let answered = story(&world);
        world.sim.kill();
        check(&world, answered, &format!("ended after {operation}"));
        // The power fails.
        for seed in 0..seeds {
            let world = World::new();
            world.sim.die_after(operation);
            let answered = story(&world);
            world.sim.crash(seed);
            check(
                &world,
                answered,
                &format!("crashed after {operation}, seed {seed}"),
            );
        }
    }
    println!("{} crash states", (operations + 1) * (1 + seeds));
}

fn check(world: &World, answered: u64, what: &str) {
    let newest = world.newest_index().unwrap_or(0);
    assert!(
        newest == answered || newest == answered + 10,
        "{what}: answered {answered}, found {newest}"
    );
    let found = world.newest();
    let passed_over = found.iter().flat_map(|found| found.passed_over()).count();
    assert_eq!(passed_over, 0, "{what}: what has a name is whole");
    // Life goes on.
    tidy(&*world.disk, directory()).unwrap();
    world.write(50, 100).unwrap();
    assert_eq!(world.newest_index(), Some(50), "{what}");
    assert!(world.names().len() <= 2, "{what}: {:?}", world.names());
}

#[test]
fn writing_and_removing() {
    at_every_operation(SEEDS, |world| write_three(world, 2500));
}

#[test]
fn writing_several_blocks() {
    at_every_operation(1, |world| write_three(world, TWO_BLOCKS));
}

#[test]
fn receiving() {
    let leader = World::new();
    write_three(&leader, 4500);
    let files = [leader.file(20), leader.file(30)];
    drop(leader);
    let story = |world: &World| {
        let mut answered = 0;
        for (index, file) in [(10, None), (20, Some(&files[0])), (30, Some(&files[1]))] {
            let done = match file {
                None => world.write(index, 2500).is_ok(),
                Some(bytes) => take(world, bytes).is_ok(),
            };
            if !done {
                break;
            }
            answered = index;
        }
        answered
    };
    at_every_operation(SEEDS, story);
}

fn take(world: &World, bytes: &[u8]) -> Result<(), ReceiveError> {
    let mut receiver = receive(&world.disk, directory())?;
    for piece in bytes.chunks(1700) {
        receiver.take(piece)?;
    }
    receiver.finish()?;
    Ok(())
}
