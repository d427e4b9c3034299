//! The replicas of this datanode: those on disk, those being written, and what the masters are told of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{
    ChunkStore, DeleteError, PutError, Replica, ReplicaState, SmallReplica, Verdict, Victim, WriteError,
    Writer,
};
use env::clock::Clock;
use transfer::{Block, Refusal, pb};
use types::fingerprint::Fingerprint;
use types::limits::CHUNK_SIZE_DEFAULT;
use types::{ChunkId, Generation, StorageId};

use crate::changes::{Changes, Event};
use crate::refusal::{invalid, refuse};
use crate::writing::{Claim, ClaimError, Writing};

/// The replicas of a datanode whose cluster is known.
pub(crate) struct Replicas {
    pub(crate) store: ChunkStore,
    pub(crate) writing: Arc<Writing>,
    pub(crate) changes: Arc<Changes>,
}

impl Replicas {
    pub(crate) fn new(store: ChunkStore, clock: Arc<dyn Clock>, changes: Arc<Changes>) -> Self {
        Self {
            store,
            writing: Writing::new(clock),
            changes,
        }
    }

    /// Takes up what was being written when the process last ended, or when a volume that has come back was last used, as far as
    /// it was synced. What somebody writes is left for another call. Blocks.
    pub(crate) fn adopt(&self) {
        let mut stranded = HashMap::new();
        let adopted = self.store.adopt_where(&mut |chunk| {
            let free = self.writing.stranded(chunk);
            if let Ok(Some(held)) = free {
                stranded.insert(chunk, held);
                return true;
            }
            // Of two records of a chunk the first may have found it.
            free.is_ok() || stranded.contains_key(&chunk)
        });
        for writer in adopted {
            let chunk = writer.chunk();
            if let Err(error) = self.writing.adopt(writer, stranded.remove(&chunk)) {
                tracing::warn!(%chunk, %error, "an unfinished replica was not adopted");
            }
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

    /// Whether a request is of this cluster.
    pub(crate) fn check_pool(&self, pool: &str) -> Result<(), Refusal> {
        let ours = self.store.pool();
        match pool == ours.as_str() {
            true => Ok(()),
            false => Err(invalid(format!(
                "the request is of block pool {pool}, this datanode is of {ours}"
            ))),
        }
    }

    /// Whether there is a replica of `chunk`, of whatever generation, finalized or being written.
    pub(crate) fn has(&self, chunk: ChunkId) -> bool {
        // In between it may be neither: so it is looked at twice.
        let here = || self.writing.has(chunk) || self.store.replica(chunk).is_some();
        here() || here()
    }

    /// Begins a replica for a new pipeline.
    ///
    /// What an earlier attempt to build the same pipeline left, and nobody wrote to, makes room; so does a replica of an
    /// older generation. `wish`: on which storage, if it can be.
    pub(crate) fn create(&self, block: &Block, wish: Option<StorageId>) -> Result<Claim, Refusal> {
        let (chunk, generation) = (block.chunk, block.generation);
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
        registered(
            self.writing
                .begin(self.begin(chunk, generation, block.len, wish)?),
        )
    }

    /// Begins a replica that is a copy of another one. What was being written before is given up, whoever writes it.
    pub(crate) async fn create_copy(
        &self,
        chunk: ChunkId,
        generation: Generation,
        patience: Duration,
    ) -> Result<Claim, Refusal> {
        if let Some(mut earlier) = self.claim(chunk, patience).await? {
            if let Some(present) = earlier.peek().map(Writer::generation)
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
        registered(self.writing.begin_copy(self.begin(chunk, generation, 0, None)?))
    }

    /// Begins a replica that is a whole copy of a finalized one of other datanodes, beside whatever is here: a corrupt
    /// replica or an older one goes when the copy is finalized. Nothing that is being written is touched, unless nobody
    /// writes it and it is older.
    ///
    /// A good replica that is here already is reported again: who ordered the copy does not know of it. `wish`: on which
    /// storage, if it can be.
    pub(crate) fn create_whole_copy(&self, block: &Block, wish: Option<StorageId>) -> Result<Claim, Refusal> {
        let (chunk, generation) = (block.chunk, block.generation);
        let exists = |why: String| refuse(pb::Status::ErrorExists, why);
        if let Some(mut earlier) =
            (self.writing.claim_idle(chunk)).map_err(|error| exists(error.to_string()))?
        {
            if let Some(present) = earlier.peek().map(Writer::generation)
                && present >= generation
            {
                return Err(exists(format!(
                    "chunk {chunk} is being written here at generation {present}"
                )));
            }
            earlier.abandon();
        }
        let begun = (self.begin(chunk, generation, block.len, wish))
            .and_then(|writer| registered(self.writing.begin_copy(writer)));
        if begun.is_err()
            && let Some(present) = self.store.replica(chunk)
            && (present.state, present.generation) == (ReplicaState::Finalized, generation)
        {
            self.changes.push(Event::Received, &present);
        }
        begun
    }

    /// Gives up a replica that nobody writes, at this generation or an older one; blocks.
    pub(crate) fn drop_unfinished(&self, chunk: ChunkId, generation: Generation) {
        if let Ok(Some(mut claim)) = self.writing.claim_idle(chunk)
            && claim
                .peek()
                .is_some_and(|writer| writer.generation() <= generation)
        {
            tracing::info!(%chunk, %generation, "dropping an unfinished replica, as the master says");
            claim.abandon();
        }
    }

    /// Claims the replica of `chunk` that is being written, if there is one.
    pub(crate) async fn claim(&self, chunk: ChunkId, patience: Duration) -> Result<Option<Claim>, Refusal> {
        let claimed = self.writing.claim(chunk, patience).await;
        claimed.map_err(|error| refuse(pb::Status::Error, error.to_string()))
    }

    /// Begins to write on behind a finalized replica, which stays what it is until the longer one takes its place; blocks.
    pub(crate) fn reopen(&self, chunk: ChunkId, generation: Generation) -> Result<Claim, Refusal> {
        use chunkstore::{OpenReplicaError, ReopenError, WriteError};
        let reopened = self.store.reopen(chunk, generation);
        if let Err(
            ReopenError::Open(OpenReplicaError::Read(error)) | ReopenError::Write(WriteError::Read(error)),
        ) = &reopened
        {
            self.judged(&self.store.failed_read(chunk, error));
        }
        let writer = reopened.map_err(|error| refuse(pb::Status::Error, error.to_string()))?;
        registered(self.writing.begin(writer))
    }

    /// Finalizes, and tells the masters; blocks.
    pub(crate) fn finalize(&self, claim: &mut Claim) -> Result<Replica, WriteError> {
        let before = claim.peek().and_then(|writer| self.store.replica(writer.chunk()));
        let replica = claim.finalize()?;
        // What it takes the place of may have been on another disk.
        if let Some(before) = before.filter(|before| before.storage != replica.storage) {
            self.changes.push(Event::Deleted, &before);
        }
        self.changes.push(Event::Received, &replica);
        Ok(replica)
    }

    /// Makes whole small replicas durable, and tells the masters of all of them at once; blocks. One outcome for each.
    pub(crate) fn put_small(&self, replicas: Vec<SmallReplica>) -> Vec<Result<Replica, PutError>> {
        let before: Vec<_> = replicas
            .iter()
            .filter_map(|replica| self.store.replica(replica.chunk))
            .collect();
        let outcomes = self.store.put_small(None, replicas);
        let put: Vec<Replica> = outcomes.iter().flatten().copied().collect();
        // What one takes the place of may have been on another disk.
        for before in before {
            let moved = |put: &&Replica| put.chunk == before.chunk && put.storage != before.storage;
            if put.iter().any(|replica| moved(&replica)) {
                self.changes.push(Event::Deleted, &before);
            }
        }
        if !put.is_empty() {
            self.changes.push_received(&put);
        }
        outcomes
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

    /// Cuts a finalized replica to `len` bytes under a newer generation, or under that of a recovery which has moved it there before;
    /// and tells the masters; blocks.
    pub(crate) fn cut(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: u64,
    ) -> Result<Replica, chunkstore::BumpError> {
        use chunkstore::{BumpError, OpenReplicaError};
        let present = self.store.replica(chunk).map(|replica| replica.generation);
        let cut = if present == Some(generation) {
            self.store.cut_within(chunk, generation, len)
        } else {
            self.store.cut(chunk, generation, len)
        };
        if let Err(BumpError::Open(OpenReplicaError::Read(error))) = &cut {
            self.judged(&self.store.failed_read(chunk, error));
        }
        let replica = cut?;
        self.changes.push(Event::Received, &replica);
        Ok(replica)
    }

    /// The sums of what each storage has and is fit to be read.
    pub(crate) fn fingerprints(&self) -> Vec<(StorageId, Fingerprint)> {
        let storages = self.store.storages().into_iter();
        storages
            .map(|storage| (storage, self.store.fingerprint(storage)))
            .collect()
    }

    /// Deletes a replica at exactly this generation, and tells the masters; it rests for a while. Blocks. One that is not
    /// there is no news: the master hears so with the next report.
    ///
    /// # Errors
    /// Why it is still there.
    pub(crate) fn delete(
        &self,
        chunk: ChunkId,
        generation: Generation,
        victim: Victim,
    ) -> Result<(), String> {
        match self.store.delete(chunk, generation, victim) {
            Ok(replica) => self.changes.push(Event::Deleted, &replica),
            Err(DeleteError::Unknown(_) | DeleteError::NotCorrupt(_)) => {}
            Err(error) => {
                tracing::warn!(%chunk, %generation, %error, "a replica was not deleted");
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    /// Reads a replica again from disk, all of it, and tells the masters what came of it; blocks.
    ///
    /// # Errors
    /// Why nothing can be said of it.
    pub(crate) fn verify(&self, chunk: ChunkId, generation: Generation) -> Result<(), String> {
        match self.store.verify(chunk, generation) {
            Verdict::Whole(replica) => self.changes.push(Event::Verified, &replica),
            // Also when it was known: it was asked for.
            Verdict::Corrupt { replica, why, .. } => {
                tracing::error!(%chunk, %generation, why, "a replica is corrupt");
                self.changes.push(Event::Corrupt, &replica);
            }
            Verdict::Missing(replica) => {
                tracing::error!(%chunk, %generation, "a replica is missing");
                self.changes.push(Event::Deleted, &replica);
            }
            Verdict::Unknown => {
                return Err(match self.store.replica(chunk) {
                    None => format!("chunk {chunk} is not here"),
                    Some(present) => format!(
                        "chunk {chunk} is here at generation {}, not {generation}",
                        present.generation
                    ),
                });
            }
            Verdict::Failed(why) => return Err(why),
            Verdict::Stopped => return Err("it was stopped".to_owned()),
        }
        Ok(())
    }

    /// Takes a replica back out of quarantine, and tells the masters; blocks.
    ///
    /// # Errors
    /// Why it is not to be had.
    pub(crate) fn restore(&self, chunk: ChunkId, generation: Generation) -> Result<(), String> {
        let restored = self.store.restore(chunk, generation);
        let replica = restored.map_err(|error| error.to_string())?;
        self.changes.push(Event::Received, &replica);
        Ok(())
    }

    /// Begins a replica of `len` bytes at most (0: nobody knows), for which there must be room.
    fn begin(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: u64,
        wish: Option<StorageId>,
    ) -> Result<Writer, Refusal> {
        use chunkstore::CreateError;
        let expected = if len == 0 { CHUNK_SIZE_DEFAULT } else { len };
        let created = self.store.create_on(chunk, generation, expected, wish);
        created.map_err(|error| {
            let status = match &error {
                CreateError::Exists { .. } => pb::Status::ErrorExists,
                CreateError::NoRoom { .. } | CreateError::Io { .. } => pb::Status::Error,
            };
            refuse(status, error.to_string())
        })
    }
}

fn registered(begun: Result<Claim, ClaimError>) -> Result<Claim, Refusal> {
    begun.map_err(|error| {
        let status = match &error {
            ClaimError::Busy(_) => pb::Status::ErrorExists,
            ClaimError::Stuck(_) | ClaimError::Fenced(_) => pb::Status::Error,
        };
        refuse(status, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chunkstore::{Options, Reserve, VolumeDir};
    use env::clock::RealClock;
    use env::disk::{Disk, Effect, Fault, Op, SimDisk};
    use types::{ClusterId, PoolId};

    use super::*;

    fn chunk() -> ChunkId {
        ChunkId::new(1).unwrap()
    }

    fn replicas(disk: &SimDisk) -> Replicas {
        let volume = VolumeDir {
            storage: StorageId::from_random_bytes([1; 16]),
            dir: Path::new("/a").to_owned(),
        };
        let options = Options {
            reserve: Reserve::Bytes(0),
            packed_max: 0,
            ..Options::default()
        };
        let (clock, pool) = (
            Arc::new(RealClock::new()),
            PoolId::of(ClusterId::from_random_bytes([1; 16])),
        );
        let disk = Arc::new(disk.clone());
        let (store, _) =
            ChunkStore::open(disk, Arc::clone(&clock) as _, pool, vec![volume], options).unwrap();
        Replicas::new(store, clock, Arc::default())
    }

    #[tokio::test]
    async fn what_was_synced_on_a_volume_that_comes_back_takes_the_place_of_what_is_stranded() {
        let disk = SimDisk::new();
        let replicas = replicas(&disk);
        let begun = replicas.begin(chunk(), Generation(1), 0, None).unwrap();
        let mut claim = registered(replicas.writing.begin(begun)).unwrap();
        let unit = [7; 512];
        let sums = crc_of(&unit);
        let writer = claim.writer().unwrap();
        writer.write(0, &unit, &sums).unwrap();
        writer.sync().unwrap();
        writer.write(512, &unit, &sums).unwrap();
        let fault = Fault::once(Op::SyncData, 0, Effect::Fail(5)).on("/a/tmp/probe");
        disk.faults().add(fault);
        replicas.store.check_volumes();
        replicas.adopt();
        let storage = replicas.store.storages()[0];
        replicas.store.retry(storage).unwrap();

        // While a stream is at it, nothing is adopted; it can do no more.
        replicas.adopt();
        let writer = claim.writer().unwrap();
        assert!(writer.is_stranded() && writer.sync().is_err() && writer.received() == 1024);
        let mut fence = claim.fence();
        let (waiting, letting_go) = tokio::join!(replicas.claim(chunk(), Duration::from_secs(60)), async {
            fence.fenced().await;
            drop(claim);
        });
        let () = letting_go;
        drop(waiting.unwrap().unwrap());
        replicas.adopt();
        let mut claim = replicas.claim(chunk(), Duration::ZERO).await.unwrap().unwrap();
        assert!(claim.restarted() && claim.peek().unwrap().received() == 512);
        let writer = claim.writer().unwrap();
        writer.write(512, &unit, &sums).unwrap();
        writer.sync().unwrap();
        assert_eq!(replicas.finalize(&mut claim).unwrap().len, 1024);
        drop(claim);
        assert!(!replicas.writing.has(chunk()));
    }

    #[tokio::test]
    async fn a_write_that_fails_on_a_volume_that_is_not_used_any_more_leaves_its_files() {
        let disk = SimDisk::new();
        let replicas = replicas(&disk);
        let begun = replicas.begin(chunk(), Generation(1), 0, None).unwrap();
        let mut claim = registered(replicas.writing.begin(begun)).unwrap();
        let unit = [7; 512];
        let writer = claim.writer().unwrap();
        writer.write(0, &unit, &crc_of(&unit)).unwrap();
        let files = || disk.read_dir(Path::new("/a/tmp")).unwrap().len();
        let before = files();
        assert!(before > 0);
        disk.faults()
            .add(Fault::once(Op::SyncData, 0, Effect::Fail(5)).on("/a/tmp/probe"));
        replicas.store.check_volumes();
        assert!(claim.writer().unwrap().write(512, &unit, &crc_of(&unit)).is_err());
        claim.fail();
        drop(claim);
        assert!(files() >= before && !replicas.writing.has(chunk()));
    }

    fn crc_of(unit: &[u8]) -> Vec<u8> {
        let mut sums = vec![0; transfer::checksum::sums_len(unit.len())];
        transfer::checksum::compute(unit, &mut sums);
        sums
    }
}
