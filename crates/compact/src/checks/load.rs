//! Bytes that are not those of a table, or not quite.

use super::bytes;
use crate::{Arena, LoadError, NameTree, PagedArray, Slab};

/// Loads `input` as each kind of table; and a small table of each kind, with some of its bytes changed as `input` says.
///
/// # Panics
/// When something strange is taken for a table.
pub fn load(input: &[u8]) {
    slab(input);
    paged(input);
    arena(input);
    names(input);

    let mut table = Slab::<u64>::new();
    for n in 0..200 {
        assert!(table.insert(n).is_ok());
    }
    for slot in 1..=98 {
        table.remove(slot * 2);
        table.remove(slot);
    }
    changed(&bytes(|out| table.save(out)), input, slab);

    let mut table = PagedArray::<u64>::new();
    for slot in [0, 5, 122, 123, 70_000, u32::MAX] {
        table.set(slot, slot.into());
    }
    changed(&bytes(|out| table.save(out)), input, paged);

    let mut table = Arena::new();
    for len in [0, 1, 3, 100, 245, 246, 800] {
        assert!(table.insert(&(0..len).collect::<Vec<_>>()).is_ok());
    }
    changed(&bytes(|out| table.save(out)), input, arena);

    let mut table = NameTree::new();
    for n in 0..150_u32 {
        let front = if n.is_multiple_of(7) {
            "x".repeat(230)
        } else {
            String::new()
        };
        let name = format!("{front}{n}").into_bytes();
        assert!(table.insert(n / 40, &name, n).is_ok());
    }
    changed(&bytes(|out| table.save(out)), input, names);
}

/// Flips bytes: each four of `input` are a place and a mask.
fn changed(whole: &[u8], input: &[u8], load: impl Fn(&[u8])) {
    let mut spoilt = whole.to_vec();
    for change in input.as_chunks::<4>().0.iter().take(8) {
        let [a, b, c, mask] = *change;
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % spoilt.len();
        if let Some(byte) = spoilt.get_mut(at) {
            *byte ^= mask;
        }
        load(&spoilt);
    }
    let cut = input.len() * 7 % whole.len();
    load(spoilt.get(..cut).unwrap_or_default());
}

/// What is taken for a table must be one, and write itself as it was read.
fn taken<T>(
    input: &[u8],
    load: impl FnOnce(&mut dyn std::io::Read) -> Result<T, LoadError>,
    check: impl FnOnce(&T),
    save: impl FnOnce(&T, &mut dyn std::io::Write) -> std::io::Result<()>,
) {
    let mut rest = input;
    if let Ok(table) = load(&mut rest) {
        check(&table);
        let read = input.len() - rest.len();
        assert_eq!(input.get(..read), Some(bytes(|out| save(&table, out)).as_slice()));
    }
}

fn slab(input: &[u8]) {
    taken(
        input,
        |input| Slab::<u64>::load(input),
        Slab::check_invariants,
        |table, out| table.save(out),
    );
}

fn paged(input: &[u8]) {
    taken(
        input,
        |input| PagedArray::<u64>::load(input),
        PagedArray::check_invariants,
        |table, out| table.save(out),
    );
}

fn arena(input: &[u8]) {
    taken(
        input,
        |input| Arena::load(input),
        Arena::check_invariants,
        |table, out| table.save(out),
    );
}

fn names(input: &[u8]) {
    // Its blocks may be cut otherwise than it would cut them: so only what it is, and not the bytes.
    let mut rest = input;
    if let Ok(table) = NameTree::load(&mut rest) {
        table.check_invariants();
    }
}
