//! The names of all directories in one ordered index, keyed by (parent inode, name).
//!
//! Listing is a range, paging is a range that begins later, and renaming a directory touches one key however much is
//! below it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use types::InodeId;

use crate::table::Place;

/// All names.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Names(BTreeMap<Dentry, InodeId>);

impl Names {
    pub(crate) fn find(&self, parent: InodeId, name: &str) -> Option<InodeId> {
        self.0.get(&(parent, name) as &dyn Key).copied()
    }

    /// Puts `id` at `place`; the inode that was there before, when there was one.
    pub(crate) fn insert(&mut self, place: &Place, id: InodeId) -> Option<InodeId> {
        let dentry = Dentry {
            parent: place.parent,
            name: Arc::clone(&place.name),
        };
        self.0.insert(dentry, id)
    }

    pub(crate) fn remove(&mut self, place: &Place) -> Option<InodeId> {
        self.0.remove(&(place.parent, &*place.name) as &dyn Key)
    }

    /// What is in `parent`, in the order of the names' bytes, behind `after`. No name is empty, so that all come behind
    /// the empty one.
    pub(crate) fn children(&self, parent: InodeId, after: &str) -> impl Iterator<Item = InodeId> + '_ {
        let start: &dyn Key = &(parent, after);
        self.0
            .range::<dyn Key, _>((Bound::Excluded(start), Bound::Unbounded))
            .take_while(move |(dentry, _)| dentry.parent == parent)
            .map(|(_, &id)| id)
    }
}

/// A key that is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Dentry {
    parent: InodeId,
    name: Arc<str>,
}

/// A key that is looked for: kept or borrowed, so that a lookup need not allocate.
trait Key {
    fn parts(&self) -> (InodeId, &str);
}

impl Key for Dentry {
    fn parts(&self) -> (InodeId, &str) {
        (self.parent, &self.name)
    }
}

impl Key for (InodeId, &str) {
    fn parts(&self) -> (InodeId, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Key + 'a> for Dentry {
    fn borrow(&self) -> &(dyn Key + 'a) {
        self
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Key + '_ {}

impl PartialOrd for dyn Key + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Key + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(parent: u64, name: &str) -> Place {
        Place {
            parent: InodeId(parent),
            name: name.into(),
        }
    }

    #[test]
    fn children_are_those_of_one_parent_in_byte_order() {
        let mut names = Names::default();
        for (id, (parent, name)) in [(2, "b"), (1, "z"), (2, "a"), (2, "ä"), (3, "a"), (2, "B")]
            .into_iter()
            .enumerate()
        {
            assert_eq!(names.insert(&place(parent, name), InodeId(id as u64)), None);
        }
        let children = |after| {
            names
                .children(InodeId(2), after)
                .map(|id| id.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(children(""), [5, 2, 0, 3]);
        assert_eq!(children("a"), [0, 3]);
        assert_eq!(children("aa"), [0, 3]);
        assert_eq!(children("ä"), [0; 0]);
        assert_eq!(names.children(InodeId(4), "").count(), 0);
    }
}
