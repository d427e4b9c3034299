//! Going through the tree in the order of its keys.

use super::block::{Cursor, Entry};
use super::key::Key;
use super::node::{Branch, Node};

/// A place in the tree, before an entry.
pub(super) struct Walk<'a> {
    /// The branches above the current leaf, with the index of the next child to go to.
    above: Vec<(&'a Branch, usize)>,
    cursor: Cursor<'a>,
    /// Whether the current entry is still to be told.
    ahead: bool,
}

impl<'a> Walk<'a> {
    /// Before the first entry whose key is not below `from`; or, if so wanted, is above it.
    pub(super) fn new(root: Option<&'a Node>, from: &[u8], above: bool) -> Self {
        let mut walk = Self {
            above: Vec::new(),
            cursor: Cursor::new(&[]),
            ahead: false,
        };
        if let Some(root) = root {
            walk.descend(root, from);
            while walk.step().is_some() {
                let key = walk.cursor.key.bytes();
                if key > from || (key == from && !above) {
                    walk.ahead = true;
                    break;
                }
            }
        }
        walk
    }

    /// Goes to the next entry.
    pub(super) fn advance(&mut self) -> Option<()> {
        if std::mem::take(&mut self.ahead) {
            return Some(());
        }
        self.step().map(|_| ())
    }

    pub(super) fn key(&self) -> &Key {
        &self.cursor.key
    }

    pub(super) fn value(&self) -> u32 {
        self.cursor.value
    }

    fn step(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.cursor.advance() {
                return Some(entry);
            }
            let (branch, next) = self.above.last_mut()?;
            match branch.children.get(*next) {
                Some(child) => {
                    *next += 1;
                    self.descend(child, &[]);
                }
                None => {
                    self.above.pop();
                }
            }
        }
    }

    /// Goes down to the leaf that has a key.
    fn descend(&mut self, mut node: &'a Node, key: &[u8]) {
        loop {
            match node {
                Node::Leaf(block) => return self.cursor.continue_in(block),
                Node::Branch(branch) => {
                    let index = branch.child(key);
                    let Some(child) = branch.children.get(index) else {
                        return;
                    };
                    self.above.push((branch, index + 1));
                    node = child;
                }
            }
        }
    }
}
