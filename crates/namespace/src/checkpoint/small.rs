//! The part of the state that does not grow with the number of files, and the rare.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::{ClientId, ClusterId, Generation, InodeId, UnixMillis};

use super::{LoadError, damaged};
use crate::settings::Chosen;
use crate::table::{
    AttributeSets, Attributes, CallKey, GENERATION_MAX, Grave, Graveyard, Leases, Members, Odd, RetryCache,
    SavedMembers, SavedOdd, Writer,
};
use crate::{FIRST_GENERATION, Lease, Namespace, NamespaceError, Outcome, Registration};

/// When a call was answered, which, and how.
type SavedAnswer<'s> = (
    UnixMillis,
    Cow<'s, CallKey>,
    Cow<'s, Result<Outcome, NamespaceError>>,
);

/// In the order of the stream.
#[derive(Serialize, Deserialize)]
pub(super) struct Small<'s> {
    most: Most<'s, SavedMembers>,
    settings: BTreeMap<String, String>,
}

/// What version 1 had: members with no state and no version, and no settings.
type First<'s> = Most<'s, Vec<Registration>>;

/// What all versions have, with the members in the form of one of them.
#[derive(Serialize, Deserialize)]
struct Most<'s, M> {
    cluster: Option<ClusterId>,
    now: UnixMillis,
    safe_mode: bool,
    slotted: bool,
    first_generation: Generation,
    files: u64,
    directories: u64,
    graves: (u64, BTreeMap<u64, Grave>),
    attributes: Vec<(u32, u64, Cow<'s, Attributes>)>,
    odd: SavedOdd,
    writers: Vec<(u32, Cow<'s, Writer>)>,
    /// The highest generation of chunks for which that is not the one in force.
    pending: Vec<(u32, u32)>,
    leases: Vec<(ClientId, UnixMillis, Vec<InodeId>)>,
    members: M,
    answers: Vec<SavedAnswer<'s>>,
}

impl<'s> Small<'s> {
    pub(super) fn of(state: &'s Namespace) -> Self {
        let (tree, chunks) = (&state.files.tree, &state.files.chunks);
        let attributes = tree.attributes.saved().into_iter();
        let writers = tree.writers.iter();
        let leases = state.files.leases.iter();
        let answers = state.retries.saved().into_iter();
        let most = Most {
            cluster: state.cluster,
            now: state.now,
            safe_mode: state.safe_mode,
            slotted: tree.slotted,
            first_generation: chunks.first_generation,
            files: tree.files,
            directories: tree.directories,
            graves: tree.graveyard.saved(),
            attributes: attributes
                .map(|(number, users, set)| (number, users, Cow::Borrowed(set)))
                .collect(),
            odd: tree.odd.saved(),
            writers: writers
                .map(|(slot, writer)| (*slot, Cow::Borrowed(&**writer)))
                .collect(),
            pending: chunks
                .pending
                .iter()
                .map(|(slot, highest)| (*slot, *highest))
                .collect(),
            leases: leases
                .map(|lease| (lease.holder, lease.renewed, lease.files))
                .collect(),
            members: state.members.saved(),
            answers: answers
                .map(|(at, key, answer)| (at, Cow::Borrowed(key), Cow::Borrowed(answer)))
                .collect(),
        };
        let settings = state.settings.saved();
        Self { most, settings }
    }

    /// Reads what was written by this version of the format, or an older one.
    pub(super) fn read(version: u32, bytes: &[u8]) -> Result<Namespace, LoadError> {
        if version == 1 {
            let first: First<'_> = read_exactly(bytes)?;
            let now = first.now;
            return first.into_state(|saved| Members::loaded_unversioned(now, saved));
        }
        let Self { most, settings } = read_exactly(bytes)?;
        let mut state = most.into_state(Members::loaded)?;
        state.settings = Chosen::loaded(&settings)
            .map_err(|error| damaged(&format!("it can not have its settings: {error}")))?;
        Ok(state)
    }
}

fn read_exactly<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, LoadError> {
    match postcard::take_from_bytes(bytes) {
        Ok((small, [])) => Ok(small),
        Ok(_) => Err(damaged("its first part is too long")),
        Err(error) => Err(damaged(&format!("its first part can not be read: {error}"))),
    }
}

impl<M> Most<'_, M> {
    /// A state with all of this; the large tables are empty.
    fn into_state(self, members: impl FnOnce(M) -> Option<Members>) -> Result<Namespace, LoadError> {
        let mut state = Namespace::new();
        state.cluster = self.cluster;
        state.now = self.now;
        state.safe_mode = self.safe_mode;
        state.members = members(self.members).ok_or_else(|| damaged("its members are not as they can be"))?;
        let answers = self.answers.into_iter();
        let answers = answers.map(|(at, key, answer)| (at, key.into_owned(), answer.into_owned()));
        state.retries =
            RetryCache::loaded(answers.collect()).ok_or_else(|| damaged("two answers are for one call"))?;
        let leases = self.leases.into_iter();
        state.files.leases = Leases::loaded(leases.map(|(holder, renewed, files)| Lease {
            holder,
            renewed,
            files,
        }));
        let chunks = &mut state.files.chunks;
        chunks.slotted = self.slotted;
        if !(FIRST_GENERATION..=GENERATION_MAX).contains(&self.first_generation) {
            return Err(damaged("no chunk begins with such a generation"));
        }
        chunks.first_generation = self.first_generation;
        chunks.pending = self.pending.into_iter().collect();
        let tree = &mut state.files.tree;
        tree.slotted = self.slotted;
        tree.files = self.files;
        tree.directories = self.directories;
        tree.odd = Odd::loaded(self.odd);
        tree.graveyard =
            Graveyard::loaded(self.graves).ok_or_else(|| damaged("its graves are out of their order"))?;
        let attributes = self.attributes.into_iter();
        let attributes = attributes.map(|(number, users, set)| (number, users, set.into_owned()));
        tree.attributes = AttributeSets::loaded(attributes.collect())
            .ok_or_else(|| damaged("its sets of attributes are out of their order"))?;
        let writers = self.writers.into_iter();
        tree.writers = writers
            .map(|(slot, writer)| (slot, Arc::new(writer.into_owned())))
            .collect();
        Ok(state)
    }
}
