//! Storages as small numbers, and what is known of each.

use std::collections::{HashMap, HashSet};

use types::fingerprint::Folded;
use types::{ChunkId, StorageId};

use super::place::Known;

/// What is known of a storage.
#[derive(Debug, Clone)]
pub(super) struct StorageRecord {
    pub(super) id: StorageId,
    /// How many chunks it has.
    pub(super) chunks: usize,
    /// Whether a report came since the last registration.
    pub(super) reported: bool,
    /// Since a registration, and until the next report: the chunks that were received in between. The marks of all others
    /// that they are fresh count for nothing. (To take them away would be a look at every chunk.)
    pub(super) fresh_only: Option<HashSet<ChunkId>>,
    /// The sums of its replicas that are not known to be bad; none while it has had none, as it takes 16 KiB.
    pub(super) fingerprint: Option<Folded>,
    /// Where it is.
    pub(super) place: Known,
}

impl StorageRecord {
    /// Whether a replica is one that the next report may be too old to have.
    pub(super) fn is_fresh(&self, chunk: ChunkId, marked: bool) -> bool {
        marked && self.fresh_only.as_ref().is_none_or(|only| only.contains(&chunk))
    }
}

/// All storages. A number is used again when its storage is forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct Storages {
    numbers: HashMap<StorageId, usize>,
    records: Vec<Option<StorageRecord>>,
}

impl Storages {
    pub(super) fn number(&self, id: StorageId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }

    /// The number of a storage, which is taken in if it is new.
    pub(super) fn intern(&mut self, id: StorageId) -> usize {
        if let Some(number) = self.number(id) {
            return number;
        }
        let record = Some(StorageRecord {
            id,
            chunks: 0,
            reported: false,
            fresh_only: None,
            fingerprint: None,
            place: Known::default(),
        });
        let number = match self.records.iter_mut().position(|place| place.is_none()) {
            Some(free) => free,
            None => {
                self.records.push(None);
                self.records.len() - 1
            }
        };
        if let Some(place) = self.records.get_mut(number) {
            *place = record;
        }
        self.numbers.insert(id, number);
        number
    }

    pub(super) fn get(&self, number: usize) -> Option<&StorageRecord> {
        self.records.get(number)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut StorageRecord> {
        self.records.get_mut(number)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StorageRecord> {
        self.records.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut StorageRecord> {
        self.records.iter_mut().flatten()
    }

    pub(super) fn forget(&mut self, number: usize) {
        if let Some(record) = self.records.get_mut(number).and_then(Option::take) {
            self.numbers.remove(&record.id);
        }
    }
}
