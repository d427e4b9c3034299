use namespace::{Command, CreateOptions, Entry, Namespace, Outcome, Publish, Registration};
use types::{
    AdminState, CallId, Caller, ChunkExtent, ChunkSize, ClientId, ClusterId, DatanodeId, FsPath, RequestId,
    Term, UnixMillis,
};

use super::*;
use crate::failure::{Failure, Result};
use crate::offline::Current;

/// A state that commands made.
struct World {
    namespace: Namespace,
    calls: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            namespace: Namespace::new(),
            calls: 0,
        };
        let cluster = ClusterId("0b5f1d9e-6a4e-4f0c-9f42-9a1f0a1c7a11".parse().unwrap());
        world.apply(Command::FormatSlotted { cluster });
        world
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.calls += 1;
        let entry = Entry {
            at: UnixMillis(1_700_000_000_000 + self.calls),
            caller: Caller {
                user: "root".into(),
                groups: vec!["wheel".into()],
                superuser: true,
            },
            request: Some(RequestId {
                client: ClientId(7),
                call: CallId(self.calls),
            }),
            command,
        };
        self.namespace.apply(&entry).unwrap()
    }

    /// One of each state, and a setting.
    fn members(&mut self) {
        let at = UnixMillis(1_700_000_000_000);
        let states = [
            AdminState::InService,
            AdminState::Decommissioning { since: at },
            AdminState::Decommissioned { since: at },
            AdminState::Maintenance { until: at },
        ];
        for (number, state) in (1..).zip(states) {
            let id = DatanodeId::from_random_bytes([number; 16]);
            self.apply(Command::RegisterDatanode(Registration {
                id,
                host: format!("node-{number}"),
                data_port: 9866,
                rack: "/r".to_owned(),
                storages: Vec::new(),
            }));
            self.apply(Command::SetMemberState { id, state });
        }
        let (key, value) = ("repair.streams".to_owned(), "8".to_owned());
        self.apply(Command::SetSetting { key, value });
    }

    fn mkdir(&mut self, path: &str) {
        let path = FsPath::parse(path).unwrap();
        self.apply(Command::Mkdir {
            path,
            mode: 0o750,
            parents: true,
        });
    }

    fn put(&mut self, path: &str, lens: &[u64]) {
        let options = CreateOptions {
            mode: 0o640,
            overwrite: true,
            parents: true,
            replication: 2,
            chunk_size: ChunkSize::new(1 << 20).unwrap(),
            publish: Publish::AtComplete,
        };
        let path = FsPath::parse(path).unwrap();
        let Outcome::Opened(file) = self.apply(Command::Create { path, options }) else {
            panic!("not opened")
        };
        let inode = file.inode;
        let mut written = Vec::new();
        for len in lens {
            let Outcome::ChunkAdded(chunk) = self.apply(Command::AddChunk { inode, written }) else {
                panic!("not added")
            };
            written = vec![ChunkExtent { len: *len, ..chunk }];
        }
        self.apply(Command::Complete { inode, written });
    }

    fn current(self) -> Current {
        Current {
            namespace: self.namespace,
            index: self.calls,
            term: Term(3),
            seen: Term(3),
        }
    }
}

fn some() -> Current {
    let mut world = World::new();
    world.members();
    world.mkdir("/empty");
    world.mkdir("/a \"quoted\" name/ü\n");
    world.put("/a \"quoted\" name/f", &[1 << 20, 1 << 20, 5]);
    world.put("/none", &[]);
    for number in 0..30 {
        world.put(&format!("/many/{number}"), &[number + 1]);
    }
    for number in (0..30).step_by(2) {
        let path = FsPath::parse(&format!("/many/{number}")).unwrap();
        world.apply(Command::Delete {
            path,
            recursive: false,
        });
    }
    world.current()
}

fn text(current: &Current) -> String {
    let mut bytes = Vec::new();
    write(current, &mut bytes, "out").unwrap();
    String::from_utf8(bytes).unwrap()
}

fn parse(text: &str) -> Result<(Current, Counts)> {
    read(&mut text.as_bytes(), "in")
}

