//! The file system as a program sees it: every operation on names, and the way to writers and readers.

use std::ops::Range;
use std::sync::Arc;

use env::Env;
use proto::v1;
use tokio::sync::{OnceCell, watch};
use types::{ChunkSize, FsPath, InodeId, UnixMillis};

use crate::batch;
use crate::dataplane::DataPlane;
use crate::lease::Lease;
use crate::memory::{Budget, Pool};
use crate::neighbours::Neighbours;
use crate::read::{READ_PACKET_BYTES, ReadBuffer, locations};
use crate::rpc::{Limits, Rpc, call};
use crate::small::Small;
use crate::status::{ClusterSpace, ContentSummary, FileStatus, ServerInfo};
use crate::together::{self, Creating, Together};
use crate::write::{Buffers, wire_ids};
use crate::{
    Admin, BatchAnswer, BatchOperation, Config, Error, FileChecksum, FileReader, FileWriter, ListPages,
    Location, Operations,
};

/// When the name of a new file appears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publish {
    /// At once, empty; an overwritten file is gone at once. What is written becomes visible chunk by chunk.
    AtCreate,
    /// Whole, when the writer is closed; until then an overwritten file stays, and a writer that dies leaves nothing.
    #[default]
    AtComplete,
}

/// How a file is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOptions {
    /// Whether an existing file is replaced; else it is an error.
    pub overwrite: bool,
    /// Whether missing directories above it are made.
    pub parents: bool,
    /// Replicas of each chunk; none: as the [`Config`] says, else the cluster.
    pub replication: Option<u16>,
    /// The largest length of its chunks; none: as the [`Config`] says, else the cluster.
    pub chunk_size: Option<ChunkSize>,
    /// Permission bits.
    pub mode: u16,
    /// When its name appears.
    pub publish: Publish,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            overwrite: false,
            parents: false,
            replication: None,
            chunk_size: None,
            mode: 0o644,
            publish: Publish::default(),
        }
    }
}

/// A DistriFS cluster. Cloning is cheap; clones share connections, the lease and the memory budget.
#[derive(Clone)]
pub struct FileSystem {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) rpc: Rpc,
    pub(crate) plane: DataPlane,
    pub(crate) lease: Lease,
    pub(crate) budget: Budget,
    /// Packets that were written.
    pub(crate) buffers: Arc<Pool<Buffers>>,
    /// Packets that were read.
    pub(crate) packets: Arc<Pool<ReadBuffer>>,
    /// Calls that share messages to the masters.
    pub(crate) together: Together,
    /// Small chunks that share messages to datanodes.
    pub(crate) small: Small,
    info: OnceCell<ServerInfo>,
}

impl FileSystem {
    /// A file system of the cluster that `config` names. Nothing is asked of it yet: the first call connects.
    ///
    /// # Errors
    /// [`Error::Config`] when the settings can not work.
    pub fn connect(env: Env, config: Config) -> Result<Self, Error> {
        config.check()?;
        let rpc = Rpc::new(&env, &config)?;
        let pooled = config.memory_budget / 4;
        Ok(Self {
            inner: Arc::new(Inner {
                plane: DataPlane::new(
                    env.net.clone(),
                    config.timeouts.clone(),
                    rpc.client(),
                    Neighbours::new(config.local_reads),
                ),
                rpc,
                lease: Lease::default(),
                budget: Budget::new(config.memory_budget),
                buffers: Arc::new(Pool::new(pooled, config.packet_bytes.into())),
                packets: Arc::new(Pool::new(pooled, READ_PACKET_BYTES)),
                together: Together::new(),
                small: Small::new(),
                info: OnceCell::new(),
                env,
                config,
            }),
        })
    }

    /// The same cluster for another user: masters and the memory budget are shared, leases are not.
    #[must_use]
    pub fn as_user(&self, user: &str, groups: &[String]) -> Self {
        let inner = &self.inner;
        let config = Config {
            user: user.to_owned(),
            groups: groups.to_vec(),
            ..inner.config.clone()
        };
        let rpc = inner.rpc.as_caller(user, groups);
        Self {
            inner: Arc::new(Inner {
                plane: DataPlane::new(
                    inner.env.net.clone(),
                    config.timeouts.clone(),
                    rpc.client(),
                    Neighbours::new(config.local_reads),
                ),
                rpc,
                lease: Lease::default(),
                budget: inner.budget.clone(),
                buffers: Arc::clone(&inner.buffers),
                packets: Arc::clone(&inner.packets),
                together: Together::new(),
                small: Small::new(),
                info: OnceCell::new_with(inner.info.get().cloned()),
                env: inner.env.clone(),
                config,
            }),
        }
    }

