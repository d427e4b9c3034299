//! A state from a listing of what is in it: for the import of an exported namespace.
//!
//! Chunks keep their ids and generations, because datanodes know them by these; inodes get new ids. What an [`Importer`]
//! is not told of is not in the state: writers and their files, answers to recent calls, what was being removed.

use std::sync::Arc;

use types::limits::REPLICATION_MAX;
use types::{ChunkExtent, ChunkSize, ClientId, ClusterId, FsPath, Generation, InodeId, UnixMillis};

use crate::table::{Attributes, GENERATION_MAX, ImportedChunks, MODE_MASK, Writer};
use crate::{ChunkLives, FIRST_GENERATION, Member, Namespace, NamespaceError};

/// What is said of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported<'a> {
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub owner: &'a str,
    /// Group.
    pub group: &'a str,
    /// Time of the last change to the contents.
    pub mtime: UnixMillis,
    /// Time of the last read.
    pub atime: UnixMillis,
}

/// Why something can not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Its name is taken, its directory is missing or is a file, or there is no room.
    #[error(transparent)]
    Refused(#[from] NamespaceError),
    /// A chunk can not have this id, or two have it.
    #[error("chunk {0} can not be there, or is there twice")]
    Chunk(u64),
    /// A chunk can not have this generation or length.
    #[error("{path}: chunk {} of generation {} can not be {} bytes long", chunk.chunk, chunk.generation, chunk.len)]
    Extent {
        /// Whose chunk it is.
        path: FsPath,
        /// What is said of it.
        chunk: ChunkExtent,
    },
}

/// Takes in directories and files, parents first.
#[derive(Debug)]
pub struct Importer {
    state: Namespace,
    chunks: ImportedChunks,
    lives: Vec<ChunkLives>,
    /// Directories get their times in the end: what is put into them changes these.
    times: Vec<(InodeId, UnixMillis, UnixMillis)>,
    /// The directory that something was put into last.
    parent: (FsPath, InodeId),
    writer: Writer,
}

impl Importer {
    /// Begins with the root. `slotted` is what [`Namespace::is_slotted`] said, and `now` what [`Namespace::now`] did.
    ///
    /// # Errors
    /// When the root can not be made.
    pub fn new(
        cluster: ClusterId,
        slotted: bool,
        now: UnixMillis,
        root: &Imported<'_>,
    ) -> Result<Self, ImportError> {
        let mut state = Namespace::new();
        state.cluster = Some(cluster);
        state.now = now;
        state.files.tree.use_slots_again(slotted);
        state.files.chunks.use_slots_again(slotted);
        state.files.tree.add_root(directory(root), root.mtime)?;
        Ok(Self {
            state,
            chunks: ImportedChunks::default(),
            lives: Vec::new(),
            times: vec![(InodeId::ROOT, root.mtime, root.atime)],
            parent: (FsPath::root(), InodeId::ROOT),
            writer: Writer {
                client: ClientId::default(),
                user: Arc::from(""),
                name: Arc::from(""),
                unpublished: None,
                tail: Vec::new(),
                has_empty: false,
            },
        })
    }

    /// Switches the operator's safe mode on.
    pub const fn safe_mode(&mut self, on: bool) {
        self.state.safe_mode = on;
    }

    /// The generation that new chunks begin with; one that can not be is none.
    pub fn first_generation(&mut self, generation: Generation) {
        if (FIRST_GENERATION..=GENERATION_MAX).contains(&generation) {
            self.state.files.chunks.first_generation = generation;
        }
    }

    /// Takes in what [`Namespace::chunk_lives`] said: ids of that time are not given out again.
    pub fn chunk_lives(&mut self, lives: ChunkLives) {
        self.lives.push(lives);
    }

    /// Takes in a datanode.
    pub fn member(&mut self, member: Member) {
        let now = self.state.now;
        self.state.members.put(now, member);
    }

    /// Takes in a setting of the cluster.
    ///
    /// # Errors
    /// When there is none of that name, or it can not have this value.
    pub fn setting(&mut self, key: &str, value: &str) -> Result<(), ImportError> {
        Ok(self.state.settings.set(key, value)?)
    }

    /// Takes in a directory.
    ///
    /// # Errors
    /// As [`ImportError`] says.
    pub fn directory(&mut self, path: &FsPath, said: &Imported<'_>) -> Result<(), ImportError> {
        let (parent, name) = self.place(path)?;
        let tree = &mut self.state.files.tree;
        let id = tree.add_directory(parent, name, directory(said), said.mtime)?;
        self.times.push((id, said.mtime, said.atime));
        Ok(())
    }

