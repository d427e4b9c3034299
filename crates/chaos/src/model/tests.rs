//! The model against a store that is told what really happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::content::Content;

fn name(number: u8) -> Name {
    format!("/f{}", number % 4).into()
}

fn seen(state: Option<&Content>) -> Seen {
    match state {
        None => Seen::Absent,
        Some(content) => Seen::Bytes {
            len: content.len(),
            offset: 0,
            bytes: content.bytes(0..u64::MAX),
        },
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Done,
    Refused,
    /// No answer, and it happens at once, at the end, or never.
    AtOnce,
    Late,
    Never,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Put(u8, u8),
    Remove(u8),
    Rename(u8, u8),
    Truncate(u8, u8),
    Concat(u8, u8),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Done),
        1 => Just(Fate::Refused),
        1 => Just(Fate::AtOnce),
        1 => Just(Fate::Late),
        1 => Just(Fate::Never),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(path, len)| Call::Put(path, len)),
        any::<u8>().prop_map(Call::Remove),
        (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Call::Rename(from, to)),
        (any::<u8>(), any::<u8>()).prop_map(|(path, len)| Call::Truncate(path, len)),
        (any::<u8>(), any::<u8>()).prop_map(|(target, source)| Call::Concat(target, source)),
    ]
}

/// The store that the model is about.
#[derive(Default)]
struct Store(BTreeMap<Name, Content>);

impl Store {
    fn happen(&mut self, effect: &Effect) {
        match effect {
            Effect::Put(path, content) => {
                self.0.insert(path.clone(), content.clone());
            }
            Effect::Remove(path) => {
                self.0.remove(path);
            }
            Effect::Rename(from, to) => {
                if let Some(content) = self.0.remove(from) {
                    self.0.insert(to.clone(), content);
                }
            }
            Effect::Truncate(path, len) => {
                if let Some(content) = self.0.get_mut(path) {
                    content.cut(*len);
                }
            }
            Effect::Concat(paths) => {
                let mut whole = self.0[&paths[0]].clone();
                for source in &paths[1..] {
                    whole.join(&self.0.remove(source).unwrap());
                }
                self.0.insert(paths[0].clone(), whole);
            }
        }
    }

    fn effect(&self, call: Call, number: u64) -> Option<Effect> {
        let there = |path: &Name| self.0.contains_key(path);
        let effect = match call {
            Call::Put(path, len) => Effect::Put(name(path), Content::of(number, len.into())),
            Call::Remove(path) => Effect::Remove(name(path)),
            Call::Rename(from, to) => Effect::Rename(name(from), name(to)),
            Call::Truncate(path, len) => Effect::Truncate(name(path), len.into()),
            Call::Concat(target, source) => Effect::Concat(vec![name(target), name(source)]),
        };
        let paths = effect.paths();
        let possible = match &effect {
            Effect::Put(..) => true,
            Effect::Rename(from, to) => there(from) && from != to,
            Effect::Concat(_) => paths.iter().all(there) && paths[0] != paths[1],
            Effect::Remove(path) | Effect::Truncate(path, _) => there(path),
        };
        possible.then_some(effect)
    }
}

proptest! {
    #[test]
    fn whatever_happens_is_explained(steps in prop::collection::vec((calls(), fates()), 1..40)) {
        let mut model = Model::new();
        let mut store = Store::default();
        let mut late = Vec::new();
        for (number, (call, fate)) in steps.into_iter().enumerate() {
            let Some(effect) = store.effect(call, number as u64) else { continue };
            if !effect.paths().iter().all(|path| model.is_certain(path)) {
                continue;
            }
            let reads: Vec<_> = effect.paths().into_iter().map(|path| (model.read(&path), path)).collect();
            let change = model.begin(effect.clone());
            if matches!(fate, Fate::Done | Fate::AtOnce) {
                store.happen(&effect);
            }
            for (read, path) in reads {
                prop_assert_eq!(judge(&model.was_read(read), &seen(store.0.get(&path))), Verdict::Fits);
            }
            match fate {
                Fate::Done => model.done(change),
                Fate::Refused => model.refused(change),
                Fate::AtOnce | Fate::Never => model.unknown(change),
                Fate::Late => {
                    model.unknown(change);
                    late.push(effect);
                }
            }
            for path in model.paths() {
                prop_assert_eq!(judge(&model.possible(path), &seen(store.0.get(path))), Verdict::Fits);
            }
        }
        // What nobody answered may happen long after.
        for effect in late {
            store.happen(&effect);
        }
        for worlds in model.connected() {
            let explained = worlds.iter().any(|world| {
                world.iter().all(|(path, state)| {
                    judge(std::slice::from_ref(state), &seen(store.0.get(path))) == Verdict::Fits
                })
            });
            prop_assert!(explained, "{:?}", worlds);
        }
    }

    #[test]
    fn an_acknowledged_change_that_is_taken_back_is_found(len in 1..300_u64, other in 1..300_u64) {
        let mut model = Model::new();
        let path = name(0);
        let (old, new) = (Content::of(1, len), Content::of(2, other));
        let change = model.begin(Effect::Put(path.clone(), old.clone()));
        model.done(change);
        let change = model.begin(Effect::Put(path.clone(), new));
        model.done(change);
        prop_assert!(judge(&model.possible(&path), &seen(Some(&old))) != Verdict::Fits);
        let lost = matches!(judge(&model.possible(&path), &Seen::Absent), Verdict::Lost(_));
        prop_assert!(lost);
        let change = model.begin(Effect::Remove(path.clone()));
        model.done(change);
        let undone = matches!(judge(&model.possible(&path), &seen(Some(&old))), Verdict::Undone(_));
        prop_assert!(undone);
    }
}

