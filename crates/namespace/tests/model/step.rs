//! Random commands, small enough in their vocabulary to meet each other.

use namespace::{Command, CreateOptions, Publish, Registration, SetAttributes};
use proptest::prelude::*;
use types::{
    AdminState, Caller, ChunkExtent, ChunkSize, ClientId, DatanodeId, FsPath, Generation, InodeId, UnixMillis,
};

use crate::model::Model;

/// One step of a story. Files and chunks are named by numbers that are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Mkdir {
        path: At,
        mode: u16,
        parents: bool,
    },
    Create {
        path: At,
        options: CreateOptions,
    },
    CreateWithChunk {
        path: At,
        options: CreateOptions,
    },
    Append(At),
    AppendChunk(usize),
    AddChunk(Writing),
    AbandonChunk {
        file: usize,
        chunk: usize,
    },
    AbandonFile(Writing),
    Bump {
        file: usize,
        chunk: usize,
    },
    Update {
        file: usize,
        chunk: usize,
        generation: u64,
        len: u64,
    },
    Complete(Writing),
    Sync {
        writing: Writing,
        chunk: usize,
        len: u64,
    },
    Recover {
        file: usize,
        silent: u64,
    },
    CommitRecovery {
        writing: Writing,
        keep: usize,
    },
    LeaveFile(Writing),
    Truncate {
        path: At,
        len: u64,
    },
    Concat {
        target: At,
        sources: Vec<At>,
    },
    Renew,
    Expire {
        silent: u64,
    },
    Rename {
        from: At,
        to: At,
        replace: bool,
    },
    Delete {
        path: At,
        recursive: bool,
    },
    Set {
        path: At,
        set: SetAttributes,
    },
    DeleteTree {
        path: At,
        /// With a ticket that was for something else, or for the same long ago.
        stale: bool,
    },
    Reap {
        limit: u64,
    },
    SafeMode(bool),
    /// A datanode comes, under one of a few names.
    Register {
        datanode: u8,
        host: u8,
    },
    MemberState {
        datanode: u8,
        state: AdminState,
    },
    RemoveMember(u8),
    Setting {
        key: &'static str,
        value: &'static str,
    },
    /// The last call comes again.
    Again,
    /// A machine is restarted from what it saved.
    Restart,
    /// A clone is kept.
    Snapshot,
}

/// A call of a writer that says what is acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) file: usize,
    /// Which of the chunks that are being written, by bit.
    pub(crate) chunks: u8,
    pub(crate) len: u64,
    /// What the generation is off from the one that is in force.
    pub(crate) ahead: u64,
}

/// Where a step goes.
#[derive(Debug, Clone)]
pub(crate) enum At {
    Path(FsPath),
    /// Something that is there, in the order of the paths.
    Known(usize),
    /// A file that is there.
    File(usize),
}

/// Who takes a step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    User(usize),
    /// Whoever writes the file that the step is about.
    Writer,
}

pub(crate) const USERS: [&str; 4] = ["root", "ann", "bob", "eve"];

pub(crate) fn caller(user: usize) -> (Caller, ClientId) {
    let name = USERS[user];
    let mut groups = vec![name.to_owned()];
    if matches!(name, "ann" | "bob") {
        groups.push("staff".to_owned());
    }
    let caller = Caller {
        user: name.to_owned(),
        groups,
        superuser: user == 0,
    };
    (caller, ClientId(user as u128 + 1))
}

fn at() -> impl Strategy<Value = At> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let depth = prop::sample::select(vec![0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4]);
    let path = (depth, [name.clone(), name.clone(), name.clone(), name]).prop_map(|(depth, names)| {
        At::Path(FsPath::parse(&format!("/{}", names[..depth].join("/"))).unwrap())
    });
    prop_oneof![
        4 => path,
        2 => (0usize..30).prop_map(At::Known),
        2 => (0usize..30).prop_map(At::File),
    ]
}

fn mode() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![
        0o777, 0o777, 0o755, 0o700, 0o1777, 0o555, 0o070, 0o750, 0o666, 0o000, 0o7733,
    ])
}

fn replication() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0, 1, 2, 2, 3, 3, 3, 3])
}

fn options() -> impl Strategy<Value = CreateOptions> {
    (mode(), any::<(bool, bool, bool)>(), replication()).prop_map(
        |(mode, (overwrite, parents, at_create), replication)| CreateOptions {
            mode,
            overwrite,
            parents,
            replication,
            chunk_size: ChunkSize::new(1024).unwrap(),
            publish: if at_create {
                Publish::AtCreate
            } else {
                Publish::AtComplete
            },
        },
    )
}

