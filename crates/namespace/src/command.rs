//! What can be asked of the state machine: the records of the write-ahead log.

use serde::{Deserialize, Serialize};
use types::{
    AdminState, Caller, ChunkExtent, ChunkId, ChunkSize, ClientId, ClusterId, DatanodeId, FsPath, Generation,
    InodeId, RequestId, StorageId, UnixMillis,
};

/// One record of the log: a command, who gave it, and when the leader took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The leader's clock. Where it is behind that of an earlier entry, the earlier one counts.
    pub at: UnixMillis,
    /// Who asks; permissions are checked against this. The leader's own commands have `superuser`.
    pub caller: Caller,
    /// What makes the call unique; none for the leader's own commands, which are not kept in the retry cache.
    pub request: Option<RequestId>,
    /// What is asked.
    pub command: Command,
}

/// When the name of a new file appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publish {
    /// At once, empty; an overwritten file is gone at once.
    AtCreate,
    /// Whole, with `Complete`; until then an overwritten file stays, and a writer that dies leaves nothing.
    AtComplete,
}

/// How a file is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateOptions {
    /// Permission bits.
    pub mode: u16,
    /// Whether an existing file is replaced.
    pub overwrite: bool,
    /// Whether missing directories above it are made.
    pub parents: bool,
    /// Replicas of each chunk.
    pub replication: u16,
    /// The largest length of its chunks.
    pub chunk_size: ChunkSize,
    /// When its name appears.
    pub publish: Publish,
}

/// Attributes to change; those that are none stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAttributes {
    /// Permission bits (the owner and the superuser may change them).
    pub mode: Option<u16>,
    /// The owner (only the superuser may change it).
    pub owner: Option<String>,
    /// The group (the superuser, or the owner if in the group).
    pub group: Option<String>,
    /// Replicas of each chunk of a file.
    pub replication: Option<u16>,
    /// Time of the last change to the contents.
    pub mtime: Option<UnixMillis>,
    /// Time of the last read.
    pub atime: Option<UnixMillis>,
}

/// What a datanode says of itself when it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Who it is.
    pub id: DatanodeId,
    /// How it wants to be reached.
    pub host: String,
    /// The port of its data plane.
    pub data_port: u16,
    /// Its rack: `/default` when none is known.
    pub rack: String,
    /// Its volumes.
    pub storages: Vec<MemberStorage>,
}

/// A volume of a datanode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStorage {
    /// Which one.
    pub id: StorageId,
    /// Its size in bytes when it was last registered.
    pub capacity: u64,
}

