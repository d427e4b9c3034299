//! The tree as bytes: blocks of entries in the order of their keys, cut where the entries say and not where the leaves
//! were. So equal contents are equal bytes.
//!
//! ```text
//! head | for each block: length 2 | front-coded block        | 0 2
//! ```

use std::io::{Read, Write};
use std::sync::Arc;

use super::NameTree;
use super::block::{self, Cursor, Entry};
use super::key::{Key, common, separator};
use super::node::{Branch, LEAF_BYTES_MAX, Node};
use super::range::Walk;
use crate::LoadError;
use crate::stream::{Kind, bytes};

/// A block is written before it becomes larger: a leaf that is loaded has some room left.
const BLOCK_BYTES_MAX: usize = 940;
/// So many children has a branch that is loaded: some room is left there too.
const CHILDREN: usize = 28;
/// How much is gathered before it is written.
const GATHER_BYTES: usize = 32 << 10;

const KIND: Kind = Kind {
    name: "names",
    magic: *b"name",
    record_bytes: 0,
};

pub(super) fn save(tree: &NameTree, out: &mut dyn Write) -> std::io::Result<()> {
    KIND.write_head(out, [tree.len as u64])?;
    let mut walk = Walk::new(tree.root.as_ref(), &[], false);
    let mut gathered = Vec::with_capacity(GATHER_BYTES + 2 * LEAF_BYTES_MAX);
    let mut block = Vec::with_capacity(LEAF_BYTES_MAX);
    let mut before = Key::new();
    while walk.advance().is_some() {
        let key = walk.key().bytes();
        let mut matched = common(before.bytes(), key);
        if block.len() + Entry::after(matched, key, 0).bytes() > BLOCK_BYTES_MAX {
            put_block(&mut block, &mut gathered);
            matched = 0;
        }
        if block.is_empty() {
            matched = 0;
        }
        if gathered.len() >= GATHER_BYTES {
            out.write_all(&gathered)?;
            gathered.clear();
        }
        Entry::after(matched, key, walk.value()).write(&mut block);
        before.replace(matched, key.get(matched..).unwrap_or_default());
    }
    put_block(&mut block, &mut gathered);
    gathered.extend_from_slice(&[0; 2]);
    out.write_all(&gathered)
}

fn put_block(block: &mut Vec<u8>, out: &mut Vec<u8>) {
    if let Ok(len) = u16::try_from(block.len())
        && len > 0
    {
        out.extend_from_slice(&len.to_le_bytes());
        out.append(block);
    }
}

pub(super) fn load(input: &mut dyn Read) -> Result<NameTree, LoadError> {
    let [len] = KIND.read_head(input)?;
    let mut builder = Builder::default();
    let mut buffer = [0; BLOCK_BYTES_MAX];
    let mut last = Key::new();
    let mut found = 0;
    loop {
        let len = usize::from(u16::from_le_bytes(bytes(input)?));
        if len == 0 {
            break;
        }
        let block = buffer.get_mut(..len);
        let block = block.ok_or_else(|| KIND.corrupt("a block is too large"))?;
        input.read_exact(block)?;
        let read = check(block, &mut last).ok_or_else(|| KIND.corrupt("a block is not one"))?;
        found += read.entries;
        builder.push(0, &read.separator, Node::leaf(block));
    }
    if found != len {
        return Err(KIND.corrupt("it has another number of entries than it says"));
    }
    Ok(NameTree {
        root: builder.finish(),
        len: usize::try_from(found).map_err(|_| KIND.corrupt("it has too many entries"))?,
    })
}

struct Checked {
    entries: u64,
    /// What parts it from the block before it.
    separator: Vec<u8>,
}

/// Looks at each entry of a block, which must be above `last`; its last key becomes `last`.
fn check(block: &[u8], last: &mut Key) -> Option<Checked> {
    let mut cursor = Cursor::new(block);
    let mut size = cursor.advance()?.bytes();
    let first = cursor.key.bytes();
    if first <= last.bytes() {
        return None;
    }
    let separator = separator(last.bytes(), first).to_vec();
    let mut entries = 1;
    while let Some(entry) = cursor.peek() {
        if !block::follows(cursor.key.bytes(), entry) {
            return None;
        }
        size += cursor.advance()?.bytes();
        entries += 1;
    }
    *last = cursor.key;
    (size == block.len()).then_some(Checked { entries, separator })
}

/// Builds a tree from its leaves in order.
#[derive(Default)]
struct Builder {
    levels: Vec<Level>,
}

/// The branch that is being filled on one level.
#[derive(Default)]
struct Level {
    /// What parts its first child from the one before.
    first: Vec<u8>,
    separators: Vec<u8>,
    last: Key,
    children: Vec<Node>,
}

impl Level {
    fn push(&mut self, separator: &[u8], node: Node) {
        if self.children.is_empty() {
            self.first = separator.to_vec();
        } else {
            let matched = common(self.last.bytes(), separator);
            let shared = if self.separators.is_empty() { 0 } else { matched };
            Entry::after(shared, separator, 0).write(&mut self.separators);
            self.last
                .replace(shared, separator.get(shared..).unwrap_or_default());
        }
        self.children.push(node);
    }

    fn finish(&mut self) -> (Vec<u8>, Node) {
        let level = std::mem::take(self);
        let mut children = level.children;
        children.shrink_to_fit();
        let branch = Branch {
            separators: level.separators.into(),
            children,
        };
        (level.first, Node::Branch(Arc::new(branch)))
    }
}

impl Builder {
    fn push(&mut self, level: usize, separator: &[u8], node: Node) {
        if self.levels.len() <= level {
            self.levels.push(Level::default());
        }
        let full = match self.levels.get_mut(level) {
            Some(here) if here.children.len() == CHILDREN => Some(here.finish()),
            _ => None,
        };
        if let Some((first, branch)) = full {
            self.push(level + 1, &first, branch);
        }
        if let Some(here) = self.levels.get_mut(level) {
            here.push(separator, node);
        }
    }

    fn finish(mut self) -> Option<Node> {
        let mut level = 0;
        loop {
            let top = level + 1 == self.levels.len();
            let here = self.levels.get_mut(level)?;
            if top && here.children.len() == 1 {
                return here.children.pop();
            }
            let (first, branch) = here.finish();
            self.push(level + 1, &first, branch);
            level += 1;
        }
    }
}