fn set() -> impl Strategy<Value = SetAttributes> {
    let principal = || prop::option::of(prop::sample::select(vec!["ann", "bob", "eve", "staff", ""]));
    let time = || prop::option::weighted(0.2, (0..9u64).prop_map(UnixMillis));
    (
        prop::option::of(mode()),
        principal(),
        principal(),
        prop::option::weighted(0.5, replication()),
        time(),
        time(),
        0usize..6,
    )
        .prop_map(|(mode, owner, group, replication, mtime, atime, only)| {
            let owned = |name: Option<&str>| name.map(str::to_owned);
            let all = SetAttributes {
                mode,
                owner: owned(owner),
                group: owned(group),
                replication,
                mtime,
                atime,
            };
            // Mostly one at a time, as people do.
            let none = SetAttributes::default();
            match only {
                0 => all,
                1 => SetAttributes {
                    owner: all.owner,
                    ..none
                },
                2 => SetAttributes {
                    group: all.group,
                    ..none
                },
                3 => SetAttributes { replication, ..none },
                _ => SetAttributes { mode, ..none },
            }
        })
}

fn writing() -> impl Strategy<Value = Writing> {
    let len = prop::sample::select(vec![0, 1, 512, 1024, 1024, 1025]);
    let chunks = prop::sample::select(vec![0xff, 0xff, 0xff, 0, 1, 2, 6]);
    (
        0usize..8,
        chunks,
        len,
        prop::sample::select(vec![0, 0, 0, 0, 1, 2]),
    )
        .prop_map(|(file, chunks, len, ahead)| Writing {
            file,
            chunks,
            len,
            ahead,
        })
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => (0..USERS.len()).prop_map(Who::User),
        7 => Just(Who::Writer),
    ]
}

fn state() -> impl Strategy<Value = AdminState> {
    let time = || (0u64..3).prop_map(UnixMillis);
    prop_oneof![
        Just(AdminState::InService),
        time().prop_map(|since| AdminState::Decommissioning { since }),
        time().prop_map(|since| AdminState::Decommissioned { since }),
        time().prop_map(|until| AdminState::Maintenance { until }),
    ]
}

fn setting() -> impl Strategy<Value = (&'static str, &'static str)> {
    let keys = prop::sample::select(vec!["repair.streams", "repair.settle_ms", "none"]);
    (keys, prop::sample::select(vec!["", "1", "7", "x"]))
}

/// One of a few datanodes.
pub(crate) fn datanode(number: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([number; 16])
}

/// A step and who takes it.
pub(crate) fn step() -> impl Strategy<Value = (Who, Step)> {
    let one = || (0usize..8, 0usize..5);
    let step = prop_oneof![
        4 => (at(), mode(), any::<bool>()).prop_map(|(path, mode, parents)| Step::Mkdir { path, mode, parents }),
        16 => (at(), options()).prop_map(|(path, options)| Step::Create { path, options }),
        6 => (at(), options()).prop_map(|(path, options)| Step::CreateWithChunk { path, options }),
        5 => at().prop_map(Step::Append),
        5 => (0usize..8).prop_map(Step::AppendChunk),
        10 => writing().prop_map(Step::AddChunk),
        4 => (writing(), 0usize..3, prop::sample::select(vec![0, 1, 600, 1024, 1025]))
            .prop_map(|(writing, chunk, len)| Step::Sync { writing, chunk, len }),
        2 => one().prop_map(|(file, chunk)| Step::AbandonChunk { file, chunk }),
        3 => (0usize..8, prop::sample::select(vec![0, 0, 5, 500]))
            .prop_map(|(file, silent)| Step::Recover { file, silent }),
        3 => (writing(), 0usize..5).prop_map(|(writing, keep)| Step::CommitRecovery { writing, keep }),
        1 => writing().prop_map(Step::LeaveFile),
        4 => (at(), prop::sample::select(vec![0, 1, 512, 600, 1024, 1025, 1536, 2048]))
            .prop_map(|(path, len)| Step::Truncate { path, len }),
        3 => (at(), prop::collection::vec(at(), 0..3)).prop_map(|(target, sources)| Step::Concat { target, sources }),
        1 => writing().prop_map(Step::AbandonFile),
        2 => one().prop_map(|(file, chunk)| Step::Bump { file, chunk }),
        3 => (one(), 0u64..4, prop::sample::select(vec![0, 1, 600, 1025])).prop_map(
            |((file, chunk), generation, len)| Step::Update { file, chunk, generation, len }
        ),
        7 => writing().prop_map(Step::Complete),
        1 => Just(Step::Renew),
        1 => (0u64..80).prop_map(|silent| Step::Expire { silent }),
        7 => (at(), at(), any::<bool>()).prop_map(|(from, to, replace)| Step::Rename { from, to, replace }),
        3 => (at(), any::<bool>()).prop_map(|(path, recursive)| Step::Delete { path, recursive }),
        4 => (at(), set()).prop_map(|(path, set)| Step::Set { path, set }),
        3 => (at(), prop::bool::weighted(0.3)).prop_map(|(path, stale)| Step::DeleteTree { path, stale }),
        2 => (0u64..5).prop_map(|limit| Step::Reap { limit }),
        1 => any::<bool>().prop_map(Step::SafeMode),
        3 => (0u8..3, 0u8..2).prop_map(|(datanode, host)| Step::Register { datanode, host }),
        2 => (0u8..3, state()).prop_map(|(datanode, state)| Step::MemberState { datanode, state }),
        1 => (0u8..3).prop_map(Step::RemoveMember),
        1 => setting().prop_map(|(key, value)| Step::Setting { key, value }),
        2 => Just(Step::Again),
        2 => Just(Step::Restart),
        1 => Just(Step::Snapshot),
    ];
    (who(), step)
}

