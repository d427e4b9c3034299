//! The same file system, written as naively as possible: a map from full paths to nodes. No inodes in a tree, no index,
//! no counters; renaming a directory rewrites the path of everything below it.

mod members;
mod names;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use namespace::{Command, Entry, NamespaceError, Outcome, TRUNCATION};
use types::{Caller, ChunkExtent, ChunkId, ClientId, FsPath, Generation, InodeId};

use self::members::Members;
use self::names::parent;
use self::writing::fits;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    Exists,
    NotDirectory,
    IsDirectory,
    NotEmpty,
    Denied,
    Invalid,
    Busy,
    NotWriter,
    WrongChunk,
    Changed,
}

impl Refusal {
    pub(crate) fn of(error: &NamespaceError) -> Self {
        match error {
            NamespaceError::NotFound(_) => Self::NotFound,
            NamespaceError::Exists(_) => Self::Exists,
            NamespaceError::NotDirectory(_) => Self::NotDirectory,
            NamespaceError::IsDirectory(_) => Self::IsDirectory,
            NamespaceError::NotEmpty(_) => Self::NotEmpty,
            NamespaceError::PermissionDenied { .. } => Self::Denied,
            NamespaceError::Invalid { .. } => Self::Invalid,
            NamespaceError::BeingWritten { .. } => Self::Busy,
            NamespaceError::NotWriter { .. } => Self::NotWriter,
            NamespaceError::WrongChunk { .. } => Self::WrongChunk,
            NamespaceError::Changed(_) => Self::Changed,
            NamespaceError::NoMember(_) => Self::NotFound,
            NamespaceError::Setting { .. } => Self::Invalid,
            NamespaceError::NoClient | NamespaceError::Format(_) | NamespaceError::Full(_) => {
                panic!("{error}")
            }
        }
    }
}

type Expected = Result<(), Refusal>;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) owner: String,
    pub(crate) group: String,
    pub(crate) mode: u16,
    pub(crate) mtime: u64,
    pub(crate) atime: u64,
    /// None: a directory.
    pub(crate) file: Option<InodeId>,
}

#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) replication: u16,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) writer: Option<Writer>,
}

#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) id: ChunkId,
    pub(crate) generation: u64,
    pub(crate) highest: u64,
    pub(crate) acknowledged: u64,
    pub(crate) committed: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) client: ClientId,
    user: String,
    pending: Option<Pending>,
}

/// A name that is to come.
#[derive(Debug, Clone)]
struct Pending {
    /// The directory, wherever it is; none when it is gone.
    directory: Option<String>,
    name: String,
    overwrite: bool,
    node: Node,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) files: BTreeMap<InodeId, File>,
    pub(crate) freed: BTreeSet<ChunkId>,
    renewed: BTreeMap<ClientId, u64>,
    now: u64,
    pub(crate) safe_mode: bool,
    pub(crate) members: Members,
    pub(crate) settings: BTreeMap<String, String>,
    /// Ids do not rise, but are never given out again.
    slotted: bool,
    inodes: BTreeSet<InodeId>,
}

impl File {
    /// The lengths that readers see.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (ChunkId, u64)> {
        self.chunks
            .iter()
            .map_while(|chunk| Some((chunk.id, chunk.committed?)))
    }

    /// The chunk that is being cut, with the length that it is to have.
    pub(crate) fn being_cut(&self) -> Option<(ChunkId, u64)> {
        self.writer
            .as_ref()
            .filter(|writer| writer.client == TRUNCATION)?;
        let cut = self.chunks.iter().find(|chunk| chunk.committed.is_none())?;
        Some((cut.id, cut.acknowledged))
    }

    /// What is committed, and what is known of the first chunk that is not.
    pub(crate) fn len(&self) -> u64 {
        let open = self.chunks.iter().find(|chunk| chunk.committed.is_none());
        self.committed() + open.map_or(0, |chunk| chunk.acknowledged)
    }

    pub(crate) fn committed(&self) -> u64 {
        self.visible().map(|(_, len)| len).sum()
    }
}

impl Model {
    pub(crate) fn new(at: u64, slotted: bool) -> Self {
        let root = Node {
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o755,
            mtime: at,
            atime: at,
            file: None,
        };
        Self {
            nodes: BTreeMap::from([("/".to_owned(), root)]),
            files: BTreeMap::new(),
            freed: BTreeSet::new(),
            renewed: BTreeMap::new(),
            now: at,
            safe_mode: false,
            members: Members::default(),
            settings: BTreeMap::new(),
            slotted,
            inodes: BTreeSet::new(),
        }
    }

