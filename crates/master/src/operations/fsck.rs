//! The files below a path, and how each of them is.
//!
//! A walk goes over a snapshot of the metadata, so that it sees every file exactly once; where the replicas are is asked of
//! the picture as of each page. A page takes a bounded amount of work, however large a directory or a file is.

use std::collections::BTreeMap;
use std::sync::Arc;

use namespace::{ChunkInfo, FileKind, FileStatus, Namespace};
use placement::{Condition, Replica, Standing};
use types::{Caller, ChunkExtent, ChunkId, DatanodeId, FsPath, Generation, InodeId, StorageId};

use crate::cluster::{Cluster, expected};
use crate::core::Core;
use crate::rejection::Rejection;

/// Chunks and directories of one page, about.
const PAGE_WORK: usize = 10_000;

/// Chunks that are looked at before others may have the lock of the cluster.
const CHUNKS_AT_ONCE: usize = 1_000;

/// Entries of a directory that are read at once.
const ENTRIES_AT_ONCE: usize = 1_000;

/// Chunks that are listed of one file.
const CHUNKS_SHOWN_MAX: usize = 1_000;

/// Which files are told one by one; all are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// All.
    All,
    /// Those with which something is wrong.
    Unhealthy,
    /// Those with fewer copies than are wanted, and at least one.
    AtRisk,
    /// Those of which not all bytes can be read: lost, or not to be reached now.
    Lost,
}

/// A replica of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplicaHealth {
    pub(crate) datanode: DatanodeId,
    /// `host:port` of the data plane.
    pub(crate) address: String,
    pub(crate) rack: String,
    pub(crate) storage: StorageId,
    pub(crate) generation: Generation,
    pub(crate) len: u64,
    pub(crate) standing: Standing,
    /// Whether the datanode and the volume can be reached.
    pub(crate) usable: bool,
}

/// A chunk of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkHealth {
    pub(crate) extent: ChunkExtent,
    pub(crate) condition: Condition,
    pub(crate) replicas: Vec<ReplicaHealth>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHealth {
    pub(crate) path: FsPath,
    pub(crate) len: u64,
    /// Wanted replicas of each chunk.
    pub(crate) replication: u16,
    /// How its worst chunk is.
    pub(crate) condition: Condition,
    /// How many chunks it has.
    pub(crate) chunk_count: u64,
    /// Those that are not healthy, or all when that is asked for; at most 1,000 of a file.
    pub(crate) chunks: Vec<ChunkHealth>,
}

/// What one step of a walk has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FsckPage {
    pub(crate) files: Vec<FileHealth>,
    /// Counts of this page alone; a caller adds them up.
    pub(crate) file_counts: BTreeMap<Condition, u64>,
    pub(crate) chunk_counts: BTreeMap<Condition, u64>,
    pub(crate) directories: u64,
    pub(crate) len: u64,
}

/// A walk over a tree.
pub(crate) struct FsckWalk {
    namespace: Arc<Namespace>,
    caller: Caller,
    show: Show,
    with_replicas: bool,
    /// Directories that are not read to their end, with the name that each is read up to; the next one last.
    open: Vec<(FsPath, Option<String>)>,
    /// Files that were read from a directory and not looked at yet; the next one last.
    files: Vec<(FsPath, FileStatus)>,
    /// The file that is being looked at.
    reading: Option<Reading>,
}

/// A file, as far as it was looked at.
struct Reading {
    file: FileHealth,
    inode: InodeId,
    left: std::vec::IntoIter<ChunkId>,
}

impl FsckWalk {
    /// A walk over what is at `path` now. With `with_replicas`, also the chunks that are healthy are listed.
    ///
    /// # Errors
    /// When there is nothing, or the caller may not look there.
    pub(crate) fn new(
        core: &Core,
        caller: Caller,
        path: FsPath,
        show: Show,
        with_replicas: bool,
    ) -> Result<Self, Rejection> {
        let namespace = core.machine.snapshot();
        let status = namespace.stat(&caller, &path)?;
        let (open, files) = match status.kind {
            FileKind::Directory => (vec![(path, None)], Vec::new()),
            FileKind::File => (Vec::new(), vec![(path, status)]),
        };
        Ok(Self {
            namespace,
            caller,
            show,
            with_replicas,
            open,
            files,
            reading: None,
        })
    }

