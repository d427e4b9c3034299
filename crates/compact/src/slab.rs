//! Records of fixed size under slots that the table gives out.
//!
//! ```text
//! cell:  record T::BYTES | lives 2        slot = page × cells of a page + cell + 1
//! ```
//!
//! Invariants:
//! - slots count from 1; 0 is nobody's, so that it can stand for none;
//! - each slot has a birth: the number of the life that it leads. A new slot starts with birth 0, and each later life has a
//!   higher birth than all before it, also when the page of the slot was given back in between: what is left of such a page
//!   is the highest number of lives that a slot of it had. A (slot, birth) is never given out twice. A slot whose births
//!   are used up is never given out again;
//! - [`Slab::insert`] takes the lowest free slot of the lowest page that has one, so that the higher pages empty;
//! - at most one page is empty: another that becomes so is given back, the higher one of the two. (Were each given back
//!   at once, creating and deleting one file over and over would use up the births of a whole page);
//! - all pages below the highest slot ever given out are there, or what is left of them is;
//! - what is given out next is a function of the bytes that [`Slab::save`] writes.

mod rebuild;

use std::io;
use std::marker::PhantomData;

use crate::page::{Page, Shape};
use crate::stream::Kind;
use crate::trie::Trie;
use crate::{Full, LoadError, Memory, PagedArray, Record};

/// The highest birth that is given out.
pub const BIRTH_MAX: u32 = LIVES_MAX as u32 - 1;

const LIVES_MAX: u16 = u16::MAX;
const LIVES_BYTES: usize = 2;

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
#[derive(Debug)]
pub struct Slab<T> {
    pages: Trie<Page>,
    /// For each page that was given back: the highest number of lives that a slot of it had.
    lives: PagedArray<u16>,
    len: usize,
    high: u32,
    empty: Option<u32>,
    record: PhantomData<T>,
}

impl<T> Clone for Slab<T> {
    fn clone(&self) -> Self {
        Self {
            pages: self.pages.clone(),
            lives: self.lives.clone(),
            ..*self
        }
    }
}

impl<T: Record> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a slot is.
#[derive(Clone, Copy)]
struct Place {
    page: u32,
    cell: usize,
}

impl<T: Record> Slab<T> {
    const SHAPE: Shape = Shape::of(T::BYTES + LIVES_BYTES);

    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pages: Trie::default(),
            lives: PagedArray::new(),
            len: 0,
            high: 0,
            empty: None,
            record: PhantomData,
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The highest slot that was ever given out; 0 when none was.
    #[must_use]
    pub fn high_water(&self) -> u32 {
        self.high
    }

