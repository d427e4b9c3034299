//! A harness for tests that read like prose: `fs.by("ann").mkdir("/a")`.

use types::{
    AdminState, CallId, Caller, ChunkExtent, ChunkId, ChunkSize, ClientId, ClusterId, DatanodeId, FsPath,
    Generation, InodeId, RequestId, StorageId, UnixMillis,
};

use crate::handler::Answer;
use crate::{
    Command, CreateOptions, DeleteTicket, Entry, FileStatus, MemberStorage, Namespace, NamespaceError,
    OpenedFile, Outcome, Publish, Registration, SetAttributes,
};

pub(crate) const CHUNK_SIZE: u64 = 1024;

/// A formatted namespace with a clock that ticks once for each command. `/` belongs to `root`, and everybody may write
/// to `/tmp`.
pub(crate) struct Fs {
    pub(crate) ns: Namespace,
    pub(crate) at: u64,
    calls: u64,
}

/// A user with a client. Each user has one client, unless told otherwise.
pub(crate) struct By<'a> {
    fs: &'a mut Fs,
    caller: Caller,
    client: ClientId,
}

pub(crate) fn path(text: &str) -> FsPath {
    FsPath::parse(text).unwrap()
}

pub(crate) fn caller(user: &str) -> Caller {
    let groups = match user {
        "ann" | "bob" => vec![user.to_owned(), "staff".to_owned()],
        _ => vec![user.to_owned()],
    };
    Caller {
        user: user.to_owned(),
        groups,
        superuser: user == "root",
    }
}

pub(crate) fn client_of(user: &str) -> ClientId {
    ClientId(u128::from_le_bytes(std::array::from_fn(|i| {
        user.as_bytes().get(i).copied().unwrap_or(0)
    })))
}

pub(crate) fn options() -> CreateOptions {
    CreateOptions {
        mode: 0o644,
        overwrite: false,
        parents: false,
        replication: 3,
        chunk_size: ChunkSize::new(CHUNK_SIZE).unwrap(),
        publish: Publish::AtCreate,
    }
}

pub(crate) fn unpublished() -> CreateOptions {
    CreateOptions {
        publish: Publish::AtComplete,
        ..options()
    }
}

pub(crate) fn denied(at: &str, user: &str, missing: &str) -> NamespaceError {
    NamespaceError::PermissionDenied {
        path: path(at),
        user: user.to_owned(),
        missing: missing.to_owned(),
    }
}

/// All of it.
pub(crate) fn saved(ns: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    ns.save(&mut bytes).unwrap();
    bytes
}

/// The extent with another length.
pub(crate) fn filled(extent: ChunkExtent, len: u64) -> ChunkExtent {
    ChunkExtent { len, ..extent }
}

impl Fs {
    pub(crate) fn unformatted() -> Self {
        Self {
            ns: Namespace::new(),
            at: 1_000,
            calls: 0,
        }
    }

    pub(crate) fn new() -> Self {
        let cluster = ClusterId::from_random_bytes([7; 16]);
        Self::formatted(Command::Format { cluster })
    }

    /// As a new cluster: slots are used again.
    pub(crate) fn slotted() -> Self {
        let cluster = ClusterId::from_random_bytes([7; 16]);
        Self::formatted(Command::FormatSlotted { cluster })
    }

    fn formatted(format: Command) -> Self {
        let mut fs = Self::unformatted();
        fs.by("root").run(format).unwrap();
        fs.by("root").mkdir_mode("/tmp", 0o1777).unwrap();
        fs
    }

