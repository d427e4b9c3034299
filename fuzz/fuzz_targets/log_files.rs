//! The files of a write-ahead log, spoiled, as a master finds them when it starts.
//!
//! What must hold, beyond not panicking: looking at a log and opening it come to the same judgement and show the same
//! records; a log that was opened, and so mended, opens again with the same records, which are read back as they were shown.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use env::disk::{Disk, SimDisk};
use fuzz::spoil;
use libfuzzer_sys::fuzz_target;
use types::Term;
use wal::{LogId, OpenError, Options, Wal, inspect};

/// Room for a few records.
const SEGMENT_BYTES: u64 = 4096 + 300;

const RECORDS: usize = 40;

/// Index, term, op code, payload.
type Shown = (u64, u64, u8, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let _inline = env::Inline::enter();
    let directory = Path::new("/log");
    let disk = SimDisk::new();
    disk.create_dir_all(directory).unwrap();
    {
        let (mut wal, _) = open(&disk, directory).expect("a new log opens");
        for number in 0..RECORDS {
            let payload = vec![number as u8; number * 37 % 400];
            wal.append(Term(1 + number as u64 / 15), number as u8, &payload)
                .unwrap();
            if number % 8 == 7 {
                wal.sync().unwrap();
            }
        }
        wal.settle().unwrap();
    }
    spoil(&disk, directory, input);

    let mut seen = Vec::new();
    let inspected = inspect(&disk, directory, |record| seen.push(shown(&record)));
    let opened = open(&disk, directory);
    match (inspected, opened) {
        (Err(_), Err(_)) => {}
        (Ok(Some(looked)), Ok((wal, records))) => {
            assert_eq!((looked.first_index, looked.last_index), (wal.first(), wal.last()));
            assert_eq!(seen, records);
            let read = wal
                .reader()
                .read(wal.first(), wal.last() + 1, usize::MAX)
                .unwrap();
            let read: Vec<Shown> = read
                .into_iter()
                .map(|record| (record.index, record.term.as_u64(), record.op, record.payload))
                .collect();
            assert_eq!(read, records);
            drop(wal);
            let (_, again) = open(&disk, directory).expect("what was opened opens again");
            assert_eq!(again, records);
        }
        // Nothing is left that says that there was a log, or one begins behind its first record.
        (Ok(None), _) => {}
        (Ok(Some(looked)), Err(_)) => assert!(looked.first_index > 1, "refused, and looks well"),
        (Err(error), Ok(_)) => panic!("opened, and can not be looked at: {error}"),
    }
});

fn open(disk: &SimDisk, directory: &Path) -> Result<(Wal, Vec<Shown>), OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        ..Options::new(LogId(*b"a log to spoil !"))
    };
    let mut records = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (wal, _) = Wal::open(disk, directory, options, 1, |record| records.push(shown(&record)))?;
    Ok((wal, records))
}

fn shown(record: &wal::Record<'_>) -> Shown {
    (
        record.index,
        record.term.as_u64(),
        record.op,
        record.payload.to_vec(),
    )
}
