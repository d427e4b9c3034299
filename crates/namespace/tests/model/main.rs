//! Random stories by several users, told to two state machines and to a naive model: the answers agree, what can be
//! seen agrees, no chunk is lost or freed twice, and the two machines stay equal to the byte, though one of them reads
//! every entry from bytes, and the other one is restarted from its saved state now and then. Clones taken on the way
//! stay what they were. All of it with both kinds of ids.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is a test"
)]

mod model;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use namespace::{
    ChunkInfo, Command, Content, DeleteTicket, Entry, FileKind, Namespace, NamespaceError, Outcome, Totals,
};
use proptest::prelude::*;
use types::limits::LISTING_PAGE_MAX;
use types::{CallId, ChunkId, ClusterId, FsPath, RequestId, UnixMillis};

use crate::model::{Model, Refusal};
use crate::step::{Step, USERS, Who, caller, step};

/// The machines and the model.
struct Story {
    machine: Namespace,
    replica: Namespace,
    model: Model,
    slotted: bool,
    now: u64,
    calls: u64,
    freed: BTreeSet<ChunkId>,
    /// All chunks as they are known to somebody who looks only at those that are told to be touched.
    watched: BTreeMap<ChunkId, ChunkInfo>,
    /// Whether a tree is being freed whose ticket was not of the moment in which it was removed.
    estimated: bool,
    last: Option<Entry>,
    ticket: Option<DeleteTicket>,
    snapshots: Vec<(Namespace, Vec<u8>)>,
}

fn saved(machine: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    machine.save(&mut bytes).unwrap();
    bytes
}

impl Story {
    fn new(slotted: bool) -> Self {
        let mut story = Self {
            machine: Namespace::new(),
            replica: Namespace::new(),
            model: Model::new(1_001, slotted),
            slotted,
            now: 1_000,
            calls: 0,
            freed: BTreeSet::new(),
            watched: BTreeMap::new(),
            estimated: false,
            last: None,
            ticket: None,
            snapshots: Vec::new(),
        };
        let cluster = ClusterId::from_random_bytes([1; 16]);
        let format = match slotted {
            true => Command::FormatSlotted { cluster },
            false => Command::Format { cluster },
        };
        let format = story.entry(0, format);
        assert_eq!(story.tell(&format), Ok(Outcome::Done));
        for (path, mode) in [("/a", 0o777), ("/b", 0o1777)] {
            let path = FsPath::parse(path).unwrap();
            let parents = false;
            let mkdir = story.entry(0, Command::Mkdir { path, mode, parents });
            let answer = story.tell(&mkdir);
            assert_eq!(story.model.apply(&mkdir, &answer), Ok(()));
        }
        story
    }

    fn entry(&mut self, user: usize, command: Command) -> Entry {
        let (caller, client) = caller(user);
        self.now += 1;
        self.calls += 1;
        let call = CallId(self.calls);
        Entry {
            at: UnixMillis(self.now),
            caller,
            request: Some(RequestId { client, call }),
            command,
        }
    }

    /// Tells both machines, the second one by way of bytes.
    fn tell(&mut self, entry: &Entry) -> Result<Outcome, namespace::NamespaceError> {
        let mut payload = Vec::new();
        entry.encode(&mut payload);
        let read = Entry::decode(entry.command.op_code(), &payload).unwrap();
        let answer = self.machine.apply(entry);
        assert_eq!(self.replica.apply(&read), answer);
        for chunk in self.machine.take_freed() {
            assert!(self.freed.insert(chunk), "chunk {chunk} is freed twice");
        }
        for chunk in self.machine.take_touched() {
            match self.machine.chunk(chunk) {
                Some(info) => self.watched.insert(chunk, info),
                None => self.watched.remove(&chunk),
            };
        }
        self.replica.take_freed();
        self.replica.take_touched();
        self.estimated &= self.machine.reap_due();
        answer
    }

    fn take(&mut self, who: Who, step: Step) {
        let user = match who {
            Who::User(user) => user,
            Who::Writer => match self.writer(&step) {
                Some(writer) => writer,
                None => return,
            },
        };
        let command = match step {
            Step::DeleteTree { path, stale } => match self.delete_tree(user, path.path(&self.model), stale) {
                Some(command) => command,
                None => return,
            },
            Step::Again => return self.again(),
            Step::Restart => return self.restart(),
            Step::Snapshot => return self.snapshots.push((self.machine.clone(), saved(&self.machine))),
            step => step.command(&self.model, self.now),
        };
        let before = self.machine.clone();
        let entry = self.entry(user, command);
        let answer = self.tell(&entry);
        let expected = self.model.apply(&entry, &answer);
        let refusal = answer.as_ref().map(|_| ()).map_err(Refusal::of);
        assert_eq!(refusal, expected, "{entry:?}: {answer:?}");
        self.model.members.note(self.machine.members_version());
        if let Command::DeleteTree { path, ticket } = &entry.command
            && matches!(refusal, Ok(()) | Err(Refusal::Changed))
        {
            let (root, _) = crate::step::caller(0);
            let there = before.stat(&root, path).unwrap().inode;
            assert_eq!(
                refusal.is_ok(),
                ticket.top == Some(there),
                "only what was looked through"
            );
        }
        if let Ok(Outcome::ChunkAdded(extent)) = &answer {
            assert!(!before.was_given_out(extent.chunk));
            assert!(self.machine.was_given_out(extent.chunk));
        }
        self.last = Some(entry);
    }

