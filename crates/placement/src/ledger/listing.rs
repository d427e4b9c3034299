//! Which chunks and files are how, page by page.

use types::{ChunkId, InodeId};

use super::{Condition, Ledger, chunk_of, parts};

/// Entries that one page looks at, whether they are in it or not.
const LOOKED_MAX: usize = 100_000;

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is listed.
    pub items: Vec<T>,
    /// Where to go on; none when this was the end. A page may have no items and still not be the last.
    pub next: Option<u64>,
}

/// A chunk that is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedChunk {
    /// Which.
    pub chunk: ChunkId,
    /// The file that holds it.
    pub owner: InodeId,
    /// How it is.
    pub condition: Condition,
}

fn gather<T>(entries: impl Iterator<Item = (u64, Option<T>)>, limit: usize) -> Page<T> {
    let mut items = Vec::new();
    for (looked, (key, item)) in entries.enumerate() {
        if looked >= LOOKED_MAX || items.len() >= limit {
            return Page {
                items,
                next: Some(key),
            };
        }
        items.extend(item);
    }
    Page { items, next: None }
}

impl Ledger {
    /// Up to `limit` chunks in conditions for which `is` is true, from `from` on (0: the first), in the order of their
    /// slots. Healthy ones are not listed.
    pub fn list_chunks(&self, from: u64, limit: usize, is: impl Fn(Condition) -> bool) -> Page<ListedChunk> {
        let Ok(from) = u32::try_from(from) else {
            return Page {
                items: Vec::new(),
                next: None,
            };
        };
        let entries = self.unhealthy.range(from..).map(|(slot, unhealthy)| {
            let listed = || {
                let condition = self.all.get(*slot)?.condition();
                let chunk = chunk_of(*slot, unhealthy.birth)?;
                is(condition).then_some(ListedChunk {
                    chunk,
                    owner: unhealthy.owner(),
                    condition,
                })
            };
            (u64::from(*slot), listed())
        });
        gather(entries, limit)
    }

    /// Up to `limit` files in conditions for which `is` is true, from `from` on (0: the first), in the order of their ids.
    /// Healthy ones are not listed.
    pub fn list_files(
        &self,
        from: u64,
        limit: usize,
        is: impl Fn(Condition) -> bool,
    ) -> Page<(InodeId, Condition)> {
        let entries = self.files.from(InodeId(from)).map(|(file, condition)| {
            let listed = is(condition).then_some((file, condition));
            (file.as_u64(), listed)
        });
        gather(entries, limit)
    }

    /// The file of a chunk that is not healthy.
    #[must_use]
    pub fn owner(&self, chunk: ChunkId) -> Option<InodeId> {
        let (slot, birth) = parts(chunk);
        let unhealthy = self.unhealthy.get(&slot)?;
        (unhealthy.birth == birth).then(|| unhealthy.owner())
    }
}
