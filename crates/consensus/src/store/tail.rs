//! The last entries of the log, in memory.
//!
//! Every entry that is not durable yet is here, as a reader must find it from the moment that it is appended. Beyond those
//! it keeps what followers and the state machine will most likely ask for next, within bounds.

use std::collections::VecDeque;

use crate::raft::{Entry, Payload};

/// Entries that are kept for readers although they are on disk.
const ENTRIES_MAX: usize = 1 << 14;

/// Bytes of their payloads.
const BYTES_MAX: usize = 32 << 20;

/// What an entry costs besides its payload.
const ENTRY_BYTES: usize = size_of::<Entry>() + 64;

/// Consecutive entries.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The index of the first entry, or of the next one where there is none.
    first: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Tail {
    /// No entry; the next one has this index.
    pub(crate) fn beginning_at(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// The index of the first entry that is here.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds the entry whose index is [`Tail::end`].
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += cost(&entry);
        self.entries.push_back(entry);
    }

    /// The entries from `from` on, for as long as `wanted` says; `from` must not be before the first one.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = &Entry> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(skip.min(self.entries.len())..)
    }

    /// Removes the entries from `end` on.
    pub(crate) fn truncate(&mut self, end: u64) {
        while self.end() > end {
            let Some(gone) = self.entries.pop_back() else {
                self.first = end;
                return;
            };
            self.bytes -= cost(&gone);
        }
    }

    /// Removes the entries before `first`; the next entry has at least that index.
    pub(crate) fn purge(&mut self, first: u64) {
        while self.first < first {
            if self.pop().is_none() {
                self.first = first;
            }
        }
    }

    /// Forgets old entries beyond the bounds, but none from `unsynced` on.
    pub(crate) fn trim(&mut self, unsynced: u64) {
        while (self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX)
            && self.first < unsynced
            && self.pop().is_some()
        {}
    }

    fn pop(&mut self) -> Option<Entry> {
        let gone = self.entries.pop_front()?;
        self.bytes -= cost(&gone);
        self.first += 1;
        Some(gone)
    }
}

/// Bytes that an entry takes in memory, about.
pub(crate) fn cost(entry: &Entry) -> usize {
    ENTRY_BYTES
        + match &entry.payload {
            Payload::Normal(command) => command.payload.len(),
            Payload::Blank | Payload::Membership(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::entry::RaftEntry;
    use types::Term;

    use super::*;
    use crate::raft::{Command, log_id};

    fn tail(first: u64, end: u64, bytes: usize) -> Tail {
        let mut tail = Tail::beginning_at(first);
        for index in first..end {
            let command = Command::new(1, Bytes::from(vec![0; bytes]));
            tail.push(Entry::new(
                log_id(Term(1), index + 1).unwrap(),
                Payload::Normal(command),
            ));
        }
        tail
    }

    fn indexes(tail: &Tail, from: u64) -> Vec<u64> {
        tail.from(from).map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn it_is_cut_at_both_ends() {
        let mut tail = tail(5, 10, 1);
        assert_eq!(indexes(&tail, 8), [8, 9]);
        assert_eq!(indexes(&tail, 10).len(), 0);
        tail.truncate(8);
        tail.purge(6);
        assert_eq!((tail.first(), tail.end()), (6, 8));
        assert_eq!(indexes(&tail, 6), [6, 7]);
        tail.truncate(3);
        assert_eq!((tail.first(), tail.end(), tail.bytes), (3, 3, 0));
        tail.purge(20);
        assert_eq!((tail.first(), tail.end()), (20, 20));
    }

    #[test]
    fn what_is_not_durable_is_never_forgotten() {
        let mut large = tail(0, 100, 1 << 20);
        large.trim(0);
        assert_eq!(large.first(), 0);
        large.trim(50);
        assert_eq!(large.first(), 50);
        large.trim(100);
        assert!(large.bytes <= BYTES_MAX && large.end() == 100 && large.first() < 75);
        let mut many = tail(0, 20_000, 0);
        many.trim(u64::MAX);
        assert_eq!(many.first(), 20_000 - ENTRIES_MAX as u64);
    }
}
