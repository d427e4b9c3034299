//! Names in directories: (parent slot, name) → slot, sorted by parent and then by the bytes of the name.
//!
//! One tree for all directories: a listing is a range of it, a directory is renamed by changing one entry, and an empty
//! directory takes nothing.

use std::collections::BTreeMap;
use std::io;

use crate::{LoadError, Memory, NameTooLong};

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Directories: (parent slot, name) → slot.
#[derive(Debug, Clone, Default)]
pub struct NameTree {
    names: BTreeMap<(u32, Vec<u8>), u32>,
}

/// The entries of one directory, in the order of their names.
#[derive(Debug)]
pub struct Names<'a> {
    range: std::collections::btree_map::Range<'a, (u32, Vec<u8>), u32>,
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
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, parent: u32, name: &[u8]) -> Option<u32> {
        self.names.get(&(parent, name.to_vec())).copied()
    }

    /// Makes a name stand for `slot`, and answers with what it stood for before.
    ///
    /// # Errors
    /// When the name is too long; nothing is changed then.
    pub fn insert(&mut self, parent: u32, name: &[u8], slot: u32) -> Result<Option<u32>, NameTooLong> {
        if name.len() > NAME_BYTES_MAX {
            return Err(NameTooLong(name.len()));
        }
        Ok(self.names.insert((parent, name.to_vec()), slot))
    }

    /// Takes a name away, and answers with what it stood for.
    pub fn remove(&mut self, parent: u32, name: &[u8]) -> Option<u32> {
        self.names.remove(&(parent, name.to_vec()))
    }

    /// Whether a directory has any entry.
    #[must_use]
    pub fn has_entries(&self, parent: u32) -> bool {
        self.list(parent, None).next().is_some()
    }

    /// The entries of a directory in the order of their names: all, or those after `after` (which need not exist).
    #[must_use]
    pub fn list(&self, parent: u32, after: Option<&[u8]>) -> Names<'_> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = match after {
            Some(name) => Excluded((parent, name.to_vec())),
            None => Included((parent, Vec::new())),
        };
        Names {
            range: self.names.range((from, Unbounded)),
            parent,
        }
    }

    /// All entries as (parent, name, slot), sorted by parent and then by name.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Vec<u8>, u32)> + '_ {
        self.names
            .iter()
            .map(|((parent, name), slot)| (*parent, name.clone(), *slot))
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::default()
    }

    /// Writes all that it is.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&(self.len() as u64).to_le_bytes())?;
        for ((parent, name), slot) in &self.names {
            out.write_all(&parent.to_le_bytes())?;
            out.write_all(&u8::try_from(name.len()).unwrap_or(u8::MAX).to_le_bytes())?;
            out.write_all(name)?;
            out.write_all(&slot.to_le_bytes())?;
        }
        Ok(())
    }

    /// Reads what [`NameTree::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut tree = Self::new();
        let (mut long, mut word, mut byte) = ([0; 8], [0; 4], [0]);
        input.read_exact(&mut long)?;
        for _ in 0..u64::from_le_bytes(long) {
            input.read_exact(&mut word)?;
            let parent = u32::from_le_bytes(word);
            input.read_exact(&mut byte)?;
            let mut name = vec![0; byte.iter().map(|b| usize::from(*b)).sum()];
            input.read_exact(&mut name)?;
            input.read_exact(&mut word)?;
            tree.names.insert((parent, name), u32::from_le_bytes(word));
        }
        Ok(tree)
    }
}

impl Names<'_> {
    /// The next entry, without an allocation of its own.
    pub fn advance(&mut self) -> Option<(&[u8], u32)> {
        let ((parent, name), slot) = self.range.next()?;
        (*parent == self.parent).then_some((name.as_slice(), *slot))
    }
}

impl Iterator for Names<'_> {
    type Item = (Vec<u8>, u32);
    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|(name, slot)| (name.to_vec(), slot))
    }
}
