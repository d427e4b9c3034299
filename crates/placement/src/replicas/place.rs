//! Where storages are, as far as it matters for what their replicas count for.

use types::{ChunkId, DatanodeId, StorageId};

use super::{Replica, ReplicaMap, ReplicaState};

/// What the replicas of a storage count for now. Better ones come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Its node lives and serves, and the storage works.
    Serving,
    /// Its node lives, but is to leave the cluster, or has drained: its replicas are read and copied, and are no redundancy.
    Draining,
    /// Its node is in maintenance and lives still: its replicas are expected to be away for a while.
    Maintenance,
    /// Its node is in maintenance and away, and the time that it has for that is not over.
    Away,
    /// Its node is silent together with too many others to believe that it is dead. Nobody can read its replicas now;
    /// they are not copied elsewhere either.
    Silent,
    /// Its node is dead, or has not registered, or the storage has failed.
    #[default]
    Gone,
}

impl Reach {
    /// Whether replicas there can be read now.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Serving | Self::Draining | Self::Maintenance)
    }
}

/// Where a storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The node that it belongs to.
    pub node: DatanodeId,
    /// The rack of the node.
    pub rack: &'a str,
    /// What its replicas count for.
    pub reach: Reach,
}

/// A replica, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The replica.
    pub replica: Replica,
    /// The node; none when no node owns the storage.
    pub node: Option<DatanodeId>,
    /// The number of the rack: equal numbers are equal racks.
    pub rack: u32,
    /// What it counts for.
    pub reach: Reach,
}

/// What is remembered of a [`Place`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) node: Option<DatanodeId>,
    pub(super) rack: u32,
    pub(super) reach: Reach,
}

/// What is known of all places together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Every rack that was ever named; its number is its position.
    racks: Vec<String>,
    /// How many racks have a storage that serves.
    serving_racks: usize,
    /// Whether somebody has not told yet what he has.
    unheard: bool,
}

impl Places {
    fn rack(&mut self, name: &str) -> u32 {
        let known = self.racks.iter().position(|rack| rack == name);
        let number = known.unwrap_or_else(|| {
            self.racks.push(name.to_owned());
            self.racks.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn known(&mut self, place: Place<'_>) -> Known {
        Known {
            node: Some(place.node),
            rack: self.rack(place.rack),
            reach: place.reach,
        }
    }
}

impl ReplicaMap {
    /// Asks where every storage is (none: nobody's), and keeps the answers. `unheard` says whether a member of the cluster
    /// may have replicas that it has not told of yet. True when anything is different from before: then every chunk is to
    /// be classified anew, see [`Sweep`](crate::Sweep).
    pub fn place<'a>(&mut self, unheard: bool, look: impl Fn(StorageId) -> Option<Place<'a>>) -> bool {
        let mut serving = Vec::new();
        let mut changed = false;
        for record in self.storages.iter_mut() {
            let known = look(record.id).map_or_else(Known::default, |place| self.places.known(place));
            if known.reach == Reach::Serving && !serving.contains(&known.rack) {
                serving.push(known.rack);
            }
            // Of a storage without replicas, only the rack matters, and only if it serves.
            changed |= record.place != known && record.chunks > 0;
            record.place = known;
        }
        changed |= self.places.serving_racks != serving.len() || self.places.unheard != unheard;
        self.places.serving_racks = serving.len();
        self.places.unheard = unheard;
        changed
    }

    /// Keeps where a storage is that has come; one that has replicas already stays where it was until all are asked. So what
    /// it gets from now on counts from now on.
    pub fn came(&mut self, storage: StorageId, place: Place<'_>) {
        let number = self.storages.intern(storage);
        let record = self.storages.get_mut(number);
        if let Some(record) = record.filter(|record| record.chunks == 0) {
            record.place = self.places.known(place);
        }
    }

    /// What the replicas of a storage count for.
    #[must_use]
    pub fn reach(&self, storage: StorageId) -> Reach {
        self.record(storage)
            .map_or(Reach::Gone, |record| record.place.reach)
    }

    /// The replicas of a chunk and where they are, in the order in which they came.
    pub fn located(&self, chunk: ChunkId) -> impl Iterator<Item = Located> + Clone + '_ {
        self.table.each(chunk).filter_map(|held| {
            let record = self.storages.get(held.storage)?;
            Some(Located {
                replica: Replica {
                    storage: record.id,
                    generation: held.generation,
                    len: held.len,
                    state: match held.corrupt {
                        true => ReplicaState::Corrupt,
                        false => ReplicaState::Finalized,
                    },
                },
                node: record.place.node,
                rack: record.place.rack,
                reach: record.place.reach,
            })
        })
    }

    /// How many racks have a storage that serves.
    #[must_use]
    pub fn serving_racks(&self) -> usize {
        self.places.serving_racks
    }

    /// Whether a member of the cluster may have replicas that it has not told of yet.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.places.unheard
    }
}
