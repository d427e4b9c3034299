//! The replicas of this datanode: those on disk, those being written, and what the masters are told of them.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::{
    ChunkStore, DeleteError, OpenReplicaError, ReadError, Reader, Replica, ReplicaState, WriteError,
};
use env::clock::Clock;
use transfer::{Block, Refusal, checksum, pb};
use types::fingerprint::Fingerprint;
use types::{ChunkId, Generation, StorageId};

use crate::changes::{Change, Changes, Event};
use crate::latency::Latencies;
use crate::refusal::{invalid, refuse};
use crate::writing::{Claim, ClaimError, Writing};

/// Bytes that are verified at once.
const VERIFY_BYTES: usize = 1 << 20;

/// Replicas that are summed up at once.
const FINGERPRINT_PAGE: usize = 10_000;

/// Why a replica is not known to be what was written.
#[derive(Debug)]
enum Unverified {
    /// It is not.
    Corrupt(String),
    /// It is not there to be looked at.
    Unknown(String),
}

/// The replicas of a datanode whose cluster is known.
pub(crate) struct Replicas {
    pub(crate) store: ChunkStore,
    pub(crate) writing: Arc<Writing>,
    pub(crate) changes: Arc<Changes>,
    latencies: Latencies,
    clock: Arc<dyn Clock>,
}

impl Replicas {
    pub(crate) fn new(store: ChunkStore, clock: Arc<dyn Clock>, changes: Arc<Changes>) -> Self {
        Self {
            store,
            writing: Writing::new(Arc::clone(&clock)),
            changes,
            latencies: Latencies::default(),
            clock,
        }
    }

    /// The chunk that a request is about, when it is one of this cluster.
    pub(crate) fn block(&self, block: &pb::ExtendedBlockProto) -> Result<Block, Refusal> {
        let block = Block::try_from(block).map_err(|error| invalid(error.to_string()))?;
        let pool = self.store.pool();
        if block.pool == *pool {
            Ok(block)
        } else {
            Err(invalid(format!(
                "chunk {} is of block pool {}, this datanode is of {pool}",
                block.chunk, block.pool
            )))
        }
    }

    /// Begins a replica for a new pipeline.
    ///
    /// What an earlier attempt to build the same pipeline left, and nobody wrote to, makes room; so does a replica of an
    /// older generation.
    pub(crate) fn create(&self, chunk: ChunkId, generation: Generation) -> Result<Claim, Refusal> {
        let exists = |why: String| refuse(pb::Status::ErrorExists, why);
        match self.writing.claim_idle(chunk) {
            Err(error) => return Err(exists(error.to_string())),
            Ok(Some(mut earlier)) => {
                let unused = (earlier.peek())
                    .is_some_and(|writer| writer.received() == 0 || writer.generation() < generation);
                if !unused {
                    return Err(exists(format!("chunk {chunk} is being written already")));
                }
                earlier.abandon();
            }
            Ok(None) => {}
        }
        self.begin(chunk, generation)
    }

    /// Begins a replica that is a copy of another one. What was being written before is given up, whoever writes it.
    pub(crate) async fn create_copy(
        &self,
        chunk: ChunkId,
        generation: Generation,
        patience: Duration,
    ) -> Result<Claim, Refusal> {
        if let Some(mut earlier) = self.claim(chunk, patience).await? {
            if let Some(present) = earlier.peek().map(chunkstore::Writer::generation)
                && present > generation
            {
                return Err(refuse(
                    pb::Status::ErrorExists,
                    format!(
                        "chunk {chunk} is being written at generation {present}, which is newer than {generation}"
                    ),
                ));
            }
            earlier.abandon();
        }
        self.begin(chunk, generation)
    }

    /// Begins a replica that is a whole copy of a finalized one of other datanodes, beside whatever is here: a corrupt
    /// replica or an older one goes when the copy is finalized. Nothing that is being written is touched, unless nobody
    /// writes it and it is older.
    ///
    /// A good replica that is here already is reported again: who ordered the copy does not know of it.
    pub(crate) fn create_whole_copy(&self, block: &Block) -> Result<Claim, Refusal> {
        let (chunk, generation) = (block.chunk, block.generation);
        let exists = |why: String| refuse(pb::Status::ErrorExists, why);
        if let Some(mut earlier) =
            (self.writing.claim_idle(chunk)).map_err(|error| exists(error.to_string()))?
        {
            if let Some(present) = earlier.peek().map(chunkstore::Writer::generation)
                && present >= generation
            {
                return Err(exists(format!(
                    "chunk {chunk} is being written here at generation {present}"
                )));
            }
            earlier.abandon();
        }
        let begun = self.begin(chunk, generation);
        if begun.is_err()
            && let Some(present) = self.store.replica(chunk)
            && (present.state, present.generation) == (ReplicaState::Finalized, generation)
        {
            self.changes.push(Event::Received, &present);
        }
        begun
    }

