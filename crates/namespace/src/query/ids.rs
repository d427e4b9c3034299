//! How far the giving out of ids has come.

use types::{Generation, UnixMillis};

use crate::Namespace;
use crate::table::GENERATION_MAX;

/// Neighbouring slots of chunks are told of together, by so many.
const RANGE_SLOTS: u32 = 4096;

/// How much higher generations begin in a new era: more than any chunk is given, one for each repair of its pipeline; and few
/// enough for tens of thousands of eras.
const ERA_GENERATIONS: u64 = 1 << 16;

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

    /// The generation that new chunks begin with: higher after every [`Namespace::begin_era`].
    #[must_use]
    pub const fn first_generation(&self) -> Generation {
        self.files.chunks.first_generation
    }

    /// Tells apart what this state will do from what another one has done that went on from the same past: for a state that
    /// is restored from a copy. Chunks that were made after the copy was taken are on datanodes, under ids that this state
    /// will give out once more; but its own have higher generations from now on, so that the others are stale and are never
    /// taken for them. Not a command: nobody else may have this state.
    ///
    /// False when there is no higher generation.
    #[must_use]
    pub fn begin_era(&mut self) -> bool {
        let chunks = &mut self.files.chunks;
        let raised = chunks.first_generation.0 + ERA_GENERATIONS;
        let fits = raised < GENERATION_MAX.0;
        if fits {
            chunks.first_generation = Generation(raised);
            self.members.begin_era();
        }
        fits
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

#[cfg(test)]
mod tests {
    use types::Generation;

    use crate::Namespace;
    use crate::testing::{CHUNK_SIZE, Fs};

    /// Two that go on from one past give out the same ids, but never the same generation of one.
    #[test]
    fn in_a_new_era_new_chunks_are_like_none_before() {
        let mut old = Fs::new();
        old.by("ann").put("/tmp/before", &[CHUNK_SIZE]);
        let mut bytes = Vec::new();
        old.ns.save(&mut bytes).unwrap();
        let mut new = Fs::new();
        new.ns = Namespace::load(&mut bytes.as_slice()).unwrap();
        new.at = old.at;
        assert!(new.ns.begin_era());
        bytes.clear();
        new.ns.save(&mut bytes).unwrap();
        new.ns = Namespace::load(&mut bytes.as_slice()).unwrap();
        for fs in [&mut old, &mut new] {
            fs.by("bob").put("/tmp/after", &[CHUNK_SIZE]);
        }
        let chunk = |fs: &Fs, path| fs.ns.file_chunks(fs.stat(path).unwrap().inode).unwrap()[0];
        assert_eq!(chunk(&old, "/tmp/before"), chunk(&new, "/tmp/before"));
        let (before, after) = (chunk(&old, "/tmp/after"), chunk(&new, "/tmp/after"));
        assert_eq!(before.chunk, after.chunk);
        assert_eq!(
            (before.generation, after.generation),
            (Generation(1), Generation(65_537))
        );
    }

    #[test]
    fn there_are_eras_for_long() {
        let mut fs = Fs::new();
        let eras = (0..100_000).take_while(|_| fs.ns.begin_era()).count();
        assert_eq!(eras, 65_535);
        fs.by("ann").put("/tmp/f", &[CHUNK_SIZE]);
    }
}
