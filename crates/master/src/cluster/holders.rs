//! Which datanodes have a chunk, or may have.
//!
//! Of a chunk that is being written they have told nothing as a replica yet. What its writer has been acknowledged is in each
//! datanode of its pipeline, which this master knows when it has begun the write itself, and else from what they say that
//! they have not finished.

use std::collections::BTreeSet;

use namespace::ChunkInfo;
use placement::{Replica, Standing};
use types::{ChunkId, DatanodeId};

use super::{Cluster, expected};
use crate::desk::Unfinished;

impl Cluster {
    /// Every datanode that is known to have `info`, as it should be or as it may turn out to be right.
    pub(crate) fn holders(&self, info: &ChunkInfo, unfinished: &Unfinished) -> BTreeSet<DatanodeId> {
        let located = self.replicas.located(info.chunk);
        let good = located.filter(|located| may_be_good(info, &located.replica));
        let mut holders: BTreeSet<_> = good.filter_map(|located| located.node).collect();
        if expected(info).len.is_none() {
            holders.extend(unfinished.of(info.chunk, info.generation));
            let pipeline = self.pending(info.chunk).into_iter();
            holders.extend(pipeline.flat_map(|pending| pending.targets.iter().map(|target| target.datanode)));
        }
        holders
    }

    /// Every datanode that may have anything of `chunk`, also what is stale. `unfinished` say that they have not finished it. One
    /// that was removed is not coming back.
    pub(crate) fn may_have(
        &self,
        chunk: ChunkId,
        mut unfinished: BTreeSet<DatanodeId>,
    ) -> BTreeSet<DatanodeId> {
        let owners = self.replicas.replicas(chunk).into_iter();
        unfinished.extend(owners.filter_map(|replica| Some(self.view.owner(replica.storage)?.id)));
        unfinished.extend(self.writers_of(chunk).iter().map(|target| target.datanode));
        unfinished.retain(|id| self.view.node(*id).is_some());
        unfinished
    }

    /// Whether a datanode has told this master all that it has, of what is finished and what is not.
    pub(crate) fn has_told_all(&self, datanode: DatanodeId, unfinished: &Unfinished) -> bool {
        self.has_told(datanode) && unfinished.is_told_by(datanode)
    }
}

fn may_be_good(info: &ChunkInfo, replica: &Replica) -> bool {
    match replica.standing(expected(info)) {
        Standing::Valid => true,
        Standing::Newer => info
            .pending_generation
            .is_some_and(|pending| replica.generation <= pending),
        Standing::WrongLength | Standing::Stale | Standing::Corrupt => false,
    }
}

#[cfg(test)]
mod tests {
    use namespace::Command;

    use super::super::testing::{World, node};
    use super::*;

    #[test]
    fn nobody_is_asked_who_was_removed() {
        let mut world = World::of(3);
        let (file, chunk) = world.open("/f", 2);
        world.begin_write(file.inode, chunk.chunk, &[1, 2]);
        let may_have = |world: &World| {
            world
                .cluster
                .may_have(chunk.chunk, BTreeSet::from([node(1), node(3)]))
        };
        assert_eq!(may_have(&world), [node(1), node(2), node(3)].into());
        world.apply(Command::RemoveMember { id: node(1) });
        assert_eq!(may_have(&world), [node(2), node(3)].into());
        world.apply(Command::RemoveMember { id: node(3) });
        assert_eq!(may_have(&world), [node(2)].into());
    }
}
