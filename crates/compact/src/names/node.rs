//! Nodes of the tree: leaves with entries, and branches with the separators between their children.
//!
//! A change makes another leaf of exactly the size that it needs, and copies the branches above it that are shared.
//!
//! Invariants:
//! - all leaves are at the same depth;
//! - no node is empty; a leaf has at most [`LEAF_BYTES_MAX`] bytes, a branch at most [`CHILDREN_MAX`] children and, but for
//!   few of them, [`KEYS_BYTES_MAX`] bytes of separators;
//! - a branch has one separator less than children; a separator is above all keys of the child before it, and not above those
//!   of the child behind it;
//! - a node that a removal left small is merged with a neighbour of the same branch, if both together are not large.

use std::sync::Arc;

use super::block::{self, Cut, Entry};
use super::key::{Key, separator};

/// With its two heads a leaf takes at most 1024 bytes.
pub(super) const LEAF_BYTES_MAX: usize = 1000;
/// A leaf with less is merged, if it and a neighbour have not more than twice this.
const LEAF_BYTES_MIN: usize = 400;
/// Copying a branch counts a reference in each of its children, wherever they lie: so not more.
pub(super) const CHILDREN_MAX: usize = 32;
/// A branch with less is merged, if it and a neighbour have not more than three times this.
const CHILDREN_MIN: usize = 8;
/// Bytes of separators above which a branch is split, if it has children enough for two.
const KEYS_BYTES_MAX: usize = 1000;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Arc<[u8]>),
    Branch(Arc<Branch>),
}

#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// A front-coded block; its values mean nothing.
    pub(super) separators: Box<[u8]>,
    pub(super) children: Vec<Node>,
}

/// A node that came out of another: all its keys are at or above the separator.
pub(super) struct Sibling {
    pub(super) separator: Vec<u8>,
    pub(super) node: Node,
}

impl Branch {
    /// Which child has a key.
    #[inline]
    pub(super) fn child(&self, key: &[u8]) -> usize {
        let spot = block::search(&self.separators, key);
        spot.index + usize::from(spot.found.is_some())
    }

    /// Where the separator of this index is written.
    fn separator_at(&self, index: usize) -> usize {
        let mut cursor = block::Cursor::new(&self.separators);
        (0..index).map_while(|_| cursor.advance()).map(Entry::bytes).sum()
    }

    /// The separator of this index.
    fn separator(&self, index: usize) -> Key {
        let mut cursor = block::Cursor::new(&self.separators);
        for _ in 0..=index {
            cursor.advance();
        }
        cursor.key
    }

    fn remove_separator(&mut self, index: usize) {
        let at = self.separator_at(index);
        self.separators = block::remove(&self.separators, at).into();
    }

    /// Takes a child in behind the one it came out of.
    fn adopt(&mut self, sibling: Sibling, index: usize) {
        let spot = block::search(&self.separators, &sibling.separator);
        self.separators = block::insert(&self.separators, spot, &sibling.separator, 0).into();
        self.children.reserve_exact(1);
        self.children.insert(index.min(self.children.len()), sibling.node);
    }

    fn split(&mut self, last: bool) -> Option<Sibling> {
        let children = self.children.len();
        let many = children > CHILDREN_MAX;
        if !many && (self.separators.len() <= KEYS_BYTES_MAX || children < 2 * CHILDREN_MIN) {
            return None;
        }
        // What grows at its end goes on growing there.
        let left = if last {
            children - CHILDREN_MIN
        } else {
            children / 2
        };
        let Cut {
            left: below,
            right,
            first,
            ..
        } = block::cut(&self.separators, self.separator_at(left - 1))?;
        let sibling = Self {
            separators: block::remove(&right, 0).into(),
            children: self.children.split_off(left),
        };
        self.children.shrink_to_fit();
        self.separators = below.into();
        Some(Sibling {
            separator: first.bytes().to_vec(),
            node: Node::Branch(Arc::new(sibling)),
        })
    }

    /// After a removal in a child: takes it away if it is empty, and merges it if it is small.
    fn tend(&mut self, index: usize) {
        let Some(child) = self.children.get(index) else {
            return;
        };
        if child.is_empty() {
            self.children.remove(index);
            if !self.children.is_empty() {
                self.remove_separator(index.saturating_sub(1));
            }
        } else if child.is_small() {
            let with_left = index.checked_sub(1).is_some_and(|left| self.merge(left));
            if !with_left {
                self.merge(index);
            }
        }
    }

    /// Merges a child with the one behind it, if they are not too large. False when it did not.
    fn merge(&mut self, index: usize) -> bool {
        let (Some(left), Some(right)) = (self.children.get(index), self.children.get(index + 1)) else {
            return false;
        };
        let Some(merged) = left.joined(right, || self.separator(index)) else {
            return false;
        };
        self.children.remove(index + 1);
        if let Some(place) = self.children.get_mut(index) {
            *place = merged;
        }
        self.children.shrink_to_fit();
        self.remove_separator(index);
        true
    }
}