    pub(crate) fn by(&mut self, user: &str) -> By<'_> {
        By {
            caller: caller(user),
            client: client_of(user),
            fs: self,
        }
    }

    /// The user with a client that is not the usual one.
    pub(crate) fn by_other_client(&mut self, user: &str) -> By<'_> {
        let client = ClientId(!client_of(user).0);
        By {
            client,
            ..self.by(user)
        }
    }

    /// What root sees.
    pub(crate) fn stat(&self, at: &str) -> Result<FileStatus, NamespaceError> {
        self.ns.stat(&caller("root"), &path(at))
    }

    pub(crate) fn exists(&self, at: &str) -> bool {
        self.stat(at).is_ok()
    }

    /// Puts a directory into the tables without a command: for trees that are too large to be made one by one.
    pub(crate) fn plant(&mut self, parent: InodeId, name: &str) -> InodeId {
        let tree = &mut self.ns.files.tree;
        let attributes = tree.inode(InodeId::ROOT).attributes.clone();
        tree.add_directory(parent, name, attributes, UnixMillis(self.at))
            .unwrap()
    }

    /// Two members, one of which drains, the memory of a third one, and a setting that was chosen.
    pub(crate) fn with_members(&mut self) {
        let id = |number: u8| DatanodeId::from_random_bytes([number; 16]);
        for number in 1..4 {
            let registration = Registration {
                id: id(number),
                host: format!("node-{number}"),
                data_port: 9866,
                rack: format!("/rack-{number}"),
                storages: vec![MemberStorage {
                    id: StorageId::from_random_bytes([number; 16]),
                    capacity: 1 << 40,
                }],
            };
            self.by("root")
                .run(Command::RegisterDatanode(registration))
                .unwrap();
        }
        let state = AdminState::Decommissioning {
            since: UnixMillis(self.at),
        };
        let drains = Command::SetMemberState { id: id(2), state };
        self.by("root").run(drains).unwrap();
        self.by("root").run(Command::RemoveMember { id: id(3) }).unwrap();
        let (key, value) = ("balance.threshold".to_owned(), "0.1".to_owned());
        self.by("root").run(Command::SetSetting { key, value }).unwrap();
    }

    /// The names in a directory.
    pub(crate) fn names(&self, at: &str) -> Vec<String> {
        let page = self.ns.list(&caller("root"), &path(at), None, 0).unwrap();
        page.entries.into_iter().map(|entry| entry.name).collect()
    }

    /// The lengths of the committed chunks of a file.
    pub(crate) fn lens(&self, at: &str) -> Vec<u64> {
        let located = self.ns.locate(&caller("root"), &path(at)).unwrap();
        let lens: Vec<_> = located.chunks.iter().map(|extent| extent.len).collect();
        let open = located.open.first().map_or(0, |first| first.acknowledged);
        assert_eq!(lens.iter().sum::<u64>() + open, located.status.len);
        lens
    }

    /// Frees something of what recursive deletes have left.
    pub(crate) fn reap_some(&mut self, limit: u64) -> u64 {
        match self.by("root").run(Command::Reap { limit }) {
            Ok(Outcome::Reaped(freed)) => freed,
            other => panic!("{other:?}"),
        }
    }

    /// Frees all that recursive deletes have left.
    pub(crate) fn reap(&mut self) {
        let most = 100 + self.ns.graveyard().directories * 2 + self.ns.chunks().count() as u64;
        for _ in 0..most {
            if !self.ns.reap_due() {
                return;
            }
            self.reap_some(2);
        }
        panic!("it is not freed in {most} steps");
    }

    pub(crate) fn freed(&mut self) -> Vec<u64> {
        self.reap();
        self.ns.take_freed().into_iter().map(ChunkId::as_u64).collect()
    }

    pub(crate) fn expire(&mut self, before: u64) -> u64 {
        let before = UnixMillis(before);
        match self.by("root").run(Command::ExpireLeases { before }) {
            Ok(Outcome::Expired(count)) => count,
            other => panic!("{other:?}"),
        }
    }
}