    /// Takes in a complete file.
    ///
    /// # Errors
    /// As [`ImportError`] says.
    pub fn file(
        &mut self,
        path: &FsPath,
        said: &Imported<'_>,
        replication: u16,
        chunk_size: ChunkSize,
        chunks: &[ChunkExtent],
    ) -> Result<(), ImportError> {
        if !(1..=REPLICATION_MAX).contains(&replication) {
            let why = format!("replication {replication} is not from 1 to {REPLICATION_MAX}");
            return Err(NamespaceError::Invalid {
                path: path.clone(),
                why,
            }
            .into());
        }
        let (parent, name) = self.place(path)?;
        let tree = &mut self.state.files.tree;
        let attributes = Attributes {
            replication,
            chunk_size,
            ..directory(said)
        };
        let id = tree.add_file(attributes, self.writer.clone(), said.mtime)?;
        tree.publish(id, parent, name, said.mtime);
        for chunk in chunks {
            if !self.chunks.add(id, chunk) {
                return Err(ImportError::Extent {
                    path: path.clone(),
                    chunk: *chunk,
                });
            }
            tree.commit(id, chunk.chunk, chunk.len)?;
        }
        tree.end_writing(id);
        tree.set_times(id, said.mtime, said.atime);
        Ok(())
    }

    /// The state.
    ///
    /// # Errors
    /// When a chunk is in two files.
    pub fn finish(mut self) -> Result<Namespace, ImportError> {
        self.lives.sort_by_key(|lives| lives.first);
        let high = self.lives.iter().map(|lives| lives.last).max();
        let lives = |slot: u32| {
            let at = self.lives.partition_point(|lives| lives.first <= slot);
            let range = at.checked_sub(1).and_then(|at| self.lives.get(at));
            range
                .filter(|range| slot <= range.last)
                .map_or(1, |range| range.lives)
        };
        let put = self
            .chunks
            .put(&mut self.state.files.chunks, high.unwrap_or(0), lives);
        put.map_err(ImportError::Chunk)?;
        for (id, mtime, atime) in self.times {
            self.state.files.tree.set_times(id, mtime, atime);
        }
        Ok(self.state)
    }

    /// The directory that something goes into, and its name there, which must be free.
    fn place<'p>(&mut self, path: &'p FsPath) -> Result<(InodeId, &'p str), ImportError> {
        let (Some(above), Some(name)) = (path.parent(), path.name()) else {
            return Err(NamespaceError::Exists(path.clone()).into());
        };
        let tree = &self.state.files.tree;
        if self.parent.0 != above {
            let mut id = InodeId::ROOT;
            for component in above.components() {
                id = tree
                    .child(id, component)
                    .ok_or_else(|| NamespaceError::NotFound(above.clone()))?;
            }
            if !tree.inode(id).is_directory() {
                return Err(NamespaceError::NotDirectory(above).into());
            }
            self.parent = (above, id);
        }
        match tree.child(self.parent.1, name) {
            Some(_) => Err(NamespaceError::Exists(path.clone()).into()),
            None => Ok((self.parent.1, name)),
        }
    }
}

fn directory(said: &Imported<'_>) -> Attributes {
    Attributes {
        mode: said.mode & MODE_MASK,
        replication: 0,
        chunk_size: ChunkSize::default(),
        owner: said.owner.into(),
        group: said.group.into(),
    }
}

#[cfg(test)]
mod tests {
    use types::ChunkId;

    use super::*;
    use crate::testing::{CHUNK_SIZE, Fs, caller, path};
    use crate::{FileKind, FileStatus};

