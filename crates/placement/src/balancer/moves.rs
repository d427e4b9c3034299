//! Moves on their way, few at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{ChunkId, DatanodeId, StorageId};

use super::{BalanceSettings, Move};

/// How long a copy may take beside the time for its bytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest rate that is borne, in bytes per second.
const RATE_MIN: u64 = 1 << 20;
/// How long the old replica may stay once the new one is there: repair verifies the others before it destroys it.
const TRIM_PATIENCE: Duration = Duration::from_secs(900);
/// New replicas for which an old one is still there, for each copy that may run: more are not begun.
const UNTRIMMED: usize = 16;

#[derive(Debug, Clone, Copy)]
struct OnItsWay {
    what: Move,
    copied: bool,
    deadline: Duration,
}

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The old replica is gone, or another one in its place.
    Moved(Move),
    /// It came to nothing.
    Failed(Move),
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves {
    moves: BTreeMap<ChunkId, OnItsWay>,
    /// Copies that run, by node: those that it sends away and those that it gets.
    busy: BTreeMap<DatanodeId, u32>,
    copying: usize,
}

impl Moves {
    pub(super) fn copying(&self) -> usize {
        self.copying
    }

    pub(super) fn untrimmed(&self) -> usize {
        self.moves.len() - self.copying
    }

    pub(super) fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    pub(super) fn has(&self, chunk: ChunkId) -> bool {
        self.moves.contains_key(&chunk)
    }

    /// Whether one more may begin at all.
    pub(super) fn has_room(&self, settings: &BalanceSettings) -> bool {
        self.copying < settings.streams && self.untrimmed() < settings.streams.saturating_mul(UNTRIMMED)
    }

    /// Whether one more may begin that `node` has to do with.
    pub(super) fn is_free(&self, node: DatanodeId, settings: &BalanceSettings) -> bool {
        self.busy
            .get(&node)
            .is_none_or(|busy| *busy < settings.streams_per_node)
    }

    pub(super) fn begin(&mut self, now: Duration, what: Move, rate: u64) {
        let rate = if rate == 0 {
            RATE_MIN
        } else {
            rate.clamp(1, RATE_MIN)
        };
        let time = Duration::from_secs(what.extent.len / rate);
        let on_its_way = OnItsWay {
            what,
            copied: false,
            deadline: now + PATIENCE + time,
        };
        self.end(what.extent.chunk);
        self.moves.insert(what.extent.chunk, on_its_way);
        for node in [what.from.datanode, what.to.datanode] {
            *self.busy.entry(node).or_default() += 1;
        }
        self.copying += 1;
    }

    /// The new replica is there.
    pub(super) fn copied(&mut self, now: Duration, chunk: ChunkId, storage: StorageId, node: DatanodeId) {
        let Some(here) = self.moves.get_mut(&chunk).filter(|here| !here.copied) else {
            return;
        };
        // The volume was a wish.
        if here.what.to.storage == storage || here.what.to.datanode == node {
            here.copied = true;
            here.deadline = now + TRIM_PATIENCE;
            let what = here.what;
            self.free(what);
        }
    }

    /// A replica is gone: of a chunk with a new one too many, or of one that is still copied.
    pub(super) fn deleted(&mut self, chunk: ChunkId) -> Option<Ended> {
        let ended = self.end(chunk)?;
        Some(match ended.copied {
            true => Ended::Moved(ended.what),
            false => Ended::Failed(ended.what),
        })
    }

    pub(super) fn failed(&mut self, chunk: ChunkId) -> Option<Ended> {
        self.moves.get(&chunk).filter(|here| !here.copied)?;
        self.end(chunk).map(|ended| Ended::Failed(ended.what))
    }

    /// Those that took too long.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Ended> {
        let late = |here: &&OnItsWay| here.deadline <= now;
        let late: Vec<_> = self.moves.values().filter(late).map(|here| here.what).collect();
        for what in &late {
            self.end(what.extent.chunk);
        }
        late.into_iter().map(Ended::Failed).collect()
    }

    fn end(&mut self, chunk: ChunkId) -> Option<OnItsWay> {
        let ended = self.moves.remove(&chunk)?;
        if !ended.copied {
            self.free(ended.what);
        }
        Some(ended)
    }

    fn free(&mut self, what: Move) {
        self.copying = self.copying.saturating_sub(1);
        for node in [what.from.datanode, what.to.datanode] {
            if let Some(busy) = self.busy.get_mut(&node) {
                *busy -= 1;
                if *busy == 0 {
                    self.busy.remove(&node);
                }
            }
        }
    }
}
