//! A namespace of many files: what it takes, and how fast it is in processor time. Files have random names of 20 characters and one chunk
//! each, a hundred to a directory.
//!
//! ```sh
//! cargo run --release -p namespace --example scale -- 10000000
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, not a part of the product"
)]

use std::time::Duration;

use namespace::{Command, CreateOptions, Entry, Namespace, Outcome, Publish};
use types::{CallId, Caller, ChunkSize, ClientId, ClusterId, FsPath, RequestId, UnixMillis};

const PER_DIRECTORY: u64 = 100;

struct Story {
    state: Namespace,
    caller: Caller,
    calls: u64,
    random: u64,
}

fn main() {
    if let Some(saved) = std::env::args().nth(2) {
        return load(&saved);
    }
    let files: u64 = std::env::args().nth(1).map_or(1_000_000, |n| n.parse().unwrap());
    let mut story = Story {
        state: Namespace::new(),
        caller: Caller {
            user: "root".to_owned(),
            groups: vec!["root".to_owned()],
            superuser: true,
        },
        calls: 0,
        random: 0x9e37_79b9_7f4a_7c15,
    };
    let cluster = ClusterId::from_random_bytes([1; 16]);
    story.tell(Command::FormatSlotted { cluster });
    let directory = |number: u64| format!("/d{}/e{}", number / 1_000, number % 1_000);

    let start = Cpu::now();
    let mut some = Vec::new();
    for number in 0..files {
        let above = directory(number / PER_DIRECTORY);
        if number % PER_DIRECTORY == 0 {
            let (path, mode, parents) = (FsPath::parse(&above).unwrap(), 0o755, true);
            story.tell(Command::Mkdir { path, mode, parents });
        }
        let path = FsPath::parse(&format!("{above}/{}", story.name())).unwrap();
        story.put(&path);
        if number % (files / 1_000).max(1) == 0 {
            some.push(path);
        }
    }
    rate("created, written, completed", files, start);
    let memory = story.state.memory();
    println!("{memory:#?}");
    let per_file = |bytes: u64| bytes / files;
    println!(
        "bytes a file: {}, resident {}",
        per_file(memory.total()),
        per_file(resident())
    );

    let start = Cpu::now();
    let snapshot = story.state.clone();
    println!("clone: {:?}", start.elapsed());

    let start = Cpu::now();
    let rounds = 1_000;
    for _ in 0..rounds {
        for path in &some {
            snapshot.stat(&story.caller, path).unwrap();
        }
    }
    rate("stat", rounds * some.len() as u64, start);

    let start = Cpu::now();
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    println!(
        "saved: {:?}, {} bytes a file",
        start.elapsed(),
        per_file(bytes.len() as u64)
    );
    drop(snapshot);
    if let Some(path) = std::env::var_os("SAVE_TO") {
        std::fs::write(path, &bytes).unwrap();
    }

    let start = Cpu::now();
    let loaded = Namespace::load(&mut &*bytes).unwrap();
    println!("loaded: {:?}", start.elapsed());
    assert_eq!(loaded.totals(), story.state.totals());
    let memory = loaded.memory();
    println!("bytes a file, loaded: {}", per_file(memory.total()));
    drop((loaded, bytes));

    let start = Cpu::now();
    let mut longest = start.elapsed();
    for top in 0..files.div_ceil(PER_DIRECTORY * 1_000) {
        let path = FsPath::parse(&format!("/d{top}")).unwrap();
        let ticket = story.state.check_delete(&story.caller, None, &path).unwrap();
        let begun = Cpu::now();
        story.tell(Command::DeleteTree { path, ticket });
        longest = longest.max(begun.elapsed());
    }
    rate("looked through and detached", files, start);
    println!("longest DeleteTree: {longest:?}");

    let start = Cpu::now();
    let mut longest = start.elapsed();
    while story.state.reap_due() {
        let begun = Cpu::now();
        story.tell(Command::Reap { limit: 1_000 });
        story.state.take_freed();
        longest = longest.max(begun.elapsed());
    }
    rate("reaped", files, start);
    println!(
        "longest Reap of 1,000: {longest:?}; left: {} bytes",
        story.state.memory().total()
    );
}

/// Loads what is in a file, three times.
fn load(path: &str) {
    let bytes = std::fs::read(path).unwrap();
    for _ in 0..3 {
        let (start, clock) = (Cpu::now(), std::time::Instant::now());
        let loaded = Namespace::load(&mut &*bytes).unwrap();
        let files = loaded.totals().files;
        println!(
            "loaded {files} files: {:?} of processor, {:?}",
            start.elapsed(),
            clock.elapsed()
        );
        std::mem::forget(loaded);
    }
}

impl Story {
    fn tell(&mut self, command: Command) -> Outcome {
        self.calls += 1;
        let entry = Entry {
            at: UnixMillis(1_800_000_000_000 + self.calls / 10),
            caller: self.caller.clone(),
            request: Some(RequestId {
                client: ClientId(7),
                call: CallId(self.calls),
            }),
            command,
        };
        self.state.apply(&entry).unwrap()
    }

    fn put(&mut self, path: &FsPath) {
        let options = CreateOptions {
            mode: 0o644,
            overwrite: false,
            parents: false,
            replication: 3,
            chunk_size: ChunkSize::default(),
            publish: Publish::AtComplete,
        };
        let path = path.clone();
        let Outcome::Opened(opened) = self.tell(Command::Create { path, options }) else {
            return;
        };
        let inode = opened.inode;
        let written = Vec::new();
        let Outcome::ChunkAdded(mut extent) = self.tell(Command::AddChunk { inode, written }) else {
            return;
        };
        extent.len = 1_000_000;
        let written = vec![extent];
        self.tell(Command::Complete { inode, written });
    }

    fn name(&mut self) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyz012345";
        let mut name = String::new();
        for _ in 0..20 {
            // Xorshift: any random letters do.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            name.extend(
                letters
                    .get((self.random >> 40 & 31) as usize)
                    .map(|byte| char::from(*byte)),
            );
        }
        name
    }
}

fn rate(what: &str, count: u64, start: Cpu) {
    let elapsed = start.elapsed();
    println!(
        "{what}: {elapsed:?}, {} ns each",
        elapsed.as_nanos() / u128::from(count)
    );
}

/// The time that this thread has had on a processor: others may be busy on this machine.
#[derive(Clone, Copy)]
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Self(Duration::from_nanos(
            text.split(' ').next().unwrap().parse().unwrap(),
        ))
    }

    fn elapsed(self) -> Duration {
        Self::now().0 - self.0
    }
}

/// Bytes of the process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
