//! A paged array against a map.

use std::collections::BTreeMap;

use super::{Clones, Input, bytes, reload};
use crate::PagedArray;

/// Runs `input` as operations on a paged array.
///
/// # Panics
/// When the array is not what it should be.
pub fn paged(input: &[u8]) {
    let mut input = Input(input);
    let (mut array, mut model) = (PagedArray::<u64>::new(), BTreeMap::<u32, u64>::new());
    let mut clones = Clones(Vec::new());
    while let Some(op) = input.byte() {
        let Some(number) = input.number() else { break };
        // Near one another, far apart, and at the end of all slots.
        let slot = match op >> 4 {
            0..=7 => number % 300,
            8..=13 => number << (op >> 4),
            _ => u32::MAX - number % 300,
        };
        match op % 8 {
            0..=2 => assert_eq!(array.set(slot, number.into()), model.insert(slot, number.into())),
            3..=5 => {
                assert_eq!(array.get(slot), model.get(&slot).copied());
                assert_eq!(array.remove(slot), model.remove(&slot));
            }
            6 => clones.keep(&array, &model, op >> 4),
            _ => {
                let saved = bytes(|out| array.save(out));
                if let Some(loaded) = reload(&saved, |input| PagedArray::load(input)) {
                    array = loaded;
                }
                let rest = model.range(slot..).map(|(slot, value)| (*slot, *value));
                assert!(array.iter_from(slot).eq(rest));
            }
        }
    }
    compare(&array, &model);
    let mut fresh = PagedArray::new();
    for (slot, value) in model.iter().rev() {
        fresh.set(*slot, *value);
    }
    assert_eq!(
        bytes(|out| fresh.save(out)),
        bytes(|out| array.save(out)),
        "another order"
    );
    for (array, model) in &clones.0 {
        compare(array, model);
    }
}

fn compare(array: &PagedArray<u64>, model: &BTreeMap<u32, u64>) {
    array.check_invariants();
    assert_eq!(array.len(), model.len());
    assert!(array.iter().eq(model.iter().map(|(slot, value)| (*slot, *value))));
    for (slot, value) in model {
        assert_eq!(array.get(*slot), Some(*value));
    }
}