#[test]
fn a_file_that_grows_may_have_any_length_from_what_is_sure() {
    let mut model = Model::new();
    let path = name(0);
    let change = model.begin(Effect::Put(path.clone(), Content::of(1, 10)));
    model.done(change);
    assert_eq!(model.open(&path, 10, 2), Ok(()));
    let read = model.read(&path);
    model.writing(&path, 5);
    model.sure(&path, 12);
    model.writing(&path, 5);
    let mut whole = Content::of(1, 10);
    whole.push(2, 10);
    let of = |len| Seen::Bytes {
        len,
        offset: 0,
        bytes: whole.bytes(0..len),
    };
    // Who began before may still see the beginning.
    assert_eq!(judge(&model.possible(&path), &of(12)), Verdict::Fits);
    assert!(matches!(judge(&model.possible(&path), &of(11)), Verdict::Lost(_)));
    let may = model.was_read(read);
    assert_eq!(judge(&may, &of(10)), Verdict::Fits);
    assert_eq!(judge(&may, &of(20)), Verdict::Fits);
    assert!(matches!(judge(&may, &of(9)), Verdict::Lost(_)));
    assert!(!model.is_certain(&path));
    // The next writer is told how long it is; what comes behind is of another kind.
    assert!(model.open(&path, 11, 3).is_err());
    assert_eq!(model.open(&path, 15, 3), Ok(()));
    model.writing(&path, 1);
    let stale = judge(&model.possible(&path), &of(16));
    assert!(matches!(stale, Verdict::Corrupted(_)), "{stale:?}");
}

#[test]
fn what_was_synced_is_there_until_a_disk_is_lost() {
    let mut model = Model::new();
    let path = name(0);
    let change = model.begin(Effect::Put(path.clone(), Content::of(1, 10)));
    model.done(change);
    assert_eq!(model.open(&path, 10, 2), Ok(()));
    model.writing(&path, 10);
    model.synced(&path, 15);
    let mut whole = Content::of(1, 10);
    whole.push(2, 10);
    let of = |len| Seen::Bytes {
        len,
        offset: 0,
        bytes: whole.bytes(0..len),
    };
    assert!(!model.is_certain(&path));
    assert_eq!(judge(&model.possible(&path), &of(15)), Verdict::Fits);
    assert!(matches!(judge(&model.possible(&path), &of(14)), Verdict::Lost(_)));
    assert!(model.open(&path, 14, 3).is_err());
    let read = model.read(&path);
    model.disk_lost();
    for states in [model.possible(&path), model.was_read(read)] {
        assert_eq!(judge(&states, &of(14)), Verdict::Fits);
        assert!(matches!(judge(&states, &of(9)), Verdict::Lost(_)));
    }
    assert_eq!(model.open(&path, 14, 3), Ok(()));
}

#[test]
fn half_a_rename_is_explained_by_no_world() {
    let mut model = Model::new();
    let (from, to) = (name(0), name(1));
    let content = Content::of(1, 10);
    let change = model.begin(Effect::Put(from.clone(), content.clone()));
    model.done(change);
    let change = model.begin(Effect::Rename(from.clone(), to.clone()));
    model.unknown(change);
    // Each path alone could be so.
    assert_eq!(judge(&model.possible(&from), &Seen::Absent), Verdict::Fits);
    assert_eq!(judge(&model.possible(&to), &Seen::Absent), Verdict::Fits);
    let both_gone = model.connected().any(|worlds| {
        worlds
            .iter()
            .any(|world| world.values().all(|state| *state == State::Absent))
    });
    assert!(!both_gone);
    assert_eq!(model.uncertain(), 2);
}
