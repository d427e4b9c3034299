//! A log that was written before ids were made of slots, recorded with its answers by the program of that time: it is
//! replayed to the same ids, the same answers and the same files. The fixture is postcard:
//! `([(op code, payload, answer)], [(path, status, [(chunk, generation, length, pending generation)])], [freed chunk],
//! next chunk)`.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::BTreeSet;

use namespace::{Command, Entry, FileStatus, Namespace, NamespaceError, Outcome};
use types::{AdminState, Caller, ChunkId, ClusterId, FsPath, Generation, UnixMillis};

type Answer = Result<Outcome, NamespaceError>;
type Told = (u8, Vec<u8>, Vec<u8>);
type Chunks = Vec<(ChunkId, Generation, Option<u64>, Option<Generation>)>;
type Recorded = (
    Vec<Told>,
    Vec<(String, FileStatus, Chunks)>,
    BTreeSet<ChunkId>,
    ChunkId,
);

fn recorded() -> Recorded {
    postcard::from_bytes(include_bytes!("fixtures/sequential-log.bin")).unwrap()
}

fn root() -> Caller {
    Caller {
        user: "root".to_owned(),
        groups: vec!["root".to_owned()],
        superuser: true,
    }
}

#[test]
fn an_old_log_is_replayed_to_the_same_state() {
    let (log, end, freed_then, next) = recorded();
    let mut state = Namespace::new();
    let mut kinds = BTreeSet::new();
    for (number, (op, payload, answer)) in log.into_iter().enumerate() {
        let entry = Entry::decode(op, &payload).unwrap();
        let answered: Answer = postcard::from_bytes(&answer).unwrap();
        assert_eq!(state.apply(&entry), answered, "entry {number}: {entry:?}");
        if answered.is_ok() {
            kinds.insert(op);
        }
    }
    assert!((1..=15).all(|op| kinds.contains(&op)), "{kinds:?}");

    for (path, status, chunks) in &end {
        let at = FsPath::parse(path).unwrap();
        assert_eq!(state.stat(&root(), &at).as_ref(), Ok(status), "{path}");
        let found = state.file_chunks(status.inode).unwrap_or_default();
        let found: Chunks = found
            .iter()
            .map(|info| (info.chunk, info.generation, info.len, info.pending_generation))
            .collect();
        assert_eq!(&found, chunks, "{path}");
    }
    let totals = state.totals();
    assert_eq!(totals.files + totals.directories, end.len() as u64);

    while state.reap_due() {
        let reap = Entry {
            at: UnixMillis(0),
            caller: root(),
            request: None,
            command: Command::Reap { limit: 10 },
        };
        assert!(matches!(state.apply(&reap), Ok(Outcome::Reaped(1..=10))));
    }
    let freed: BTreeSet<_> = state.take_freed().into_iter().collect();
    assert_eq!(freed, freed_then);
    assert_eq!(state.totals(), totals);
    assert!(!state.was_given_out(next));
    assert!(state.was_given_out(ChunkId::new(next.as_u64() - 1).unwrap()));
}

/// A registration as it was logged before operators could say anything of members.
#[test]
fn a_registration_of_old_is_of_a_member_in_service() {
    let uuid = |number: u8| {
        [number; 6]
            .iter()
            .chain(&[0x40 | number, number, 0x80 | number])
            .chain(&[number; 7])
            .copied()
            .collect::<Vec<u8>>()
    };
    let payload = [
        &b"\xe8\x07\x04root\x00\x01\x00\x0f"[..], // at, caller: user, groups, superuser; no request; RegisterDatanode
        b"\x10",
        &uuid(2),
        b"\x06node-1\x8a\x4d\x08/default\x01\x10",
        &uuid(3),
        b"\x80\x80\x80\x80\x80\x20",
    ]
    .concat();
    let register = Entry::decode(16, &payload).unwrap();
    let format = Entry {
        command: Command::Format {
            cluster: ClusterId::from_random_bytes([1; 16]),
        },
        ..register.clone()
    };
    let mut state = Namespace::new();
    for entry in [format, register] {
        assert_eq!(state.apply(&entry), Ok(Outcome::Done));
    }
    let members: Vec<_> = state.members().collect();
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].host.as_str(), members[0].data_port), ("node-1", 9866));
    assert_eq!(members[0].storages[0].capacity, 1 << 40);
    assert_eq!(members[0].admin, AdminState::InService);
    assert_eq!(state.members_version(), 1_000, "the time of the change");
}