    pub(crate) fn children(&self, directory: &str) -> Vec<String> {
        self.nodes
            .keys()
            .filter(|path| *path != "/" && parent(path) == directory)
            .cloned()
            .collect()
    }

    /// Something that is there; the root when there is nothing of the kind.
    pub(crate) fn nth_path(&self, nth: usize, file: bool) -> FsPath {
        let nodes = self.nodes.iter().filter(|(_, node)| !file || node.file.is_some());
        let paths: Vec<_> = nodes.map(|(path, _)| path).collect();
        let path = paths.get(nth % paths.len().max(1));
        path.map_or_else(FsPath::root, |path| FsPath::parse(path).unwrap())
    }

    /// A file that somebody writes.
    pub(crate) fn nth_file(&self, nth: usize) -> Option<InodeId> {
        let open: Vec<_> = self
            .files
            .iter()
            .filter(|(_, file)| file.writer.is_some())
            .map(|(&id, _)| id)
            .collect();
        open.get(nth % open.len().max(1)).copied()
    }

    pub(crate) fn writer_of(&self, nth: usize) -> Option<String> {
        let file = self.files.get(&self.nth_file(nth)?)?;
        Some(file.writer.as_ref()?.user.clone())
    }

    pub(crate) fn nth_chunk(&self, file: InodeId, nth: usize) -> ChunkId {
        let chunks = self.files.get(&file).map_or(&[][..], |file| &file.chunks);
        let chunk = chunks.iter().rev().nth(nth);
        chunk.map_or(ChunkId::new(1).unwrap(), |chunk| chunk.id)
    }

    pub(crate) fn open_chunks(&self, file: InodeId) -> Vec<(ChunkId, Generation)> {
        let chunks = self.files.get(&file).map_or(&[][..], |file| &file.chunks);
        let open = chunks.iter().filter(|chunk| chunk.committed.is_none());
        open.map(|chunk| (chunk.id, Generation(chunk.generation)))
            .collect()
    }

    /// Up to `keep` of the chunks from the first unfinished one on, as a recovery would commit them with `len` bytes each.
    pub(crate) fn unfinished(&self, id: InodeId, len: u64, off: u64, keep: usize) -> Vec<ChunkExtent> {
        let Some(file) = self.files.get(&id) else {
            return Vec::new();
        };
        let rest = file.chunks.iter().skip(file.visible().count()).take(keep);
        rest.map(|chunk| ChunkExtent {
            chunk: chunk.id,
            generation: match chunk.committed {
                Some(_) => Generation(chunk.generation),
                None => Generation(chunk.highest.saturating_sub(off)),
            },
            len: chunk.committed.unwrap_or(len),
        })
        .collect()
    }

    pub(crate) fn leases(&self) -> BTreeMap<ClientId, (u64, Vec<InodeId>)> {
        let mut leases = BTreeMap::new();
        for (&id, file) in &self.files {
            if let Some(writer) = &file.writer {
                let renewed = self.renewed[&writer.client];
                let (_, files) = leases.entry(writer.client).or_insert((renewed, Vec::new()));
                files.push(id);
            }
        }
        leases
    }

    /// Does what the entry says, and says what the answer must be. Ids are taken from the answer.
    pub(crate) fn apply(&mut self, entry: &Entry, answer: &Result<Outcome, NamespaceError>) -> Expected {
        self.now = self.now.max(entry.at.0);
        let by = By {
            caller: &entry.caller,
            client: entry.request.unwrap().client,
        };
        let expected = self.carry_out(&by, &entry.command, answer);
        if expected.is_ok() {
            self.renewed.insert(by.client, self.now);
        }
        expected
    }