    /// The next step; none when everything was seen.
    ///
    /// # Errors
    /// When the caller may not read a directory below.
    pub(crate) async fn next_page(&mut self, core: &Core) -> Result<Option<FsckPage>, Rejection> {
        let mut page = FsckPage::default();
        let mut work = 0;
        while work < PAGE_WORK {
            if let Some(mut reading) = self.reading.take() {
                work += self.look(core, &mut reading, &mut page).max(1);
                if reading.left.len() > 0 {
                    self.reading = Some(reading);
                    tokio::task::yield_now().await;
                } else {
                    self.finish(reading.file, &mut page);
                }
            } else if let Some((path, status)) = self.files.pop() {
                self.reading = Some(self.begin(path, &status));
            } else if let Some((directory, after)) = self.open.pop() {
                work += 1;
                self.read(directory, after, &mut page)?;
                tokio::task::yield_now().await;
            } else if page == FsckPage::default() {
                return Ok(None);
            } else {
                break;
            }
        }
        Ok(Some(page))
    }

    /// Reads on in a directory.
    fn read(
        &mut self,
        directory: FsPath,
        after: Option<String>,
        page: &mut FsckPage,
    ) -> Result<(), Rejection> {
        if after.is_none() {
            page.directories += 1;
        }
        let listed = self
            .namespace
            .list(&self.caller, &directory, after.as_deref(), ENTRIES_AT_ONCE)?;
        if let Some(last) = listed.entries.last().filter(|_| listed.more) {
            self.open.push((directory.clone(), Some(last.name.clone())));
        }
        // What is taken next is last: so names come in their order, files before directories.
        for entry in listed.entries.into_iter().rev() {
            let path = directory.join(&entry.name)?;
            match entry.kind {
                FileKind::Directory => self.open.push((path, None)),
                FileKind::File => self.files.push((path, entry)),
            }
        }
        Ok(())
    }

    fn begin(&self, path: FsPath, status: &FileStatus) -> Reading {
        let chunks = self.namespace.file_chunks(status.inode).unwrap_or_default();
        let chunks: Vec<_> = chunks.iter().map(|info| info.chunk).collect();
        Reading {
            file: FileHealth {
                path,
                len: status.len,
                replication: status.replication,
                condition: Condition::HEALTHY,
                chunk_count: chunks.len() as u64,
                chunks: Vec::new(),
            },
            inode: status.inode,
            left: chunks.into_iter(),
        }
    }

    /// Looks at the next chunks of a file, as they are now. Answers how many those were.
    fn look(&self, core: &Core, reading: &mut Reading, page: &mut FsckPage) -> usize {
        let cluster = core.cluster();
        let namespace = core.machine.read();
        let mut seen = 0;
        for chunk in reading.left.by_ref().take(CHUNKS_AT_ONCE) {
            seen += 1;
            // A chunk that the file let go of since the walk began is nobody's any more.
            let Some(info) = namespace.chunk(chunk).filter(|info| info.owner == reading.inode) else {
                continue;
            };
            let condition = cluster.condition(&info);
            *page.chunk_counts.entry(condition).or_default() += 1;
            reading.file.condition = reading.file.condition.worse(condition);
            if reading.file.chunks.len() < CHUNKS_SHOWN_MAX && (self.with_replicas || is_wrong(condition)) {
                reading
                    .file
                    .chunks
                    .push(ChunkHealth::of(&cluster, &info, condition));
            }
        }
        seen
    }

    fn finish(&self, file: FileHealth, page: &mut FsckPage) {
        *page.file_counts.entry(file.condition).or_default() += 1;
        page.len += file.len;
        let shown = match self.show {
            Show::All => true,
            Show::Unhealthy => is_wrong(file.condition),
            Show::AtRisk => file.condition.class.is_at_risk(),
            Show::Lost => !file.condition.class.is_readable(),
        };
        if shown {
            page.files.push(file);
        }
    }
}

fn is_wrong(condition: Condition) -> bool {
    condition.class.is_wrong() || condition.corrupt
}

impl ChunkHealth {
    /// A chunk with its replicas.
    pub(crate) fn of(cluster: &Cluster, info: &ChunkInfo, condition: Condition) -> Self {
        let expected = expected(info);
        let replica = |replica: Replica| {
            let node = cluster.view.owner(replica.storage)?;
            Some(ReplicaHealth {
                datanode: node.id,
                address: node.address(),
                rack: node.rack.clone(),
                storage: replica.storage,
                generation: replica.generation,
                len: replica.len,
                standing: replica.standing(expected),
                usable: cluster.view.is_usable(replica.storage),
            })
        };
        let replicas = cluster.replicas.replicas(info.chunk);
        Self {
            extent: ChunkExtent {
                chunk: info.chunk,
                generation: info.generation,
                len: info.len.unwrap_or_default(),
            },
            condition,
            replicas: replicas.into_iter().filter_map(replica).collect(),
        }
    }
}
