//! Errors of the disk: the first one is the last thing that the log does.

use std::path::Path;

use env::disk::{Effect, Fault, Op, SimDisk};
use types::Term;
use wal::{AppendError, Failure, Wal};

use crate::common::{Content, content, open, write};

/// Writes batches until something fails; gives what was acknowledged, and the failure.
fn run(wal: &mut Wal) -> (Vec<Content>, Option<Failure>) {
    let mut acknowledged = Vec::new();
    for number in 0..10 {
        let batch = [content(1, 2 * number), content(1, 2 * number + 1)];
        if let Err(failure) = write(wal, &batch) {
            return (acknowledged, Some(failure));
        }
        acknowledged.extend(batch);
        if let Err(failure) = wal.settle() {
            return (acknowledged, Some(failure));
        }
    }
    (acknowledged, None)
}

#[test]
fn a_failed_write_or_sync_poisons_the_log() {
    for op in [Op::Write, Op::SyncData, Op::SyncDir, Op::Create, Op::Rename] {
        let mut struck = 0;
        for skip in 0.. {
            let what = format!("{op:?} number {skip}");
            let disk = SimDisk::new();
            let (mut wal, ..) = open(&disk).unwrap();
            disk.faults().add(Fault::once(op, skip, Effect::Fail(libc_eio())));
            let (acknowledged, failure) = run(&mut wal);
            let Some(failure) = failure else { break };
            struck += 1;
            assert_eq!(failure.io_error().raw_os_error(), Some(libc_eio()), "{what}");
            assert!(failure.path().starts_with(Path::new("/log")), "{what}");
            let operations = disk.mutations();
            let later = [
                wal.append(Term(1), 1, b"").map(drop).map_err(cause),
                wal.sync().map(drop),
                wal.settle(),
                wal.truncate_after(0),
                wal.purge_before(5),
            ];
            for result in later {
                assert_eq!(result.unwrap_err().to_string(), failure.to_string(), "{what}");
            }
            assert_eq!(disk.mutations(), operations, "{what}: the disk was touched again");
            drop(wal);
            // The failed sync's bytes are in the system's memory, and not on the disk: what is found must get there.
            disk.kill();
            let (_, _, found) = open(&disk).unwrap();
            assert!(found.starts_with(&acknowledged), "{what}");
            disk.crash(skip);
            let (_, _, again) = open(&disk).unwrap();
            assert_eq!(found, again, "{what}");
        }
        assert!(struck > 1, "{op:?} was struck {struck} times");
    }
}

const fn libc_eio() -> i32 {
    5
}

fn cause(error: AppendError) -> Failure {
    match error {
        AppendError::Failed(failure) => failure,
        AppendError::TooLarge(_) => unreachable!("it is not"),
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    disk.set_capacity(3 * crate::common::SEGMENT_BYTES + 8192);
    let (acknowledged, failure) = run(&mut wal);
    let failure = failure.unwrap();
    assert_eq!(failure.io_error().kind(), std::io::ErrorKind::StorageFull);
    assert!(!acknowledged.is_empty());
    disk.set_capacity(u64::MAX);
    let (_, _, found) = open(&disk).unwrap();
    assert_eq!(found, acknowledged);
}

#[test]
fn a_record_that_is_too_large_changes_nothing() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let error = wal
        .append(Term(1), 1, &vec![0; wal::PAYLOAD_BYTES_MAX + 1])
        .unwrap_err();
    assert!(matches!(error, AppendError::TooLarge(_)));
    assert_eq!(wal.append(Term(1), 1, b"small").unwrap(), 1);
}

#[test]
fn a_disk_that_fails_at_opening_leaves_the_log_openable() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let (acknowledged, _) = run(&mut wal);
    drop(wal);
    for op in [Op::Open, Op::Read, Op::Write, Op::SyncData, Op::SyncDir] {
        disk.faults().add(Fault::once(op, 0, Effect::Fail(libc_eio())));
        let error = open(&disk).err().unwrap();
        assert!(matches!(error, wal::OpenError::Failed(_)), "{op:?}: {error}");
        disk.crash(3);
        let (_, _, found) = open(&disk).unwrap();
        assert_eq!(found, acknowledged, "{op:?}");
    }
}
