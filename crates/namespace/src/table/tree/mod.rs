//! Inodes and their names together.

mod bury;
mod content;
mod place;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use compact::{Arena, NameTree, Slab, SlotId};
use imbl::OrdMap;
use types::{InodeId, UnixMillis};

use crate::NamespaceError;
use crate::table::attributes::AttributeSets;
use crate::table::graveyard::Graveyard;
use crate::table::odd::Odd;
use crate::table::record::{DIRECTORY, InodeRecord, U24_END, WRITTEN};
use crate::table::slot_of;
use crate::table::{Attributes, Body, File, Inode, Writer};
pub(crate) use bury::Doomed;

/// The slot of the root, which is the first one.
const ROOT: u32 = 1;

/// How many inodes, lists or sets one command can add: more than a path has components.
const COMMAND_MAX: u64 = 1 << 12;

/// With more lists than this there may be no room for one of some length.
const LISTS_MAX: u64 = Arena::ROOM as u64;

/// Every inode, and the names of those that have one.
///
/// # Invariants
/// - An id is the slot of a record with its birth. The root is the first inode, and is in itself.
/// - A name leads to an inode whose parent is the directory of that name. Every inode has exactly one name, but for the
///   root, unpublished files and what is in the graveyard itself: their parent is 0.
/// - `own_names` has the name of every directory, under its own slot; the names of files that are being written are with
///   their writer. Other files are found only along their path.
/// - A directory's record counts the names in it.
/// - `files` and `directories` count the inodes that have a name, the root, and the tops in the graveyard.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) inodes: Slab<InodeRecord>,
    pub(crate) names: NameTree,
    pub(crate) own_names: NameTree,
    /// Chunks of files that have more than one, by slot.
    pub(crate) lists: Arena,
    pub(crate) attributes: AttributeSets,
    pub(crate) writers: OrdMap<u32, Arc<Writer>>,
    pub(crate) odd: Odd,
    pub(crate) graveyard: Graveyard,
    /// Whether slots are used again.
    pub(crate) slotted: bool,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    /// How many inodes there may be.
    pub(crate) inodes_max: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            inodes: Slab::new(),
            names: NameTree::new(),
            own_names: NameTree::new(),
            lists: Arena::new(),
            attributes: AttributeSets::default(),
            writers: OrdMap::new(),
            odd: Odd::default(),
            graveyard: Graveyard::default(),
            slotted: false,
            files: 0,
            directories: 0,
            inodes_max: u32::MAX.into(),
        }
    }
}

impl Tree {
    /// Whether the slots of inodes that are gone are used again, with another birth. To be said before the first inode.
    pub(crate) const fn use_slots_again(&mut self, slotted: bool) {
        self.slotted = slotted;
    }

    /// Whether there is a root.
    pub(crate) fn has_root(&self) -> bool {
        self.inodes.id(ROOT).is_some()
    }

    /// Whether the next command may find that there is no room. It is only then that a command needs a way back.
    pub(crate) fn is_nearly_full(&self) -> bool {
        let near = |used: u64, max: u64| used + COMMAND_MAX > max;
        near(self.inodes.len() as u64, self.inodes_max)
            || near(self.inodes.high_water().into(), u32::MAX.into())
            || near(self.lists.len() as u64, LISTS_MAX)
            || near(self.attributes.len() as u64, U24_END)
    }

    /// Adds the root. The first inode is the root.
    ///
    /// # Errors
    /// Never, in a new tree.
    pub(crate) fn add_root(&mut self, attributes: Attributes, at: UnixMillis) -> Result<(), NamespaceError> {
        let id = self.add(ROOT, DIRECTORY, attributes, at)?;
        assert_eq!(id, InodeId::ROOT, "the root is the first inode");
        self.directories += 1;
        Ok(())
    }