impl Node {
    pub(super) fn leaf(block: &[u8]) -> Self {
        Self::Leaf(Arc::from(block))
    }

    /// What is found under a key.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<u32> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(block) => return block::search(block, key).found,
                Self::Branch(branch) => node = branch.children.get(branch.child(key))?,
            }
        }
    }

    /// Puts a value under a key. The answer is what was there, and a node that came out of this one.
    pub(super) fn insert(&mut self, key: &[u8], value: u32) -> (Option<u32>, Option<Sibling>) {
        match self {
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let index = branch.child(key);
                let Some(child) = branch.children.get_mut(index) else {
                    return (None, None);
                };
                let (old, sibling) = child.insert(key, value);
                let Some(sibling) = sibling else {
                    return (old, None);
                };
                branch.adopt(sibling, index + 1);
                let last = index + 2 == branch.children.len();
                (old, branch.split(last))
            }
            Self::Leaf(block) => {
                let spot = block::search(block, key);
                let full = block::insert(block, spot, key, value);
                if full.len() <= LEAF_BYTES_MAX {
                    *block = Arc::from(full);
                    return (spot.found, None);
                }
                let Some(Cut {
                    left,
                    below,
                    right,
                    first,
                }) = cut_full(&full, spot.at)
                else {
                    *block = Arc::from(full);
                    return (spot.found, None);
                };
                *block = Arc::from(left);
                let sibling = Sibling {
                    separator: separator(below.bytes(), first.bytes()).to_vec(),
                    node: Self::leaf(&right),
                };
                (spot.found, Some(sibling))
            }
        }
    }

    /// Takes a key away. What is shared is copied also if the key is not there.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<u32> {
        match self {
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let index = branch.child(key);
                let value = branch.children.get_mut(index)?.remove(key)?;
                branch.tend(index);
                Some(value)
            }
            Self::Leaf(block) => {
                let spot = block::search(block, key);
                let value = spot.found?;
                *block = Arc::from(block::remove(block, spot.at));
                Some(value)
            }
        }
    }

    /// Becomes the branch above itself and a node that came out of it.
    pub(super) fn grow(&mut self, sibling: Sibling) {
        let mut separators = Vec::new();
        Entry::after(0, &sibling.separator, 0).write(&mut separators);
        let children = vec![self.clone(), sibling.node];
        *self = Self::Branch(Arc::new(Branch {
            separators: separators.into(),
            children,
        }));
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(block) => block.is_empty(),
            Self::Branch(branch) => branch.children.is_empty(),
        }
    }

    fn is_small(&self) -> bool {
        match self {
            Self::Leaf(block) => block.len() < LEAF_BYTES_MIN,
            Self::Branch(branch) => branch.children.len() < CHILDREN_MIN,
        }
    }

    /// This node and the next in one, if that is not too large.
    fn joined(&self, next: &Self, separator: impl FnOnce() -> Key) -> Option<Self> {
        match (self, next) {
            (Self::Leaf(left), Self::Leaf(right)) => {
                let fits = left.len() + right.len() <= 2 * LEAF_BYTES_MIN;
                fits.then(|| Self::Leaf(Arc::from(block::join(left, right))))
            }
            (Self::Branch(left), Self::Branch(right)) => {
                let bytes = left.separators.len() + right.separators.len();
                let children = left.children.len() + right.children.len();
                if children > 3 * CHILDREN_MIN || (bytes > KEYS_BYTES_MAX / 2 && children >= 2 * CHILDREN_MIN)
                {
                    return None;
                }
                let mut between = Vec::new();
                Entry::after(0, separator().bytes(), 0).write(&mut between);
                let separators = block::join(&block::join(&left.separators, &between), &right.separators);
                Some(Self::Branch(Arc::new(Branch {
                    separators: separators.into(),
                    children: left.children.iter().chain(&right.children).cloned().collect(),
                })))
            }
            _ => None,
        }
    }
}

/// Cuts a leaf that is too large, because of an entry that was put in at an offset.
fn cut_full(block: &[u8], at: usize) -> Option<Cut> {
    let (_, rest) = block.split_at_checked(at)?;
    let (new, after) = Entry::split(rest)?;
    if after.is_empty() {
        // It came behind all: the next ones will too, so the left leaf stays full.
        return block::cut(block, at);
    }
    let end = at + new.bytes();
    let ends_directory = Entry::split(after).is_some_and(|(next, _)| next.shared < super::key::PARENT_BYTES);
    if ends_directory && new.shared >= super::key::PARENT_BYTES && end <= LEAF_BYTES_MAX {
        // It came behind all others of its directory: so that the next ones come behind all of a leaf.
        return block::cut(block, end);
    }
    block::cut(block, block.len() / 2)
}
