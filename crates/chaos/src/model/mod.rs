//! What may be at each path, given what was done and what was answered. Pure.
//!
//! A change that was answered has happened, or has not. One that was not answered is *unknown*: it may have happened, or not, or
//! may still happen. The model keeps every possibility as a *world*: for a set of paths that changes have connected, what would
//! be at each of them. As long as a change is under way, both its worlds are possible; when it is answered, one remains. Paths
//! whose state is not certain are not changed any more (see [`Model::is_certain`]), so that there are never more than a few
//! worlds, and that a change that happens late is still explained.
//!
//! A file that grows has a length that is sure (acknowledged) and one that is possible (handed over). In between there may be one
//! that is synced: it counts like a sure one until a disk is lost.
//!
//! A *read* is a question with a beginning and an end: whatever was possible at any moment between may be seen.

mod judge;
mod state;
mod worlds;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use judge::{Seen, Verdict, judge, told};
pub use state::{Effect, File, State};
use worlds::{Cell, World};

/// A path.
pub type Name = Arc<str>;

/// A change that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change(u64);

/// A read that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read(u64);

/// Everything that may be.
#[derive(Debug, Default)]
pub struct Model {
    next: u64,
    cell_of: BTreeMap<Name, u64>,
    cells: BTreeMap<u64, Cell>,
    changes: BTreeMap<Change, u64>,
    reads: BTreeMap<Read, (Name, Vec<State>)>,
}

impl Model {
    /// Nothing is anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether exactly one thing is possible at `path`, and nothing changes it now.
    #[must_use]
    pub fn is_certain(&self, path: &str) -> bool {
        match self.cell(path) {
            Some(cell) => cell.certain().is_some_and(|world| world.at(path).is_fixed()),
            None => true,
        }
    }

    /// What may be at `path`.
    #[must_use]
    pub fn possible(&self, path: &str) -> Vec<State> {
        match self.cell(path) {
            Some(cell) => cell.possible(path),
            None => vec![State::Absent],
        }
    }

    /// The paths at which something is, or may be, or was.
    pub fn paths(&self) -> impl Iterator<Item = &Name> {
        self.cell_of.keys()
    }