    /// The command with a ticket, when the caller gets one; a stale one may be of anything.
    fn delete_tree(&mut self, user: usize, path: FsPath, stale: bool) -> Option<Command> {
        let (caller, _) = caller(user);
        if let Some(ticket) = self.ticket.filter(|_| stale) {
            self.estimated = true;
            return Some(Command::DeleteTree { path, ticket });
        }
        let ticket = self.machine.check_delete(&caller, None, &path);
        let refusal = ticket.as_ref().map(|_| ()).map_err(Refusal::of);
        assert_eq!(refusal, self.model.may_delete_tree(&caller, path.as_str()));
        self.ticket = self.ticket.or(ticket.clone().ok());
        Some(Command::DeleteTree {
            path,
            ticket: ticket.ok()?,
        })
    }

    /// The last call comes again, as after a lost answer: nothing may happen.
    fn again(&mut self) {
        if let Some(entry) = self.last.clone()
            && entry.command != Command::RenewLease
        {
            let changed = |answer: &Result<_, _>| matches!(answer, Err(NamespaceError::Changed(_)));
            let before = self.machine.clone();
            let first = before.clone().apply(&entry);
            let answer = self.tell(&entry);
            assert_eq!(answer, first);
            assert!(changed(&answer) || saved(&self.machine) == saved(&before));
            if let (Command::DeleteTree { path, .. }, false) = (&entry.command, changed(&answer)) {
                let ticket = self.machine.check_delete(&entry.caller, entry.request, path);
                assert_eq!(
                    ticket.map(|ticket| ticket.top),
                    answer.map(|_| None),
                    "the answer that it got"
                );
            }
        }
    }

    /// The first machine starts again from what it saved.
    fn restart(&mut self) {
        let bytes = saved(&self.machine);
        let loaded = Namespace::load(&mut &*bytes).unwrap();
        assert!(saved(&loaded) == bytes, "it is saved as it was");
        self.machine = loaded;
    }

    /// The user who writes the file that a step is about; of other steps, ann.
    fn writer(&self, step: &Step) -> Option<usize> {
        let file = match step {
            Step::AddChunk(writing)
            | Step::AbandonFile(writing)
            | Step::Complete(writing)
            | Step::LeaveFile(writing)
            | Step::Sync { writing, .. } => writing.file,
            Step::Recover { .. } | Step::CommitRecovery { .. } => return Some(0),
            Step::AbandonChunk { file, .. } | Step::Bump { file, .. } | Step::Update { file, .. } => *file,
            Step::AppendChunk(file) => *file,
            _ => return Some(1),
        };
        let writer = self.model.writer_of(file)?;
        USERS.iter().position(|user| *user == writer)
    }

    fn check(&self) {
        let (root, _) = caller(0);
        let mut directories = 0;
        for (path, node) in &self.model.nodes {
            let at = FsPath::parse(path).unwrap();
            let status = self.machine.stat(&root, &at).unwrap();
            assert_eq!(at.name().unwrap_or(""), status.name);
            let seen = (
                &*status.owner,
                &*status.group,
                status.mode,
                status.mtime.0,
                status.atime.0,
            );
            let meant = (&*node.owner, &*node.group, node.mode, node.mtime, node.atime);
            assert_eq!(seen, meant, "{path}");
            match node.file {
                None => {
                    directories += 1;
                    assert_eq!(status.kind, FileKind::Directory);
                    self.check_listing(path);
                }
                Some(id) => {
                    let file = &self.model.files[&id];
                    assert_eq!((status.kind, status.inode), (FileKind::File, id));
                    assert_eq!((status.len, status.replication), (file.len(), file.replication));
                    assert_eq!(status.being_written, file.writer.is_some());
                    let located = self.machine.locate(&root, &at).unwrap();
                    let chunks: Vec<_> = located.chunks.iter().map(|c| (c.chunk, c.len)).collect();
                    let seen = file.visible().chain(file.being_cut());
                    assert_eq!(chunks, seen.collect::<Vec<_>>());
                }
            }
        }
        let files = self.model.nodes.len() - directories;
        self.check_chunks(files, directories);
        let leases: BTreeMap<_, _> = self
            .machine
            .leases()
            .map(|lease| (lease.holder, (lease.renewed.0, lease.files)))
            .collect();
        assert_eq!(leases, self.model.leases());
        assert!(saved(&self.machine) == saved(&self.replica));
        assert_eq!(self.machine.safe_mode(), self.model.safe_mode);
        self.model.members.check(&self.machine);
        for setting in self.machine.setting_texts() {
            let chosen = self.model.settings.get(setting.key);
            let expected = chosen.filter(|value| !value.is_empty());
            assert_eq!(setting.value, expected.map_or(setting.default, String::as_str));
        }
        let chunks: BTreeMap<_, _> = self.machine.chunks().map(|info| (info.chunk, info)).collect();
        assert_eq!(self.watched, chunks, "every change of a chunk was told");
    }

