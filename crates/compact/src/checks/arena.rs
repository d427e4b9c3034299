//! An arena against a map of vectors.

use std::collections::BTreeMap;

use super::{Clones, Input, bytes, reload};
use crate::{Arena, Handle};

type Model = BTreeMap<Handle, Vec<u32>>;

/// Runs `input` as operations on an arena.
///
/// # Panics
/// When the arena is not what it should be.
pub fn arena(input: &[u8]) {
    let mut input = Input(input);
    let (mut arena, mut model) = (Arena::new(), Model::new());
    let mut clones = Clones(Vec::new());
    while let Some(op) = input.byte() {
        let Some(number) = input.number() else { break };
        let index = number as usize;
        // One of those that are there.
        let known = model
            .keys()
            .nth(index % (model.len() + 1))
            .copied()
            .unwrap_or(number << 16);
        let list = model.get(&known).cloned();
        let len = list.as_ref().map_or(0, Vec::len);
        match op % 16 {
            0..=2 => {
                let longest = match op >> 4 & 3 {
                    0 => 4,
                    1 => 20,
                    2 => 300,
                    _ => 2000,
                };
                let items: Vec<u32> = (0..number % longest).map(|n| n ^ number << 7).collect();
                if let Ok(handle) = arena.insert(&items) {
                    assert!(
                        handle != 0 && model.insert(handle, items).is_none(),
                        "a handle twice"
                    );
                }
            }
            3..=6 => {
                let mut handle = known;
                for n in 0..=u32::from(op) % 64 {
                    let pushed = arena.push(handle, number + n);
                    assert_eq!(pushed.map(|there| there.is_some()), Ok(list.is_some()));
                    let Some(mut list) = model.remove(&handle) else {
                        break;
                    };
                    list.push(number + n);
                    handle = pushed.ok().flatten().unwrap_or(0);
                    assert!(model.insert(handle, list).is_none(), "a handle twice");
                }
            }
            7 | 8 => {
                let keep = if op > 127 { len / 2 } else { index % (len + 2) };
                let cut = arena.truncate(known, keep);
                assert_eq!(cut.map(|there| there.is_some()), Ok(list.is_some()));
                if let Some(mut list) = model.remove(&known) {
                    list.truncate(keep);
                    assert!(model.insert(cut.ok().flatten().unwrap_or(0), list).is_none());
                }
            }
            9 | 10 => {
                let at = index % (len + 1);
                assert_eq!(arena.set(known, at, number), at < len);
                if let Some(place) = model.get_mut(&known).and_then(|list| list.get_mut(at)) {
                    *place = number;
                }
            }
            11 | 12 => assert_eq!(arena.remove(known), model.remove(&known).is_some()),
            13 | 14 => clones.keep(&arena, &model, op >> 4),
            _ => {
                let saved = bytes(|out| arena.save(out));
                if let Some(loaded) = reload(&saved, |input| Arena::load(input)) {
                    arena = loaded;
                }
                assert_eq!(bytes(|out| arena.save(out)), saved);
            }
        }
    }
    compare(&arena, &model);
    for (arena, model) in &clones.0 {
        compare(arena, model);
    }
}

fn compare(arena: &Arena, model: &Model) {
    arena.check_invariants();
    assert_eq!(arena.len(), model.len());
    for (handle, list) in model {
        assert_eq!(arena.list_len(*handle), Some(list.len()));
        for from in [0, 1, list.len() / 2, list.len(), list.len() + 1] {
            assert!(arena.items(*handle, from).eq(list.iter().skip(from).copied()));
            assert_eq!(arena.get(*handle, from), list.get(from).copied());
        }
    }
    assert_eq!(arena.list_len(0), None);
}
