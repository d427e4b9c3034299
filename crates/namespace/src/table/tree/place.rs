//! Names: which lead where, and where an inode is.

use std::borrow::Cow;
use std::sync::Arc;

use compact::Names;
use types::{FsPath, InodeId, UnixMillis};

use super::{ROOT, Tree};
use crate::table::record::{DIRECTORY, WRITTEN};
use crate::table::{Writer, slot_of};

/// The entries of a directory, in the order of the names' bytes.
pub(crate) struct Children<'t> {
    tree: &'t Tree,
    names: Names<'t>,
}

impl Children<'_> {
    /// The next one.
    pub(crate) fn advance(&mut self) -> Option<(Cow<'_, str>, InodeId)> {
        let (name, slot) = self.names.advance()?;
        Some((String::from_utf8_lossy(name), self.tree.named(slot)))
    }
}

impl Tree {
    pub(crate) fn child(&self, parent: InodeId, name: &str) -> Option<InodeId> {
        let slot = self.names.get(slot_of(parent), name.as_bytes())?;
        Some(self.named(slot))
    }

    /// What is in `parent` behind the name `after`. No name is empty, so that all come behind the empty one.
    pub(crate) fn children(&self, parent: InodeId, after: &str) -> Children<'_> {
        Children {
            tree: self,
            names: self.names.list(slot_of(parent), Some(after.as_bytes())),
        }
    }

    /// Gives an inode a name, which must be free.
    pub(crate) fn publish(&mut self, id: InodeId, parent: InodeId, name: &str, at: UnixMillis) {
        let (slot, parent) = (slot_of(id), slot_of(parent));
        let flags = self.change(slot, |record, _| {
            record.parent = parent;
            *record
        });
        *self.count(flags.has(DIRECTORY)) += 1;
        self.name(parent, name, slot);
        if flags.has(DIRECTORY) {
            self.keep_own_name(slot, name);
        }
        let renamed = |writer: &Arc<Writer>| *writer.name != *name;
        if flags.has(WRITTEN)
            && self.writers.get(&slot).is_some_and(renamed)
            && let Some(writer) = self.writers.get_mut(&slot)
        {
            Arc::make_mut(writer).name = name.into();
        }
        self.changed(parent, 1, at);
    }

    /// Takes a name away that is there.
    pub(crate) fn withdraw(&mut self, parent: InodeId, name: &str, at: UnixMillis) -> InodeId {
        let parent = slot_of(parent);
        let slot = self.unname(parent, name);
        let directory = self.change(slot, |record, _| {
            record.parent = 0;
            record.has(DIRECTORY)
        });
        *self.count(directory) -= 1;
        if directory {
            self.forget_own_name(slot);
        }
        self.changed(parent, -1, at);
        self.named(slot)
    }

    /// The path of a directory or of a file that is being written, for messages; of an unpublished file, the one that it
    /// will have. None when a directory above it is gone, when directories were renamed so that no path is long enough
    /// for it, and of other files.
    pub(crate) fn path(&self, id: InodeId) -> Option<FsPath> {
        let mut names = Vec::new();
        let mut slot = slot_of(id);
        if let Some(writer) = self.inode(id).file().map(|file| file.writer) {
            let writer = writer?;
            names.push(writer.name.as_bytes().to_vec());
            slot = match &writer.unpublished {
                Some(unpublished) => slot_of(self.find(unpublished.parent)?.id),
                None => self.record(slot).parent,
            };
        }
        while slot != ROOT {
            let (name, _) = self.own_names.list(slot, None).next()?;
            names.push(name);
            slot = self.inodes.get(slot)?.parent;
        }
        names.reverse();
        let path = names.iter().map(|name| String::from_utf8_lossy(name));
        FsPath::parse(&format!("/{}", path.collect::<Vec<_>>().join("/"))).ok()
    }

    /// The directory that something with a name is in.
    pub(crate) fn parent(&self, id: InodeId) -> Option<InodeId> {
        let slot = slot_of(self.find(id)?.id);
        self.id_at(self.inodes.get(slot)?.parent)
    }

    /// Whether an inode is there for those who ask by its id: its name, and those above it, lead up to the root and not
    /// into the graveyard. An unpublished file is there, whatever became of its directory.
    pub(crate) fn is_there(&self, id: InodeId) -> bool {
        let Some(inode) = self.find(id) else {
            return false;
        };
        let writer = inode.file().and_then(|file| file.writer);
        if writer.is_some_and(|writer| writer.unpublished.is_some()) {
            return true;
        }
        let mut slot = slot_of(id);
        while slot != ROOT {
            match self.inodes.get(slot) {
                Some(record) => slot = record.parent,
                None => return false,
            }
        }
        true
    }

    /// The inode that a name leads to.
    #[expect(
        clippy::expect_used,
        reason = "a name without an inode is our own mistake: stop before it spreads"
    )]
    pub(super) fn named(&self, slot: u32) -> InodeId {
        self.id_at(slot).expect("a name leads to an inode")
    }

    fn name(&mut self, parent: u32, name: &str, slot: u32) {
        let taken = self.names.insert(parent, name.as_bytes(), slot);
        assert_eq!(
            taken,
            Ok(None),
            "inode {slot} was given a name that is taken or too long"
        );
    }

    /// Takes a name out of the index.
    #[expect(
        clippy::expect_used,
        reason = "a name that is not there is our own mistake: stop before it spreads"
    )]
    fn unname(&mut self, parent: u32, name: &str) -> u32 {
        self.names
            .remove(parent, name.as_bytes())
            .expect("a name that is taken away was there")
    }

    fn keep_own_name(&mut self, slot: u32, name: &str) {
        let kept = self.own_names.insert(slot, name.as_bytes(), slot);
        assert_eq!(kept, Ok(None), "directory {slot} has two names");
    }

    pub(super) fn forget_own_name(&mut self, slot: u32) {
        if let Some((name, _)) = self.own_names.list(slot, None).next() {
            self.own_names.remove(slot, &name);
        }
    }

    /// Notes that a directory has more or fewer entries.
    fn changed(&mut self, directory: u32, by: i32, at: UnixMillis) {
        self.change(directory, |record, odd| {
            let (_, atime) = odd.times(directory, record);
            odd.set_times(directory, record, at, atime);
            record.first = record.first.saturating_add_signed(by);
        });
    }
}
