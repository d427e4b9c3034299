use std::io::{self, Read};

use proptest::prelude::*;
use types::UnixMillis;

use super::LoadError;
use crate::testing::{Fs, filled, options, path, saved, unpublished};
use crate::{Command, Namespace};

/// One with something of everything in it.
fn everything(slotted: bool) -> Fs {
    let mut fs = if slotted { Fs::slotted() } else { Fs::new() };
    for name in ["/tmp/a/b", "/tmp/a/c", "/tmp/gone"] {
        fs.by("ann").mkdir_p(name).unwrap();
    }
    fs.by("ann").put("/tmp/a/two", &[10, 5]);
    fs.by("ann").put("/tmp/a/gone", &[7, 7]);
    fs.by("ann").delete("/tmp/a/gone").unwrap();
    fs.by("bob").put("/tmp/one", &[3]);
    fs.by("ann").put("/tmp/gone/f", &[3, 4]);
    fs.by("root").delete_recursive("/tmp/gone").unwrap();
    let open = fs.by("ann").create("/tmp/open", options()).unwrap().inode;
    let first = fs.by("ann").add_chunk(open, &[]).unwrap();
    let second = fs.by("ann").add_chunk(open, &[filled(first, 0)]).unwrap();
    fs.by("ann").bump(open, second.chunk).unwrap();
    fs.by("ann").create("/tmp/a/unpublished", unpublished()).unwrap();
    fs.by("bob").mkdir("/tmp/a/b").unwrap_err();
    fs.by("root").run(Command::SetSafeMode { on: true }).unwrap();
    let set = crate::SetAttributes {
        mtime: Some(UnixMillis(u64::MAX)),
        ..Default::default()
    };
    fs.by("bob").set("/tmp/one", set).unwrap();
    fs
}

fn load(bytes: &[u8]) -> Result<Namespace, LoadError> {
    Namespace::load(&mut &*bytes)
}

/// The bytes with the checksum that they should have.
fn resummed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len().saturating_sub(4);
    let sum = crc_fast::crc32_iscsi(&bytes[..end]).to_le_bytes();
    bytes.splice(end.., sum);
    bytes
}

#[test]
fn what_is_saved_is_loaded() {
    for slotted in [false, true] {
        let mut fs = everything(slotted);
        let bytes = saved(&fs.ns);
        let mut loaded = load(&bytes).unwrap();
        assert!(saved(&loaded) == bytes);
        assert_eq!(loaded.totals(), fs.ns.totals());
        assert!(loaded.safe_mode() && loaded.reap_due());
        assert!(loaded.take_freed().is_empty());
        let again = fs.by("ann").entry(Command::Append {
            path: path("/tmp/a/two"),
        });
        assert_eq!(loaded.apply(&again), fs.ns.apply(&again));
        assert!(saved(&loaded) == saved(&fs.ns));
    }
    let empty = Namespace::new();
    assert!(saved(&load(&saved(&empty)).unwrap()) == saved(&empty));
}

/// Other bytes are another version of the format, and the bytes of this one are read for ever. `REGENERATE=1` writes the
/// fixture, which is also a seed of the fuzz target.
#[test]
fn the_bytes_of_a_state_are_for_ever() {
    let bytes = saved(&everything(true).ns);
    if option_env!("REGENERATE").is_some() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/state-1.bin");
        std::fs::write(directory, &bytes).unwrap();
    }
    let golden = include_bytes!("../../tests/fixtures/state-1.bin");
    assert!(bytes == golden, "{} bytes, not {}", bytes.len(), golden.len());
    assert!(saved(&load(golden).unwrap()) == golden);
}

#[test]
fn time_does_not_go_back_over_a_restart() {
    let mut fs = everything(true);
    let mut loaded = load(&saved(&fs.ns)).unwrap();
    let mut entry = fs.by("ann").entry(Command::Append {
        path: path("/tmp/a/two"),
    });
    entry.at = UnixMillis(1);
    assert_eq!(loaded.apply(&entry), fs.ns.apply(&entry));
    assert!(saved(&loaded) == saved(&fs.ns));
    let renewed = loaded.leases().map(|lease| lease.renewed).max();
    assert_eq!(
        renewed,
        Some(UnixMillis(fs.at - 1)),
        "the time of the entry before"
    );
}

#[test]
fn what_is_cut_off_is_refused() {
    let bytes = saved(&everything(true).ns);
    for len in 0..bytes.len() {
        assert!(load(&bytes[..len]).is_err(), "{len} bytes of {}", bytes.len());
        let _ = load(&resummed(bytes[..len].to_vec()));
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(load(&longer), Err(LoadError::Damaged(_))));
}

#[test]
fn another_version_is_named() {
    let mut bytes = saved(&Namespace::new());
    bytes[8] = 2;
    let refused = load(&resummed(bytes)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the state has format version 2; this program reads versions up to 1: use a newer one"
    );
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    let mut bytes = saved(&Namespace::new());
    bytes.splice(12..20, [0xff; 8]);
    assert!(load(&resummed(bytes)).is_err());
}

#[test]
fn a_failing_reader_is_told() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no"))
        }
    }
    let bytes = saved(&everything(false).ns);
    for len in [0, 13, bytes.len() / 2, bytes.len()] {
        let mut input = bytes[..len].chain(Failing);
        assert!(
            matches!(Namespace::load(&mut input), Err(LoadError::Read(_))),
            "{len}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_changed_is_refused(slotted: bool, at: prop::sample::Index, bit in 0u32..8) {
        let mut bytes = saved(&everything(slotted).ns);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(load(&bytes).is_err());
        // Neither does it panic when its author computed a checksum for it.
        let _ = load(&resummed(bytes));
    }

    #[test]
    fn what_was_never_saved_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(load(&bytes).is_err());
        let headed = [&b"DFSSTATE\x01\0\0\0"[..], &bytes].concat();
        let _ = load(&resummed(headed));
    }
}
