//! Members, and every change that there ever was.

use std::collections::{BTreeMap, BTreeSet};

use namespace::{Namespace, Registration};
use types::{AdminState, DatanodeId};

use super::{Expected, Refusal};

#[derive(Debug, Default)]
pub(crate) struct Members {
    now: BTreeMap<DatanodeId, (Registration, AdminState)>,
    /// Who changed, one after the other.
    changes: Vec<DatanodeId>,
    /// The versions that the machine gave to these changes.
    versions: Vec<u64>,
}

impl Members {
    pub(super) fn register(&mut self, said: &Registration) {
        let admin = self
            .now
            .get(&said.id)
            .map_or_else(AdminState::default, |known| known.1);
        self.put(said.clone(), admin);
    }

    pub(super) fn set_state(&mut self, id: DatanodeId, state: AdminState) -> Expected {
        use AdminState::{Decommissioned, Decommissioning};
        let (said, before) = self.now.get(&id).cloned().ok_or(Refusal::NotFound)?;
        let goes_on = matches!(
            (before, state),
            (Decommissioning { .. }, Decommissioning { .. }) | (Decommissioned { .. }, Decommissioned { .. })
        );
        self.put(said, if goes_on { before } else { state });
        Ok(())
    }

    pub(super) fn remove(&mut self, id: DatanodeId) -> Expected {
        self.now.remove(&id).ok_or(Refusal::NotFound)?;
        self.changes.push(id);
        Ok(())
    }

    fn put(&mut self, said: Registration, admin: AdminState) {
        let (id, known) = (said.id, (said, admin));
        if self.now.insert(id, known.clone()) != Some(known) {
            self.changes.push(id);
        }
    }

    /// Notes the version that the machine has given to the last change. It has risen exactly when there was one.
    pub(crate) fn note(&mut self, version: u64) {
        let before = self.versions.last().copied().unwrap_or(0);
        if self.versions.len() < self.changes.len() {
            assert!(version > before, "a change has a version of its own");
            self.versions.push(version);
        }
        assert_eq!(version, self.versions.last().copied().unwrap_or(0));
        assert_eq!(self.versions.len(), self.changes.len());
    }

    pub(crate) fn check(&self, machine: &Namespace) {
        let known = |id: &DatanodeId| {
            let member = machine.member(*id).unwrap();
            let (said, admin) = &self.now[id];
            assert!(member.is_registered_as(said), "{member:?} {said:?}");
            assert_eq!(member.admin, *admin);
        };
        self.now.keys().for_each(known);
        assert!(machine.members().map(|member| &member.id).eq(self.now.keys()));
        for seen in 0..=self.versions.len() {
            let version = seen.checked_sub(1).map_or(0, |last| self.versions[last]);
            let changes = machine.changes_since(version).unwrap();
            let later: BTreeSet<_> = self.changes[seen..].iter().copied().collect();
            let (changed, removed): (Vec<_>, Vec<_>) =
                later.into_iter().partition(|id| self.now.contains_key(id));
            let told: Vec<_> = changes.changed.iter().map(|member| member.id).collect();
            assert_eq!((told, changes.removed), (changed, removed), "since {version}");
            assert_eq!(changes.version, machine.members_version());
        }
    }
}
