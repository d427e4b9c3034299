//! What rests, and since when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::{ChunkId, Generation, UnixMillis};

use crate::index::Place;
use crate::pack::layout::entry_len;
use crate::sidecar;

/// A replica that rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    /// The position of its volume.
    pub(crate) volume: usize,
    /// Bytes of data.
    pub(crate) len: u64,
    pub(crate) place: Place,
    /// It was known to be corrupt.
    pub(crate) corrupt: bool,
    pub(crate) since: UnixMillis,
}

impl Resting {
    /// Bytes on the disk, and those of them that are free as soon as it is destroyed.
    const fn bytes(&self) -> (u64, u64) {
        match self.place {
            Place::Files => {
                let bytes = self.len + sidecar::file_len(self.len);
                (bytes, bytes)
            }
            Place::Packed(_) => (entry_len(self.len), 0),
        }
    }
}

/// All that rest.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Mutex<State>);

/// # Invariant
/// `by_age` has the keys of `resting`, and `bytes` their sum by volume.
#[derive(Debug, Default)]
struct State {
    resting: BTreeMap<(ChunkId, Generation), Resting>,
    by_age: BTreeSet<(UnixMillis, ChunkId, Generation)>,
    bytes: HashMap<usize, (u64, u64)>,
}

impl State {
    fn put(&mut self, chunk: ChunkId, generation: Generation, resting: Resting) {
        let (all, files) = resting.bytes();
        let bytes = self.bytes.entry(resting.volume).or_default();
        *bytes = (bytes.0 + all, bytes.1 + files);
        self.by_age.insert((resting.since, chunk, generation));
        self.resting.insert((chunk, generation), resting);
    }

    fn take(&mut self, chunk: ChunkId, generation: Generation) -> Option<Resting> {
        let resting = self.resting.remove(&(chunk, generation))?;
        self.by_age.remove(&(resting.since, chunk, generation));
        let (all, files) = resting.bytes();
        if let Some(bytes) = self.bytes.get_mut(&resting.volume) {
            *bytes = (bytes.0.saturating_sub(all), bytes.1.saturating_sub(files));
        }
        Some(resting)
    }
}

impl Quarantine {
    /// Puts one in. Gives the one that is not to be kept, when there were two of the same generation: a corrupt one before a
    /// whole one, else the older one.
    pub(crate) fn enter(&self, chunk: ChunkId, generation: Generation, resting: Resting) -> Option<Resting> {
        let mut state = self.lock();
        let before = state.take(chunk, generation);
        match before {
            Some(before) if resting.corrupt && !before.corrupt => {
                state.put(chunk, generation, before);
                Some(resting)
            }
            before => {
                state.put(chunk, generation, resting);
                before
            }
        }
    }

    pub(crate) fn take(&self, chunk: ChunkId, generation: Generation) -> Option<Resting> {
        self.lock().take(chunk, generation)
    }

    pub(crate) fn find(&self, chunk: ChunkId, generation: Generation) -> Option<Resting> {
        self.lock().resting.get(&(chunk, generation)).copied()
    }

    pub(crate) fn generations(&self, chunk: ChunkId) -> Vec<Generation> {
        let state = self.lock();
        let all = (chunk, Generation(0))..=(chunk, Generation(u64::MAX));
        let resting = state.resting.range(all);
        resting.map(|((_, generation), _)| *generation).collect()
    }

    /// The one that has rested longest, of all or of one volume.
    pub(crate) fn oldest(&self, volume: Option<usize>) -> Option<(UnixMillis, ChunkId, Generation)> {
        let state = self.lock();
        let on = |(_, chunk, generation): &&(UnixMillis, ChunkId, Generation)| {
            let resting = state.resting.get(&(*chunk, *generation));
            volume.is_none() || resting.map(|resting| resting.volume) == volume
        };
        state.by_age.iter().find(on).copied()
    }

    /// Bytes that rest on a volume, and those of them that are free as soon as they are destroyed.
    pub(crate) fn bytes(&self, volume: usize) -> (u64, u64) {
        self.lock().bytes.get(&volume).copied().unwrap_or_default()
    }

    /// The volume is not used any more.
    pub(crate) fn forget_volume(&self, volume: usize) {
        let mut state = self.lock();
        let on = state
            .resting
            .iter()
            .filter(|(_, resting)| resting.volume == volume);
        let keys: Vec<_> = on.map(|(key, _)| *key).collect();
        for (chunk, generation) in keys {
            state.take(chunk, generation);
        }
        state.bytes.remove(&volume);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resting(volume: usize, since: u64, corrupt: bool) -> Resting {
        Resting {
            volume,
            len: 1000,
            place: Place::Files,
            corrupt,
            since: UnixMillis(since),
        }
    }

    #[test]
    fn bytes_and_ages_are_those_of_what_rests() {
        let (list, generation) = (Quarantine::default(), Generation(1));
        let chunk = |id| ChunkId::new(id).unwrap();
        for (id, volume, since) in [(1, 0, 30), (2, 1, 10), (3, 0, 20)] {
            assert_eq!(
                list.enter(chunk(id), generation, resting(volume, since, false)),
                None
            );
        }
        let each = 1000 + sidecar::file_len(1000);
        assert_eq!(
            (list.bytes(0), list.bytes(1)),
            ((2 * each, 2 * each), (each, each))
        );
        assert_eq!(list.oldest(None), Some((UnixMillis(10), chunk(2), generation)));
        assert_eq!(list.oldest(Some(0)), Some((UnixMillis(20), chunk(3), generation)));
        assert!(list.take(chunk(3), generation).is_some() && list.take(chunk(3), generation).is_none());
        assert_eq!(list.oldest(Some(0)), Some((UnixMillis(30), chunk(1), generation)));
        list.forget_volume(0);
        assert_eq!((list.bytes(0), list.oldest(Some(0))), ((0, 0), None));
        assert_eq!(list.generations(chunk(2)), [generation]);
    }

    #[test]
    fn of_two_of_a_generation_the_whole_one_stays() {
        let (list, generation) = (Quarantine::default(), Generation(1));
        let chunk = ChunkId::new(1).unwrap();
        let (whole, corrupt, newer) = (resting(0, 1, false), resting(0, 2, true), resting(0, 3, false));
        assert_eq!(list.enter(chunk, generation, whole), None);
        assert_eq!(list.enter(chunk, generation, corrupt), Some(corrupt));
        assert_eq!(list.enter(chunk, generation, newer), Some(whole));
        assert_eq!(list.find(chunk, generation), Some(newer));
    }
}
