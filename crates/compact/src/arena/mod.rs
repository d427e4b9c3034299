//! Lists of numbers, each under a handle.
//!
//! ```text
//! cell:    length 2 | items, 4 each | zeroes            for 2, 4, 8, … 128 or 245 items, side by side in pages
//! handle:  class 4 bits | cell, or long list, 28 bits
//! ```
//!
//! Short lists lie in cells of a few sizes; a long list has pages of its own. A list that outgrows its cell, or shrinks to
//! a quarter of it, moves, and has another handle then: whoever keeps a handle takes the one that a change answers with.
//!
//! Invariants:
//! - a list is in the cell of the lowest free number of its class at the time when it came there;
//! - a page without a list does not exist; what is behind the items of a cell is zero;
//! - a list in a cell is no longer than the cell; a long list is longer than a quarter of the largest cell;
//! - the handles that are given out next are a function of the bytes that [`Arena::save`] writes.

mod cells;
mod long;

use std::io;

use self::cells::Cells;
use self::long::Long;
use crate::memory::{BLOCK_BYTES, SHARED_BYTES};
use crate::page::Shape;
use crate::stream::{Kind, bytes};
use crate::trie::Trie;
use crate::{Full, LoadError, Memory};

/// Where a list is. Never 0, so that 0 can stand for none.
pub type Handle = u32;

/// How many items the cells of each class have room for.
const ROOMS: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 245];
const NUMBER_BITS: u32 = 28;

const KIND: Kind = Kind {
    name: "arena",
    magic: *b"aren",
    record_bytes: 4,
};

/// Lists of numbers.
#[derive(Debug, Clone, Default)]
pub struct Arena {
    classes: [Cells; ROOMS.len()],
    long: Trie<Long>,
    len: usize,
}

/// A handle, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Cell { class: usize, number: u32 },
    Long(u32),
}

impl Place {
    fn of(handle: Handle) -> Option<Self> {
        let class = (handle >> NUMBER_BITS).checked_sub(1)? as usize;
        let number = handle & ((1 << NUMBER_BITS) - 1);
        match class.cmp(&ROOMS.len()) {
            std::cmp::Ordering::Less => Some(Self::Cell { class, number }),
            std::cmp::Ordering::Equal => Some(Self::Long(number)),
            std::cmp::Ordering::Greater => None,
        }
    }

    fn handle(self) -> Result<Handle, Full> {
        let (class, number) = match self {
            Self::Cell { class, number } => (class, number),
            Self::Long(number) => (ROOMS.len(), number),
        };
        let class = u32::try_from(class + 1).map_err(|_| Full)?;
        if number >> NUMBER_BITS == 0 {
            Ok(class << NUMBER_BITS | number)
        } else {
            Err(Full)
        }
    }
}

const fn shape(room: usize) -> Shape {
    Shape::of(cells::LEN_BYTES + 4 * room)
}

/// The shapes of the classes.
const SHAPES: [Shape; ROOMS.len()] = {
    let [a, b, c, d, e, f, g, h] = ROOMS;
    [
        shape(a),
        shape(b),
        shape(c),
        shape(d),
        shape(e),
        shape(f),
        shape(g),
        shape(h),
    ]
};

impl Arena {
    /// As long as there are fewer lists than this, there is room for one more, however long each of them is.
    pub const ROOM: u32 = 1 << NUMBER_BITS;

    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps a list; an empty one is a list too.
    ///
    /// # Errors
    /// When no handle is left.
    pub fn insert(&mut self, items: &[u32]) -> Result<Handle, Full> {
        let place = match ROOMS.iter().position(|room| items.len() <= *room) {
            Some(class) => {
                let (cells, shape) = self.class_mut(class).ok_or(Full)?;
                let number = cells.first_free(shape).ok_or(Full)?;
                let place = Place::Cell { class, number };
                place.handle()?;
                cells.put(shape, number, items);
                place
            }
            None => {
                let number = self.long.first_open().ok_or(Full)?;
                Place::Long(number).handle()?;
                self.long.get_or_make(number, || Long::of(items)).ok_or(Full)?;
                self.long.set_closed(number, true);
                Place::Long(number)
            }
        };
        self.len += 1;
        place.handle()
    }

