//! A slab against a map.

use std::collections::BTreeMap;

use super::{Clones, Input, bytes, reload};
use crate::{Fields, FieldsMut, Record, Slab, SlotId};

/// Four of them fill a page, so that a short program has many pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wide(u32);

const CELLS: u32 = 4;

impl Record for Wide {
    const BYTES: usize = 240;
    fn write(&self, mut to: FieldsMut<'_>) {
        to.u32(self.0);
        to.bytes([self.0.to_le_bytes()[0]; 236]);
    }
    fn read(mut from: Fields<'_>) -> Self {
        Self(from.u32())
    }
}

#[derive(Debug, Clone, Default)]
struct Model {
    records: BTreeMap<u32, (u32, Wide)>,
    /// The last birth of each slot.
    births: BTreeMap<u32, u32>,
}

impl Model {
    fn free_below(&self, slot: u32) -> usize {
        slot as usize - 1 - self.records.range(..slot).count()
    }
}

/// Runs `input` as operations on a slab.
///
/// # Panics
/// When the slab is not what it should be.
pub fn slab(input: &[u8]) {
    let mut input = Input(input);
    let (mut slab, mut model) = (Slab::<Wide>::new(), Model::default());
    let mut clones = Clones(Vec::new());
    let mut fill = 0;
    while let Some(op) = input.byte() {
        let Some(number) = input.number() else { break };
        fill += 1;
        match op % 16 {
            0..=3 => insert(&mut slab, &mut model, Wide(number)),
            4 => {
                // Many at once, so that the trie becomes higher than one level.
                for n in 0..number % 80 {
                    insert(&mut slab, &mut model, Wide(n));
                }
            }
            5 => {
                let slot = slab.high_water() + 1;
                assert_eq!(slab.append(Wide(number)), Ok(SlotId { birth: 0, slot }));
                model.records.insert(slot, (0, Wide(number)));
                assert_eq!(model.births.insert(slot, 0), None);
            }
            6..=9 => {
                let slot = number % (slab.high_water() + 2);
                let was = model.records.remove(&slot).map(|(_, record)| record);
                assert_eq!(slab.remove(slot), was);
            }
            10 => {
                // A stretch of slots: whole pages become empty.
                let from = number % (slab.high_water() + 2);
                for slot in from..from + u32::from(op) {
                    let was = model.records.remove(&slot).map(|(_, record)| record);
                    assert_eq!(slab.remove(slot), was);
                }
            }
            11 | 12 => {
                let slot = number % (slab.high_water() + 2);
                let place = model.records.get_mut(&slot);
                assert_eq!(slab.set(slot, Wide(fill)), place.is_some());
                if let Some(place) = place {
                    place.1 = Wide(fill);
                }
            }
            13 | 14 => clones.keep(&slab, &model, op >> 4),
            _ => {
                let saved = bytes(|out| slab.save(out));
                if let Some(loaded) = reload(&saved, |input| Slab::load(input)) {
                    slab = loaded;
                }
                assert_eq!(bytes(|out| slab.save(out)), saved);
            }
        }
    }
    compare(&slab, &model);
    for (slab, model) in &clones.0 {
        compare(slab, model);
    }
}

fn insert(slab: &mut Slab<Wide>, model: &mut Model, record: Wide) {
    let Ok(id) = slab.insert(record) else { return };
    let page = |slot: u32| (slot - 1) / CELLS;
    let first = page(id.slot) * CELLS + 1;
    assert_eq!(model.free_below(first), 0, "a free slot of the lowest page");
    if let Some(last) = model.births.insert(id.slot, id.birth) {
        assert!(id.birth > last, "a birth twice");
    }
    assert!(model.records.insert(id.slot, (id.birth, record)).is_none());
}

fn compare(slab: &Slab<Wide>, model: &Model) {
    slab.check_invariants();
    assert_eq!(slab.len(), model.records.len());
    let id = |slot, birth| SlotId { birth, slot };
    assert!(
        slab.iter().eq(model
            .records
            .iter()
            .map(|(slot, (birth, record))| (id(*slot, *birth), *record)))
    );
    let half = slab.high_water() / 2;
    assert_eq!(slab.iter_from(half).count(), model.records.range(half..).count());
    for (&slot, &birth) in &model.births {
        let here = model.records.get(&slot);
        assert_eq!(slab.get(slot), here.map(|(_, record)| *record));
        assert_eq!(slab.id(slot), here.map(|(birth, _)| id(slot, *birth)));
        assert_eq!(slab.find(id(slot, birth)), here.map(|(_, record)| *record));
        assert_eq!(slab.find(id(slot, birth + 1)), None);
        assert!(slab.was_given_out(id(slot, birth)));
    }
    let beyond = id(slab.high_water() + 1, 0);
    assert!(!slab.was_given_out(beyond) && slab.find(beyond).is_none());
    assert!(!slab.was_given_out(id(0, 0)));
}