impl By<'_> {
    pub(crate) fn entry(&mut self, command: Command) -> Entry {
        self.fs.at += 1;
        self.fs.calls += 1;
        Entry {
            at: UnixMillis(self.fs.at),
            caller: self.caller.clone(),
            request: Some(RequestId {
                client: self.client,
                call: CallId(self.fs.calls),
            }),
            command,
        }
    }

    pub(crate) fn run(mut self, command: Command) -> Answer {
        let entry = self.entry(command);
        let before = self.fs.ns.clone();
        let answer = self.fs.ns.apply(&entry);
        if answer.is_err() {
            let but_for_the_call = |ns: &Namespace| {
                let now = self.fs.ns.now;
                let retries = Default::default();
                saved(&Namespace {
                    now,
                    retries,
                    ..ns.clone()
                })
            };
            let (now, before) = (but_for_the_call(&self.fs.ns), but_for_the_call(&before));
            assert!(now == before, "a refusal changes nothing");
        }
        answer
    }

    pub(crate) fn mkdir_mode(self, at: &str, mode: u16) -> Answer {
        let (path, parents) = (path(at), false);
        self.run(Command::Mkdir { path, mode, parents })
    }

    pub(crate) fn mkdir(self, at: &str) -> Answer {
        self.mkdir_mode(at, 0o755)
    }

    pub(crate) fn mkdir_p(self, at: &str) -> Answer {
        let (path, mode, parents) = (path(at), 0o755, true);
        self.run(Command::Mkdir { path, mode, parents })
    }

    pub(crate) fn create(self, at: &str, options: CreateOptions) -> Result<OpenedFile, NamespaceError> {
        let path = path(at);
        match self.run(Command::Create { path, options })? {
            Outcome::Opened(opened) => Ok(opened),
            other => panic!("{other:?}"),
        }
    }

    /// Makes a complete file with chunks of these lengths.
    pub(crate) fn put(self, at: &str, lens: &[u64]) -> InodeId {
        let Self { fs, caller, .. } = self;
        let user = caller.user.as_str();
        let inode = fs.by(user).create(at, options()).unwrap().inode;
        fs.by(user).write(inode, lens);
        inode
    }

    /// Writes chunks of these lengths, and completes the file.
    pub(crate) fn write(self, inode: InodeId, lens: &[u64]) {
        let Self { fs, caller, .. } = self;
        let user = caller.user.as_str();
        let mut written = Vec::new();
        for &len in lens {
            let extent = fs.by(user).add_chunk(inode, &written).unwrap();
            written = vec![filled(extent, len)];
        }
        fs.by(user).complete(inode, &written).unwrap();
    }

    pub(crate) fn append(self, at: &str) -> Result<OpenedFile, NamespaceError> {
        match self.run(Command::Append { path: path(at) })? {
            Outcome::Opened(opened) => Ok(opened),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn add_chunk(
        self,
        inode: InodeId,
        written: &[ChunkExtent],
    ) -> Result<ChunkExtent, NamespaceError> {
        let written = written.to_vec();
        match self.run(Command::AddChunk { inode, written })? {
            Outcome::ChunkAdded(extent) => Ok(extent),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn abandon_chunk(self, inode: InodeId, chunk: ChunkId) -> Answer {
        self.run(Command::AbandonChunk { inode, chunk })
    }

    pub(crate) fn abandon_file(self, inode: InodeId, written: &[ChunkExtent]) -> Answer {
        let written = written.to_vec();
        self.run(Command::AbandonFile { inode, written })
    }

    pub(crate) fn bump(self, inode: InodeId, chunk: ChunkId) -> Result<Generation, NamespaceError> {
        match self.run(Command::BumpGeneration { inode, chunk })? {
            Outcome::Generation(generation) => Ok(generation),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn update(self, inode: InodeId, extent: ChunkExtent) -> Answer {
        self.run(Command::UpdatePipeline { inode, extent })
    }

    pub(crate) fn complete(
        self,
        inode: InodeId,
        written: &[ChunkExtent],
    ) -> Result<FileStatus, NamespaceError> {
        let written = written.to_vec();
        match self.run(Command::Complete { inode, written })? {
            Outcome::Completed(completed) => Ok(completed.status),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn rename(self, from: &str, to: &str) -> Answer {
        let (from, to, replace) = (path(from), path(to), true);
        self.run(Command::Rename { from, to, replace })
    }

    pub(crate) fn rename_exclusive(self, from: &str, to: &str) -> Answer {
        let (from, to, replace) = (path(from), path(to), false);
        self.run(Command::Rename { from, to, replace })
    }

    pub(crate) fn delete(self, at: &str) -> Answer {
        let (path, recursive) = (path(at), false);
        self.run(Command::Delete { path, recursive })
    }

    pub(crate) fn delete_recursive(self, at: &str) -> Answer {
        let (path, recursive) = (path(at), true);
        self.run(Command::Delete { path, recursive })
    }

    pub(crate) fn ticket(&mut self, at: &str) -> Result<DeleteTicket, NamespaceError> {
        self.fs.ns.check_delete(&self.caller, None, &path(at))
    }

    pub(crate) fn delete_tree(self, at: &str, ticket: DeleteTicket) -> Answer {
        self.run(Command::DeleteTree {
            path: path(at),
            ticket,
        })
    }

    pub(crate) fn set(self, at: &str, set: SetAttributes) -> Answer {
        let path = path(at);
        self.run(Command::SetAttributes { path, set })
    }

    pub(crate) fn chmod(self, at: &str, mode: u16) -> Answer {
        let mode = Some(mode);
        self.set(
            at,
            SetAttributes {
                mode,
                ..Default::default()
            },
        )
    }

    pub(crate) fn chown(self, at: &str, owner: &str) -> Answer {
        let owner = Some(owner.to_owned());
        self.set(
            at,
            SetAttributes {
                owner,
                ..Default::default()
            },
        )
    }

    pub(crate) fn chgrp(self, at: &str, group: &str) -> Answer {
        let group = Some(group.to_owned());
        self.set(
            at,
            SetAttributes {
                group,
                ..Default::default()
            },
        )
    }
}