    /// Claims the replica of `chunk` that is being written, if there is one.
    pub(crate) async fn claim(&self, chunk: ChunkId, patience: Duration) -> Result<Option<Claim>, Refusal> {
        let claimed = self.writing.claim(chunk, patience).await;
        claimed.map_err(|error| refuse(pb::Status::Error, error.to_string()))
    }

    /// Takes a finalized replica back, to be written on.
    pub(crate) fn reopen(&self, chunk: ChunkId, generation: Generation) -> Result<Claim, Refusal> {
        let (writer, was) = self
            .store
            .reopen(chunk, generation)
            .map_err(|error| refuse(pb::Status::Error, error.to_string()))?;
        self.changes.push(Event::Deleted, &was);
        self.register(writer)
    }

    /// Finalizes, and tells the masters; blocks.
    pub(crate) fn finalize(&self, claim: &mut Claim) -> Result<Replica, WriteError> {
        let before = claim.peek().and_then(|writer| self.store.replica(writer.chunk()));
        let begun = self.clock.monotonic();
        let replica = claim.finalize()?;
        let now = self.clock.monotonic();
        (self.latencies.of(replica.storage).sync).add(now, now.saturating_sub(begun));
        // What it takes the place of may have been on another disk.
        if let Some(before) = before.filter(|before| before.storage != replica.storage) {
            self.changes.push(Event::Deleted, &before);
        }
        self.changes.push(Event::Received, &replica);
        Ok(replica)
    }

    /// Reads and checks a part of an open replica; notes how long it took.
    pub(crate) fn read_verified(
        &self,
        replica: &Reader,
        offset: u64,
        data: &mut [u8],
        sums: &mut [u8],
    ) -> Result<(), ReadError> {
        let begun = self.clock.monotonic();
        let read = replica.read_verified(offset, data, sums);
        let now = self.clock.monotonic();
        if read.is_ok()
            && let Some(present) = self.store.replica(replica.chunk())
        {
            (self.latencies.of(present.storage).read).add(now, now.saturating_sub(begun));
        }
        read
    }

    /// Raises the generation of a finalized replica, and tells the masters; blocks.
    pub(crate) fn bump_generation(
        &self,
        chunk: ChunkId,
        generation: Generation,
    ) -> Result<Replica, chunkstore::BumpError> {
        let replica = self.store.bump_generation(chunk, generation)?;
        self.changes.push(Event::Received, &replica);
        Ok(replica)
    }

    /// How many microseconds a storage takes of late to make a replica durable, and to read; 0: not known.
    pub(crate) fn recent_us(&self, storage: StorageId) -> (u32, u32) {
        let (now, latency) = (self.clock.monotonic(), self.latencies.of(storage));
        (latency.sync.us(now), latency.read.us(now))
    }

    /// The sums of what each storage has and is fit to be read; blocks.
    pub(crate) fn fingerprints(&self) -> Vec<(StorageId, Fingerprint)> {
        let storages = self.store.storages().into_iter();
        let mut sums: Vec<_> = storages
            .map(|storage| (storage, Fingerprint::default()))
            .collect();
        let mut after = None;
        loop {
            let page = self.store.replicas(after, FINGERPRINT_PAGE);
            let Some(last) = page.last() else { return sums };
            after = Some(last.chunk);
            for replica in page.iter().filter(|r| r.state == ReplicaState::Finalized) {
                if let Some((_, sums)) = sums.iter_mut().find(|(storage, _)| *storage == replica.storage) {
                    sums.add(Change::of(Event::Received, replica).extent);
                }
            }
        }
    }

    /// Deletes a replica at exactly this generation, and tells the masters; blocks. `only_corrupt`: only when it is corrupt.
    /// One that is not there is no news: the master hears so with the next report.
    pub(crate) fn delete(&self, chunk: ChunkId, generation: Generation, only_corrupt: bool) {
        let deleted = if only_corrupt {
            self.store.delete_corrupt(chunk, generation)
        } else {
            self.store.delete(chunk, generation)
        };
        match deleted {
            Ok(replica) => self.changes.push(Event::Deleted, &replica),
            Err(DeleteError::Unknown(_) | DeleteError::NotCorrupt { .. }) => {}
            Err(error) => tracing::warn!(%chunk, %generation, %error, "a replica was not deleted"),
        }
    }

