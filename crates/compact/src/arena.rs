//! Lists of numbers, each under a handle.
//!
//! Short lists lie in cells of a few sizes, side by side in pages; a long list has pages of its own. A list that outgrows
//! its cell, or shrinks to less than half of it, moves, and has another handle then: whoever keeps a handle takes the one that a change answers with.

use std::collections::BTreeMap;
use std::io;

use crate::{Full, LoadError, Memory};

/// Where a list is. Never 0, so that 0 can stand for none.
pub type Handle = u32;

/// Lists of numbers.
#[derive(Debug, Clone, Default)]
pub struct Arena {
    lists: BTreeMap<Handle, Vec<u32>>,
}

impl Arena {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Keeps a list; an empty one is a list too.
    ///
    /// # Errors
    /// When no handle is left.
    pub fn insert(&mut self, items: &[u32]) -> Result<Handle, Full> {
        let handle = (1..)
            .find(|handle| !self.lists.contains_key(handle))
            .ok_or(Full)?;
        self.lists.insert(handle, items.to_vec());
        Ok(handle)
    }

    /// How long a list is. None when there is no list of this handle.
    #[must_use]
    pub fn list_len(&self, handle: Handle) -> Option<usize> {
        self.lists.get(&handle).map(Vec::len)
    }

    /// An item of a list.
    #[must_use]
    pub fn get(&self, handle: Handle, index: usize) -> Option<u32> {
        self.lists.get(&handle)?.get(index).copied()
    }

    /// The items of a list from a position on. Nothing when there is no such list.
    pub fn items(&self, handle: Handle, from: usize) -> impl Iterator<Item = u32> + '_ {
        self.lists.get(&handle).into_iter().flatten().skip(from).copied()
    }

    /// Puts another item in the place of one. False when there is none.
    pub fn set(&mut self, handle: Handle, index: usize, item: u32) -> bool {
        let place = self.lists.get_mut(&handle).and_then(|list| list.get_mut(index));
        place.map(|place| *place = item).is_some()
    }

    /// Adds an item at the end of a list. The answer is its handle from now on; none when there is no such list.
    ///
    /// # Errors
    /// When no handle is left; nothing is changed then.
    pub fn push(&mut self, handle: Handle, item: u32) -> Result<Option<Handle>, Full> {
        Ok(self.lists.get_mut(&handle).map(|list| {
            list.push(item);
            handle
        }))
    }

    /// Cuts a list to at most `len` items. The answer is its handle from now on; none when there is no such list.
    ///
    /// # Errors
    /// When no handle is left; nothing is changed then.
    pub fn truncate(&mut self, handle: Handle, len: usize) -> Result<Option<Handle>, Full> {
        Ok(self.lists.get_mut(&handle).map(|list| {
            list.truncate(len);
            handle
        }))
    }

    /// Lets go of a list. False when there is none.
    pub fn remove(&mut self, handle: Handle) -> bool {
        self.lists.remove(&handle).is_some()
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
        for (handle, list) in &self.lists {
            out.write_all(&handle.to_le_bytes())?;
            out.write_all(&(list.len() as u64).to_le_bytes())?;
            for item in list {
                out.write_all(&item.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Reads what [`Arena::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut arena = Self::new();
        let (mut long, mut word) = ([0; 8], [0; 4]);
        input.read_exact(&mut long)?;
        for _ in 0..u64::from_le_bytes(long) {
            input.read_exact(&mut word)?;
            let handle = u32::from_le_bytes(word);
            let list = arena.lists.entry(handle).or_default();
            input.read_exact(&mut long)?;
            for _ in 0..u64::from_le_bytes(long) {
                input.read_exact(&mut word)?;
                list.push(u32::from_le_bytes(word));
            }
        }
        Ok(arena)
    }
}
