//! The invariants of the tree, looked at one by one.

use super::NameTree;
use super::block::{Cursor, follows};
use super::key::PARENT_BYTES;
use super::node::{CHILDREN_MAX, LEAF_BYTES_MAX, Node};

impl NameTree {
    /// Panics where an invariant does not hold.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        let mut depth = None;
        let mut entries = 0;
        if let Some(root) = &self.root {
            if let Node::Branch(branch) = root {
                assert!(branch.children.len() > 1, "a root for one child");
            }
            root.check_invariants(0, &mut depth, &mut entries, &[], None);
        }
        assert_eq!(entries, self.len);
    }
}

/// The keys of a block, after looking at the block.
fn keys(block: &[u8]) -> Vec<Vec<u8>> {
    let mut cursor = Cursor::new(block);
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    while let Some(entry) = cursor.peek() {
        match keys.last() {
            Some(before) => assert!(follows(before, entry), "its coding, or its place"),
            None => assert_eq!(entry.shared, 0, "the first shares nothing"),
        }
        assert!(cursor.advance().is_some(), "too long");
        assert!(cursor.key.bytes().len() >= PARENT_BYTES);
        bytes += entry.bytes();
        keys.push(cursor.key.bytes().to_vec());
    }
    assert_eq!(bytes, block.len(), "a rest");
    keys
}

impl Node {
    /// All keys must be at or above `low`, and below `high`.
    fn check_invariants(
        &self,
        depth: usize,
        leaves: &mut Option<usize>,
        entries: &mut usize,
        low: &[u8],
        high: Option<&[u8]>,
    ) {
        let block = match self {
            Self::Leaf(block) => block.as_ref(),
            Self::Branch(branch) => &branch.separators,
        };
        let keys = keys(block);
        assert!(keys.first().is_none_or(|first| first.as_slice() >= low));
        assert!(
            keys.last()
                .is_none_or(|last| high.is_none_or(|high| last.as_slice() < high))
        );
        assert!(!self.is_empty(), "an empty node");
        match self {
            Self::Leaf(block) => {
                assert_eq!(*leaves.get_or_insert(depth), depth, "leaves at different depths");
                assert!(block.len() <= LEAF_BYTES_MAX);
                *entries += keys.len();
            }
            Self::Branch(branch) => {
                assert_eq!(keys.len() + 1, branch.children.len());
                assert!(branch.children.len() <= CHILDREN_MAX);
                let lows = std::iter::once(low).chain(keys.iter().map(Vec::as_slice));
                let highs = keys.iter().map(|key| Some(key.as_slice())).chain([high]);
                for ((child, low), high) in branch.children.iter().zip(lows).zip(highs) {
                    child.check_invariants(depth + 1, leaves, entries, low, high);
                }
            }
        }
    }
}