    /// Reads a replica again from disk, all of it, and tells the masters what came of it; blocks.
    ///
    /// # Errors
    /// Why nothing can be said of it.
    pub(crate) fn verify(&self, chunk: ChunkId, generation: Generation) -> Result<(), String> {
        let Some(present) = self.store.replica(chunk) else {
            return Err(format!("chunk {chunk} is not here"));
        };
        if present.generation != generation {
            return Err(format!(
                "chunk {chunk} is here at generation {}, not {generation}",
                present.generation
            ));
        }
        // A replica that seems corrupt is opened again and read again, to be sure.
        let read = self.read_through(chunk, generation).or_else(|first| {
            tracing::warn!(%chunk, %generation, ?first, "reading again, to be sure");
            self.read_through(chunk, generation)
        });
        match read {
            Ok(replica) => {
                self.changes.push(Event::Verified, &replica);
                Ok(())
            }
            Err(Unverified::Corrupt(why)) => {
                tracing::error!(%chunk, %generation, why, "a replica is corrupt");
                match self.store.replica(chunk) {
                    // Known already; but it was asked for.
                    Some(replica)
                        if (replica.state, replica.generation) == (ReplicaState::Corrupt, generation) =>
                    {
                        self.changes.push(Event::Corrupt, &replica);
                    }
                    _ => self.found_corrupt(chunk, generation),
                }
                Ok(())
            }
            Err(Unverified::Unknown(why)) => Err(why),
        }
    }

    fn read_through(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, Unverified> {
        let open = match self.store.open_replica(chunk) {
            Ok(open) if open.generation() == generation => open,
            Ok(_) => return Err(Unverified::Unknown(format!("chunk {chunk} has moved on"))),
            Err(error @ OpenReplicaError::Unknown(_)) => return Err(Unverified::Unknown(error.to_string())),
            Err(error) => return Err(Unverified::Corrupt(error.to_string())),
        };
        let corrupt = |error: ReadError| Unverified::Corrupt(error.to_string());
        // The sums against the checksum over them, then the bytes against the sums.
        open.checksum(open.len()).map_err(corrupt)?;
        let (mut data, mut sums) = (Vec::new(), Vec::new());
        let mut offset = 0;
        while offset < open.len() {
            let left = usize::try_from(open.len() - offset).unwrap_or(VERIFY_BYTES);
            data.resize(left.min(VERIFY_BYTES), 0);
            sums.resize(checksum::sums_len(data.len()), 0);
            open.read_verified(offset, &mut data, &mut sums)
                .map_err(corrupt)?;
            offset += data.len() as u64;
        }
        (self.store.replica(chunk))
            .filter(|replica| replica.generation == generation)
            .ok_or_else(|| Unverified::Unknown(format!("chunk {chunk} has moved on")))
    }

    /// Takes a replica back out of quarantine, and tells the masters; blocks.
    ///
    /// # Errors
    /// Why it is not to be had.
    #[expect(clippy::unused_self, reason = "there is no quarantine to look into yet")]
    pub(crate) fn restore(&self, chunk: ChunkId, generation: Generation) -> Result<(), String> {
        Err(format!(
            "chunk {chunk} at generation {generation} is not in quarantine"
        ))
    }

    /// Marks a replica as corrupt, and tells the masters, once.
    pub(crate) fn found_corrupt(&self, chunk: ChunkId, generation: Generation) {
        if let Some(replica) = self.store.replica(chunk)
            && self.store.mark_corrupt(chunk, generation)
        {
            self.changes.push(Event::Corrupt, &replica);
        }
    }

    fn begin(&self, chunk: ChunkId, generation: Generation) -> Result<Claim, Refusal> {
        use chunkstore::CreateError;
        let writer = self.store.create(chunk, generation).map_err(|error| {
            let status = match &error {
                CreateError::Exists { .. } => pb::Status::ErrorExists,
                CreateError::NoRoom { .. } | CreateError::Io { .. } => pb::Status::Error,
            };
            refuse(status, error.to_string())
        })?;
        self.register(writer)
    }

    fn register(&self, writer: chunkstore::Writer) -> Result<Claim, Refusal> {
        self.writing.begin(writer).map_err(|error| {
            let status = match &error {
                ClaimError::Busy(_) => pb::Status::ErrorExists,
                ClaimError::Stuck(_) | ClaimError::Fenced(_) => pb::Status::Error,
            };
            refuse(status, error.to_string())
        })
    }
}