    /// The record in a slot, in whatever life.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<T> {
        let place = Self::place(slot)?;
        self.pages.get(place.page)?.used_record(Self::SHAPE, place.cell)
    }

    /// The record of exactly this life of a slot.
    #[inline]
    #[must_use]
    pub fn find(&self, id: SlotId) -> Option<T> {
        let place = Self::place(id.slot)?;
        let page = self.pages.get(place.page)?;
        let lives = page.lives(Self::SHAPE, place.cell);
        if u32::from(lives) != id.birth.checked_add(1)? {
            return None;
        }
        page.used_record(Self::SHAPE, place.cell)
    }

    /// The id of the record in a slot. None when it is free.
    #[must_use]
    pub fn id(&self, slot: u32) -> Option<SlotId> {
        let place = Self::place(slot)?;
        let page = self.pages.get(place.page)?;
        let birth = u32::from(page.lives(Self::SHAPE, place.cell)).checked_sub(1)?;
        page.is_used(place.cell).then_some(SlotId { birth, slot })
    }

    /// Whether this id was ever given out: its life is over, or goes on. Also true for a few that were skipped, of slots
    /// whose page was given back.
    #[must_use]
    pub fn was_given_out(&self, id: SlotId) -> bool {
        let Some(place) = Self::place(id.slot).filter(|_| id.slot <= self.high) else {
            return false;
        };
        let lives = match self.pages.get(place.page) {
            Some(page) => page.lives(Self::SHAPE, place.cell),
            None => self.lives.get(place.page).unwrap_or(0),
        };
        id.birth < u32::from(lives)
    }

    /// Keeps a record in the lowest free slot of the lowest page that has one.
    ///
    /// # Errors
    /// When all slots are taken or used up.
    pub fn insert(&mut self, record: T) -> Result<SlotId, Full> {
        let number = self.pages.first_open().ok_or(Full)?;
        let cell = match self.pages.get(number) {
            Some(page) => page.free_to_live(Self::SHAPE).next().ok_or(Full)?,
            None => 0,
        };
        let slot = Self::slot(Place { page: number, cell }).ok_or(Full)?;
        self.occupy(slot, record, None)
    }

    /// Keeps a record in the slot after all that were ever given out, so that slots are never reused: its birth is 0.
    /// (Not to be mixed with [`Slab::insert`] on one table, when slots are to stay in sequence.)
    ///
    /// # Errors
    /// When all slots are used up.
    pub fn append(&mut self, record: T) -> Result<SlotId, Full> {
        let slot = self.high.checked_add(1).ok_or(Full)?;
        self.occupy(slot, record, Some(0))
    }

    /// Puts another record in the place of one. False when the slot is free; nothing is done then.
    pub fn set(&mut self, slot: u32, record: T) -> bool {
        let Some(place) = Self::place(slot) else {
            return false;
        };
        match self.pages.get_mut(place.page) {
            Some(page) if page.is_used(place.cell) => {
                page.set_record(Self::SHAPE, place.cell, &record);
                true
            }
            _ => false,
        }
    }

    /// Frees a slot, and answers with what it held.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let record = self.get(slot)?;
        let place = Self::place(slot)?;
        let page = self.pages.get_mut(place.page)?;
        let was_open = page.has_room(Self::SHAPE);
        page.set_used(place.cell, false);
        page.wipe(Self::SHAPE, place.cell, T::BYTES);
        let (is_open, is_empty) = (page.has_room(Self::SHAPE), page.count() == 0);
        self.len -= 1;
        if is_open && !was_open {
            self.pages.set_closed(place.page, false);
        }
        if is_empty {
            self.emptied(place.page);
        }
        Some(record)
    }

    /// All records, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, T)> + '_ {
        self.iter_from(0)
    }

    /// The records of `slot` and all later ones, in the order of their slots.
    pub fn iter_from(&self, slot: u32) -> impl Iterator<Item = (SlotId, T)> + '_ {
        self.pages
            .used_from(Self::place(slot.max(1)).map(|from| (from.page, from.cell)))
            .filter_map(|(number, page, cell)| {
                let slot = Self::slot(Place { page: number, cell })?;
                let birth = u32::from(page.lives(Self::SHAPE, cell)).checked_sub(1)?;
                Some((SlotId { birth, slot }, page.record(Self::SHAPE, cell)))
            })
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let lives = self.lives.memory().total();
        let mut memory = self.pages.memory((self.len * Self::SHAPE.stride) as u64);
        memory.overhead += lives;
        memory
    }

    /// Writes all that it is.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let kind = Self::kind();
        kind.write_head(out, [u64::from(self.high), self.len as u64])?;
        kind.write_pages(out, &self.pages, Self::SHAPE)?;
        self.lives.save(out)
    }

    /// Reads what [`Slab::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let kind = Self::kind();
        let [high, len] = kind.read_head(input)?;
        let mut slab = Self::new();
        slab.high = u32::try_from(high).map_err(|_| kind.corrupt("its highest slot is none"))?;
        let mut empty = None;
        let mut found = 0;
        slab.pages = kind.read_pages(input, Self::SHAPE, LIVES_BYTES, |number, page| {
            let mut cell = None;
            while let Some(used) = page.next_used(cell.map_or(0, |last: usize| last + 1)) {
                if page.lives(Self::SHAPE, used) == 0 {
                    return Err(kind.corrupt("a slot has a record, but was never given out"));
                }
                cell = Some(used);
            }
            match cell {
                Some(cell)
                    if Self::slot(Place { page: number, cell }).is_none_or(|slot| slot > slab.high) =>
                {
                    return Err(kind.corrupt("a slot is higher than the highest"));
                }
                None if empty.replace(number).is_some() || number as usize >= slab.pages_needed() => {
                    return Err(kind.corrupt("an empty page that it can not have"));
                }
                _ => {}
            }
            found += page.count();
            Ok(!page.has_room(Self::SHAPE))
        })?;
        if found as u64 != len {
            return Err(kind.corrupt("it has another number of records than it says"));
        }
        (slab.len, slab.empty) = (found, empty);
        slab.lives = PagedArray::load(input)?;
        for (page, lives) in slab.lives.iter() {
            if lives == 0 || page as usize >= slab.pages_needed() || slab.pages.get(page).is_some() {
                return Err(kind.corrupt("a page that was given back is none"));
            }
            if lives == LIVES_MAX {
                slab.pages.set_closed(page, true);
            }
        }
        if slab.pages.count() + slab.lives.len() == slab.pages_needed() {
            Ok(slab)
        } else {
            Err(kind.corrupt("pages are missing"))
        }
    }

    fn kind() -> Kind {
        Kind {
            name: "slab",
            magic: *b"slab",
            record_bytes: u16::try_from(T::BYTES).unwrap_or(u16::MAX),
        }
    }

    /// How many pages there must be, with those that were given back.
    fn pages_needed(&self) -> usize {
        Self::place(self.high).map_or(0, |place| place.page as usize + 1)
    }

    #[inline]
    fn place(slot: u32) -> Option<Place> {
        let cells = Self::SHAPE.cells;
        let number = slot.checked_sub(1)? as usize;
        Some(Place {
            page: u32::try_from(number / cells).ok()?,
            cell: number % cells,
        })
    }

    #[inline]
    fn slot(place: Place) -> Option<u32> {
        u32::try_from(place.page as usize * Self::SHAPE.cells + place.cell + 1).ok()
    }

    /// Takes a free slot, in the life of this birth or in its next.
    fn occupy(&mut self, slot: u32, record: T, birth: Option<u16>) -> Result<SlotId, Full> {
        let place = Self::place(slot).ok_or(Full)?;
        let lives = &mut self.lives;
        let page = self
            .pages
            .get_or_make(place.page, || {
                let mut page = Page::new();
                if let Some(lives) = lives.remove(place.page) {
                    for cell in 0..Self::SHAPE.cells {
                        page.set_lives(Self::SHAPE, cell, lives);
                    }
                }
                page
            })
            .ok_or(Full)?;
        let birth = birth.unwrap_or_else(|| page.lives(Self::SHAPE, place.cell));
        page.set_lives(Self::SHAPE, place.cell, birth.checked_add(1).ok_or(Full)?);
        page.set_used(place.cell, true);
        page.set_record(Self::SHAPE, place.cell, &record);
        let is_open = page.has_room(Self::SHAPE);
        if !is_open {
            self.pages.set_closed(place.page, true);
        }
        if self.empty == Some(place.page) {
            self.empty = None;
        }
        self.len += 1;
        self.high = self.high.max(slot);
        let birth = u32::from(birth);
        Ok(SlotId { birth, slot })
    }

    /// A page has become empty: gives it back, or the other one that is empty.
    fn emptied(&mut self, page: u32) {
        let Some(other) = self.empty.replace(page) else {
            return;
        };
        self.empty = Some(page.min(other));
        let goes = page.max(other);
        let lives = self.pages.get(goes).map_or(LIVES_MAX, |page| {
            let lives = (0..Self::SHAPE.cells).map(|cell| page.lives(Self::SHAPE, cell));
            lives.max().unwrap_or(0)
        });
        self.pages.remove(goes);
        self.lives.set(goes, lives);
        self.pages.set_closed(goes, lives == LIVES_MAX);
    }

    /// Panics where an invariant does not hold.
    #[cfg(any(test, feature = "checks"))]
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.pages.check_invariants();
        self.lives.check_invariants();
        let mut left = (self.pages.count() + self.lives.len(), 0, 0);
        assert_eq!(left.0, self.pages_needed(), "pages or what is left of them");
        for number in 0..u32::try_from(self.pages_needed()).unwrap_or(u32::MAX) {
            let Some(page) = self.pages.get(number) else {
                let lives = self.lives.get(number);
                assert!(lives.is_some_and(|lives| lives > 0));
                assert_eq!(self.pages.is_closed(number), lives == Some(LIVES_MAX));
                continue;
            };
            assert_eq!(self.pages.is_closed(number), !page.has_room(Self::SHAPE));
            left.1 += page.count();
            left.2 += usize::from(page.count() == 0);
            assert!(page.count() > 0 || self.empty == Some(number), "the empty page");
            for cell in 0..Self::SHAPE.cells {
                assert!(!page.is_used(cell) || page.lives(Self::SHAPE, cell) > 0);
            }
        }
        assert_eq!((left.1, left.2), (self.len, usize::from(self.empty.is_some())));
    }
}

impl Page {
    #[inline]
    fn lives(&self, shape: Shape, cell: usize) -> u16 {
        let lives = self.cell(shape, cell).last_chunk();
        lives.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    #[inline]
    fn set_lives(&mut self, shape: Shape, cell: usize, lives: u16) {
        if let Some(bytes) = self.cell_mut(shape, cell).last_chunk_mut() {
            *bytes = lives.to_le_bytes();
        }
    }

    /// The free cells that have a life left.
    #[inline]
    fn free_to_live(&self, shape: Shape) -> impl Iterator<Item = usize> + '_ {
        self.free(shape)
            .filter(move |cell| self.lives(shape, *cell) < LIVES_MAX)
    }

    #[inline]
    fn has_room(&self, shape: Shape) -> bool {
        self.free_to_live(shape).next().is_some()
    }
}

#[cfg(test)]
mod tests;
