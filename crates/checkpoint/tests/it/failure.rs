//! Disks that fail and disks that are full: the error is told, the checkpoints that were there are as they were, and nothing
//! unfinished stays.

use std::io;

use checkpoint::{BLOCK_BYTES_MAX, Error, Failure, ReceiveError, WriteError, receive};
use env::disk::{Effect, Fault, Op};

use crate::common::{World, directory, path};

const TWO_BLOCKS: usize = BLOCK_BYTES_MAX + 100;

const OPS: [Op; 6] = [
    Op::Create,
    Op::Write,
    Op::SyncData,
    Op::Rename,
    Op::SyncDir,
    Op::Open,
];

fn two() -> World {
    let world = World::new();
    world.write(10, 5000).unwrap();
    world.write(20, 5000).unwrap();
    world
}

/// Fails the n-th operation of a kind in `run`, for every n and every kind. `run` says whether it failed.
fn each_failing(code: i32, run: impl Fn(&World) -> Result<(), Failure>) -> usize {
    let mut failures = 0;
    for op in OPS {
        for skip in 0.. {
            let world = two();
            world.sim.faults().add(Fault::once(op, skip, Effect::Fail(code)));
            let outcome = run(&world);
            world.sim.faults().clear();
            let unfinished = world.names().iter().any(|name| name.contains("tmp"));
            assert!(!unfinished, "{op:?} {skip}: {:?}", world.names());
            let newest = world.newest_index().unwrap();
            match outcome {
                Ok(()) => {
                    assert_eq!(newest, 30, "{op:?} {skip}");
                    // Beyond the last operation of its kind, or one that does not matter.
                    if skip > 4 {
                        break;
                    }
                }
                Err(failure) => {
                    failures += 1;
                    assert_eq!(failure.error.raw_os_error(), Some(code), "{op:?} {skip}");
                    // Once it has its name only the directory's sync can fail: it may be there or not after a crash.
                    assert!(
                        newest == 20 || op == Op::SyncDir || op == Op::Open,
                        "{op:?} {skip}: {newest}"
                    );
                }
            }
            // The next one succeeds.
            world.write(40, 100).unwrap();
            assert_eq!(world.newest_index(), Some(40));
        }
    }
    failures
}

#[test]
fn a_failing_operation_fails_the_writing_and_nothing_else() {
    for code in [libc_code("EIO"), libc_code("ENOSPC")] {
        let failures = each_failing(code, |world| match world.write(30, TWO_BLOCKS) {
            Ok(_) => Ok(()),
            Err(WriteError::Failed(failure)) => Err(failure),
            Err(error) => panic!("{error}"),
        });
        // One file, header, two blocks, footer, sync, rename, sync of the directory.
        assert_eq!(failures, 8);
    }
}

#[test]
fn a_failing_operation_fails_the_receiving_and_nothing_else() {
    let leader = World::new();
    leader.write(30, TWO_BLOCKS).unwrap();
    let bytes = leader.file(30);
    drop(leader);
    let failures = each_failing(libc_code("EIO"), |world| {
        let told = |error| match error {
            ReceiveError::Failed(failure) => failure,
            error @ ReceiveError::Damaged { .. } => panic!("{error}"),
        };
        let mut receiver = receive(&world.disk, directory()).map_err(told)?;
        receiver.take(&bytes).map_err(told)?;
        receiver.finish().map(|_| ()).map_err(told)
    });
    // As above, and the opening of what was received.
    assert_eq!(failures, 9);
}

#[test]
fn a_full_disk_is_said_with_what_to_do() {
    let world = two();
    world.sim.set_capacity(60_000);
    let error = world.write(30, 100_000).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("could not write /master/checkpoint-writing-0.tmp"),
        "{text}"
    );
    assert!(text.contains("Make room"), "{text}");
    assert_eq!(world.names(), [checkpoint::name(10), checkpoint::name(20)]);
    world.write(30, 1000).unwrap();
}

#[test]
fn a_state_that_can_not_be_saved_leaves_nothing() {
    let world = two();
    let error = checkpoint::write(
        &world.disk,
        directory(),
        &crate::common::header(30),
        checkpoint::Pace::FULL,
        |out| {
            out.write_all(&[1; 3 << 20])?;
            Err(io::Error::other("no more"))
        },
    );
    let Err(WriteError::Save(error)) = error else {
        panic!("written")
    };
    assert_eq!(error.to_string(), "no more");
    assert_eq!(world.names(), [checkpoint::name(10), checkpoint::name(20)]);
}

/// A `save` that goes on in spite of errors does not get a hole past us.
#[test]
fn a_write_that_failed_once_is_not_forgotten() {
    let world = two();
    world
        .sim
        .faults()
        .add(Fault::once(Op::Write, 2, Effect::Fail(libc_code("EIO"))));
    let written = checkpoint::write(
        &world.disk,
        directory(),
        &crate::common::header(30),
        checkpoint::Pace::FULL,
        |out| {
            for _ in 0..64 {
                let _ = out.write(&[1; 100_000]);
            }
            Ok(())
        },
    );
    assert!(matches!(written, Err(WriteError::Failed(_))));
    assert_eq!(world.newest_index(), Some(20));
}

/// A sector that can not be read is damage like any other.
#[test]
fn one_that_can_not_be_read_is_passed_over() {
    let world = two();
    // The first read asks for the length, which the simulated disk always knows.
    for skip in 1..9 {
        let fault = Fault::once(Op::Read, skip, Effect::Fail(libc_code("EIO")));
        world.sim.faults().add(fault.on("00020"));
        let found = world.newest().unwrap();
        assert_eq!(found.header().index, 10, "{skip}");
        let text = found.passed_over()[0].to_string();
        assert!(text.contains("can not be read"), "{text}");
        world.sim.faults().clear();
    }
    assert_eq!(world.newest_index(), Some(20));
}

#[test]
fn a_directory_that_can_not_be_listed_is_not_an_empty_one() {
    let world = two();
    world
        .sim
        .faults()
        .add(Fault::always(Op::Read, Effect::Fail(libc_code("EIO"))));
    assert!(matches!(
        checkpoint::newest(&*world.disk, directory()),
        Err(Error::Failed(_))
    ));
    world.sim.faults().clear();
    // Neither is a file that can not be opened one that is not there.
    let fault = Fault::always(Op::Open, Effect::Fail(libc_code("EACCES")));
    world.sim.faults().add(fault.on(path(20).to_str().unwrap()));
    assert!(matches!(
        checkpoint::newest(&*world.disk, directory()),
        Err(Error::Failed(_))
    ));
}

/// The numbers of Linux.
fn libc_code(name: &str) -> i32 {
    match name {
        "EIO" => 5,
        "EACCES" => 13,
        "ENOSPC" => 28,
        other => panic!("{other}"),
    }
}
