//! Records of fixed size under slots that somebody else gave out.
//!
//! Invariants:
//! - any slot may hold a record or none; a page on which no slot holds one does not exist;
//! - equal contents are equal bytes, whatever happened before.

use std::collections::BTreeMap;
use std::io;

use crate::{LoadError, Memory, Record};

/// A sparse array of records.
#[derive(Debug, Clone)]
pub struct PagedArray<T> {
    records: BTreeMap<u32, T>,
}

impl<T: Record> Default for PagedArray<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> PagedArray<T> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: BTreeMap::new(),
        }
    }

    /// How many slots hold a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<T> {
        self.records.get(&slot).copied()
    }

    /// Puts a record into a slot, and answers with the one that was there.
    pub fn set(&mut self, slot: u32, record: T) -> Option<T> {
        self.records.insert(slot, record)
    }

    /// Empties a slot, and answers with what was there.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        self.records.remove(&slot)
    }

    /// All records, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        self.iter_from(0)
    }

    /// The records of `slot` and all later ones, in the order of their slots.
    pub fn iter_from(&self, slot: u32) -> impl Iterator<Item = (u32, T)> + '_ {
        self.records.range(slot..).map(|(slot, record)| (*slot, *record))
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
        for (slot, record) in self.iter() {
            let mut bytes = vec![0; T::BYTES];
            record.write(crate::FieldsMut::new(&mut bytes));
            out.write_all(&slot.to_le_bytes())?;
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Reads what [`PagedArray::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut array = Self::new();
        let mut long = [0; 8];
        input.read_exact(&mut long)?;
        for _ in 0..u64::from_le_bytes(long) {
            let mut word = [0; 4];
            input.read_exact(&mut word)?;
            let mut bytes = vec![0; T::BYTES];
            input.read_exact(&mut bytes)?;
            array.set(u32::from_le_bytes(word), T::read(crate::Fields::new(&bytes)));
        }
        Ok(array)
    }
}
