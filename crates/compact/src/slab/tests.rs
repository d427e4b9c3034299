use super::*;

#[test]
fn a_slot_whose_births_are_used_up_is_left_alone() {
    let mut slab = Slab::<u64>::new();
    for birth in 0..=BIRTH_MAX {
        assert_eq!(slab.insert(7), Ok(SlotId { birth, slot: 1 }));
        assert_eq!(slab.remove(1), Some(7));
    }
    assert_eq!(slab.insert(8), Ok(SlotId { birth: 0, slot: 2 }));
    slab.check_invariants();
    let mut bytes = Vec::new();
    slab.save(&mut bytes).unwrap();
    let mut loaded = Slab::<u64>::load(&mut bytes.as_slice()).unwrap();
    loaded.check_invariants();
    assert_eq!(loaded.insert(9), Ok(SlotId { birth: 0, slot: 3 }));
    assert!(loaded.was_given_out(SlotId {
        birth: BIRTH_MAX,
        slot: 1
    }));
}

#[test]
fn a_page_whose_births_are_used_up_is_given_back_for_ever() {
    let mut slab = Slab::<u64>::new();
    let cells = u32::try_from(Slab::<u64>::SHAPE.cells).unwrap();
    for slot in 1..=2 * cells {
        slab.insert(slot.into()).unwrap();
    }
    // The last slot of the second page lives all its lives, and then both pages become empty.
    for _ in 0..BIRTH_MAX {
        slab.remove(2 * cells);
        slab.insert(0).unwrap();
    }
    for slot in 1..=2 * cells {
        slab.remove(slot);
    }
    slab.check_invariants();
    assert_eq!(slab.pages.count(), 1);
    for _ in 0..cells {
        assert!(slab.insert(1).unwrap().slot <= cells);
    }
    assert_eq!(slab.insert(1).unwrap().slot, 2 * cells + 1, "over the dead page");
    slab.check_invariants();
}

#[test]
fn empty_pages_are_given_back() {
    let mut slab = Slab::<u64>::new();
    for n in 0..100_000 {
        slab.insert(n).unwrap();
    }
    let full = slab.memory();
    assert_eq!(full.payload, 1_000_000);
    assert!(full.total() < 1_070_000, "{full:?}");
    for slot in 1..=100_000 {
        slab.remove(slot);
    }
    assert!(slab.memory().total() < 12_000, "{:?}", slab.memory());
    let again = slab.insert(1).unwrap();
    assert_eq!(again, SlotId { birth: 1, slot: 1 });
}

#[test]
fn sequential_slots_stay_so_when_all_before_are_gone() {
    let mut slab = Slab::<u64>::new();
    for slot in 1..=1000 {
        assert_eq!(slab.append(1), Ok(SlotId { birth: 0, slot }));
        assert_eq!(slab.remove(slot), Some(1));
    }
    slab.check_invariants();
    assert_eq!((slab.pages.count(), slab.len()), (1, 0));
}

#[test]
fn bytes_with_another_size_of_records_are_refused() {
    let mut bytes = Vec::new();
    Slab::<u64>::new().save(&mut bytes).unwrap();
    let error = Slab::<u32>::load(&mut bytes.as_slice()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these are not the bytes of a table (slab): its records have another size"
    );
    assert!(matches!(
        Slab::<u64>::load(&mut &bytes[..30]),
        Err(LoadError::Io(_))
    ));
}
