use std::io::{self, Read};

use proptest::prelude::*;
use types::{AdminState, UnixMillis};

use super::LoadError;
use crate::testing::{Fs, filled, options, path, saved, unpublished};
use crate::{Command, Member, Namespace};

/// One with something of everything in it.
fn everything(slotted: bool) -> Fs {
    let mut fs = if slotted { Fs::slotted() } else { Fs::new() };
    fs.with_members();
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
        assert!(loaded.members().eq(fs.ns.members()));
        for version in 0..=fs.ns.members_version() + 1 {
            assert_eq!(loaded.changes_since(version), fs.ns.changes_since(version));
        }
        assert_eq!(loaded.settings(), fs.ns.settings());
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
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/state-2.bin");
        std::fs::write(directory, &bytes).unwrap();
    }
    let golden = include_bytes!("../../tests/fixtures/state-2.bin");
    assert!(bytes == golden, "{} bytes, not {}", bytes.len(), golden.len());
    assert!(saved(&load(golden).unwrap()) == golden);
}

/// Written by programs of before members had states: by the first test's story of then, and by one with two members.
#[test]
fn bytes_of_old_are_read() {
    let alone = load(include_bytes!("../../tests/fixtures/state-1.bin")).unwrap();
    assert_eq!(alone.members().count(), 0);
    let old = load(include_bytes!("../../tests/fixtures/state-1-members.bin")).unwrap();
    let members: Vec<_> = old.members().cloned().collect();
    let mut new = Fs::new();
    new.with_members();
    let registered = |member: &Member| Member {
        admin: AdminState::InService,
        ..member.clone()
    };
    let expected: Vec<_> = new.ns.members().map(registered).collect();
    assert_eq!(members, expected);
    assert_eq!(old.settings(), Namespace::new().settings());
    for state in [&alone, &old] {
        assert_eq!(state.members_version(), state.now().0);
        assert_eq!(state.changes_since(0), None, "who asks is told everything");
        assert!(state.safe_mode() && state.reap_due() && state.totals().files > 0);
        let again = saved(state);
        assert_eq!(again[8], 2);
        assert!(saved(&load(&again).unwrap()) == again);
    }
}

/// One that replayed the log of old has other versions of members than one that began with a checkpoint of old: who comes
/// from one to the other is told everything, and after the next change both tell the same.
#[test]
fn versions_of_members_agree_again_after_old_bytes() {
    let mut replayed = Fs::slotted();
    replayed.with_members();
    replayed.by("ann").mkdir("/tmp/later").unwrap();
    let old = load(include_bytes!("../../tests/fixtures/state-1-members.bin")).unwrap();
    let (seen_there, seen_here) = (old.members_version(), replayed.ns.members_version());
    assert!(seen_here < seen_there);
    assert_eq!(old.changes_since(seen_here), None);
    assert_eq!(replayed.ns.changes_since(seen_there), None);
    let mut migrated = Fs::slotted();
    migrated.ns = old;
    migrated.at = 100_000;
    replayed.at = 100_000;
    for fs in [&mut migrated, &mut replayed] {
        let id = fs.ns.members().next().unwrap().id;
        let until = UnixMillis(200_000);
        let state = AdminState::Maintenance { until };
        fs.by("root").run(Command::SetMemberState { id, state }).unwrap();
    }
    assert_eq!(migrated.ns.members_version(), replayed.ns.members_version());
    let told = |fs: &Fs| fs.ns.changes_since(seen_there).unwrap().changed.len();
    assert_eq!((told(&migrated), told(&replayed)), (1, 1));
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
    bytes[8] = 3;
    let refused = load(&resummed(bytes)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the state has format version 3; this program reads versions up to 2: use a newer one"
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
        for version in [&b"DFSSTATE\x01\0\0\0"[..], b"DFSSTATE\x02\0\0\0"] {
            let headed = [version, &bytes].concat();
            let _ = load(&resummed(headed));
        }
    }
}
