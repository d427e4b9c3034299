//! The datanodes of the cluster, and what changed among them.
//!
//! A version is the time of its change, by the entry's clock, or one more than the version before. So a state that was
//! loaded from bytes of old, which have no versions, agrees from its next change on with one that replayed the whole log,
//! and no version is ever given to two changes that somebody could mistake for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use types::{AdminState, DatanodeId, UnixMillis};

use crate::{Member, MemberChanges, Registration};

/// How many removals are remembered: who has seen nothing since an older one is told everything.
const REMOVALS_MAX: usize = 1_024;

/// How far the versions of a new era are from those of the one before, in which they are times.
const ERA_VERSIONS: u64 = 1 << 48;

/// All members, by id.
///
/// # Invariants
/// No version in it is above `version`, and no two changes have the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    /// With the version of the last change.
    members: OrdMap<DatanodeId, Arc<(u64, Member)>>,
    /// By version.
    removed: OrdMap<u64, DatanodeId>,
    version: u64,
    /// All that was changed after this version is known.
    known_since: u64,
}

/// What is saved.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedMembers {
    version: u64,
    known_since: u64,
    members: Vec<(u64, Member)>,
    removed: BTreeMap<u64, DatanodeId>,
}

impl Members {
    /// Takes in what a datanode says of itself. What an operator has said of it stays.
    pub(crate) fn register(&mut self, at: UnixMillis, said: &Registration) {
        let known = self.find(said.id);
        if known.is_none_or(|member| !member.is_registered_as(said)) {
            let admin = known.map_or_else(AdminState::default, |member| member.admin);
            self.put(at, Member::new(said.clone(), admin));
        }
    }

    /// Puts a member in the place of what is known of it.
    pub(crate) fn put(&mut self, at: UnixMillis, member: Member) {
        let version = self.next_version(at);
        self.members.insert(member.id, Arc::new((version, member)));
    }

    /// Removes a member; false when there is none.
    pub(crate) fn remove(&mut self, at: UnixMillis, id: DatanodeId) -> bool {
        if self.members.remove(&id).is_none() {
            return false;
        }
        let version = self.next_version(at);
        self.removed.insert(version, id);
        while self.removed.len() > REMOVALS_MAX
            && let Some(&(oldest, _)) = self.removed.get_min()
        {
            self.removed.remove(&oldest);
            self.known_since = oldest;
        }
        true
    }

    pub(crate) fn find(&self, id: DatanodeId) -> Option<&Member> {
        self.members.get(&id).map(|known| &known.1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> + '_ {
        self.members.values().map(|known| &known.1)
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// What changed since a version; none when that is not known.
    pub(crate) fn changes_since(&self, seen: u64) -> Option<MemberChanges<'_>> {
        if !(self.known_since..=self.version).contains(&seen) {
            return None;
        }
        let changed = self.members.values().filter(|known| known.0 > seen);
        let removed = self.removed.iter().filter(|(version, _)| **version > seen);
        // Who has come back is changed, not removed.
        let removed: BTreeSet<_> = removed
            .map(|(_, id)| *id)
            .filter(|id| !self.members.contains_key(id))
            .collect();
        Some(MemberChanges {
            version: self.version,
            changed: changed.map(|known| &known.1).collect(),
            removed: removed.into_iter().collect(),
        })
    }

    /// What others have seen may have been of another future: they are told everything.
    pub(crate) const fn begin_era(&mut self) {
        self.version = self.version.saturating_add(ERA_VERSIONS);
        self.known_since = self.version;
    }

    fn next_version(&mut self, at: UnixMillis) -> u64 {
        self.version = self.version.saturating_add(1).max(at.0);
        self.version
    }

    /// What is to be saved.
    pub(crate) fn saved(&self) -> SavedMembers {
        SavedMembers {
            version: self.version,
            known_since: self.known_since,
            members: self.members.values().map(|known| (**known).clone()).collect(),
            removed: self.removed.iter().map(|(version, id)| (*version, *id)).collect(),
        }
    }

    /// What was saved. None when it can not have been.
    pub(crate) fn loaded(saved: SavedMembers) -> Option<Self> {
        let count = saved.members.len();
        let highest = saved.members.iter().map(|(version, _)| *version).max();
        let highest = highest.max(saved.removed.keys().next_back().copied());
        let members: OrdMap<_, _> = saved
            .members
            .into_iter()
            .map(|known| (known.1.id, Arc::new(known)))
            .collect();
        let fits = members.len() == count
            && saved.removed.len() <= REMOVALS_MAX
            && highest.max(Some(saved.known_since)) <= Some(saved.version);
        fits.then(|| Self {
            members,
            removed: saved.removed.into_iter().collect(),
            version: saved.version,
            known_since: saved.known_since,
        })
    }

    /// What was saved before members had versions, at the time of the state. None when it can not have been.
    pub(crate) fn loaded_unversioned(now: UnixMillis, saved: Vec<Registration>) -> Option<Self> {
        let members = saved.into_iter();
        Self::loaded(SavedMembers {
            version: now.0,
            known_since: now.0,
            members: members
                .map(|said| (now.0, Member::new(said, AdminState::InService)))
                .collect(),
            removed: BTreeMap::new(),
        })
    }
}
