//! Who writes what, by client. A client has a lease as long as it writes something.

use imbl::{OrdMap, OrdSet};
use types::{ClientId, InodeId, UnixMillis};

use crate::Lease;

/// All leases.
///
/// # Invariants
/// A file is in the lease of the client that is its writer, and in no other. No lease is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(OrdMap<ClientId, Held>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    renewed: UnixMillis,
    files: OrdSet<InodeId>,
}

impl Leases {
    /// Notes that `client` begins to write `file`.
    pub(crate) fn begin(&mut self, client: ClientId, file: InodeId, at: UnixMillis) {
        let held = self.0.entry(client).or_insert_with(|| Held {
            renewed: at,
            files: OrdSet::new(),
        });
        held.renewed = at;
        held.files.insert(file);
    }

    /// Notes that `client` writes `file` no longer.
    pub(crate) fn end(&mut self, client: ClientId, file: InodeId) {
        if let Some(held) = self.0.get_mut(&client) {
            held.files.remove(&file);
            if held.files.is_empty() {
                self.0.remove(&client);
            }
        }
    }

    /// Notes a sign of life.
    pub(crate) fn renew(&mut self, client: ClientId, at: UnixMillis) {
        let is_later = |held: &Held| held.renewed != at;
        if self.0.get(&client).is_some_and(is_later)
            && let Some(held) = self.0.get_mut(&client)
        {
            held.renewed = at;
        }
    }

    /// When `client` has shown itself the last time.
    pub(crate) fn renewed(&self, client: ClientId) -> Option<UnixMillis> {
        self.0.get(&client).map(|held| held.renewed)
    }

    /// What `client` writes.
    pub(crate) fn of(&self, client: ClientId) -> impl Iterator<Item = InodeId> + '_ {
        self.0
            .get(&client)
            .into_iter()
            .flat_map(|held| held.files.iter().copied())
    }

    /// The files of clients that gave no sign of life since `before`, as far as they `may` expire.
    pub(crate) fn expired(
        &self,
        before: UnixMillis,
        may: fn(ClientId) -> bool,
    ) -> impl Iterator<Item = InodeId> + '_ {
        self.0
            .iter()
            .filter(move |(holder, held)| held.renewed < before && may(**holder))
            .flat_map(|(_, held)| held.files.iter().copied())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Lease> + '_ {
        self.0.iter().map(|(&holder, held)| Lease {
            holder,
            renewed: held.renewed,
            files: held.files.iter().copied().collect(),
        })
    }

    /// What was saved: what [`Leases::iter`] says.
    pub(crate) fn loaded(saved: impl Iterator<Item = Lease>) -> Self {
        let held = saved.map(|lease| {
            let (renewed, files) = (lease.renewed, lease.files.into_iter().collect());
            (lease.holder, Held { renewed, files })
        });
        Self(held.collect())
    }
}
