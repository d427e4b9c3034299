//! Records of fixed size under slots that the table gives out.
//!
//! Invariants:
//! - slots count from 1; 0 is nobody's, so that it can stand for none;
//! - each slot has a birth: the number of the life that it leads. A new slot starts with birth 0, and each later life has a
//!   higher birth than all before it, also when the page of the slot was given back in between. A (slot, birth) is never
//!   given out twice. A slot whose births are used up is never given out again;
//! - [`Slab::insert`] takes a free slot on the lowest page that has one, so that the higher pages empty and are given back;
//! - what is given out next is a function of the bytes that [`Slab::save`] writes.

use std::collections::BTreeMap;
use std::io;

use crate::{Full, LoadError, Memory, Record};

/// The highest birth that is given out.
pub const BIRTH_MAX: u32 = u16::MAX as u32;

/// A slot in one of its lives. As a number: the birth in the upper half, the slot in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// Which life.
    pub birth: u32,
    /// Which slot.
    pub slot: u32,
}

impl SlotId {
    /// Birth ‖ slot. Below 2^48, as births end at [`BIRTH_MAX`].
    #[must_use]
    pub fn as_u64(self) -> u64 {
        u64::from(self.birth) << 32 | u64::from(self.slot)
    }

    /// What [`SlotId::as_u64`] made; any number is one.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub fn from_u64(number: u64) -> Self {
        Self {
            birth: (number >> 32) as u32,
            slot: number as u32,
        }
    }
}

/// Records under slots that the table gives out.
#[derive(Debug, Clone)]
pub struct Slab<T> {
    records: BTreeMap<u32, T>,
    births: BTreeMap<u32, u32>,
    high: u32,
}

impl<T: Record> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> Slab<T> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            births: BTreeMap::new(),
            high: 0,
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The highest slot that was ever given out; 0 when none was.
    #[must_use]
    pub fn high_water(&self) -> u32 {
        self.high
    }

    /// The record in a slot, in whatever life.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<T> {
        self.records.get(&slot).copied()
    }

    /// The record of exactly this life of a slot.
    #[must_use]
    pub fn find(&self, id: SlotId) -> Option<T> {
        self.get(id.slot)
            .filter(|_| self.births.get(&id.slot) == Some(&id.birth))
    }

    /// The id of the record in a slot. None when it is free.
    #[must_use]
    pub fn id(&self, slot: u32) -> Option<SlotId> {
        let birth = *self.births.get(&slot)?;
        self.records.contains_key(&slot).then_some(SlotId { birth, slot })
    }

    /// Whether this id was ever given out: its life is over, or goes on. Also true for a few that were skipped, of slots
    /// whose page was given back.
    #[must_use]
    pub fn was_given_out(&self, id: SlotId) -> bool {
        self.births.get(&id.slot).is_some_and(|birth| id.birth <= *birth)
    }

    /// Keeps a record in a free slot: one of the lowest page that has one.
    ///
    /// # Errors
    /// When all slots are taken or used up.
    pub fn insert(&mut self, record: T) -> Result<SlotId, Full> {
        let slot = (1..=self.high)
            .find(|slot| !self.records.contains_key(slot))
            .unwrap_or(self.high + 1);
        let birth = self.births.get(&slot).map_or(0, |birth| birth + 1);
        self.births.insert(slot, birth);
        self.records.insert(slot, record);
        self.high = self.high.max(slot);
        Ok(SlotId { birth, slot })
    }

    /// Keeps a record in the slot after all that were ever given out, so that slots are never reused: its birth is 0.
    /// (Not to be mixed with [`Slab::insert`] on one table, when slots are to stay in sequence.)
    ///
    /// # Errors
    /// When all slots are used up.
    pub fn append(&mut self, record: T) -> Result<SlotId, Full> {
        let slot = self.high.checked_add(1).ok_or(Full)?;
        self.births.insert(slot, 0);
        self.records.insert(slot, record);
        self.high = slot;
        Ok(SlotId { birth: 0, slot })
    }

    /// Puts another record in the place of one. False when the slot is free; nothing is done then.
    pub fn set(&mut self, slot: u32, record: T) -> bool {
        self.records.get_mut(&slot).map(|kept| *kept = record).is_some()
    }

    /// Frees a slot, and answers with what it held.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        self.records.remove(&slot)
    }

    /// All records, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, T)> + '_ {
        self.iter_from(0)
    }

    /// The records of `slot` and all later ones, in the order of their slots.
    pub fn iter_from(&self, slot: u32) -> impl Iterator<Item = (SlotId, T)> + '_ {
        self.records
            .range(slot..)
            .filter_map(|(slot, record)| Some((self.id(*slot)?, *record)))
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
        out.write_all(&self.high.to_le_bytes())?;
        for slot in 1..=self.high {
            out.write_all(&self.births.get(&slot).copied().unwrap_or(0).to_le_bytes())?;
            out.write_all(&[u8::from(self.records.contains_key(&slot))])?;
            if let Some(record) = self.get(slot) {
                let mut bytes = vec![0; T::BYTES];
                record.write(crate::FieldsMut::new(&mut bytes));
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// Reads what [`Slab::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut slab = Self::new();
        let mut word = [0; 4];
        input.read_exact(&mut word)?;
        slab.high = u32::from_le_bytes(word);
        for slot in 1..=slab.high {
            input.read_exact(&mut word)?;
            slab.births.insert(slot, u32::from_le_bytes(word));
            let mut used = [0];
            input.read_exact(&mut used)?;
            if used != [0] {
                let mut bytes = vec![0; T::BYTES];
                input.read_exact(&mut bytes)?;
                slab.records.insert(slot, T::read(crate::Fields::new(&bytes)));
            }
        }
        Ok(slab)
    }
}
