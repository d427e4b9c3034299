//! Names in directories: (parent slot, name) → slot, sorted by parent and then by the bytes of the name.
//!
//! One tree for all directories: a listing is a range of it, a directory is renamed by changing one entry, and an empty
//! directory takes nothing. It is a B+tree of front-coded blocks that clones share; see `node` and `block` for its invariants.
//!
//! What it saves is a function of its entries. Where its leaves are cut is not: that depends on the order of changes, and
//! nothing that it answers depends on it, but for [`NameTree::memory`].

mod block;
#[cfg(any(test, feature = "checks"))]
mod check;
mod key;
mod load;
mod node;
mod range;

use std::io;

use self::key::Key;
use self::node::{Branch, Node};
use self::range::Walk;
use crate::memory::{BLOCK_BYTES, SHARED_BYTES};
use crate::{LoadError, Memory, NameTooLong};

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Directories: (parent slot, name) → slot.
#[derive(Debug, Clone, Default)]
pub struct NameTree {
    root: Option<Node>,
    len: usize,
}

/// The entries of one directory, in the order of their names.
pub struct Names<'a> {
    walk: Walk<'a>,
    parent: u32,
}

impl NameTree {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, parent: u32, name: &[u8]) -> Option<u32> {
        self.root.as_ref()?.get(Key::of(parent, name)?.bytes())
    }

    /// Makes a name stand for `slot`, and answers with what it stood for before.
    ///
    /// # Errors
    /// When the name is too long; nothing is changed then.
    pub fn insert(&mut self, parent: u32, name: &[u8], slot: u32) -> Result<Option<u32>, NameTooLong> {
        let key = Key::of(parent, name).ok_or(NameTooLong(name.len()))?;
        let root = self.root.get_or_insert_with(|| Node::leaf(&[]));
        let (old, sibling) = root.insert(key.bytes(), slot);
        if let Some(sibling) = sibling {
            root.grow(sibling);
        }
        self.len += usize::from(old.is_none());
        Ok(old)
    }

    /// Takes a name away, and answers with what it stood for.
    pub fn remove(&mut self, parent: u32, name: &[u8]) -> Option<u32> {
        // Looked for first, so that nothing is copied for a name that is not there.
        self.get(parent, name)?;
        let root = self.root.as_mut()?;
        let old = root.remove(Key::of(parent, name)?.bytes())?;
        self.len -= 1;
        while let Some(Node::Branch(branch)) = &self.root
            && let [only] = branch.children.as_slice()
        {
            self.root = Some(only.clone());
        }
        self.root.take_if(|root| root.is_empty());
        Some(old)
    }

    /// Whether a directory has any entry.
    #[must_use]
    pub fn has_entries(&self, parent: u32) -> bool {
        self.list(parent, None).advance().is_some()
    }

    /// The entries of a directory in the order of their names: all, or those after `after` (which need not exist).
    #[must_use]
    pub fn list(&self, parent: u32, after: Option<&[u8]>) -> Names<'_> {
        let name = after.unwrap_or_default();
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        let from = Key::of(parent, name).unwrap_or_default();
        Names {
            walk: Walk::new(self.root.as_ref(), from.bytes(), after.is_some()),
            parent,
        }
    }

    /// All entries as (parent, name, slot), sorted by parent and then by name.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Vec<u8>, u32)> + '_ {
        let mut walk = Walk::new(self.root.as_ref(), &[], false);
        std::iter::from_fn(move || {
            walk.advance()?;
            Some((walk.key().parent(), walk.key().name().to_vec(), walk.value()))
        })
    }

    /// What it takes. It looks at each branch: about 0.1 ns for each entry.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        if let Some(root) = &self.root {
            root.add_memory(&mut memory);
        }
        memory
    }

    /// Writes all that it is.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        load::save(self, out)
    }

    /// Reads what [`NameTree::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        load::load(input)
    }
}

impl Node {
    fn add_memory(&self, memory: &mut Memory) {
        match self {
            Self::Leaf(block) => {
                let bytes = block.len() + SHARED_BYTES + BLOCK_BYTES;
                let taken = bytes.next_multiple_of(16);
                memory.payload += block.len() as u64;
                memory.slack += (taken - bytes) as u64;
                memory.overhead += (bytes - block.len()) as u64;
            }
            Self::Branch(branch) => {
                let head = size_of::<Branch>() + SHARED_BYTES + 3 * BLOCK_BYTES;
                let children = branch.children.capacity() * size_of::<Self>();
                memory.overhead += (head + children + branch.separators.len()) as u64;
                for child in &branch.children {
                    child.add_memory(memory);
                }
            }
        }
    }
}

impl Names<'_> {
    /// The next entry, without an allocation of its own.
    pub fn advance(&mut self) -> Option<(&[u8], u32)> {
        self.walk.advance()?;
        let key = self.walk.key();
        (key.parent() == self.parent).then(|| (key.name(), self.walk.value()))
    }
}

impl Iterator for Names<'_> {
    type Item = (Vec<u8>, u32);
    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|(name, slot)| (name.to_vec(), slot))
    }
}

impl std::fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}