    fn said(status: &FileStatus) -> Imported<'_> {
        Imported {
            mode: status.mode,
            owner: &status.owner,
            group: &status.group,
            mtime: status.mtime,
            atime: status.atime,
        }
    }

    /// Everything, parents first.
    fn all(ns: &Namespace, at: &str, found: &mut Vec<(FsPath, FileStatus)>) {
        let status = ns.stat(&caller("root"), &path(at)).unwrap();
        found.push((path(at), status));
        for entry in ns.list(&caller("root"), &path(at), None, 0).unwrap().entries {
            let below = path(at).join(&entry.name).unwrap();
            match entry.kind {
                FileKind::Directory => all(ns, below.as_str(), found),
                FileKind::File => found.push((below, entry)),
            }
        }
    }

    fn extents(ns: &Namespace, inode: InodeId) -> Vec<ChunkExtent> {
        let chunks = ns.file_chunks(inode).unwrap_or_default();
        (chunks.iter())
            .filter_map(|chunk| {
                Some(ChunkExtent {
                    chunk: chunk.chunk,
                    generation: chunk.generation,
                    len: chunk.len?,
                })
            })
            .collect()
    }

    fn imported(ns: &Namespace) -> Result<Namespace, ImportError> {
        let mut found = Vec::new();
        all(ns, "/", &mut found);
        let mut found = found.into_iter();
        let (_, root) = found.next().unwrap();
        let mut importer = Importer::new(ns.cluster().unwrap(), ns.is_slotted(), ns.now(), &said(&root))?;
        importer.safe_mode(ns.safe_mode());
        importer.first_generation(ns.first_generation());
        ns.chunk_lives().for_each(|lives| importer.chunk_lives(lives));
        ns.members().for_each(|member| importer.member(member.clone()));
        for setting in ns.setting_texts() {
            importer.setting(setting.key, &setting.value)?;
        }
        for (path, status) in found {
            let extents = extents(ns, status.inode);
            match status.chunk_size {
                None => importer.directory(&path, &said(&status))?,
                Some(size) => importer.file(&path, &said(&status), status.replication, size, &extents)?,
            }
        }
        importer.finish()
    }

    /// Two that look the same, but for the ids of inodes.
    fn assert_alike(new: &Namespace, old: &Namespace) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        all(new, "/", &mut left);
        all(old, "/", &mut right);
        assert_eq!(left.len(), right.len());
        for ((left_path, left), (right_path, right)) in left.iter().zip(&right) {
            assert_eq!(extents(new, left.inode), extents(old, right.inode), "{left_path}");
            let inode = right.inode;
            assert_eq!(
                (
                    left_path,
                    FileStatus {
                        inode,
                        ..left.clone()
                    }
                ),
                (right_path, right.clone())
            );
        }
        assert_eq!(new.totals(), old.totals());
        assert_eq!(new.cluster(), old.cluster());
        assert!(new.members().eq(old.members()));
        assert_eq!(new.settings(), old.settings());
    }

    #[test]
    fn a_state_that_is_imported_looks_the_same() {
        let mut fs = Fs::new();
        fs.with_members();
        for number in 0..50 {
            fs.by("ann").mkdir(&format!("/tmp/d{number}")).unwrap();
            let file = format!("/tmp/d{number}/f");
            fs.by("root").put(
                &file,
                &[CHUNK_SIZE, CHUNK_SIZE, number][..usize::try_from(number % 4).unwrap()],
            );
            if number % 3 == 0 {
                fs.by("root").delete(&file).unwrap();
            }
        }
        let new = imported(&fs.ns).unwrap();
        assert_alike(&new, &fs.ns);
        // It is a state like any other: what is saved is loaded.
        let mut bytes = Vec::new();
        new.save(&mut bytes).unwrap();
        assert_alike(&Namespace::load(&mut bytes.as_slice()).unwrap(), &fs.ns);
        // No chunk id comes again.
        let mut again = Fs::new();
        again.ns = new;
        again.at = fs.at + 1;
        again.by("ann").put("/tmp/new", &[CHUNK_SIZE; 100]);
        let status = again.stat("/tmp/new").unwrap();
        for extent in extents(&again.ns, status.inode) {
            assert!(!fs.ns.was_given_out(extent.chunk), "{}", extent.chunk);
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let root = Imported {
            mode: 0o755,
            owner: "root",
            group: "root",
            mtime: UnixMillis(5),
            atime: UnixMillis(4),
        };
        let begin = || Importer::new(ClusterId(Default::default()), true, UnixMillis(9), &root).unwrap();
        let extent = |id: u64, len: u64| ChunkExtent {
            chunk: ChunkId::new(id).unwrap(),
            generation: Generation(1),
            len,
        };
        let size = ChunkSize::default();
        let mut importer = begin();
        importer.directory(&path("/d"), &root).unwrap();
        let refused = |result: Result<(), ImportError>| matches!(result, Err(ImportError::Refused(_)));
        assert!(refused(importer.directory(&path("/"), &root)));
        assert!(refused(importer.directory(&path("/d"), &root)), "twice");
        assert!(
            refused(importer.directory(&path("/e/f"), &root)),
            "before its parent"
        );
        importer
            .file(&path("/d/f"), &root, 3, size, &[extent(7, 10)])
            .unwrap();
        assert!(
            refused(importer.file(&path("/d/f/g"), &root, 3, size, &[])),
            "in a file"
        );
        assert!(refused(importer.file(&path("/g"), &root, 0, size, &[])));
        let long = importer.file(&path("/h"), &root, 3, size, &[extent(8, CHUNK_SIZE_TOO_LONG)]);
        assert!(matches!(long, Err(ImportError::Extent { .. })));

        let mut importer = begin();
        importer
            .file(&path("/f"), &root, 3, size, &[extent(7, 10)])
            .unwrap();
        importer
            .file(&path("/g"), &root, 3, size, &[extent(7, 10)])
            .unwrap();
        assert_eq!(importer.finish().err(), Some(ImportError::Chunk(7)));
    }

    const CHUNK_SIZE_TOO_LONG: u64 = types::limits::CHUNK_SIZE_MAX + 1;
}
