use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::from_secs(9);

fn chunk(n: u64) -> ChunkId {
    ChunkId::new(n).unwrap()
}

fn at_risk(left: u8) -> Condition {
    Condition {
        class: Class::AtRisk { left },
        corrupt: false,
    }
}

fn all<T: Clone>(mut page: impl FnMut(u64) -> Page<T>) -> Vec<T> {
    let mut all = Vec::new();
    let mut from = Some(0);
    while let Some(at) = from {
        let page = page(at);
        all.extend(page.items);
        from = page.next;
    }
    all
}

/// The chunks as a map: what the ledger is compared with.
#[derive(Debug, Default)]
struct Recount(BTreeMap<ChunkId, (InodeId, Condition)>);

impl Recount {
    /// A chunk of a slot takes the place of the one that was there.
    fn set(&mut self, chunk: ChunkId, owner: InodeId, condition: Condition) {
        self.0.retain(|other, _| parts(*other).0 != parts(chunk).0);
        self.0.insert(chunk, (owner, condition));
    }

    fn files(&self) -> BTreeMap<InodeId, Condition> {
        let mut files = BTreeMap::new();
        let wrong = self
            .0
            .values()
            .filter(|(_, condition)| *condition != Condition::HEALTHY);
        for (owner, condition) in wrong {
            files
                .entry(*owner)
                .and_modify(|whole: &mut Condition| *whole = whole.worse(*condition))
                .or_insert(*condition);
        }
        files
    }
}

#[derive(Debug, Clone)]
enum Event {
    Set(ChunkId, InodeId, Condition),
    Remove(ChunkId),
    /// All chunks of these slots, some of them changed, all others removed.
    Slice(u64, u64, Condition),
}

fn some_chunk() -> impl Strategy<Value = ChunkId> {
    let slots = prop_oneof![8 => 0u64..12, 1 => 4_090u64..4_100, 1 => Just(100_000)];
    (0u64..4, slots).prop_map(|(birth, slot)| chunk(birth << 32 | slot))
}

fn some_condition() -> impl Strategy<Value = Condition> {
    let classes = prop_oneof![
        4 => Just(Class::Healthy),
        3 => prop::sample::select(Class::ALL.to_vec()),
        2 => Just(Class::AtRisk { left: 2 }),
    ];
    (classes, prop::bool::weighted(0.2)).prop_map(|(class, corrupt)| Condition { class, corrupt })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (some_chunk(), 1u64..5, some_condition()).prop_map(|(c, o, s)| Event::Set(c, InodeId(o), s)),
        3 => some_chunk().prop_map(Event::Remove),
        1 => (0u64..14, 0u64..8_000, some_condition()).prop_map(|(from, len, s)| Event::Slice(from, from + len, s)),
    ]
}

proptest! {
    #[test]
    fn after_any_events_the_ledger_is_a_recount(events in prop::collection::vec(event(), 0..120)) {
        let (mut ledger, mut recount) = (Ledger::new(), Recount::default());
        for event in events {
            match event {
                Event::Set(c, owner, condition) => {
                    let before = recount.0.get(&c).map(|(_, condition)| *condition);
                    prop_assert_eq!(ledger.set(NOW, c, owner, condition), before);
                    recount.set(c, owner, condition);
                    let same = ledger.clone();
                    ledger.set(NOW * 2, c, owner, condition);
                    prop_assert_eq!(same.chunks(), ledger.chunks());
                    prop_assert_eq!(same.files(), ledger.files());
                }
                Event::Remove(c) => {
                    let before = recount.0.remove(&c).map(|(_, condition)| condition);
                    prop_assert_eq!(ledger.remove(NOW, c), before);
                }
                Event::Slice(from, to, condition) => {
                    let in_slice = |c: &ChunkId| (from..to).contains(&u64::from(parts(*c).0));
                    let mut slots = BTreeSet::new();
                    let mut listed: Vec<_> = recount.0.iter().filter(|(c, _)| in_slice(c)).map(|(c, (o, _))| (*c, *o, condition)).collect();
                    listed.sort_by_key(|(c, ..)| parts(*c).0);
                    listed.retain(|(c, ..)| slots.insert(parts(*c).0) && !parts(*c).0.is_multiple_of(5));
                    ledger.set_slice(NOW, from..to, listed.clone());
                    recount.0.retain(|c, _| !in_slice(c));
                    for (c, owner, condition) in listed {
                        recount.set(c, owner, condition);
                    }
                }
            }
            prop_assert_eq!(ledger.chunks().total(), recount.0.len() as u64);
            let files = recount.files();
            prop_assert_eq!(ledger.files().total(), files.len() as u64);
            for class in Class::ALL {
                let chunks = recount.0.values().filter(|(_, condition)| condition.class == class).count();
                prop_assert_eq!(ledger.chunks().of(class), chunks as u64);
                let counted = files.values().filter(|condition| condition.class == class).count();
                prop_assert_eq!(ledger.files().of(class), counted as u64);
                prop_assert_eq!(ledger.files().since(|c| c.class == class).is_some(), counted > 0);
            }
            let corrupt = recount.0.values().filter(|(_, condition)| condition.corrupt).count();
            prop_assert_eq!(ledger.chunks().with_corrupt(), corrupt as u64);
            for (c, (owner, condition)) in &recount.0 {
                prop_assert_eq!(ledger.condition(*c), Some(*condition));
                prop_assert_eq!(ledger.owner(*c), (*condition != Condition::HEALTHY).then_some(*owner));
            }
            let mut listed = all(|from| ledger.list_chunks(from, 3, |_| true));
            listed.sort_by_key(|listed| listed.chunk);
            let wrong: Vec<_> = recount.0.iter()
                .filter(|(_, (_, condition))| *condition != Condition::HEALTHY)
                .map(|(chunk, (owner, condition))| ListedChunk { chunk: *chunk, owner: *owner, condition: *condition })
                .collect();
            prop_assert_eq!(listed, wrong);
            let listed = all(|from| ledger.list_files(from, 2, |c| c.class.is_at_risk()));
            let wrong: Vec<_> = files.into_iter().filter(|(_, c)| c.class.is_at_risk()).collect();
            prop_assert_eq!(listed, wrong);
        }
    }
}

