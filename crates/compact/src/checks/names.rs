//! A name tree against a map.

use std::collections::BTreeMap;

use super::{Clones, Input, bytes, reload};
use crate::{NAME_BYTES_MAX, NameTooLong, NameTree};

type Model = BTreeMap<(u32, Vec<u8>), u32>;

/// Runs `input` as operations on a name tree.
///
/// # Panics
/// When the tree is not what it should be.
pub fn names(input: &[u8]) {
    let mut input = Input(input);
    let (mut tree, mut model) = (NameTree::new(), Model::new());
    let mut clones = Clones(Vec::new());
    let mut slot = 0;
    while let Some(op) = input.byte() {
        let (Some(style), Some(number)) = (input.byte(), input.number()) else {
            break;
        };
        let (parent, name) = key(style, number);
        slot += 1;
        match op % 16 {
            0..=3 => insert(&mut tree, &mut model, parent, &name, slot),
            4..=6 => {
                // Many at once: rising, and all over the place.
                for n in 0..u32::from(op) / 3 {
                    let spread = if op % 16 == 4 { 1 } else { 40_503 };
                    let (parent, name) = key(style, number.wrapping_add(n.wrapping_mul(spread)) & 0xffff);
                    insert(&mut tree, &mut model, parent, &name, n);
                }
            }
            7 | 8 => {
                // What is there, from a place on.
                let from = (parent, name);
                let keys: Vec<_> = model
                    .range(from..)
                    .take(usize::from(op))
                    .map(|(key, _)| key.clone())
                    .collect();
                for (parent, name) in keys {
                    assert_eq!(tree.remove(parent, &name), model.remove(&(parent, name)));
                }
            }
            9 => {
                let one_in = usize::from(style % 4) + 2;
                let keys: Vec<_> = model.keys().step_by(one_in).cloned().collect();
                for (parent, name) in keys {
                    assert_eq!(tree.remove(parent, &name), model.remove(&(parent, name)));
                }
            }
            10 | 11 => {
                assert_eq!(
                    tree.get(parent, &name),
                    model.get(&(parent, name.clone())).copied()
                );
                assert_eq!(tree.remove(parent, &name), model.remove(&(parent, name)));
            }
            12 => list(&tree, &model, parent, &name),
            13 | 14 => clones.keep(&tree, &model, style),
            _ => {
                let saved = bytes(|out| tree.save(out));
                if let Some(loaded) = reload(&saved, |input| NameTree::load(input)) {
                    tree = loaded;
                }
            }
        }
    }
    compare(&tree, &model);
    let mut fresh = NameTree::new();
    for ((parent, name), slot) in model.iter().rev() {
        insert_into(&mut fresh, *parent, name, *slot);
    }
    fresh.check_invariants();
    assert_eq!(
        bytes(|out| fresh.save(out)),
        bytes(|out| tree.save(out)),
        "another order"
    );
    for (tree, model) in &clones.0 {
        compare(tree, model);
    }
}

/// Names that share much or little, in few directories or many.
fn key(style: u8, number: u32) -> (u32, Vec<u8>) {
    let parent = match style & 3 {
        0 => 7,
        1 => number % 5,
        2 => number << 16,
        _ => number,
    };
    let text = format!("{number:05}");
    let front = match style >> 2 & 7 {
        0 => 0,
        1 => 20,
        2 => usize::from(style),
        3 => 246,
        4 => 250,
        5 => number as usize % 251,
        6 => return (parent, Vec::new()),
        _ => return (parent, text.into_bytes().repeat(1 + number as usize % 60)),
    };
    let mut name = vec![b'a' + style % 3; front.min(250)];
    name.extend(text.bytes());
    (parent, name)
}

fn insert_into(tree: &mut NameTree, parent: u32, name: &[u8], slot: u32) -> Option<u32> {
    let inserted = tree.insert(parent, name, slot);
    let too_long = name.len() > NAME_BYTES_MAX;
    assert_eq!(inserted.err(), too_long.then_some(NameTooLong(name.len())));
    inserted.ok().flatten()
}

fn insert(tree: &mut NameTree, model: &mut Model, parent: u32, name: &[u8], slot: u32) {
    let old = insert_into(tree, parent, name, slot);
    if name.len() <= NAME_BYTES_MAX {
        assert_eq!(old, model.insert((parent, name.to_vec()), slot));
    }
}

fn list(tree: &NameTree, model: &Model, parent: u32, after: &[u8]) {
    let all = model
        .range((parent, Vec::new())..)
        .take_while(|((p, _), _)| *p == parent);
    let all: Vec<_> = all.map(|((_, name), slot)| (name.clone(), *slot)).collect();
    assert_eq!(tree.has_entries(parent), !all.is_empty());
    assert!(tree.list(parent, None).eq(all.iter().cloned()));
    // A name of 255 bytes or more is above each that begins with as much of it, but not above itself.
    if after.len() <= NAME_BYTES_MAX {
        let rest = all.into_iter().filter(|(name, _)| name.as_slice() > after);
        assert!(tree.list(parent, Some(after)).eq(rest));
    }
}

fn compare(tree: &NameTree, model: &Model) {
    tree.check_invariants();
    assert_eq!(tree.len(), model.len());
    let all = model
        .iter()
        .map(|((parent, name), slot)| (*parent, name.clone(), *slot));
    assert!(tree.iter().eq(all));
    for ((parent, name), slot) in model {
        assert_eq!(tree.get(*parent, name), Some(*slot));
    }
}
