//! What recursive deletes have detached, and `Reap` has not freed yet.
//!
//! How much it is comes with the ticket of the delete. While a tree is changed between the ticket and its delete, that is
//! an estimate; it is forgotten with the last inode of the tree, so that no error stays.

use std::collections::BTreeMap;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::Content;

/// A detached tree, or a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grave {
    /// Its slot.
    pub(crate) top: u32,
    /// The directory of it that is being emptied.
    pub(crate) at: u32,
    /// What is left of it.
    pub(crate) content: Content,
}

/// All of them, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graveyard {
    graves: OrdMap<u64, Grave>,
    next: u64,
    content: Content,
}

impl Graveyard {
    pub(crate) fn is_empty(&self) -> bool {
        self.graves.is_empty()
    }

    pub(crate) fn graves(&self) -> u64 {
        self.graves.len() as u64
    }

    /// All that is left, as far as it is known.
    pub(crate) const fn content(&self) -> Content {
        self.content
    }

    pub(crate) fn bury(&mut self, top: u32, content: Content) {
        let at = top;
        self.graves.insert(self.next, Grave { top, at, content });
        self.next += 1;
        self.content = plus(self.content, content);
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<Grave> {
        self.graves.get_min().map(|(_, grave)| *grave)
    }

    /// Notes how far the oldest is, and what was freed of it.
    pub(crate) fn went_on(&mut self, at: u32, freed: Content) {
        let Some(&(number, grave)) = self.graves.get_min() else {
            return;
        };
        let content = minus(grave.content, freed);
        self.content = plus(minus(self.content, grave.content), content);
        let top = grave.top;
        self.graves.insert(number, Grave { top, at, content });
    }

    /// The oldest is freed wholly.
    pub(crate) fn done(&mut self) {
        if let Some((_, grave)) = self.graves.get_min().copied() {
            self.graves.remove(&self.first_number());
            self.content = minus(self.content, grave.content);
        }
    }

    fn first_number(&self) -> u64 {
        self.graves.get_min().map_or(0, |(number, _)| *number)
    }

    /// What is to be saved.
    pub(crate) fn saved(&self) -> (u64, BTreeMap<u64, Grave>) {
        let graves = self.graves.iter();
        (
            self.next,
            graves.map(|(number, grave)| (*number, *grave)).collect(),
        )
    }

    /// What was saved. None when it can not have been.
    pub(crate) fn loaded((next, graves): (u64, BTreeMap<u64, Grave>)) -> Option<Self> {
        if graves.keys().next_back().is_some_and(|last| *last >= next) {
            return None;
        }
        Some(Self {
            content: graves
                .values()
                .map(|grave| grave.content)
                .fold(Content::default(), plus),
            graves: graves.into_iter().collect(),
            next,
        })
    }
}

pub(crate) const fn plus(one: Content, other: Content) -> Content {
    Content {
        files: one.files.saturating_add(other.files),
        directories: one.directories.saturating_add(other.directories),
        chunks: one.chunks.saturating_add(other.chunks),
    }
}

pub(crate) const fn minus(one: Content, other: Content) -> Content {
    Content {
        files: one.files.saturating_sub(other.files),
        directories: one.directories.saturating_sub(other.directories),
        chunks: one.chunks.saturating_sub(other.chunks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: u64) -> Content {
        Content {
            files,
            ..Content::default()
        }
    }

    #[test]
    fn an_estimate_is_forgotten_with_its_grave() {
        let mut graveyard = Graveyard::default();
        graveyard.bury(7, files(1));
        graveyard.bury(8, files(10));
        assert_eq!((graveyard.content(), graveyard.graves()), (files(11), 2));
        // More than was thought: that is not taken from the other.
        for left in [10, 10, 10] {
            graveyard.went_on(9, files(1));
            assert_eq!(graveyard.content(), files(left));
        }
        let first = graveyard.first().unwrap();
        assert_eq!((first.top, first.at), (7, 9));
        graveyard.done();
        assert_eq!(graveyard.content(), files(10));
        // Less than was thought.
        graveyard.went_on(8, files(1));
        graveyard.done();
        assert_eq!(graveyard.content(), Content::default());
        assert!(graveyard.is_empty());
    }

    #[test]
    fn it_goes_on_after_loading() {
        let mut graveyard = Graveyard::default();
        for top in 1..4 {
            graveyard.bury(top, files(top.into()));
        }
        graveyard.done();
        let mut loaded = Graveyard::loaded(graveyard.saved()).unwrap();
        loaded.bury(9, files(1));
        graveyard.bury(9, files(1));
        assert_eq!(loaded.saved(), graveyard.saved());
        assert_eq!(loaded.content(), files(6));
        let (_, graves) = graveyard.saved();
        assert!(
            Graveyard::loaded((3, graves)).is_none(),
            "numbers are not used again"
        );
    }
}