    /// How long a list is. None when there is no list of this handle.
    #[must_use]
    pub fn list_len(&self, handle: Handle) -> Option<usize> {
        match Place::of(handle)? {
            Place::Cell { class, number } => {
                let (cells, shape) = self.class(class)?;
                Some(cells.get(shape, number)?.len())
            }
            Place::Long(number) => Some(self.long.get(number)?.len()),
        }
    }

    /// An item of a list.
    #[must_use]
    pub fn get(&self, handle: Handle, index: usize) -> Option<u32> {
        self.items(handle, index).next()
    }

    /// The items of a list from a position on. Nothing when there is no such list.
    pub fn items(&self, handle: Handle, from: usize) -> impl Iterator<Item = u32> + '_ {
        let place = Place::of(handle);
        let cell = match place {
            Some(Place::Cell { class, number }) => self
                .class(class)
                .and_then(|(cells, shape)| cells.get(shape, number)),
            _ => None,
        };
        let long = match place {
            Some(Place::Long(number)) => self.long.get(number),
            _ => None,
        };
        let short = cell.and_then(|cell| cell.items().get(from..)).unwrap_or_default();
        let long = long.into_iter().flat_map(move |list| list.items(from));
        short.iter().map(|item| u32::from_le_bytes(*item)).chain(long)
    }

    /// Puts another item in the place of one. False when there is none.
    pub fn set(&mut self, handle: Handle, index: usize, item: u32) -> bool {
        let known = self.list_len(handle).is_some_and(|len| index < len);
        match Place::of(handle) {
            Some(Place::Cell { class, number }) if known => self
                .class_mut(class)
                .is_some_and(|(cells, shape)| cells.set(shape, number, index, item)),
            Some(Place::Long(number)) if known => self
                .long
                .get_mut(number)
                .map(|list| list.set(index, item))
                .is_some(),
            _ => false,
        }
    }

    /// Adds an item at the end of a list. The answer is its handle from now on; none when there is no such list.
    ///
    /// # Errors
    /// When no handle is left; nothing is changed then.
    pub fn push(&mut self, handle: Handle, item: u32) -> Result<Option<Handle>, Full> {
        let (Some(len), Some(place)) = (self.list_len(handle), Place::of(handle)) else {
            return Ok(None);
        };
        match place {
            Place::Long(number) => {
                if let Some(list) = self.long.get_mut(number) {
                    list.push(item);
                }
            }
            Place::Cell { class, number } => {
                if ROOMS.get(class) == Some(&len) {
                    let items: Vec<_> = self.items(handle, 0).chain([item]).collect();
                    return self.relocate(handle, &items).map(Some);
                }
                if let Some((cells, shape)) = self.class_mut(class) {
                    cells.resize(shape, number, len + 1);
                    cells.set(shape, number, len, item);
                }
            }
        }
        Ok(Some(handle))
    }

    /// Cuts a list to at most `len` items. The answer is its handle from now on; none when there is no such list.
    ///
    /// # Errors
    /// When no handle is left; nothing is changed then.
    pub fn truncate(&mut self, handle: Handle, len: usize) -> Result<Option<Handle>, Full> {
        let (Some(was), Some(place)) = (self.list_len(handle), Place::of(handle)) else {
            return Ok(None);
        };
        if len >= was {
            return Ok(Some(handle));
        }
        let (class, number) = match place {
            Place::Cell { class, number } => (class, number),
            Place::Long(number) => (ROOMS.len() - 1, number),
        };
        if class > 0 && ROOMS.get(class).is_some_and(|room| len <= room / 4) {
            let items: Vec<_> = self.items(handle, 0).take(len).collect();
            return self.relocate(handle, &items).map(Some);
        }
        match place {
            Place::Long(_) => {
                if let Some(list) = self.long.get_mut(number) {
                    list.truncate(len);
                }
            }
            Place::Cell { .. } => {
                if let Some((cells, shape)) = self.class_mut(class) {
                    cells.resize(shape, number, len);
                }
            }
        }
        Ok(Some(handle))
    }

    /// Lets go of a list. False when there is none.
    pub fn remove(&mut self, handle: Handle) -> bool {
        if self.list_len(handle).is_none() {
            return false;
        }
        match Place::of(handle) {
            Some(Place::Cell { class, number }) => {
                if let Some((cells, shape)) = self.class_mut(class) {
                    cells.remove(shape, number);
                }
            }
            Some(Place::Long(number)) => {
                self.long.remove(number);
                self.long.set_closed(number, false);
            }
            None => return false,
        }
        self.len -= 1;
        true
    }

    /// What it takes. It looks at each long list.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let short: Memory = self.classes.iter().map(Cells::memory).sum();
        let mut memory = short + self.long_lists().map(|(_, list)| list.memory()).sum();
        let heads = self.long.count() * (size_of::<Long>() + SHARED_BYTES + BLOCK_BYTES);
        memory.overhead += self.long.overhead() + heads as u64;
        memory
    }

    /// Writes all that it is.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        KIND.write_head(out, [self.len as u64, self.long.count() as u64])?;
        for (cells, shape) in self.classes.iter().zip(SHAPES) {
            cells.save(shape, out)?;
        }
        for (number, list) in self.long_lists() {
            out.write_all(&number.to_le_bytes())?;
            list.save(out)?;
        }
        Ok(())
    }

    /// Reads what [`Arena::save`] wrote, and not a byte more.
    ///
    /// # Errors
    /// When `input` fails, ends early, or has other bytes.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let [len, long] = KIND.read_head(input)?;
        let mut arena = Self::new();
        for (cells, shape) in arena.classes.iter_mut().zip(SHAPES) {
            *cells = Cells::load(shape, input)?;
            arena.len += cells.len();
        }
        let mut least = 0;
        for _ in 0..long {
            let number = u32::from_le_bytes(bytes(input)?);
            if number < least || number >> NUMBER_BITS != 0 {
                return Err(KIND.corrupt("its long lists are not in order"));
            }
            least = number + 1;
            let list = Long::load(input)?;
            arena.long.get_or_make(number, || list);
            arena.long.set_closed(number, true);
            arena.len += 1;
        }
        if arena.len as u64 == len {
            Ok(arena)
        } else {
            Err(KIND.corrupt("it has another number of lists than it says"))
        }
    }

    fn class(&self, class: usize) -> Option<(&Cells, Shape)> {
        Some((self.classes.get(class)?, *SHAPES.get(class)?))
    }

    fn class_mut(&mut self, class: usize) -> Option<(&mut Cells, Shape)> {
        Some((self.classes.get_mut(class)?, *SHAPES.get(class)?))
    }

    fn relocate(&mut self, handle: Handle, items: &[u32]) -> Result<Handle, Full> {
        let there = self.insert(items)?;
        self.remove(handle);
        Ok(there)
    }

    fn long_lists(&self) -> impl Iterator<Item = (u32, &Long)> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let (number, list) = self.long.next(next?)?;
            next = number.checked_add(1);
            Some((number, list))
        })
    }

    /// Panics where an invariant does not hold.
    #[cfg(any(test, feature = "checks"))]
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        for (cells, shape) in self.classes.iter().zip(SHAPES) {
            cells.check_invariants(shape);
        }
        self.long.check_invariants();
        for (number, list) in self.long_lists() {
            assert!(self.long.is_closed(number));
            list.check_invariants();
        }
        let lists = self.classes.iter().map(Cells::len).sum::<usize>() + self.long.count();
        assert_eq!(lists, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_lists_of_one_length() {
        for class in 0..ROOMS.len() {
            let place = |number| Place::Cell { class, number };
            assert!(place(Arena::ROOM - 1).handle().is_ok());
            assert_eq!(place(Arena::ROOM).handle(), Err(Full));
        }
        assert!(Place::Long(Arena::ROOM - 1).handle().is_ok());
        assert_eq!(Place::Long(Arena::ROOM).handle(), Err(Full));
    }
}
