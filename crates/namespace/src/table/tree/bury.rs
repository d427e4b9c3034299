//! The way of a large tree into the graveyard, and out of the tables.

use types::InodeId;

use super::Tree;
use crate::Content;
use crate::table::record::DIRECTORY;
use crate::table::slot_of;

/// What is to be freed next of the oldest grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doomed {
    /// A file, with its chunks.
    File(InodeId),
    /// An empty directory.
    Directory(InodeId),
}

impl Tree {
    /// Detaches an inode that has just lost its name, with all that is below it: it is reached by no path any more.
    pub(crate) fn bury(&mut self, top: InodeId, content: Content) {
        let directory = self.inode(top).is_directory();
        *self.count(directory) += 1;
        self.graveyard.bury(slot_of(top), content);
    }

    /// Whether there is something in the graveyard.
    pub(crate) fn has_graves(&self) -> bool {
        !self.graveyard.is_empty()
    }

    /// How many trees and large files are in the graveyard.
    pub(crate) fn graves(&self) -> u64 {
        self.graveyard.graves()
    }

    /// What is in the graveyard.
    pub(crate) const fn graveyard(&self) -> Content {
        self.graveyard.content()
    }

    /// What is to be freed next: it has nothing below it. Each step down costs one of `steps`; none when they are used up,
    /// or when there is no grave.
    pub(crate) fn next_doomed(&mut self, steps: &mut u64) -> Option<Doomed> {
        let mut at = self.graveyard.first()?.at;
        while *steps > 0 {
            if !self.record(at).has(DIRECTORY) {
                return Some(Doomed::File(self.named(at)));
            }
            let Some(child) = self.names.list(at, None).advance().map(|(_, child)| child) else {
                return Some(Doomed::Directory(self.named(at)));
            };
            if !self.record(child).has(DIRECTORY) {
                return Some(Doomed::File(self.named(child)));
            }
            *steps -= 1;
            at = child;
            self.graveyard.went_on(at, Content::default());
        }
        None
    }

    /// Notes that chunks of the doomed were freed.
    pub(crate) fn freed_chunks(&mut self, chunks: u64) {
        if let Some(grave) = self.graveyard.first() {
            let freed = Content {
                chunks,
                ..Content::default()
            };
            self.graveyard.went_on(grave.at, freed);
        }
    }

    /// Frees what [`Tree::next_doomed`] named; of a file, after its chunks.
    pub(crate) fn free_doomed(&mut self, doomed: Doomed) {
        let Some(grave) = self.graveyard.first() else {
            return;
        };
        let (id, freed) = match doomed {
            Doomed::File(id) => (id, FILE),
            Doomed::Directory(id) => (id, DIRECTORY_ALONE),
        };
        let slot = slot_of(id);
        if slot == grave.top {
            self.graveyard.done();
        } else {
            let parent = self.record(slot).parent;
            // A file is the first entry of its directory; a directory knows its own name.
            let name = match doomed {
                Doomed::File(_) => self.names.list(parent, None).next().map(|(name, _)| name),
                Doomed::Directory(_) => self.own_names.list(slot, None).next().map(|(name, _)| name),
            };
            let named = name.and_then(|name| self.names.remove(parent, &name));
            assert_eq!(named, Some(slot), "inode {id} did not have its name");
            self.graveyard.went_on(parent, freed);
        }
        *self.count(matches!(doomed, Doomed::Directory(_))) -= 1;
        self.forget(id);
    }
}

const FILE: Content = Content {
    files: 1,
    directories: 0,
    chunks: 0,
};

const DIRECTORY_ALONE: Content = Content {
    files: 0,
    directories: 1,
    chunks: 0,
};