    /// The id of all that is asked by this file system, where a task has no [`Origin`](crate::Origin): of servers' logs and the audit
    /// log.
    #[must_use]
    pub fn trace(&self) -> types::TraceId {
        types::TraceId::of(self.inner.rpc.client())
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What operators ask of the masters.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(Arc::clone(&self.inner))
    }

    /// How the cluster is, why it is so, and what operators change about it.
    #[must_use]
    pub fn operations(&self) -> Operations {
        Operations::new(Arc::clone(&self.inner))
    }

    /// What calls have been waiting for, in words, since more than half a second: a leader, the end of safe mode; none when
    /// nothing is waited for.
    #[must_use]
    pub fn waiting(&self) -> watch::Receiver<Option<String>> {
        self.inner.rpc.waiting()
    }

    /// What the cluster is. Asked once, then remembered.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Protocol`].
    pub async fn server_info(&self) -> Result<&ServerInfo, Error> {
        self.inner.server_info().await
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotDirectory`], [`Error::PermissionDenied`].
    pub async fn stat(&self, path: &FsPath) -> Result<FileStatus, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::StatRequest {
            caller: rpc.caller(),
            path: path.to_string(),
        };
        let answer = call!(rpc, "stat", path.as_str(), stat, request).await?;
        FileStatus::from_wire("stat", answer.status)
    }

    /// Whether there is something at `path`.
    ///
    /// # Errors
    /// As [`FileSystem::stat`], without those that say no.
    pub async fn exists(&self, path: &FsPath) -> Result<bool, Error> {
        match self.stat(path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_) | Error::NotDirectory(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The entries of the directory `path` in the order of their names, page by page. For a file: the file.
    #[must_use]
    pub fn list(&self, path: &FsPath) -> ListPages {
        ListPages::new(self.clone(), path.clone())
    }

    /// All entries of the directory `path`, in the order of their names. Use [`FileSystem::list`] where there may be many.
    ///
    /// # Errors
    /// As [`ListPages::next_page`].
    pub async fn list_all(&self, path: &FsPath) -> Result<Vec<FileStatus>, Error> {
        let mut pages = self.list(path);
        let mut entries = Vec::new();
        while let Some(mut page) = pages.next_page().await? {
            entries.append(&mut page);
        }
        Ok(entries)
    }

    /// Makes a directory; with `parents`, the missing ones above it too, and then an existing directory is no error.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotFound`], [`Error::NotDirectory`], [`Error::PermissionDenied`].
    pub async fn mkdir(&self, path: &FsPath, mode: u16, parents: bool) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::MkdirRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            mode: mode.into(),
            parents,
        };
        call!(rpc, "mkdir", path.as_str(), mkdir, request).await.map(drop)
    }

    /// Removes a file or an empty directory; with `recursive`, a directory with everything in it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotEmpty`], [`Error::PermissionDenied`].
    pub async fn delete(&self, path: &FsPath, recursive: bool) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::DeleteRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            recursive,
        };
        call!(rpc, "delete", path.as_str(), delete, request)
            .await
            .map(drop)
    }

    /// Renames a file or directory, atomically. With `replace`, a file or an empty directory that has the name goes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exists`], [`Error::NotEmpty`], [`Error::IsDirectory`], [`Error::NotDirectory`],
    /// [`Error::Invalid`] (into itself), [`Error::PermissionDenied`].
    pub async fn rename(&self, from: &FsPath, to: &FsPath, replace: bool) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::RenameRequest {
            caller: rpc.caller(),
            from: from.to_string(),
            to: to.to_string(),
            replace,
        };
        call!(rpc, "rename", from.as_str(), rename, request)
            .await
            .map(drop)
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`].
    pub async fn set_mode(&self, path: &FsPath, mode: u16) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SetModeRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            mode: mode.into(),
        };
        call!(rpc, "set mode", path.as_str(), set_mode, request)
            .await
            .map(drop)
    }

    /// Sets owner and group; what is none stays.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`].
    pub async fn set_owner(
        &self,
        path: &FsPath,
        owner: Option<&str>,
        group: Option<&str>,
    ) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SetOwnerRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            owner: owner.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        call!(rpc, "set owner", path.as_str(), set_owner, request)
            .await
            .map(drop)
    }

    /// Sets the number of replicas of a file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::Invalid`], [`Error::PermissionDenied`].
    pub async fn set_replication(&self, path: &FsPath, replication: u16) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SetReplicationRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            replication: replication.into(),
        };
        call!(rpc, "set replication", path.as_str(), set_replication, request)
            .await
            .map(drop)
    }

    /// Sets the times; what is none stays.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`].
    pub async fn set_times(
        &self,
        path: &FsPath,
        mtime: Option<UnixMillis>,
        atime: Option<UnixMillis>,
    ) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SetTimesRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            mtime_ms: mtime.map(UnixMillis::as_u64),
            atime_ms: atime.map(UnixMillis::as_u64),
        };
        call!(rpc, "set times", path.as_str(), set_times, request)
            .await
            .map(drop)
    }

    /// Sets both times to now; makes an empty file where there is nothing.
    ///
    /// # Errors
    /// As [`FileSystem::create`] and [`FileSystem::set_times`].
    pub async fn touch(&self, path: &FsPath) -> Result<(), Error> {
        let now = Some(self.inner.env.clock.wall());
        match self.set_times(path, now, now).await {
            Err(Error::NotFound(_)) => {}
            done => return done,
        }
        match self.create_with(path, CreateOptions::default(), false).await {
            Ok(writer) => writer.close().await.map(drop),
            // Somebody else made it in between.
            Err(Error::Exists(_)) => self.set_times(path, now, now).await,
            Err(error) => Err(error),
        }
    }

    /// Does many operations on names in few messages; the answers are in the order of the operations.
    ///
    /// They are concurrent with one another: none may rely on what another one of the same batch does. Their changes become
    /// durable together.
    pub async fn batch(&self, operations: &[BatchOperation]) -> Vec<Result<BatchAnswer, Error>> {
        batch::run(&self.inner, operations).await
    }

    /// How much is at and below `path`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PermissionDenied`].
    pub async fn content_summary(&self, path: &FsPath) -> Result<ContentSummary, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::ContentSummaryRequest {
            caller: rpc.caller(),
            path: path.to_string(),
        };
        let answer = call!(rpc, "content summary", path.as_str(), content_summary, request).await?;
        Ok(ContentSummary {
            files: answer.files,
            directories: answer.directories,
            len: answer.length,
            space: answer.space,
        })
    }

    /// The space of the cluster, and its datanodes.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Protocol`].
    pub async fn cluster_space(&self) -> Result<ClusterSpace, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::ClusterSpaceRequest { caller: rpc.caller() };
        ClusterSpace::from_wire(call!(rpc, "df", "the cluster", cluster_space, request).await?)
    }

    /// Makes a file and opens it for writing.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotFound`], [`Error::IsDirectory`], [`Error::PermissionDenied`], [`Error::Busy`].
    pub async fn create(&self, path: &FsPath, options: CreateOptions) -> Result<FileWriter, Error> {
        // A file that appears whole gets its first chunk at once: mostly it has bytes.
        let with_chunk = options.publish == Publish::AtComplete;
        self.create_with(path, options, with_chunk).await
    }

    async fn create_with(
        &self,
        path: &FsPath,
        options: CreateOptions,
        with_chunk: bool,
    ) -> Result<FileWriter, Error> {
        let rpc = &self.inner.rpc;
        let config = &self.inner.config;
        let replication = options.replication.or(config.replication).unwrap_or(0);
        let chunk_size = options
            .chunk_size
            .or(config.chunk_size)
            .map_or(0, ChunkSize::bytes);
        let request = v1::CreateRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            mode: options.mode.into(),
            overwrite: options.overwrite,
            parents: options.parents,
            replication: replication.into(),
            chunk_size,
            publish: match options.publish {
                Publish::AtCreate => v1::Publish::AtCreate.into(),
                Publish::AtComplete => v1::Publish::AtComplete.into(),
            },
            with_chunk,
            exclude: match with_chunk {
                true => wire_ids(&self.inner.plane.suspects()),
                false => Vec::new(),
            },
            host: match with_chunk {
                true => config.host.clone().unwrap_or_default(),
                false => String::new(),
            },
        };
        let creating = Creating {
            fs: self.clone(),
            path: path.clone(),
            request,
        };
        together::create(creating).await
    }

    /// Opens an existing file for more bytes, which go behind its last: into its last chunk, as long as that is not full and
    /// enough datanodes that have it can be reached, else into a new one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::Busy`], [`Error::PermissionDenied`].
    pub async fn append(&self, path: &FsPath) -> Result<FileWriter, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::AppendRequest {
            caller: rpc.caller(),
            path: path.to_string(),
        };
        let answer = call!(rpc, "append", path.as_str(), append, request).await?;
        let (replication, chunk_size) = chunks_of("append", answer.replication, answer.chunk_size)?;
        let last = Some(answer.last_length).filter(|last| *last > 0);
        let position = (answer.length, last);
        let inode = InodeId(answer.inode);
        FileWriter::open(self, path, inode, replication, chunk_size, position).await
    }

    /// Takes a file from its writer, however alive that is, and has it closed with everything that was flushed. Answers what
    /// that waits for when it takes long, and nothing when the file is closed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::PermissionDenied`].
    pub async fn recover_lease(&self, path: &FsPath) -> Result<Option<String>, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::RecoverLeaseRequest {
            caller: rpc.caller(),
            path: path.to_string(),
        };
        let limits = self.patient();
        let answer =
            call!(within limits, rpc, "recover lease", path.as_str(), recover_lease, request).await?;
        Ok((!answer.closed).then_some(answer.waits_for))
    }

    /// Cuts a file that nobody writes to `len` bytes. True when that is done; false when it is decided, and readers see no more
    /// than that, but datanodes are still cutting their replicas, which takes long: until they have, nobody can write the file
    /// ([`FileStatus::being_written`] tells).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::Invalid`] (the file is shorter than that), [`Error::Busy`],
    /// [`Error::PermissionDenied`].
    pub async fn truncate(&self, path: &FsPath, len: u64) -> Result<bool, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::TruncateRequest {
            caller: rpc.caller(),
            path: path.to_string(),
            length: len,
        };
        let limits = self.patient();
        let answer = call!(within limits, rpc, "truncate", path.as_str(), truncate, request).await?;
        Ok(answer.done)
    }

    /// Puts the contents of `sources`, in this order, behind that of `target`, without copying a byte; the sources are gone
    /// then. Nobody may write any of them; all have the same replication, and no source has larger chunks than the target.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::Invalid`] (they do not go together), [`Error::Busy`],
    /// [`Error::PermissionDenied`].
    pub async fn concat(&self, target: &FsPath, sources: &[FsPath]) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::ConcatRequest {
            caller: rpc.caller(),
            target: target.to_string(),
            sources: sources.iter().map(ToString::to_string).collect(),
        };
        call!(rpc, "concat", target.as_str(), concat, request)
            .await
            .map(drop)
    }

    /// For calls that the master answers when datanodes have, or when that takes long.
    fn patient(&self) -> Limits {
        let limit = self.inner.config.timeouts.close;
        Limits {
            attempt: limit,
            total: limit,
        }
    }

    /// Opens a file for reading: its bytes as they are now. Of one that is being written, those that its writer has flushed
    /// (datanodes that can not be reached may keep this waiting for a few seconds).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`], [`Error::PermissionDenied`].
    pub async fn open(&self, path: &FsPath) -> Result<FileReader, Error> {
        FileReader::open(self, path).await
    }

    /// Where the chunks of a file are that hold the bytes of `range`, in their order.
    ///
    /// # Errors
    /// As [`FileSystem::open`].
    pub async fn locations(&self, path: &FsPath, range: Range<u64>) -> Result<Vec<Location>, Error> {
        locations::locations(&self.inner, path, range).await
    }

    /// The checksum of a file's bytes, computed by the datanodes: no data is sent.
    ///
    /// # Errors
    /// As [`FileSystem::open`], and [`Error::DataUnavailable`].
    pub async fn checksum(&self, path: &FsPath) -> Result<FileChecksum, Error> {
        FileChecksum::of(&self.open(path).await?).await
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

/// What the chunks of a file are to be: how many replicas, and how long.
pub(crate) fn chunks_of(
    operation: &'static str,
    replication: u32,
    chunk_size: u64,
) -> Result<(u16, ChunkSize), Error> {
    let malformed = |why: String| Error::Protocol { operation, why };
    let chunk_size = ChunkSize::new(chunk_size).map_err(|error| malformed(error.to_string()))?;
    let replication =
        u16::try_from(replication).map_err(|_| malformed(format!("replication is {replication}")))?;
    Ok((replication, chunk_size))
}

impl Inner {
    pub(crate) async fn server_info(&self) -> Result<&ServerInfo, Error> {
        self.info
            .get_or_try_init(|| async {
                let request = v1::ServerInfoRequest {};
                let answer = call!(self.rpc, "server info", "the cluster", server_info, request).await?;
                ServerInfo::from_wire(answer)
            })
            .await
    }
}