    fn carry_out(
        &mut self,
        by: &By<'_>,
        command: &Command,
        answer: &Result<Outcome, NamespaceError>,
    ) -> Expected {
        match command {
            Command::Mkdir { path, mode, parents } => self.mkdir(by, path.as_str(), *mode, *parents),
            Command::Create { path, options } => self.create(by, path.as_str(), options, answer),
            Command::CreateWithChunk { path, options } => {
                let (opened, added) = match answer {
                    Ok(Outcome::Begun { file, chunk }) => {
                        (Ok(Outcome::Opened(file.clone())), Ok(Outcome::ChunkAdded(*chunk)))
                    }
                    other => (other.clone(), other.clone()),
                };
                self.create(by, path.as_str(), options, &opened)?;
                match &opened {
                    Ok(Outcome::Opened(file)) => self.add_chunk(by, file.inode, &[], &added),
                    _ => Ok(()),
                }
            }
            Command::Append { path } => self.append(by, path.as_str()),
            Command::AddChunk { inode, written } => self.add_chunk(by, *inode, written, answer),
            Command::AbandonChunk { inode, chunk } => self.abandon_chunk(by, *inode, *chunk),
            Command::AbandonFile { inode, written } => {
                self.commit(by, *inode, written, |_| Ok(()))?;
                self.give_up(*inode);
                Ok(())
            }
            Command::BumpGeneration { inode, chunk } => {
                self.open_chunk(by, *inode, *chunk)?.highest += 1;
                Ok(())
            }
            Command::UpdatePipeline { inode, extent } => {
                let chunk = self.open_chunk(by, *inode, extent.chunk)?;
                fits(chunk, extent)?;
                chunk.generation = extent.generation.0;
                chunk.acknowledged = extent.len;
                Ok(())
            }
            Command::Recover { inode, before } => self.recover(by, *inode, before.0),
            Command::CommitRecovery { inode, chunks } => self.commit_recovery(by, *inode, chunks),
            Command::LeaveFile { inode, written } => {
                self.commit(by, *inode, written, |_| Ok(()))?;
                self.take(*inode);
                Ok(())
            }
            Command::AppendChunk { inode } => self.append_chunk(by, *inode),
            Command::Truncate { path, len } => self.truncate(by, path.as_str(), *len),
            Command::Concat { target, sources } => {
                let sources: Vec<_> = sources.iter().map(FsPath::as_str).collect();
                self.concat(by, target.as_str(), &sources)
            }
            Command::Sync { inode, written, open } => self.sync(by, *inode, written, open.as_ref()),
            Command::Complete { inode, written } => self.complete(by, *inode, written),
            Command::RenewLease => Ok(()),
            Command::ExpireLeases { before } => {
                if !by.caller.superuser {
                    return Err(Refusal::Denied);
                }
                for (client, (renewed, files)) in self.leases() {
                    if client != TRUNCATION && renewed < before.0 {
                        files.into_iter().for_each(|file| self.give_up(file));
                        self.renewed.remove(&client);
                    }
                }
                Ok(())
            }
            Command::Rename { from, to, replace } => self.rename(by, from.as_str(), to.as_str(), *replace),
            Command::Delete { path, recursive } => self.delete(by, path.as_str(), *recursive),
            Command::SetAttributes { path, set } => self.set(by, path.as_str(), set),
            Command::Reap { .. } if by.caller.superuser => Ok(()),
            Command::SetSafeMode { on } if by.caller.superuser => {
                self.safe_mode = *on;
                Ok(())
            }
            Command::Reap { .. } | Command::SetSafeMode { .. } => Err(Refusal::Denied),
            Command::DeleteTree { path, .. } => self.delete_tree(by, path.as_str(), answer),
            Command::RegisterDatanode(_)
            | Command::SetMemberState { .. }
            | Command::RemoveMember { .. }
            | Command::SetSetting { .. }
                if !by.caller.superuser =>
            {
                Err(Refusal::Denied)
            }
            Command::RegisterDatanode(said) => {
                self.members.register(said);
                Ok(())
            }
            Command::SetMemberState { id, state } => self.members.set_state(*id, *state),
            Command::RemoveMember { id } => self.members.remove(*id),
            Command::SetSetting { key, value } => {
                let known = ["repair.streams", "repair.settle_ms"].contains(&key.as_str());
                if !known || (!value.is_empty() && value.parse::<u64>().is_err()) {
                    return Err(Refusal::Invalid);
                }
                self.settings.insert(key.clone(), value.clone());
                Ok(())
            }
            Command::Format { .. } | Command::FormatSlotted { .. } => panic!("not in this test"),
        }
    }
}

/// Who asks.
struct By<'a> {
    caller: &'a Caller,
    client: ClientId,
}

impl By<'_> {
    fn owns(&self, node: &Node) -> bool {
        self.caller.superuser || self.caller.user == node.owner
    }

    fn may(&self, node: &Node, bits: u16) -> Expected {
        let class = if self.caller.user == node.owner {
            node.mode >> 6
        } else if self.caller.in_group(&node.group) {
            node.mode >> 3
        } else {
            node.mode
        };
        if self.caller.superuser || class & bits == bits {
            Ok(())
        } else {
            Err(Refusal::Denied)
        }
    }

    fn writer(&self, pending: Option<Pending>) -> Writer {
        Writer {
            client: self.client,
            user: self.caller.user.clone(),
            pending,
        }
    }
}
