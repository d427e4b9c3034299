//! Records of fixed size under slots that somebody else gave out.
//!
//! Invariants:
//! - any slot may hold a record or none; a page on which no slot holds one does not exist;
//! - equal contents are equal bytes, whatever happened before.

use std::io;
use std::marker::PhantomData;

use crate::page::{Page, Shape};
use crate::stream::Kind;
use crate::trie::Trie;
use crate::{LoadError, Memory, Record};

/// A sparse array of records.
#[derive(Debug)]
pub struct PagedArray<T> {
    pages: Trie<Page>,
    len: usize,
    record: PhantomData<T>,
}

impl<T> Clone for PagedArray<T> {
    fn clone(&self) -> Self {
        Self {
            pages: self.pages.clone(),
            ..*self
        }
    }
}

impl<T: Record> Default for PagedArray<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> PagedArray<T> {
    const SHAPE: Shape = Shape::of(T::BYTES);

    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pages: Trie::default(),
            len: 0,
            record: PhantomData,
        }
    }

    /// How many slots hold a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The record in a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<T> {
        let (page, cell) = Self::place(slot);
        self.pages.get(page)?.used_record(Self::SHAPE, cell)
    }

    /// Puts a record into a slot, and answers with the one that was there.
    pub fn set(&mut self, slot: u32, record: T) -> Option<T> {
        let (page, cell) = Self::place(slot);
        let page = self.pages.get_or_make(page, Page::new)?;
        let old = page.used_record(Self::SHAPE, cell);
        page.set_used(cell, true);
        page.set_record(Self::SHAPE, cell, &record);
        self.len += usize::from(old.is_none());
        old
    }

    /// Empties a slot, and answers with what was there.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let old = self.get(slot)?;
        let (number, cell) = Self::place(slot);
        let page = self.pages.get_mut(number)?;
        page.set_used(cell, false);
        page.wipe(Self::SHAPE, cell, T::BYTES);
        let is_empty = page.count() == 0;
        if is_empty {
            self.pages.remove(number);
        }
        self.len -= 1;
        Some(old)
    }

    /// All records, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        self.iter_from(0)
    }

    /// The records of `slot` and all later ones, in the order of their slots.
    pub fn iter_from(&self, slot: u32) -> impl Iterator<Item = (u32, T)> + '_ {
        self.pages
            .used_from(Some(Self::place(slot)))
            .filter_map(|(number, page, cell)| {
                Some((Self::slot(number, cell)?, page.record(Self::SHAPE, cell)))
            })
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.pages.memory((self.len * Self::SHAPE.stride) as u64)
    }

    /// Writes all that it is.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let kind = Self::kind();
        kind.write_head(out, [self.len as u64])?;
        kind.write_pages(out, &self.pages, Self::SHAPE)
    }

    /// Reads what [`PagedArray::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let kind = Self::kind();
        let [len] = kind.read_head(input)?;
        let mut array = Self::new();
        array.pages = kind.read_pages(input, Self::SHAPE, 0, |number, page| {
            let highest = (0..Self::SHAPE.cells).rfind(|cell| page.is_used(*cell));
            match highest.and_then(|cell| Self::slot(number, cell)) {
                Some(_) => array.len += page.count(),
                None => return Err(kind.corrupt("a page is empty, or beyond all slots")),
            }
            Ok(false)
        })?;
        if array.len as u64 == len {
            Ok(array)
        } else {
            Err(kind.corrupt("it has another number of records than it says"))
        }
    }

    fn kind() -> Kind {
        Kind {
            name: "paged array",
            magic: *b"arra",
            record_bytes: u16::try_from(T::BYTES).unwrap_or(u16::MAX),
        }
    }

    #[inline]
    fn place(slot: u32) -> (u32, usize) {
        let cells = Self::SHAPE.cells;
        let page = u32::try_from(slot as usize / cells).unwrap_or(u32::MAX);
        (page, slot as usize % cells)
    }

    #[inline]
    fn slot(page: u32, cell: usize) -> Option<u32> {
        u32::try_from(page as usize * Self::SHAPE.cells + cell).ok()
    }

    /// Panics where an invariant does not hold.
    #[cfg(any(test, feature = "checks"))]
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.pages.check_invariants();
        let mut len = 0;
        let mut next = Some(0);
        while let Some((number, page)) = next.and_then(|from| self.pages.next(from)) {
            assert!(page.count() > 0, "a page with nothing on it");
            assert!(!self.pages.is_closed(number));
            len += page.count();
            next = number.checked_add(1);
        }
        assert_eq!(len, self.len);
    }
}
