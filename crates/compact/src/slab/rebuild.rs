//! A slab from what is told of one elsewhere: of its records with their ids, and of the lives that its free slots have had.

use super::{LIVES_MAX, Place, Slab, SlotId};
use crate::Record;
use crate::page::Page;

impl<T: Record> Slab<T> {
    /// How many lives a slot has had, with the one that goes on; at least so many, where its page was given back. 0 for one
    /// that was never given out.
    #[must_use]
    pub fn lives(&self, slot: u32) -> u32 {
        let Some(place) = Self::place(slot).filter(|_| slot <= self.high) else {
            return 0;
        };
        let lives = match self.pages.get(place.page) {
            Some(page) => page.lives(Self::SHAPE, place.cell),
            None => self.lives.get(place.page).unwrap_or(0),
        };
        lives.into()
    }

    /// A slab whose highest slot is `high`, with these records, which come in the order of their slots. A free slot has had
    /// as many lives as `lives` says, and at least one: no id of these is given out again.
    ///
    /// # Errors
    /// The id of the first record that comes out of order, or has a slot or a birth that it can not have.
    pub fn rebuild(
        high: u32,
        lives: impl Fn(u32) -> u32,
        records: impl IntoIterator<Item = (SlotId, T)>,
    ) -> Result<Self, SlotId> {
        let mut slab = Self::new();
        slab.high = high;
        let had = |slot| {
            let lives = lives(slot).max(1);
            u16::try_from(lives).unwrap_or(LIVES_MAX)
        };
        let mut records = records.into_iter().peekable();
        for number in 0..slab.pages_needed() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let mut page = Page::new();
            let mut most = 0;
            for cell in 0..Self::SHAPE.cells {
                let Some(slot) = Self::slot(Place { page: number, cell }).filter(|slot| *slot <= high) else {
                    break;
                };
                most = most.max(had(slot));
                page.set_lives(Self::SHAPE, cell, had(slot));
                let Some((id, record)) = records.next_if(|(id, _)| id.slot == slot) else {
                    continue;
                };
                let lives = u16::try_from(id.birth)
                    .ok()
                    .and_then(|birth| birth.checked_add(1));
                page.set_lives(Self::SHAPE, cell, lives.ok_or(id)?);
                page.set_used(cell, true);
                page.set_record(Self::SHAPE, cell, &record);
            }
            slab.put_page(number, page, most);
        }
        match records.next() {
            Some((id, _)) => Err(id),
            None => Ok(slab),
        }
    }

    /// Puts a page in its place, or what is left of an empty one.
    fn put_page(&mut self, number: u32, page: Page, lives: u16) {
        let closed = if page.count() == 0 {
            self.lives.set(number, lives);
            lives == LIVES_MAX
        } else {
            self.len += page.count();
            let closed = !page.has_room(Self::SHAPE);
            self.pages.get_or_make(number, || page);
            closed
        };
        self.pages.set_closed(number, closed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A slab with a past.
    fn lived(changes: &[(bool, usize)]) -> Slab<u64> {
        let mut slab = Slab::new();
        let mut there: Vec<SlotId> = Vec::new();
        for (number, (adds, which)) in changes.iter().enumerate() {
            if *adds || there.is_empty() {
                there.push(slab.insert(number as u64).unwrap());
            } else {
                let gone = there.swap_remove(which % there.len());
                slab.remove(gone.slot);
            }
        }
        slab
    }

    proptest! {
        #[test]
        fn it_has_the_same_records_and_gives_no_id_twice(
            changes in prop::collection::vec((prop::bool::weighted(0.6), any::<usize>()), 0..1500),
            removed in 0_usize..4,
        ) {
            let mut old = lived(&changes);
            if removed == 0 {
                // Most pages empty and are given back.
                let slots: Vec<_> = old.iter().map(|(id, _)| id.slot).collect();
                for slot in slots.iter().skip(3) {
                    old.remove(*slot);
                }
            }
            let mut new = Slab::rebuild(old.high_water(), |slot| old.lives(slot), old.iter()).unwrap();
            new.check_invariants();
            prop_assert!(new.iter().eq(old.iter()));
            prop_assert_eq!(new.high_water(), old.high_water());
            for slot in 0..=old.high_water() + 2 {
                prop_assert_eq!(new.lives(slot) > 0, old.lives(slot) > 0);
                prop_assert!(new.lives(slot) >= old.lives(slot));
            }
            for _ in 0..300 {
                let id = new.insert(0).unwrap();
                prop_assert!(!old.was_given_out(id), "{id:?}");
            }
            new.check_invariants();
        }
    }

    #[test]
    fn records_that_can_not_be_are_refused() {
        let id = |birth, slot| SlotId { birth, slot };
        for (records, bad) in [
            (vec![id(0, 2), id(0, 1)], id(0, 1)),
            (vec![id(0, 2), id(1, 2)], id(1, 2)),
            (vec![id(0, 0)], id(0, 0)),
            (vec![id(0, 1001)], id(0, 1001)),
            (vec![id(65_535, 1)], id(65_535, 1)),
        ] {
            let records = records.into_iter().map(|id| (id, 7_u64));
            assert_eq!(Slab::rebuild(1000, |_| 1, records).err(), Some(bad));
        }
    }

    #[test]
    fn slots_whose_lives_are_used_up_stay_so() {
        let mut slab = Slab::rebuild(1000, |_| u32::MAX, [(SlotId { birth: 3, slot: 5 }, 7_u64)]).unwrap();
        slab.check_invariants();
        let next = slab.insert(8).unwrap();
        assert!(next.birth == 0 && next.slot > 1000, "{next:?}");
        slab.check_invariants();
    }
}
