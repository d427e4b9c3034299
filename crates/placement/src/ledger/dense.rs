//! Two bytes for every chunk, by slot.
//!
//! ```text
//! entry:  the low 8 bits of the birth | 0: no chunk; else 1 + the code of its condition
//! ```

use std::ops::Range;

use super::Condition;

pub(super) const ENTRY_BYTES: u64 = 2;
const PAGE: usize = 4096;

/// What is known of the chunk of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry([u8; 2]);

const NONE: Entry = Entry([0; 2]);

impl Entry {
    pub(super) const fn new(birth: u32, condition: Condition) -> Self {
        let [tag, ..] = birth.to_le_bytes();
        Self([tag, condition.code() + 1])
    }

    pub(super) const fn is_of(self, birth: u32) -> bool {
        let [tag, ..] = birth.to_le_bytes();
        let [own, _] = self.0;
        tag == own
    }

    pub(super) const fn condition(self) -> Condition {
        let [_, code] = self.0;
        Condition::of(code.saturating_sub(1))
    }

    const fn is_none(self) -> bool {
        let [_, code] = self.0;
        code == 0
    }
}

#[derive(Debug, Clone)]
struct Page {
    entries: [Entry; PAGE],
    used: usize,
}

/// Entries by slot, in pages that exist only while there is something on them.
#[derive(Debug, Clone, Default)]
pub(super) struct Dense {
    pages: Vec<Option<Box<Page>>>,
    used_pages: usize,
}

fn place(slot: u32) -> (usize, usize) {
    let slot = slot as usize;
    (slot / PAGE, slot % PAGE)
}

impl Dense {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<Entry> {
        let (page, cell) = place(slot);
        let page = self.pages.get(page)?.as_deref()?;
        page.entries.get(cell).copied().filter(|entry| !entry.is_none())
    }

    pub(super) fn set(&mut self, slot: u32, entry: Entry) {
        let (number, cell) = place(slot);
        if self.pages.len() <= number {
            self.pages.resize_with(number + 1, || None);
        }
        let Some(place) = self.pages.get_mut(number) else {
            return;
        };
        let page = place.get_or_insert_with(|| {
            self.used_pages += 1;
            Box::new(Page {
                entries: [NONE; PAGE],
                used: 0,
            })
        });
        if let Some(place) = page.entries.get_mut(cell) {
            page.used += usize::from(place.is_none());
            *place = entry;
        }
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Entry> {
        let (number, cell) = place(slot);
        let place = self.pages.get_mut(number)?;
        let page = place.as_deref_mut()?;
        let entry = page.entries.get_mut(cell)?;
        let old = std::mem::replace(entry, NONE);
        if old.is_none() {
            return None;
        }
        page.used -= 1;
        if page.used == 0 {
            *place = None;
            self.used_pages -= 1;
        }
        Some(old)
    }

    /// The first of some slots that has an entry.
    pub(super) fn next(&self, slots: Range<u64>) -> Option<u32> {
        let (mut from, end) = (slots.start, slots.end.min(1 << 32));
        while from < end {
            let (number, cell) = place(u32::try_from(from).ok()?);
            let page_end = (from / PAGE as u64 + 1) * PAGE as u64;
            if let Some(page) = self.pages.get(number)?.as_deref() {
                let count = usize::try_from(end.min(page_end) - from).unwrap_or(PAGE);
                let mut entries = page.entries.iter().skip(cell).take(count);
                if let Some(found) = entries.position(|entry| !entry.is_none()) {
                    return u32::try_from(from + found as u64).ok();
                }
            }
            from = page_end;
        }
        None
    }

    pub(super) fn bytes(&self) -> u64 {
        let pages = self.used_pages * (size_of::<Page>() + 16);
        (pages + self.pages.capacity() * size_of::<Option<Box<Page>>>()) as u64
    }
}
