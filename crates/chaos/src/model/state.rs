//! What is at a path, and what a change makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Name;
use crate::content::Content;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// A file.
    File(File),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its bytes, with those that were only handed over.
    pub content: Content,
    /// How many of them are there for sure.
    pub sure: u64,
    /// How many of them are on as many disks as an acknowledgement promises, and so there as long as none of these is lost.
    pub synced: u64,
}

impl File {
    /// How many of its bytes are there at the least.
    #[must_use]
    pub fn least(&self) -> u64 {
        self.sure.max(self.synced)
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A file of this content is there, whatever was there before.
    Put(Name, Content),
    /// Nothing is there any more.
    Remove(Name),
    /// What was at the first is at the second, whatever was there before.
    Rename(Name, Name),
    /// A file has only its first bytes.
    Truncate(Name, u64),
    /// The files that follow the first are behind it, and gone.
    Concat(Vec<Name>),
}

impl State {
    /// A file of which every byte is there.
    #[must_use]
    pub fn file(content: Content) -> Self {
        let sure = content.len();
        Self::File(File {
            content,
            sure,
            synced: 0,
        })
    }

    /// Whether its length is certain.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::File(file) => file.sure == file.content.len(),
        }
    }
}

impl Effect {
    /// All that it touches.
    #[must_use]
    pub fn paths(&self) -> Vec<Name> {
        match self {
            Self::Put(path, _) | Self::Remove(path) | Self::Truncate(path, _) => vec![Arc::clone(path)],
            Self::Rename(from, to) => vec![Arc::clone(from), Arc::clone(to)],
            Self::Concat(paths) => paths.clone(),
        }
    }

    /// Makes it happen. What is not possible changes nothing.
    pub(super) fn apply(&self, states: &mut BTreeMap<Name, State>) {
        match self {
            Self::Put(path, content) => {
                states.insert(Arc::clone(path), State::file(content.clone()));
            }
            Self::Remove(path) => {
                states.insert(Arc::clone(path), State::Absent);
            }
            Self::Rename(from, to) => {
                if let Some(state @ State::File(_)) = states.insert(Arc::clone(from), State::Absent) {
                    states.insert(Arc::clone(to), state);
                }
            }
            Self::Truncate(path, len) => {
                if let Some(State::File(file)) = states.get_mut(path) {
                    file.content.cut(*len);
                    file.sure = file.sure.min(*len);
                    file.synced = file.synced.min(*len);
                }
            }
            Self::Concat(paths) => {
                let Some((target, sources)) = paths.split_first() else {
                    return;
                };
                let mut more = Content::empty();
                for source in sources {
                    if let Some(State::File(file)) = states.insert(Arc::clone(source), State::Absent) {
                        more.join(&file.content);
                    }
                }
                if let Some(State::File(file)) = states.get_mut(target) {
                    file.content.join(&more);
                    file.sure = file.content.len();
                }
            }
        }
    }
}

/// Adds a state to those that a read may see. One that only is a longer form of the last one, and has no fewer bytes at the least, takes
/// its place.
pub(super) fn note(states: &mut Vec<State>, state: State) {
    if states.contains(&state) {
        return;
    }
    if let (Some(State::File(last)), State::File(new)) = (states.last_mut(), &state)
        && last.content.begins(&new.content)
        && (last.least()..=last.content.len()).contains(&new.least())
    {
        last.content = new.content.clone();
        return;
    }
    states.push(state);
}