    fn check_listing(&self, path: &str) {
        let at = FsPath::parse(path).unwrap();
        let (root, _) = caller(0);
        let page = self.machine.list(&root, &at, None, LISTING_PAGE_MAX).unwrap();
        assert!(!page.more);
        let listed: Vec<_> = page
            .entries
            .iter()
            .map(|entry| at.join(&entry.name).unwrap().to_string())
            .collect();
        assert_eq!(listed, self.model.children(path));
        let children = self.machine.stat(&root, &at).unwrap().children;
        assert_eq!(children, listed.len() as u64);
        for (path, entry) in listed.iter().zip(page.entries) {
            let at = FsPath::parse(path).unwrap();
            assert_eq!(self.machine.stat(&root, &at), Ok(entry));
        }
    }

    /// Every chunk that was ever given out is in exactly one file, or was freed exactly once.
    fn check_chunks(&self, files: usize, directories: usize) {
        let mut held = BTreeSet::new();
        for (&id, file) in &self.model.files {
            let infos = self.machine.file_chunks(id).unwrap();
            assert_eq!(infos.len(), file.chunks.len());
            for (info, chunk) in infos.iter().zip(&file.chunks) {
                assert_eq!(
                    (info.chunk, info.owner, info.len),
                    (chunk.id, id, chunk.committed)
                );
                assert_eq!(info.generation.0, chunk.generation);
                assert_eq!(info.replication, file.replication);
                let pending =
                    (chunk.committed.is_none() && chunk.highest > chunk.generation).then_some(chunk.highest);
                assert_eq!(info.pending_generation.map(|generation| generation.0), pending);
                assert!(held.insert(info.chunk), "chunk {} is in two files", info.chunk);
            }
        }
        let known: BTreeSet<_> = self.machine.chunks().map(|info| info.chunk).collect();
        assert!(known.is_superset(&held));
        assert!(held.is_disjoint(&self.model.freed));
        assert!(self.freed.is_disjoint(&known));
        let gone: BTreeSet<_> = known.difference(&held).chain(&self.freed).copied().collect();
        assert_eq!(gone, self.model.freed, "freed, or in the graveyard");
        let all: BTreeSet<_> = held.union(&gone).map(|chunk| chunk.as_u64()).collect();
        let was_given_out = |id: u64| self.machine.was_given_out(ChunkId::new(id).unwrap());
        assert!(all.iter().all(|id| was_given_out(*id)));
        let (births, slots) = all.iter().fold((0, 0), |(births, slots), id| {
            (births.max(id >> 32), slots.max(id & 0xffff_ffff))
        });
        for slot in 0..slots + 2 {
            assert!(!was_given_out((births + 2) << 32 | slot), "from the future");
            assert!(self.slotted || !was_given_out(1 << 32 | slot));
        }
        assert!(!was_given_out(slots + 1) && !was_given_out(0));
        if !self.slotted {
            assert_eq!((all.len() as u64, births), (slots, 0), "one after the other");
        }
        let totals = Totals {
            files: files as u64,
            directories: directories as u64,
            chunks: held.len() as u64,
        };
        if !self.estimated {
            assert_eq!(self.machine.totals(), totals);
        }
    }

    /// When all is reaped, nothing is left of what was removed.
    fn finish(&mut self) {
        while self.machine.reap_due() {
            let reap = self.entry(0, Command::Reap { limit: 3 });
            let answer = self.tell(&reap);
            assert!(matches!(answer, Ok(Outcome::Reaped(0..=7))), "{answer:?}");
            assert_eq!(self.model.apply(&reap, &answer), Ok(()));
            self.check();
        }
        assert!(!self.estimated);
        assert_eq!(self.machine.graveyard(), Content::default());
        self.check();
        assert_eq!(self.freed, self.model.freed);
        for (snapshot, bytes) in &self.snapshots {
            assert!(saved(snapshot) == *bytes, "a clone stays what it was");
        }
    }
}

proptest! {
    // Stories are long: a third as many as usual, which `PROPTEST_CASES` can still raise.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 3,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_behaves_as_the_naive_model(slotted: bool, steps in prop::collection::vec(step(), 1..80)) {
        let mut story = Story::new(slotted);
        for (number, (who, step)) in steps.into_iter().enumerate() {
            story.take(who, step);
            if number % 4 == 0 {
                story.check();
            }
        }
        story.check();
        story.finish();
    }
}
