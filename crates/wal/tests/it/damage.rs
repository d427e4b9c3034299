//! Any byte of any file is flipped, zeroed, or the file's end: a log that opens is whole, and one that is not says so.

use std::path::Path;

use env::disk::SimDisk;
use wal::{Damage, Evidence, OpenError};

use crate::common::{Content, Image, content, directory, disk_with, image, open, write};

/// A settled log of a few segments, and what is in it.
pub(crate) fn settled() -> (Image, Vec<Content>) {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let contents: Vec<_> = (1..15).map(|number| content(3, number)).collect();
    for batch in contents.chunks(3) {
        write(&mut wal, batch).unwrap();
    }
    wal.settle().unwrap();
    let image = image(&disk);
    assert!(image.len() > 3, "several segments and the position");
    (image, contents)
}

/// Every damage of one byte, or of the length, of one file. Bytes that are zero and far from anything are thinned out.
pub(crate) fn damages(image: &Image, mut check: impl FnMut(&Image, &str)) {
    for (number, (path, bytes)) in image.iter().enumerate() {
        let mut try_bytes = |changed: Vec<u8>, what: &str| {
            let mut damaged = image.clone();
            damaged[number].1 = changed;
            check(&damaged, &format!("{} {what}", path.display()));
        };
        for at in 0..bytes.len() {
            let near = at.saturating_sub(4)..(at + 4).min(bytes.len());
            if at % 397 != 0 && bytes[near].iter().all(|byte| *byte == 0) {
                continue;
            }
            try_bytes(bytes[..at].to_vec(), &format!("cut at {at}"));
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            try_bytes(flipped, &format!("flipped at {at}"));
            if bytes[at] != 0 {
                let mut zeroed = bytes.clone();
                zeroed[at] = 0;
                try_bytes(zeroed, &format!("zeroed at {at}"));
            }
            let mut zeroed = bytes.clone();
            zeroed[at..].fill(0);
            try_bytes(zeroed, &format!("zeroed from {at}"));
        }
    }
}

/// Checks that a log that opened can go on, and is the same after a crash.
fn goes_on(disk: &SimDisk, found: &[Content], what: &str) {
    let (mut wal, ..) = open(disk).unwrap();
    let more = [content(4, 100), content(4, 101)];
    write(&mut wal, &more).unwrap();
    disk.crash(7);
    let (_, recovery, records) = open(disk).unwrap();
    assert_eq!(records, [found, &more].concat(), "{what}");
    assert_eq!(recovery.torn, None, "{what}");
}

#[test]
fn a_settled_log_is_whole_or_refused() {
    let (image, contents) = settled();
    let (mut whole, mut refused) = (0, 0);
    damages(&image, |damaged, what| {
        let disk = disk_with(damaged);
        match open(&disk) {
            Ok((_, _, records)) => {
                whole += 1;
                assert_eq!(records, contents, "{what}");
                goes_on(&disk, &contents, what);
            }
            Err(OpenError::Corrupt(corruption)) => {
                refused += 1;
                let text = corruption.to_string();
                assert!(text.contains("/log") && text.contains(". "), "{text}");
                assert_eq!(crate::common::image(&disk), *damaged, "{what}: altered");
            }
            Err(OpenError::Failed(failure)) => panic!("{what}: {failure}"),
        }
    });
    assert!(whole > 100 && refused > 1000, "{whole} whole, {refused} refused");
}

#[test]
fn a_log_whose_last_batch_is_not_settled_loses_no_more_than_that() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let contents: Vec<_> = (1..6).map(|number| content(3, number)).collect();
    write(&mut wal, &contents[..3]).unwrap();
    let before = image(&disk);
    write(&mut wal, &contents[3..]).unwrap();
    let mut image = image(&disk);
    // The power was cut before the position of the last batch was on disk.
    let position = |image: &Image| {
        image
            .iter()
            .position(|(path, _)| path.ends_with("synced"))
            .unwrap()
    };
    let at = position(&image);
    image[at] = before[position(&before)].clone();
    let mut lengths = [0; 6];
    damages(&image, |damaged, what| {
        let disk = disk_with(damaged);
        if let Ok((_, _, records)) = open(&disk) {
            assert!(records.len() >= 3 && contents.starts_with(&records), "{what}");
            lengths[records.len()] += 1;
            goes_on(&disk, &records, what);
        }
    });
    assert!(lengths[3..].iter().all(|count| *count > 10), "{lengths:?}");
}

#[test]
fn a_missing_file_is_refused() {
    let (image, _) = settled();
    for (number, (path, _)) in image.iter().enumerate() {
        let mut damaged = image.clone();
        damaged.remove(number);
        let error = open(&disk_with(&damaged)).err().unwrap();
        assert!(
            matches!(error, OpenError::Corrupt(_)),
            "{}: {error}",
            path.display()
        );
    }
    let segments = image.iter().filter(|(path, _)| !path.ends_with("synced"));
    let only_position = image
        .iter()
        .filter(|(path, _)| path.ends_with("synced"))
        .cloned()
        .collect();
    let error = open(&disk_with(&only_position)).err().unwrap();
    assert!(error.to_string().contains("there is no segment"), "{error}");
    let error = open(&disk_with(&segments.cloned().collect())).err().unwrap();
    assert!(error.to_string().contains("/log/synced"), "{error}");
}

#[test]
fn the_explanation_names_the_file_the_place_and_the_evidence() {
    let (image, _) = settled();
    let disk = disk_with(&image);
    let last = image.iter().rfind(|(path, _)| !path.ends_with("synced")).unwrap();
    disk.corrupt(&last.0, 4096 + 30, 1).unwrap();
    let Err(OpenError::Corrupt(corruption)) = open(&disk) else {
        panic!("it opened");
    };
    assert_eq!((&corruption.path, corruption.offset), (&last.0, 4096));
    let Damage::Record { evidence, .. } = corruption.damage else {
        panic!("{corruption}");
    };
    assert_eq!(evidence, Evidence::Synced(14));
}

#[test]
fn the_files_of_two_logs_do_not_mix() {
    let (image, _) = settled();
    let disk = SimDisk::new();
    let options = wal::Options {
        segment_bytes: crate::common::SEGMENT_BYTES,
        ..wal::Options::new(wal::LogId(*b"some other log !"))
    };
    let (mut other, _) =
        wal::Wal::open(std::sync::Arc::new(disk.clone()), directory(), options, 1, |_| {}).unwrap();
    write(&mut other, &[content(3, 1), content(3, 2)]).unwrap();
    let foreign = crate::common::image(&disk);
    for name in ["synced", "wal-00000000000000000001.log"] {
        let taken = foreign.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        let mut mixed = image.clone();
        *mixed.iter_mut().find(|(path, _)| path.ends_with(name)).unwrap() = taken.clone();
        let error = open(&disk_with(&mixed)).err().unwrap();
        let Some(OpenError::Corrupt(corruption)) = Some(error) else {
            panic!("{name}");
        };
        assert!(
            matches!(corruption.damage, Damage::Foreign { .. }),
            "{corruption}"
        );
        assert!(corruption.path.starts_with(Path::new("/log")));
    }
}
