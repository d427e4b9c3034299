//! A look at a log judges as an opening does, and changes nothing.

use wal::inspect;

use crate::common::{Content, Image, content, directory, disk_with, image, open, write};
use crate::damage::{damages, settled};

/// What a look finds: the records, or what is wrong.
fn look(image: &Image) -> Result<Option<Vec<Content>>, String> {
    let disk = disk_with(image);
    let mut records = Vec::new();
    let found = inspect(&disk, directory(), |record| {
        records.push((record.term.as_u64(), record.op, record.payload.to_vec()));
    });
    assert_eq!(&self::image(&disk), image, "nothing is changed");
    match found {
        Ok(Some(found)) => {
            assert_eq!(found.last_index, records.len() as u64);
            Ok(Some(records))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn damage_is_judged_as_by_an_opening() {
    let (image, contents) = settled();
    assert_eq!(look(&image), Ok(Some(contents)));
    damages(&image, |damaged, what| {
        let opened = open(&disk_with(damaged)).map(|(_, _, records)| Some(records));
        assert_eq!(look(damaged), opened.map_err(|error| error.to_string()), "{what}");
    });
}

#[test]
fn segments_the_end_and_a_torn_write_are_told() {
    let (image, contents) = settled();
    let disk = disk_with(&image);
    let found = inspect(&disk, directory(), |_| {}).unwrap().unwrap();
    assert_eq!((found.first_index, found.last_index), (1, contents.len() as u64));
    assert_eq!(
        (found.synced, found.last_term.as_u64()),
        (contents.len() as u64, 3)
    );
    assert!(found.segments.len() > 1 && found.obsolete.is_empty());
    assert!(found.segments.is_sorted_by_key(|segment| segment.first));
    assert_eq!(found.torn, None);

    // A write that is half there.
    let (mut wal, ..) = open(&disk).unwrap();
    write(&mut wal, &[content(4, 3)]).unwrap();
    drop(wal);
    let last = inspect(&disk, directory(), |_| {})
        .unwrap()
        .unwrap()
        .segments
        .pop()
        .unwrap();
    let synced = directory().join("synced");
    let mut torn = self::image(&disk);
    for (path, bytes) in &mut torn {
        if *path == synced {
            *bytes = image.iter().find(|(path, _)| *path == synced).unwrap().1.clone();
        }
        if *path == last.path {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes[end] ^= 1;
        }
    }
    let disk = disk_with(&torn);
    let found = inspect(&disk, directory(), |_| {}).unwrap().unwrap();
    assert_eq!(found.last_index, contents.len() as u64);
    let told = found.torn.unwrap();
    let (_, recovery, _) = open(&disk).unwrap();
    assert_eq!(recovery.torn, Some(told));
}

#[test]
fn where_there_is_no_log_there_is_none() {
    assert_eq!(look(&Vec::new()), Ok(None));
}
