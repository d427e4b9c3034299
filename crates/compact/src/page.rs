//! A page of cells of equal size.
//!
//! ```text
//! | used: a bit for each cell | cell 0 | cell 1 | … | unused rest |
//!   14 bytes                    986 bytes
//! ```
//!
//! With the head of its reference count and that of the allocator a page is 1024 bytes.
//!
//! Invariant: a cell that is not in use is zero, but for the bytes at its end that its table keeps there over its lives.

use crate::trie::Trie;
use crate::{Fields, FieldsMut, Memory, Record};

/// Bytes of all cells.
const ROOM: usize = 986;
/// Bits of the mark for cells in use.
pub(crate) const CELLS_MAX: usize = 8 * MARK_BYTES;
const MARK_BYTES: usize = 14;
/// Bytes of the mark for cells in use, as they are written.
const USED_BYTES: usize = 16;

/// How a page is cut into cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes of a cell.
    pub(crate) stride: usize,
    /// Cells of a page.
    pub(crate) cells: usize,
}

impl Shape {
    /// Cells of so many bytes: at least 1, and at most all of a page.
    pub(crate) const fn of(stride: usize) -> Self {
        assert!(stride > 0 && stride <= ROOM, "a cell must fit into a page");
        let cells = ROOM / stride;
        Self {
            stride,
            cells: if cells < CELLS_MAX { cells } else { CELLS_MAX },
        }
    }

    /// Bytes of all cells of a page.
    pub(crate) const fn bytes(self) -> usize {
        self.stride * self.cells
    }
}

/// Cells, and which of them are in use.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    used: [u8; MARK_BYTES],
    bytes: [u8; ROOM],
}

impl Page {
    pub(crate) const fn new() -> Self {
        Self {
            used: [0; MARK_BYTES],
            bytes: [0; ROOM],
        }
    }

    #[inline]
    fn marks(&self) -> u128 {
        let mut wide = [0; USED_BYTES];
        if let Some(low) = wide.first_chunk_mut() {
            *low = self.used;
        }
        u128::from_le_bytes(wide)
    }

    #[inline]
    pub(crate) fn is_used(&self, cell: usize) -> bool {
        self.used
            .get(cell / 8)
            .is_some_and(|byte| byte >> (cell % 8) & 1 == 1)
    }

    #[inline]
    pub(crate) fn set_used(&mut self, cell: usize, used: bool) {
        if let Some(byte) = self.used.get_mut(cell / 8) {
            let bit = 1 << (cell % 8);
            *byte = if used { *byte | bit } else { *byte & !bit };
        }
    }

    /// How many cells are in use.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.marks().count_ones() as usize
    }

    /// The first cell at or after `from` that is in use.
    #[inline]
    pub(crate) fn next_used(&self, from: usize) -> Option<usize> {
        if from >= CELLS_MAX {
            return None;
        }
        let rest = self.marks() >> from;
        (rest != 0).then(|| from + rest.trailing_zeros() as usize)
    }

    /// The cells that are not in use, in order.
    #[inline]
    pub(crate) fn free(&self, shape: Shape) -> impl Iterator<Item = usize> + '_ {
        let mut rest = !self.marks();
        std::iter::from_fn(move || {
            let cell = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (cell < shape.cells).then_some(cell)
        })
    }

    #[inline]
    pub(crate) fn cell(&self, shape: Shape, cell: usize) -> &[u8] {
        let start = cell * shape.stride;
        self.bytes.get(start..start + shape.stride).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn cell_mut(&mut self, shape: Shape, cell: usize) -> &mut [u8] {
        let start = cell * shape.stride;
        self.bytes
            .get_mut(start..start + shape.stride)
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn record<T: Record>(&self, shape: Shape, cell: usize) -> T {
        T::read(Fields::new(self.cell(shape, cell)))
    }

    /// The record of a cell, when it is in use.
    #[inline]
    pub(crate) fn used_record<T: Record>(&self, shape: Shape, cell: usize) -> Option<T> {
        self.is_used(cell).then(|| self.record(shape, cell))
    }

    #[inline]
    pub(crate) fn set_record<T: Record>(&mut self, shape: Shape, cell: usize, record: &T) {
        if let Some(room) = self.cell_mut(shape, cell).get_mut(..T::BYTES) {
            record.write(FieldsMut::new(room));
        }
    }

    /// Zeroes the first bytes of a cell.
    #[inline]
    pub(crate) fn wipe(&mut self, shape: Shape, cell: usize, bytes: usize) {
        if let Some(room) = self.cell_mut(shape, cell).get_mut(..bytes) {
            room.fill(0);
        }
    }

    /// How many bytes a page of this shape is, written down.
    pub(crate) const fn written(shape: Shape) -> usize {
        USED_BYTES + shape.bytes()
    }

    /// Appends the page to `out`.
    pub(crate) fn write(&self, shape: Shape, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.marks().to_le_bytes());
        out.extend_from_slice(self.bytes.get(..shape.bytes()).unwrap_or_default());
    }

    /// What [`Page::write`] wrote; `kept` bytes at the end of each cell may be other than zero while it is not in use.
    /// None when these are not the bytes of such a page.
    pub(crate) fn read(shape: Shape, kept: usize, from: &[u8]) -> Option<Self> {
        let (used, cells) = from.split_first_chunk::<USED_BYTES>()?;
        let marks = u128::from_le_bytes(*used);
        let mut page = Self::new();
        page.used = *used.first_chunk()?;
        page.bytes.get_mut(..cells.len())?.copy_from_slice(cells);
        let beyond = marks.checked_shr(u32::try_from(shape.cells).ok()?).unwrap_or(0);
        let wiped = |cell| {
            page.cell(shape, cell)
                .iter()
                .take(shape.stride - kept)
                .all(|b| *b == 0)
        };
        (cells.len() == shape.bytes() && beyond == 0 && page.free(shape).all(wiped)).then_some(page)
    }
}

impl Trie<Page> {
    /// The cells in use as (page number, page, cell), from a place on; nothing from none on.
    pub(crate) fn used_from(
        &self,
        from: Option<(u32, usize)>,
    ) -> impl Iterator<Item = (u32, &Page, usize)> + '_ {
        let mut here = from.and_then(|(number, cell)| {
            let (found, page) = self.next(number)?;
            Some((found, page, if found == number { cell } else { 0 }))
        });
        std::iter::from_fn(move || {
            loop {
                let (number, page, cell) = here?;
                if let Some(used) = page.next_used(cell) {
                    here = Some((number, page, used + 1));
                    return Some((number, page, used));
                }
                let (number, page) = self.next(number.checked_add(1)?)?;
                here = Some((number, page, 0));
            }
        })
    }

    /// What the pages take, when so many bytes of their cells are in use.
    pub(crate) fn memory(&self, payload: u64) -> Memory {
        let pages = (self.count() * size_of::<Page>()) as u64;
        let heads = (self.count() * (size_of::<Page>() - ROOM)) as u64;
        Memory {
            payload,
            slack: (pages - heads).saturating_sub(payload),
            overhead: self.overhead() + heads,
        }
    }
}
