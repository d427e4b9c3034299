//! Arbitrary bytes as a checkpoint file: read from a disk, and received from another master. The first byte of the input says
//! whether the checksums are put right first, as far as the bytes can be followed; without that little gets past them.
//!
//! What must hold, beyond not panicking: both ways take the same files; what is received is the file, byte for byte; what
//! was read, written again, is read again.
#![no_main]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use checkpoint::{Checkpoint, Pace, receive, write};
use env::disk::{Disk, Open, SimDisk, read_file};
use libfuzzer_sys::fuzz_target;

/// Where the checksum of the version is, where the membership's length, and how long that may be here.
const VERSION_CRC: usize = 12;
const MEMBERSHIP_LENGTH: usize = 40;
const MEMBERSHIP: usize = 44;
const FOOTER_BYTES: usize = 32;

fuzz_target!(|input: &[u8]| {
    let Some((&mode, bytes)) = input.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        // What can not be followed stays as it is.
        let _ = put_right(&mut bytes);
    }
    try_bytes(&bytes);
});

fn try_bytes(bytes: &[u8]) {
    let _inline = env::Inline::enter();
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let directory = Path::new("/d");
    disk.create_dir_all(directory).unwrap();
    let path = directory.join("file");
    disk.open(&path, Open::CreateNew)
        .unwrap()
        .write_all_at(bytes, 0)
        .unwrap();

    let opened = Checkpoint::open_file(&*disk, &path).ok();
    let whole = opened.filter(|opened| opened.verify().is_ok());

    let mut receiver = receive(&disk, directory).unwrap();
    let taken = bytes.chunks(100).all(|piece| receiver.take(piece).is_ok());
    let received = taken.then(|| receiver.finish().ok()).flatten();
    assert_eq!(whole.is_some(), received.is_some());

    let (Some(whole), Some(received)) = (whole, received) else {
        return;
    };
    assert_eq!(read_file(&*disk, received.path()).unwrap(), bytes);
    let content = read(&whole);
    assert_eq!(content.len() as u64, whole.totals().bytes);
    let info = write(&disk, directory, whole.header(), Pace::FULL, |out| {
        out.write_all(&content)
    });
    let again = Checkpoint::open_file(&*disk, &info.unwrap().path).unwrap();
    assert_eq!((again.header(), read(&again)), (whole.header(), content));
}

fn read(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut content = Vec::new();
    checkpoint.open().read_to_end(&mut content).unwrap();
    content
}

/// Puts in the magics and checksums, from the front up to where the bytes can not be followed.
fn put_right(bytes: &mut [u8]) -> Option<()> {
    bytes.get_mut(..8)?.copy_from_slice(b"DFSCHK\r\n");
    set_crc(bytes, VERSION_CRC, crc(&[bytes.get(..VERSION_CRC)?]))?;
    let length = number(bytes, MEMBERSHIP_LENGTH)? % 64;
    let stored = u32::try_from(length).ok()?.to_le_bytes();
    bytes
        .get_mut(MEMBERSHIP_LENGTH..MEMBERSHIP)?
        .copy_from_slice(&stored);
    let mut at = MEMBERSHIP + length;
    let mut chain = crc(&[bytes.get(..at)?]);
    set_crc(bytes, at, chain)?;
    at += 4;
    loop {
        let length = number(bytes, at + 4)?;
        let end = match length {
            0 => at + FOOTER_BYTES,
            length => at.checked_add(8)?.checked_add(length)?,
        };
        if length == 0 {
            bytes.get_mut(end - 8..end)?.copy_from_slice(b"DFSCHKE\n");
        }
        chain = crc(&[&chain.to_le_bytes(), bytes.get(at + 4..end)?]);
        set_crc(bytes, at, chain)?;
        if length == 0 {
            return Some(());
        }
        at = end;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}

fn set_crc(bytes: &mut [u8], at: usize, crc: u32) -> Option<()> {
    bytes
        .get_mut(at..at.checked_add(4)?)?
        .copy_from_slice(&crc.to_le_bytes());
    Some(())
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    parts.iter().for_each(|part| digest.update(part));
    u32::try_from(digest.finalize()).unwrap()
}
