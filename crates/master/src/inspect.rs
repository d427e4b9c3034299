//! A look at a master from the inside, for who checks it: a simulation compares masters with each other, and each with itself.

use std::sync::Arc;

use namespace::Namespace;
use placement::Class;
use types::{ChunkId, DatanodeId, Term};

use crate::Master;

impl Master {
    /// The term in which this master leads and may answer at this moment.
    #[must_use]
    pub fn leads_in(&self) -> Option<Term> {
        self.core().group().and_then(|group| group.leads())
    }

    /// The metadata, and the record of the log up to which it goes; 0 when that is not known because it came out of a checkpoint,
    /// and nothing was applied since. Both are of one moment only where nothing is applied at the same time.
    #[must_use]
    pub fn metadata(&self) -> (u64, Arc<Namespace>) {
        (self.core().machine.applied(), self.core().machine.snapshot())
    }

    /// How many chunks have fewer good replicas than are wanted, as far as this master has counted.
    #[must_use]
    pub fn chunks_in_need(&self) -> u64 {
        let cluster = self.core().cluster();
        let in_need = |class| class <= Class::Corrupt;
        cluster
            .ledger
            .chunks()
            .count(|condition| in_need(condition.class))
    }

    /// The replicas of which this master, as the leader, has decided that they are destroyed, and has not heard since.
    #[must_use]
    pub fn doomed(&self) -> Vec<(ChunkId, DatanodeId)> {
        self.core().cluster().repair.doomed().collect()
    }

    /// In which chunks the ledger differs from a count of all of them; none as long as nothing is counted, all is being counted
    /// anew, or changes have not come to it yet.
    #[must_use]
    pub fn ledger_differences(&self) -> Option<Vec<String>> {
        let cluster = self.core().cluster();
        let namespace = self.core().machine.read();
        if self.core().machine.has_news() || !cluster.counts() || cluster.recounting(&namespace).is_some() {
            return None;
        }
        let mut chunks = 0;
        let mut differences = Vec::new();
        for info in namespace.chunks_from(0) {
            chunks += 1;
            let (known, counted) = (cluster.ledger.condition(info.chunk), cluster.condition(&info));
            if known != Some(counted) {
                differences.push(format!("{}: {known:?} is known, {counted:?} is so", info.chunk));
            }
        }
        let known = cluster.ledger.chunks().total();
        if known != chunks {
            differences.push(format!("{known} chunks are known, there are {chunks}"));
        }
        Some(differences)
    }
}
