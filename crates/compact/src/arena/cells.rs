//! Short lists: cells of one size. The class that they are of comes with each call as a [`Shape`].

use std::io;

use super::KIND;
use crate::page::{Page, Shape};
use crate::trie::Trie;
use crate::{LoadError, Memory};

/// Bytes of the length at the front of a cell.
pub(super) const LEN_BYTES: usize = 2;

/// Lists by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    pages: Trie<Page>,
    len: usize,
    /// Items of all lists.
    items: usize,
}

/// A list where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a>(&'a [[u8; 4]]);

impl<'a> List<'a> {
    /// None when the length is not one that the cell has room for.
    fn of(cell: &'a [u8]) -> Option<Self> {
        let (len, items) = cell.split_first_chunk::<LEN_BYTES>()?;
        let (items, _) = items.as_chunks();
        items.get(..usize::from(u16::from_le_bytes(*len))).map(Self)
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn items(self) -> &'a [[u8; 4]] {
        self.0
    }
}

fn place(shape: Shape, number: u32) -> (u32, usize) {
    let page = u32::try_from(number as usize / shape.cells).unwrap_or(u32::MAX);
    (page, number as usize % shape.cells)
}

impl Cells {
    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, shape: Shape, number: u32) -> Option<List<'_>> {
        let (page, cell) = place(shape, number);
        let page = self.pages.get(page).filter(|page| page.is_used(cell))?;
        List::of(page.cell(shape, cell))
    }

    /// The number that the next list gets.
    pub(super) fn first_free(&self, shape: Shape) -> Option<u32> {
        let number = self.pages.first_open()?;
        let cell = match self.pages.get(number) {
            Some(page) => page.free(shape).next()?,
            None => 0,
        };
        u32::try_from(number as usize * shape.cells + cell).ok()
    }

    /// Keeps a list in a free cell.
    pub(super) fn put(&mut self, shape: Shape, number: u32, items: &[u32]) {
        let (at, cell) = place(shape, number);
        let Some(page) = self.pages.get_or_make(at, Page::new) else {
            return;
        };
        page.set_used(cell, true);
        let full = page.count() == shape.cells;
        if let Some((len, room)) = page.cell_mut(shape, cell).split_first_chunk_mut::<LEN_BYTES>() {
            *len = u16::try_from(items.len()).unwrap_or(0).to_le_bytes();
            for (place, item) in room.as_chunks_mut().0.iter_mut().zip(items) {
                *place = item.to_le_bytes();
            }
        }
        if full {
            self.pages.set_closed(at, true);
        }
        self.len += 1;
        self.items += items.len();
    }

    /// False when the list has no such item.
    pub(super) fn set(&mut self, shape: Shape, number: u32, index: usize, item: u32) -> bool {
        let (page, cell) = place(shape, number);
        let Some(page) = self.pages.get_mut(page) else {
            return false;
        };
        let room = page
            .cell_mut(shape, cell)
            .get_mut(LEN_BYTES..)
            .unwrap_or_default();
        let place = room.as_chunks_mut().0.get_mut(index);
        place.map(|place| *place = item.to_le_bytes()).is_some()
    }

    /// Makes a list longer by zeroes, or shorter. The cell has room for it.
    pub(super) fn resize(&mut self, shape: Shape, number: u32, len: usize) {
        let Some(was) = self.get(shape, number).map(List::len) else {
            return;
        };
        let (page, cell) = place(shape, number);
        let Some(page) = self.pages.get_mut(page) else {
            return;
        };
        if let Some((head, room)) = page.cell_mut(shape, cell).split_first_chunk_mut::<LEN_BYTES>() {
            *head = u16::try_from(len).unwrap_or(0).to_le_bytes();
            if let Some(rest) = room.get_mut(4 * len..) {
                rest.fill(0);
            }
        }
        self.items = self.items - was + len;
    }

    pub(super) fn remove(&mut self, shape: Shape, number: u32) {
        let Some(was) = self.get(shape, number).map(List::len) else {
            return;
        };
        let (at, cell) = place(shape, number);
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        let full = page.count() == shape.cells;
        page.set_used(cell, false);
        page.wipe(shape, cell, shape.stride);
        let is_empty = page.count() == 0;
        if full {
            self.pages.set_closed(at, false);
        }
        if is_empty {
            self.pages.remove(at);
        }
        self.len -= 1;
        self.items -= was;
    }

    pub(super) fn memory(&self) -> Memory {
        self.pages.memory((self.len * LEN_BYTES + 4 * self.items) as u64)
    }

    pub(super) fn save(&self, shape: Shape, out: &mut dyn io::Write) -> io::Result<()> {
        KIND.write_pages(out, &self.pages, shape)
    }

    pub(super) fn load(shape: Shape, input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let (mut len, mut items) = (0, 0);
        let pages = KIND.read_pages(input, shape, 0, |number, page| {
            let highest = number as usize * shape.cells + shape.cells;
            if page.count() == 0 || highest > 1 << super::NUMBER_BITS {
                return Err(KIND.corrupt("a page is empty, or beyond all cells"));
            }
            let mut from = 0;
            while let Some(cell) = page.next_used(from) {
                let cell_bytes = page.cell(shape, cell);
                let list = List::of(cell_bytes).ok_or_else(|| KIND.corrupt("a list is too long"))?;
                let rest = cell_bytes.get(LEN_BYTES + 4 * list.len()..).unwrap_or_default();
                if rest.iter().any(|byte| *byte != 0) {
                    return Err(KIND.corrupt("something is behind a list"));
                }
                items += list.len();
                from = cell + 1;
            }
            len += page.count();
            Ok(page.count() == shape.cells)
        })?;
        Ok(Self { pages, len, items })
    }

    /// Panics where an invariant does not hold.
    #[cfg(any(test, feature = "checks"))]
    pub(super) fn check_invariants(&self, shape: Shape) {
        self.pages.check_invariants();
        let (mut len, mut items) = (0, 0);
        for (number, page, cell) in self.pages.used_from(Some((0, 0))) {
            assert_eq!(self.pages.is_closed(number), page.count() == shape.cells);
            let list = List::of(page.cell(shape, cell));
            assert!(list.is_some(), "a list longer than its cell");
            len += 1;
            items += list.map_or(0, List::len);
        }
        assert_eq!((len, items), (self.len, self.items));
    }
}