    /// How many paths are not certain.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        self.cell_of.keys().filter(|path| !self.is_certain(path)).count()
    }

    /// A change begins: from now on it may have happened.
    pub fn begin(&mut self, effect: Effect) -> Change {
        let id = self.merge(&effect.paths());
        let change = Change(self.number());
        if let Some(cell) = self.cells.get_mut(&id) {
            cell.begin(change, effect);
        }
        self.changes.insert(change, id);
        self.noted(id);
        change
    }

    /// It was acknowledged: it has happened.
    pub fn done(&mut self, change: Change) {
        self.end(change, |cell| cell.done(change));
    }

    /// It was refused: it has not happened, and never will.
    pub fn refused(&mut self, change: Change) {
        self.end(change, |cell| cell.refused(change));
    }

    /// Nobody said, or nobody can be sure: it may have happened, or may happen later.
    pub fn unknown(&mut self, change: Change) {
        self.end(change, |cell| cell.unknown(change));
    }

    /// A file is opened for more bytes, which will be those of `tag`. Its length must be `len`.
    ///
    /// # Errors
    /// When it can not be so long: what is possible instead.
    pub fn open(&mut self, path: &str, len: u64, tag: u64) -> Result<(), Vec<State>> {
        let possible = self.possible(path);
        let opened = self.grow_with(path, |file| {
            let fits = (file.least()..=file.content.len()).contains(&len);
            if fits {
                file.content.cut(len);
                file.sure = len;
                file.content.push(tag, 0);
            }
            fits
        });
        if opened { Ok(()) } else { Err(possible) }
    }

    /// So many more bytes are handed over to be written behind the file.
    pub fn writing(&mut self, path: &str, more: u64) {
        self.grow_with(path, |file| {
            file.content.grow(more);
            true
        });
    }

    /// All bytes up to `len` will stay: a flush, or a reader's eye, says so.
    pub fn sure(&mut self, path: &str, len: u64) {
        self.grow_with(path, |file| {
            file.sure = file.sure.max(len.min(file.content.len()));
            true
        });
    }

    /// All bytes up to `len` are on as many disks as an acknowledgement promises.
    pub fn synced(&mut self, path: &str, len: u64) {
        self.grow_with(path, |file| {
            file.synced = file.synced.max(len.min(file.content.len()));
            true
        });
    }

    /// A disk is lost, or spoilt: what was only synced, and is of a file that nobody has finished, may be on one less from now on.
    pub fn disk_lost(&mut self) {
        let ids: Vec<u64> = self.cells.keys().copied().collect();
        for id in ids {
            if self.cells.get_mut(&id).is_some_and(Cell::forget_synced) {
                self.noted(id);
            }
        }
    }

    /// The bytes of a range of the one file that grows at `path`.
    #[must_use]
    pub fn bytes(&self, path: &str, range: std::ops::Range<u64>) -> Vec<u8> {
        let world = self.cell(path).and_then(Cell::certain);
        match world.as_ref().map(|world| world.at(path)) {
            Some(State::File(file)) => file.content.bytes(range),
            _ => Vec::new(),
        }
    }

    /// Whether there is one file at `path`, of which only the length may not be certain.
    #[must_use]
    pub fn is_one_file(&self, path: &str) -> bool {
        let world = self.cell(path).and_then(Cell::certain);
        matches!(world.as_ref().map(|world| world.at(path)), Some(State::File(_)))
    }

    /// A read of `path` begins.
    pub fn read(&mut self, path: &Name) -> Read {
        let read = Read(self.number());
        self.reads.insert(read, (Arc::clone(path), self.possible(path)));
        read
    }

    /// It has ended: all that it may have seen. See [`judge`].
    pub fn was_read(&mut self, read: Read) -> Vec<State> {
        self.reads
            .remove(&read)
            .map(|(_, states)| states)
            .unwrap_or_default()
    }

    /// Sets of paths whose states hang together, each with its worlds; for a look at everything when nothing changes any more.
    pub fn connected(&self) -> impl Iterator<Item = Vec<BTreeMap<Name, State>>> {
        self.cells
            .values()
            .map(|cell| cell.worlds().into_iter().map(World::into_states).collect())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn cell(&self, path: &str) -> Option<&Cell> {
        self.cells.get(self.cell_of.get(path)?)
    }

    /// Makes one cell of those of all `paths`.
    fn merge(&mut self, paths: &[Name]) -> u64 {
        let id = self.number();
        let mut merged = Cell::default();
        for path in paths {
            let found = self.cell_of.get(path).and_then(|cell| self.cells.remove(cell));
            merged.join(found.unwrap_or_default(), path);
        }
        for path in merged.paths() {
            self.cell_of.insert(path, id);
        }
        for change in merged.changes() {
            self.changes.insert(change, id);
        }
        self.cells.insert(id, merged);
        id
    }

    fn end(&mut self, change: Change, how: impl FnOnce(&mut Cell)) {
        let Some(id) = self.changes.remove(&change) else {
            return;
        };
        let Some(mut cell) = self.cells.remove(&id) else {
            return;
        };
        how(&mut cell);
        match cell.certain() {
            // What is certain has no ties.
            Some(world) => {
                for (path, state) in world.into_states() {
                    let id = self.number();
                    self.cell_of.insert(Arc::clone(&path), id);
                    self.cells.insert(id, Cell::of(path, state));
                    self.noted(id);
                }
            }
            None => {
                self.cells.insert(id, cell);
                self.noted(id);
            }
        }
    }

    /// Changes the one file that grows at `path`. Answers whether there is one, and `how` took it.
    fn grow_with(&mut self, path: &str, how: impl FnOnce(&mut File) -> bool) -> bool {
        let Some(id) = self.cell_of.get(path).copied() else {
            return false;
        };
        let grown = self
            .cells
            .get_mut(&id)
            .and_then(|cell| cell.file_mut(path))
            .is_some_and(how);
        self.noted(id);
        grown
    }

    /// Tells the reads that are under way what is possible in a cell now.
    fn noted(&mut self, id: u64) {
        let Some(cell) = self.cells.get(&id) else {
            return;
        };
        for (path, states) in self.reads.values_mut() {
            if self.cell_of.get(path) == Some(&id) {
                for state in cell.possible(path) {
                    state::note(states, state);
                }
            }
        }
    }
}
