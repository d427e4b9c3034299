//! What is in files: their committed chunks, and their writers.

use std::sync::Arc;

use compact::SlotId;
use types::{ChunkId, InodeId};

use super::Tree;
use crate::NamespaceError;
use crate::table::Writer;
use crate::table::record::{MANY, WRITTEN};
use crate::table::slot_of;

impl Tree {
    /// The slots of the committed chunks of a file, in their order.
    pub(crate) fn committed(&self, id: InodeId) -> impl Iterator<Item = u32> + '_ {
        let record = self.record(slot_of(id));
        let one = (!record.has(MANY) && record.first != 0).then_some(record.first);
        let many = if record.has(MANY) { record.first } else { 0 };
        one.into_iter().chain(self.lists.items(many, 0))
    }

    /// How many these are.
    pub(crate) fn committed_count(&self, id: InodeId) -> u64 {
        let record = self.record(slot_of(id));
        match (record.has(MANY), record.first) {
            (false, 0) => 0,
            (false, _) => 1,
            (true, handle) => self.lists.list_len(handle).unwrap_or(0) as u64,
        }
    }

    /// The slot of one of them.
    pub(crate) fn committed_at(&self, id: InodeId, index: u64) -> Option<u32> {
        let record = self.record(slot_of(id));
        if record.has(MANY) {
            self.lists.get(record.first, usize::try_from(index).ok()?)
        } else {
            (index == 0 && record.first != 0).then_some(record.first)
        }
    }

    /// The slot of the last one.
    pub(crate) fn last_committed(&self, id: InodeId) -> Option<u32> {
        self.committed_at(id, self.committed_count(id).checked_sub(1)?)
    }

    /// Adds a committed chunk to the end of a file.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn commit(&mut self, id: InodeId, chunk: ChunkId, len: u64) -> Result<(), NamespaceError> {
        let (slot, chunk) = (slot_of(id), SlotId::from_u64(chunk.as_u64()).slot);
        let record = self.record(slot);
        let full = |_| NamespaceError::Full("it has all of its lists of chunks".to_owned());
        let (many, first) = match (record.has(MANY), record.first) {
            (false, 0) => (false, chunk),
            (false, one) => (true, self.lists.insert(&[one, chunk]).map_err(full)?),
            (true, handle) => {
                let pushed = self.lists.push(handle, chunk).map_err(full)?;
                (true, pushed.unwrap_or(handle))
            }
        };
        self.change(slot, |record, odd| {
            record.put(MANY, many);
            record.first = first;
            let before = odd.len(slot, record);
            odd.set_len(slot, record, before + len);
        });
        Ok(())
    }

    /// Gives a file these committed chunks instead of those that it has; their bytes are the same.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn set_committed(&mut self, id: InodeId, chunks: &[u32]) -> Result<(), NamespaceError> {
        let slot = slot_of(id);
        let record = self.record(slot);
        if record.has(MANY) {
            self.lists.remove(record.first);
        }
        let (many, first) = match chunks {
            [] => (false, 0),
            [one] => (false, *one),
            all => {
                let full = |_| NamespaceError::Full("it has all of its lists of chunks".to_owned());
                (true, self.lists.insert(all).map_err(full)?)
            }
        };
        self.change(slot, |record, _| {
            record.put(MANY, many);
            record.first = first;
        });
        Ok(())
    }

    /// Takes all committed chunks from number `keep` on, which hold all bytes behind the first `len`.
    ///
    /// # Errors
    /// When there is no room; nothing is changed then.
    pub(crate) fn cut(&mut self, id: InodeId, keep: usize, len: u64) -> Result<Vec<u32>, NamespaceError> {
        let slot = slot_of(id);
        let record = self.record(slot);
        let taken: Vec<_> = self.committed(id).skip(keep).collect();
        let (many, first) = match (record.has(MANY), keep) {
            (_, 0) => {
                if record.has(MANY) {
                    self.lists.remove(record.first);
                }
                (false, 0)
            }
            (false, _) => (false, record.first),
            (true, _) => {
                let full = |_| NamespaceError::Full("it has all of its lists of chunks".to_owned());
                let left = self.lists.truncate(record.first, keep).map_err(full)?;
                (true, left.unwrap_or(0))
            }
        };
        self.change(slot, |record, odd| {
            record.put(MANY, many);
            record.first = first;
            odd.set_len(slot, record, len);
        });
        Ok(taken)
    }

    /// Adds committed chunks with `len` bytes together to the end of a file.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn extend(&mut self, id: InodeId, chunks: &[u32], len: u64) -> Result<(), NamespaceError> {
        let all: Vec<_> = self.committed(id).chain(chunks.iter().copied()).collect();
        self.set_committed(id, &all)?;
        let slot = slot_of(id);
        self.change(slot, |record, odd| {
            let before = odd.len(slot, record);
            odd.set_len(slot, record, before + len);
        });
        Ok(())
    }

    /// Takes up to `limit` chunks from the end of a file that nobody can read any more.
    pub(crate) fn take_chunks(&mut self, id: InodeId, limit: u64) -> Vec<u32> {
        let slot = slot_of(id);
        let record = self.record(slot);
        if !record.has(MANY) {
            let one: Vec<_> = self.committed(id).take(usize::from(limit > 0)).collect();
            if !one.is_empty() {
                self.change(slot, |record, _| record.first = 0);
            }
            return one;
        }
        let (handle, count) = (record.first, self.committed_count(id));
        let keep = usize::try_from(count.saturating_sub(limit)).unwrap_or(usize::MAX);
        let taken = self.lists.items(handle, keep).collect();
        if keep == 0 {
            self.lists.remove(handle);
        }
        // A handle that there is no room for is not needed: the list stays where it is.
        let left = match keep {
            0 => Ok(None),
            keep => self.lists.truncate(handle, keep),
        };
        self.change(slot, |record, _| {
            record.put(MANY, keep > 0);
            record.first = match left {
                Ok(left) => left.unwrap_or(0),
                Err(_) => handle,
            };
        });
        taken
    }

    /// Who writes a file, to change it.
    pub(crate) fn writer_mut(&mut self, id: InodeId) -> Option<&mut Writer> {
        self.writers.get_mut(&slot_of(id)).map(Arc::make_mut)
    }

    /// Notes who writes a file from now on.
    pub(crate) fn begin_writing(&mut self, id: InodeId, writer: Writer) {
        self.change(slot_of(id), |record, _| record.put(WRITTEN, true));
        self.writers.insert(slot_of(id), Arc::new(writer));
    }

    /// Notes that nobody does any more.
    pub(crate) fn end_writing(&mut self, id: InodeId) -> Option<Writer> {
        let slot = slot_of(id);
        if !self.record(slot).has(WRITTEN) {
            return None;
        }
        self.change(slot, |record, _| record.put(WRITTEN, false));
        self.writers.remove(&slot).map(Arc::unwrap_or_clone)
    }
}