    /// Adds a directory, under a name that must be free.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn add_directory(
        &mut self,
        parent: InodeId,
        name: &str,
        attributes: Attributes,
        at: UnixMillis,
    ) -> Result<InodeId, NamespaceError> {
        let id = self.add(0, DIRECTORY, attributes, at)?;
        self.publish(id, parent, name, at);
        Ok(id)
    }

    /// Adds an empty file, which somebody begins to write. It has no name yet.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn add_file(
        &mut self,
        attributes: Attributes,
        writer: Writer,
        at: UnixMillis,
    ) -> Result<InodeId, NamespaceError> {
        let id = self.add(0, WRITTEN, attributes, at)?;
        self.writers.insert(slot_of(id), Arc::new(writer));
        Ok(id)
    }

    fn add(
        &mut self,
        parent: u32,
        flags: u8,
        attributes: Attributes,
        at: UnixMillis,
    ) -> Result<InodeId, NamespaceError> {
        let full = |max: u64| NamespaceError::Full(format!("it has all of its {max} inodes"));
        if self.inodes.len() as u64 >= self.inodes_max {
            return Err(full(self.inodes_max));
        }
        let record = InodeRecord {
            parent,
            attributes: self.attributes.take(attributes)?,
            flags,
            first: 0,
            mtime: 0,
            wide: 0,
            lag: 0,
        };
        let added = match self.slotted {
            true => self.inodes.insert(record),
            false => self.inodes.append(record),
        };
        let id = added.map_err(|_| full(u32::MAX.into()))?;
        self.change(id.slot, |record, odd| odd.set_times(id.slot, record, at, at));
        Ok(InodeId(id.as_u64()))
    }

    /// Drops an inode without a name and without chunks.
    pub(crate) fn forget(&mut self, id: InodeId) {
        let slot = slot_of(id);
        let record = self.record(slot);
        self.attributes.release(record.attributes);
        self.odd.forget(slot, &record);
        if record.has(DIRECTORY) {
            self.forget_own_name(slot);
        }
        if record.has(WRITTEN) {
            self.writers.remove(&slot);
        }
        self.inodes.remove(slot);
    }

    pub(crate) fn find(&self, id: InodeId) -> Option<Inode<'_>> {
        let record = self.inodes.find(SlotId::from_u64(id.0))?;
        Some(self.view(id, &record))
    }

    /// An inode that must be there, because a name or the caller's own check says so.
    #[expect(
        clippy::expect_used,
        reason = "a name without an inode is our own mistake: stop before it spreads"
    )]
    pub(crate) fn inode(&self, id: InodeId) -> Inode<'_> {
        self.find(id).expect("a named inode is in the table")
    }

    /// The id of the inode in a slot.
    pub(crate) fn id_at(&self, slot: u32) -> Option<InodeId> {
        self.inodes.id(slot).map(|id| InodeId(id.as_u64()))
    }

    /// The replicas that the chunks of a file are to have.
    pub(crate) fn replication_at(&self, slot: u32) -> u16 {
        let record = self.inodes.get(slot);
        record.map_or(0, |record| self.attributes.set(record.attributes).replication)
    }

    /// Gives an inode other attributes.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn set_attributes(
        &mut self,
        id: InodeId,
        attributes: Attributes,
    ) -> Result<(), NamespaceError> {
        let number = self.attributes.take(attributes)?;
        let old = self.change(slot_of(id), |record, _| {
            std::mem::replace(&mut record.attributes, number)
        });
        self.attributes.release(old);
        Ok(())
    }

    pub(crate) fn set_times(&mut self, id: InodeId, mtime: UnixMillis, atime: UnixMillis) {
        let slot = slot_of(id);
        self.change(slot, |record, odd| odd.set_times(slot, record, mtime, atime));
    }

    /// Notes that the contents of an inode changed.
    pub(crate) fn touch(&mut self, id: InodeId, at: UnixMillis) {
        let slot = slot_of(id);
        self.change(slot, |record, odd| {
            let (_, atime) = odd.times(slot, record);
            odd.set_times(slot, record, at, atime);
        });
    }

    /// Files that have a name.
    pub(crate) fn files(&self) -> u64 {
        self.files.saturating_sub(self.graveyard.content().files)
    }

    /// Directories, with the root.
    pub(crate) fn directories(&self) -> u64 {
        self.directories
            .saturating_sub(self.graveyard.content().directories)
    }

    fn view(&self, id: InodeId, record: &InodeRecord) -> Inode<'_> {
        let slot = slot_of(id);
        let attributes = self.attributes.set(record.attributes);
        let (mtime, atime) = self.odd.times(slot, record);
        let body = if record.has(DIRECTORY) {
            let children = record.first.into();
            Body::Directory { children }
        } else {
            Body::File(File {
                len: self.odd.len(slot, record),
                replication: attributes.replication,
                chunk_size: attributes.chunk_size,
                writer: record
                    .has(WRITTEN)
                    .then(|| self.writers.get(&slot))
                    .flatten()
                    .map(|writer| &**writer),
            })
        };
        Inode {
            id,
            attributes,
            mtime,
            atime,
            body,
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "a slot without a record is our own mistake: stop before it spreads"
    )]
    fn record(&self, slot: u32) -> InodeRecord {
        self.inodes.get(slot).expect("a slot in use has a record")
    }

    /// Changes a record that must be there.
    fn change<A>(&mut self, slot: u32, by: impl FnOnce(&mut InodeRecord, &mut Odd) -> A) -> A {
        let mut record = self.record(slot);
        let answer = by(&mut record, &mut self.odd);
        self.inodes.set(slot, record);
        answer
    }

    const fn count(&mut self, directory: bool) -> &mut u64 {
        if directory {
            &mut self.directories
        } else {
            &mut self.files
        }
    }
}
