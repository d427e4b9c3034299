//! Paths that changes have connected, and the worlds that are possible for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, Effect, File, Name, State};

/// What is at each path of a cell, in one of its possible worlds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct World(BTreeMap<Name, State>);

/// Paths that hang together.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// What is possible, without the changes that are under way. Never empty once there is a path.
    settled: Vec<World>,
    /// Changes under way.
    changes: Vec<(Change, Effect)>,
    /// A change was never answered. It may happen at any time, also to what looks as if it had happened already.
    haunted: bool,
}

impl World {
    pub(super) fn at(&self, path: &str) -> &State {
        self.0.get(path).unwrap_or(&State::Absent)
    }

    pub(super) fn into_states(self) -> BTreeMap<Name, State> {
        self.0
    }
}

impl Cell {
    pub(super) fn of(path: Name, state: State) -> Self {
        Self {
            settled: vec![World([(path, state)].into())],
            changes: Vec::new(),
            haunted: false,
        }
    }

    /// Takes another one in, which has `path` at least.
    pub(super) fn join(&mut self, other: Self, path: &Name) {
        let others = if other.settled.is_empty() {
            vec![World::default()]
        } else {
            other.settled
        };
        if self.settled.is_empty() {
            self.settled = others;
        } else {
            let mine = std::mem::take(&mut self.settled);
            for world in mine {
                for more in &others {
                    let mut both = world.clone();
                    both.0.extend(more.0.clone());
                    self.settled.push(both);
                }
            }
        }
        for world in &mut self.settled {
            world.0.entry(Arc::clone(path)).or_insert(State::Absent);
        }
        self.changes.extend(other.changes);
        self.haunted |= other.haunted;
    }

    pub(super) fn paths(&self) -> Vec<Name> {
        let world = self.settled.first();
        world
            .map(|world| world.0.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        self.changes.iter().map(|(change, _)| *change).collect()
    }

    /// The only world, when there is only one.
    pub(super) fn certain(&self) -> Option<World> {
        match self.settled.as_slice() {
            [world] if self.changes.is_empty() && !self.haunted => Some(world.clone()),
            _ => None,
        }
    }

    /// Every world that is possible now: each change under way has happened, or not.
    pub(super) fn worlds(&self) -> Vec<World> {
        let mut worlds = self.settled.clone();
        for (_, effect) in &self.changes {
            fork(&mut worlds, effect);
        }
        worlds
    }

    pub(super) fn possible(&self, path: &str) -> Vec<State> {
        let mut states = Vec::new();
        for world in self.worlds() {
            let state = world.at(path);
            if !states.contains(state) {
                states.push(state.clone());
            }
        }
        states
    }

    pub(super) fn begin(&mut self, change: Change, effect: Effect) {
        self.changes.push((change, effect));
    }

    pub(super) fn done(&mut self, change: Change) {
        if let Some(effect) = self.take(change) {
            for world in &mut self.settled {
                effect.apply(&mut world.0);
            }
        }
    }

    pub(super) fn refused(&mut self, change: Change) {
        self.take(change);
    }

    pub(super) fn unknown(&mut self, change: Change) {
        if let Some(effect) = self.take(change) {
            fork(&mut self.settled, &effect);
            self.haunted = true;
        }
    }

    fn take(&mut self, change: Change) -> Option<Effect> {
        let place = self.changes.iter().position(|(known, _)| *known == change)?;
        Some(self.changes.remove(place).1)
    }

    /// What was only synced is not there for certain any more. Answers whether that changes anything.
    pub(super) fn forget_synced(&mut self) -> bool {
        let states = self.settled.iter_mut().flat_map(|world| world.0.values_mut());
        let mut changed = false;
        for state in states {
            if let State::File(file) = state {
                changed |= file.synced > file.sure;
                file.synced = 0;
            }
        }
        changed
    }

    /// The file at `path`, when it is there for certain.
    pub(super) fn file_mut(&mut self, path: &str) -> Option<&mut File> {
        match self.settled.as_mut_slice() {
            [world] if self.changes.is_empty() => match world.0.get_mut(path)? {
                State::File(file) => Some(file),
                State::Absent => None,
            },
            _ => None,
        }
    }
}

fn fork(worlds: &mut Vec<World>, effect: &Effect) {
    for mut world in worlds.clone() {
        effect.apply(&mut world.0);
        if !worlds.contains(&world) {
            worlds.push(world);
        }
    }
}