fn why(text: &str) -> String {
    match parse(text) {
        Err(Failure::Tell(report)) => format!("{}: {}", report.what, report.why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_exported_is_imported() {
    let text = text(&some());
    let (back, counts) = parse(&text).unwrap();
    assert_eq!((counts.directories, counts.files, counts.chunks), (5, 17, 18));
    assert_eq!((back.index, back.term), (some().index, Term(3)));
    assert_eq!(self::text(&back), text, "the same text again");
    // What was given out is known.
    let current = some();
    for range in current.namespace.chunk_lives() {
        for slot in range.first..=range.last {
            let chunk = types::ChunkId::new(slot.into()).unwrap();
            assert!(back.namespace.was_given_out(chunk));
        }
    }
}

/// The form of the text is a promise to programs.
#[test]
fn golden_text() {
    let mut world = World::new();
    world.put("/d/f", &[1 << 20, 7]);
    let expected = r#"{"distrifs_export":1,"cluster":"0b5f1d9e-6a4e-4f0c-9f42-9a1f0a1c7a11","index":5,"term":3,"now_ms":1700000000005,"slotted":true,"first_generation":1,"safe_mode":false}
{"chunk_ids":[1,2],"lives":1}
{"directory":"/","mode":"0755","owner":"root","group":"wheel","modified_ms":1700000000002,"accessed_ms":1700000000001}
{"directory":"/d","mode":"0750","owner":"root","group":"wheel","modified_ms":1700000000005,"accessed_ms":1700000000002}
{"file":"/d/f","mode":"0640","owner":"root","group":"wheel","modified_ms":1700000000005,"accessed_ms":1700000000002,"replication":2,"chunk_size":1048576,"chunks":[[1,1,1048576],[2,1,7]]}
{"end":true,"directories":2,"files":1,"chunks":2}
"#;
    assert_eq!(text(&world.current()), expected);
}

#[test]
fn a_text_that_was_cut_is_known_at_every_line() {
    let text = text(&some());
    let lines: Vec<&str> = text.lines().collect();
    for count in 0..lines.len() {
        let cut = lines[..count].join("\n");
        assert!(parse(&cut).is_err(), "{count} lines");
    }
    assert!(
        parse(lines.join("\n").as_str()).is_ok(),
        "the last end of line is no matter"
    );
    let longer = format!("{text}{{}}\n");
    assert!(why(&longer).contains("behind the end"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let text = text(&some());
    let with = |old: &str, new: &str| {
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1)
    };
    for (changed, expected) in [
        (String::new(), "in: line 1: this is not an export"),
        ("{}\n".to_owned(), "in: line 1: this is not an export"),
        (
            with("\"distrifs_export\":1", "\"distrifs_export\":2"),
            "newer version",
        ),
        (with("\"mode\":\"0750\"", "\"mode\":\"rwx\""), "not a mode"),
        (
            with("\"directory\":\"/empty\"", "\"directory\":\"empty\""),
            "empty",
        ),
        (
            with("\"directory\":\"/empty\"", "\"directory\":\"/none/x\""),
            "no such file",
        ),
        (
            with("\"file\":\"/none\"", "\"file\":\"/empty\""),
            "already exists",
        ),
        (with("\"file\":\"/none\"", "\"link\":\"/none\""), "it is neither"),
        (with("\"replication\":2", "\"replication\":0"), "replication 0"),
        (with("\"chunk_size\":1048576", "\"chunk_size\":7"), "chunk size"),
        (with("\"files\":17", "\"files\":16"), "the end counts"),
        (with("{\"chunk_ids\"", "{\"chunk_idx\""), "it is neither"),
    ] {
        let why = why(&changed);
        assert!(why.contains(expected), "{expected}: {why}");
        assert!(why.starts_with("in: line "), "{why}");
    }
}

#[test]
fn a_chunk_of_two_files_is_refused() {
    let mut world = World::new();
    world.put("/a", &[5]);
    world.put("/b", &[5]);
    let twice = text(&world.current()).replace("[[2,1,5]]", "[[1,1,5]]");
    assert!(why(&twice).contains("chunk 1 can not be there, or is there twice"));
}