impl At {
    pub(crate) fn path(self, model: &Model) -> FsPath {
        match self {
            Self::Path(path) => path,
            Self::Known(nth) => model.nth_path(nth, false),
            Self::File(nth) => model.nth_path(nth, true),
        }
    }
}

impl Step {
    /// The command that this step is now.
    pub(crate) fn command(self, model: &Model, now: u64) -> Command {
        let path = |at: At| at.path(model);
        let inode = |file| model.nth_file(file).unwrap_or(InodeId(999));
        let written = |writing: &Writing| {
            let open = model.open_chunks(inode(writing.file));
            let chosen = open
                .into_iter()
                .enumerate()
                .filter(|(bit, _)| writing.chunks >> bit & 1 == 1);
            chosen
                .map(|(_, (chunk, generation))| ChunkExtent {
                    chunk,
                    generation: Generation(generation.0 + writing.ahead),
                    len: writing.len,
                })
                .collect()
        };
        match self {
            Self::Mkdir {
                path: at,
                mode,
                parents,
            } => Command::Mkdir {
                path: path(at),
                mode,
                parents,
            },
            Self::Create { path: at, options } => Command::Create {
                path: path(at),
                options,
            },
            Self::CreateWithChunk { path: at, options } => Command::CreateWithChunk {
                path: path(at),
                options,
            },
            Self::Append(at) => Command::Append { path: path(at) },
            Self::AppendChunk(file) => Command::AppendChunk { inode: inode(file) },
            Self::AddChunk(writing) => Command::AddChunk {
                inode: inode(writing.file),
                written: written(&writing),
            },
            Self::AbandonChunk { file, chunk } => Command::AbandonChunk {
                inode: inode(file),
                chunk: model.nth_chunk(inode(file), chunk),
            },
            Self::AbandonFile(writing) => Command::AbandonFile {
                inode: inode(writing.file),
                written: written(&writing),
            },
            Self::Bump { file, chunk } => Command::BumpGeneration {
                inode: inode(file),
                chunk: model.nth_chunk(inode(file), chunk),
            },
            Self::Update {
                file,
                chunk,
                generation,
                len,
            } => Command::UpdatePipeline {
                inode: inode(file),
                extent: ChunkExtent {
                    chunk: model.nth_chunk(inode(file), chunk),
                    generation: Generation(generation),
                    len,
                },
            },
            Self::Complete(writing) => Command::Complete {
                inode: inode(writing.file),
                written: written(&writing),
            },
            Self::Sync { writing, chunk, len } => {
                let inode = inode(writing.file);
                let open = model.open_chunks(inode).into_iter().nth(chunk);
                Command::Sync {
                    inode,
                    written: written(&writing),
                    open: open.map(|(chunk, generation)| ChunkExtent {
                        chunk,
                        generation: Generation(generation.0 + writing.ahead),
                        len,
                    }),
                }
            }
            Self::Recover { file, silent } => Command::Recover {
                inode: inode(file),
                before: UnixMillis(now.saturating_sub(silent)),
            },
            Self::CommitRecovery { writing, keep } => Command::CommitRecovery {
                inode: inode(writing.file),
                chunks: model.unfinished(inode(writing.file), writing.len, writing.ahead, keep),
            },
            Self::LeaveFile(writing) => Command::LeaveFile {
                inode: inode(writing.file),
                written: written(&writing),
            },
            Self::Truncate { path: at, len } => Command::Truncate { path: path(at), len },
            Self::Concat { target, sources } => Command::Concat {
                target: path(target),
                sources: sources.into_iter().map(path).collect(),
            },
            Self::Renew => Command::RenewLease,
            Self::Expire { silent } => Command::ExpireLeases {
                before: UnixMillis(now.saturating_sub(silent)),
            },
            Self::Rename { from, to, replace } => Command::Rename {
                from: path(from),
                to: path(to),
                replace,
            },
            Self::Delete { path: at, recursive } => Command::Delete {
                path: path(at),
                recursive,
            },
            Self::Set { path: at, set } => Command::SetAttributes { path: path(at), set },
            Self::Reap { limit } => Command::Reap { limit },
            Self::SafeMode(on) => Command::SetSafeMode { on },
            Self::Register { datanode: id, host } => Command::RegisterDatanode(Registration {
                id: datanode(id),
                host: host.to_string(),
                data_port: 9866,
                rack: "/default".to_owned(),
                storages: Vec::new(),
            }),
            Self::MemberState { datanode: id, state } => Command::SetMemberState {
                id: datanode(id),
                state,
            },
            Self::RemoveMember(id) => Command::RemoveMember { id: datanode(id) },
            Self::Setting { key, value } => Command::SetSetting {
                key: key.to_owned(),
                value: value.to_owned(),
            },
            Self::DeleteTree { .. } | Self::Again | Self::Restart | Self::Snapshot => {
                panic!("not a command by itself")
            }
        }
    }
}
