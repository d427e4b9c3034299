//! How far the giving out of ids has come.

use types::UnixMillis;

use crate::Namespace;

/// Neighbouring slots of chunks are told of together, by so many.
const RANGE_SLOTS: u32 = 4096;

/// How often the slots of some chunks have been given out at most: a birth of so many, or more, has never been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLives {
    /// The first slot.
    pub first: u32,
    /// The last slot.
    pub last: u32,
    /// How many lives the slot among these has had that has had most.
    pub lives: u32,
}

impl Namespace {
    /// Whether ids are made of slots that are used again; in clusters of old they are not.
    #[must_use]
    pub const fn is_slotted(&self) -> bool {
        self.files.chunks.slotted
    }

    /// The time of the last command, by the leader's clock.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }

    /// How often the slots of chunks have been given out, for all slots up to the highest, in their order.
    pub fn chunk_lives(&self) -> impl Iterator<Item = ChunkLives> + '_ {
        let table = &self.files.chunks.table;
        let mut next = Some(1);
        let mut ranges = std::iter::from_fn(move || {
            let first = next.filter(|first| *first <= table.high_water())?;
            let last = first.saturating_add(RANGE_SLOTS - 1).min(table.high_water());
            next = last.checked_add(1);
            let lives = (first..=last).map(|slot| table.lives(slot)).max().unwrap_or(0);
            Some(ChunkLives { first, last, lives })
        })
        .peekable();
        std::iter::from_fn(move || {
            let mut range = ranges.next()?;
            while let Some(more) = ranges.next_if(|more| more.lives == range.lives) {
                range.last = more.last;
            }
            Some(range)
        })
    }
}