#[test]
fn any_slot_is_one() {
    let mut ledger = Ledger::new();
    let last = chunk(u64::from(u32::MAX));
    assert_eq!(ledger.set(NOW, last, InodeId(1), at_risk(1)), None);
    assert_eq!(ledger.condition(last), Some(at_risk(1)));
    assert_eq!(ledger.list_chunks(0, 1, |_| true).items[0].chunk, last);
    ledger.set_slice(NOW, 1 << 31..1 << 32, []);
    assert_eq!((ledger.condition(last), ledger.files().total()), (None, 0));
}

#[test]
fn a_healthy_chunk_takes_two_bytes_and_one_at_risk_not_much() {
    let mut ledger = Ledger::new();
    let chunks = 100_000u64;
    for n in 0..chunks {
        ledger.set(NOW, chunk(n), InodeId(n), Condition::HEALTHY);
    }
    let bytes = ledger.memory().total();
    assert!(bytes < 21 * chunks / 10, "{bytes}");
    for n in 0..chunks / 10 {
        ledger.set(NOW, chunk(n), InodeId(n), at_risk(2));
    }
    let more = ledger.memory().total() - bytes;
    assert!(more < 50 * chunks / 10, "{more}");
    for n in 0..chunks {
        ledger.remove(NOW, chunk(n));
    }
    assert!(ledger.memory().total() < 1_000, "{:?}", ledger.memory());
}

#[test]
fn since_when_something_is_wrong_is_kept_while_it_is() {
    let mut ledger = Ledger::new();
    let since = |ledger: &Ledger| ledger.chunks().since(|c| c.class.is_at_risk());
    ledger.set(NOW, chunk(1), InodeId(1), at_risk(1));
    ledger.set(NOW * 2, chunk(2), InodeId(1), at_risk(1));
    ledger.set(NOW * 3, chunk(1), InodeId(1), Condition::HEALTHY);
    assert_eq!(since(&ledger), Some(NOW), "one or the other, all the time");
    assert_eq!(ledger.files().since(|c| c.class.is_at_risk()), Some(NOW));
    ledger.set(NOW * 4, chunk(2), InodeId(1), Condition::HEALTHY);
    assert_eq!(since(&ledger), None);
    ledger.set(NOW * 5, chunk(2), InodeId(1), at_risk(1));
    assert_eq!(since(&ledger), Some(NOW * 5));
}

#[test]
fn a_page_ends_though_nothing_is_found() {
    let mut ledger = Ledger::new();
    for n in 0..250_000 {
        ledger.set(NOW, chunk(n), InodeId(n), at_risk(2));
    }
    let page = ledger.list_chunks(0, 10, |condition| condition.class == Class::Lost);
    assert_eq!((page.items.len(), page.next), (0, Some(100_000)));
    let found = all(|from| ledger.list_chunks(from, 10, |condition| condition.class == Class::Lost));
    assert!(found.is_empty());
}
