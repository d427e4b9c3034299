//! Inodes and their names together.

use std::collections::BTreeMap;

use types::{FsPath, InodeId, UnixMillis};

use crate::table::inode::{Body, File, Inode, Place};
use crate::table::names::Names;

/// Every inode, and the names of those that have one.
///
/// # Invariants
/// - A name leads to an inode whose place is that name. Every inode has a name, but for the root and unpublished files.
/// - A directory's `children` is the number of names in it; its parent is a directory of the tree.
/// - `files` and `directories` count the inodes that have a name, and the root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tree {
    inodes: BTreeMap<InodeId, Inode>,
    names: Names,
    next: InodeId,
    files: u64,
    directories: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            inodes: BTreeMap::new(),
            names: Names::default(),
            next: InodeId::ROOT,
            files: 0,
            directories: 0,
        }
    }
}

impl Tree {
    /// Adds an inode that has no name yet. The first one is the root.
    pub(crate) fn add(&mut self, inode: Inode) -> InodeId {
        let id = self.next;
        self.next = id.next();
        if id == InodeId::ROOT {
            self.directories += 1;
        }
        self.inodes.insert(id, inode);
        id
    }

    /// Drops an inode that has no name, or no name any more.
    pub(crate) fn forget(&mut self, id: InodeId) -> Option<Inode> {
        self.inodes.remove(&id)
    }

    pub(crate) fn find(&self, id: InodeId) -> Option<&Inode> {
        self.inodes.get(&id)
    }

    /// An inode that must be there, because a name or the caller's own check says so.
    #[expect(
        clippy::expect_used,
        reason = "a name without an inode is our own mistake: stop before it spreads"
    )]
    pub(crate) fn inode(&self, id: InodeId) -> &Inode {
        self.inodes.get(&id).expect("a named inode is in the table")
    }

    /// As [`Tree::inode`], to change it.
    #[expect(
        clippy::expect_used,
        reason = "a name without an inode is our own mistake: stop before it spreads"
    )]
    pub(crate) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.get_mut(&id).expect("a named inode is in the table")
    }

    pub(crate) fn file_mut(&mut self, id: InodeId) -> Option<&mut File> {
        match &mut self.inodes.get_mut(&id)?.body {
            Body::File(file) => Some(file),
            Body::Directory { .. } => None,
        }
    }

    pub(crate) fn child(&self, parent: InodeId, name: &str) -> Option<InodeId> {
        self.names.find(parent, name)
    }

    /// What is in `parent`, in the order of the names' bytes, behind the name `after`.
    pub(crate) fn children(&self, parent: InodeId, after: &str) -> impl Iterator<Item = InodeId> + '_ {
        self.names.children(parent, after)
    }

    /// Gives an inode the name of its place, which must be free.
    pub(crate) fn publish(&mut self, id: InodeId, at: UnixMillis) {
        let inode = self.inode(id);
        let place = inode.place.clone();
        *self.count(inode.is_directory()) += 1;
        let taken = self.names.insert(&place, id);
        assert_eq!(taken, None, "inode {id} was given a name that is taken");
        self.changed(place.parent, 1, at);
    }

    /// Takes the name of an inode away.
    pub(crate) fn withdraw(&mut self, id: InodeId, at: UnixMillis) {
        let inode = self.inode(id);
        let place = inode.place.clone();
        *self.count(inode.is_directory()) -= 1;
        let named = self.names.remove(&place);
        assert_eq!(named, Some(id), "inode {id} did not have its name");
        self.changed(place.parent, -1, at);
    }

    /// Gives a named inode another place, which must be free.
    pub(crate) fn rename(&mut self, id: InodeId, to: Place, at: UnixMillis) {
        self.withdraw(id, at);
        self.inode_mut(id).place = to;
        self.publish(id, at);
    }

    /// The path of an inode, for messages; of an unpublished file, the one that it will have. None when a directory
    /// above it is gone, or when directories were renamed so that no path is long enough for it.
    pub(crate) fn path(&self, id: InodeId) -> Option<FsPath> {
        let mut names = Vec::new();
        let mut at = id;
        while at != InodeId::ROOT {
            let place = &self.find(at)?.place;
            names.push(&*place.name);
            at = place.parent;
        }
        names.reverse();
        FsPath::parse(&format!("/{}", names.join("/"))).ok()
    }

    pub(crate) const fn files(&self) -> u64 {
        self.files
    }

    pub(crate) const fn directories(&self) -> u64 {
        self.directories
    }

    const fn count(&mut self, directory: bool) -> &mut u64 {
        if directory {
            &mut self.directories
        } else {
            &mut self.files
        }
    }

    /// Notes that a directory has more or fewer entries.
    fn changed(&mut self, directory: InodeId, by: i64, at: UnixMillis) {
        let inode = self.inode_mut(directory);
        inode.mtime = at;
        if let Body::Directory { children } = &mut inode.body {
            *children = children.saturating_add_signed(by);
        }
    }
}