/// A change to the metadata.
///
/// Each kind has an op code of its own ([`Command::op_code`]), which never changes its meaning: it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Makes the root directory and names the cluster. The first command of a log, and only that. Inodes and chunks are
    /// numbered one after the other; new clusters begin with `FormatSlotted`.
    Format {
        /// The new cluster.
        cluster: ClusterId,
    },
    /// Makes a directory. With `parents`, missing directories above it too, and an existing directory is no error.
    Mkdir {
        /// Where.
        path: FsPath,
        /// Permission bits.
        mode: u16,
        /// As `mkdir -p`.
        parents: bool,
    },
    /// Makes a file and opens it for writing by the request's client.
    Create {
        /// Where.
        path: FsPath,
        /// How.
        options: CreateOptions,
    },
    /// Opens a complete file for writing by the request's client; new bytes go into new chunks, or behind the last one
    /// (`AppendChunk`).
    Append {
        /// Which.
        path: FsPath,
    },
    /// Adds an empty chunk to the end of a file that the request's client writes.
    AddChunk {
        /// The file.
        inode: InodeId,
        /// Earlier chunks of it that are acknowledged by now.
        written: Vec<ChunkExtent>,
    },
    /// Takes back a chunk that holds nothing acknowledged.
    AbandonChunk {
        /// The file.
        inode: InodeId,
        /// The chunk.
        chunk: ChunkId,
    },
    /// Gives a file up: an unpublished one disappears, a published one is closed with the chunks that are written.
    AbandonFile {
        /// The file.
        inode: InodeId,
        /// Chunks that are acknowledged by now.
        written: Vec<ChunkExtent>,
    },
    /// Gives out a new generation for a chunk that is being written. The chunk keeps its old one until `UpdatePipeline`
    /// (or `Complete`, or `AddChunk`) names the new one.
    BumpGeneration {
        /// The file.
        inode: InodeId,
        /// The chunk.
        chunk: ChunkId,
    },
    /// Moves a chunk that is being written to a generation that `BumpGeneration` gave out.
    UpdatePipeline {
        /// The file.
        inode: InodeId,
        /// The chunk, its new generation and the length that is acknowledged so far.
        extent: ChunkExtent,
    },
    /// Closes a file; an unpublished one gets its name.
    Complete {
        /// The file.
        inode: InodeId,
        /// Chunks that are acknowledged by now; with these, all of the file must be.
        written: Vec<ChunkExtent>,
    },
    /// Keeps the request's client's leases.
    RenewLease,
    /// Closes what writers hold that have not renewed their lease since `before`: as `AbandonFile` of each file.
    ExpireLeases {
        /// Leases renewed before this are over.
        before: UnixMillis,
    },
    /// Renames a file or a directory (POSIX `rename`).
    Rename {
        /// What.
        from: FsPath,
        /// Its new path.
        to: FsPath,
        /// Whether a file, or an empty directory, that has the name is replaced.
        replace: bool,
    },
    /// Removes a file, an empty directory, or with `recursive` a whole tree, which is looked through first: masters
    /// give `DeleteTree` instead.
    Delete {
        /// What.
        path: FsPath,
        /// As `rm -r`.
        recursive: bool,
    },
    /// Changes attributes.
    SetAttributes {
        /// Of what.
        path: FsPath,
        /// To what.
        set: SetAttributes,
    },
    /// Makes a datanode a member, or changes what is known of one.
    RegisterDatanode(Registration),
    /// Frees some of what recursive deletes have detached. The leader gives it as long as there is something
    /// ([`Namespace::reap_due`](crate::Namespace::reap_due)).
    Reap {
        /// At most so many inodes and chunks together; one inode at least.
        limit: u64,
    },
    /// Switches the safe mode of the operator. The state only remembers it: the leader refuses what it forbids.
    SetSafeMode {
        /// Whether it is on from now on.
        on: bool,
    },
    /// Removes a file or a directory with everything below it, in a time that does not depend on how much that is:
    /// `Reap` frees it bit by bit.
    DeleteTree {
        /// What.
        path: FsPath,
        /// That the caller may do this: what [`Namespace::check_delete`](crate::Namespace::check_delete) said.
        ticket: DeleteTicket,
    },
    /// As `Format`, for a cluster in which ids are made of a slot in the tables and the slot's birth number, so that
    /// slots are used again and ids are not.
    FormatSlotted {
        /// The new cluster.
        cluster: ClusterId,
    },
    /// Says how a member takes part from now on.
    SetMemberState {
        /// Which one.
        id: DatanodeId,
        /// How. One that drains already, or is drained, stays so since it has been.
        state: AdminState,
    },
    /// Forgets a member. The leader gives it only for one that may go.
    RemoveMember {
        /// Which one.
        id: DatanodeId,
    },
    /// Changes a setting of the cluster.
    SetSetting {
        /// Which one: see [`Settings`](crate::Settings).
        key: String,
        /// To what; empty: to what it is by default.
        value: String,
    },
    /// Notes how far a chunk is that the request's client goes on writing: it will not be committed with fewer bytes, and
    /// they count for the length of the file.
    Sync {
        /// The file.
        inode: InodeId,
        /// Chunks that are finished and acknowledged by now.
        written: Vec<ChunkExtent>,
        /// The chunk that is being written, with the bytes of it that are on disk on every datanode of its pipeline.
        open: Option<ChunkExtent>,
    },
    /// Takes a file away from its writer, unless that has renewed its lease in time. An unpublished file is gone, one of which
    /// nothing is unfinished is closed. Else the file is the leader's, and each unfinished chunk gets a new generation for
    /// the recovery that begins now; one that began before can not commit any more.
    Recover {
        /// The file.
        inode: InodeId,
        /// The writer keeps it when its lease was renewed at this time or later.
        before: UnixMillis,
    },
    /// Ends a recovery: the file is closed with these chunks.
    CommitRecovery {
        /// The file.
        inode: InodeId,
        /// The first ones of those that were unfinished, in order, in the generations of the latest `Recover`.
        chunks: Vec<ChunkExtent>,
    },
    /// The request's client gives a file up: an unpublished one disappears, others are recovered, as with `Recover`.
    LeaveFile {
        /// The file.
        inode: InodeId,
        /// Chunks that are finished and acknowledged by now.
        written: Vec<ChunkExtent>,
    },
    /// Cuts a file that nobody writes. At the edge of a chunk that is done at once; inside of one the file is the leader's from
    /// now on, until a recovery has cut the replicas and ends with `CommitRecovery`. Nobody reads behind the cut any more.
    Truncate {
        /// Which.
        path: FsPath,
        /// How many bytes are left of it; not more than it has.
        len: u64,
    },
    /// Puts the chunks of files behind those of another one; these files are gone then. Nobody may write any of them.
    Concat {
        /// Which grows.
        target: FsPath,
        /// What it grows by, in this order.
        sources: Vec<FsPath>,
    },
    /// Goes on with the last chunk of a file that the request's client writes, though it was finished: it is being written
    /// again, with all that it has, and gets a new generation, as with `BumpGeneration`. One that is being written already
    /// only gets the generation.
    AppendChunk {
        /// The file.
        inode: InodeId,
    },
    /// As `Create`, and `AddChunk` of its first chunk.
    CreateWithChunk {
        /// Where.
        path: FsPath,
        /// How.
        options: CreateOptions,
    },
}

/// A tree that the caller was found to be allowed to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTicket {
    /// What was at the path. None: the same call was carried out before, and only its answer is wanted.
    pub top: Option<InodeId>,
    /// How much was in the tree, the top included. Only counters depend on it, and only until the tree is reaped.
    pub content: Content,
}

/// How much there is in a part of the namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Chunks.
    pub chunks: u64,
}

/// The client that holds a lease, with the files that it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub holder: ClientId,
    /// When it was last renewed.
    pub renewed: UnixMillis,
    /// What it writes.
    pub files: Vec<InodeId>,
}

/// Who writes a file that is being recovered: nobody, and no client is called so.
pub const RECOVERY: ClientId = ClientId(u128::MAX);

/// Who writes a file that is being cut inside of a chunk: nobody either. Its only unfinished chunk is to have as many bytes as
/// are acknowledged, and no more.
pub const TRUNCATION: ClientId = ClientId(u128::MAX - 1);

/// Whether a file that `holder` writes is the leader's, to be recovered.
#[must_use]
pub fn is_leaders(holder: ClientId) -> bool {
    holder == RECOVERY || holder == TRUNCATION
}

/// The generation that the first replica of a chunk has.
pub const FIRST_GENERATION: Generation = Generation(1);
