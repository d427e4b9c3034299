//! The chunks that are being written, with the datanodes they were sent to.
//!
//! As long as a datanode has not reported its replica, the write counts as load on it. The entry stays until its file is
//! closed or given up, so that a retried `AddChunk` gets the same pipeline, and `Complete` knows what to wait for.

use std::collections::{BTreeSet, HashMap};

use namespace::Namespace;
use placement::Target;
use types::{ChunkId, DatanodeId, InodeId};

use super::Cluster;

/// A chunk that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingChunk {
    /// The file.
    pub(crate) inode: InodeId,
    /// What is reserved on each target.
    pub(crate) bytes: u64,
    /// The pipeline.
    pub(crate) targets: Vec<Target>,
    /// Those of the targets that have not reported their replica yet.
    reserved: Vec<Target>,
}

#[derive(Debug, Default)]
pub(super) struct Writing {
    chunks: HashMap<ChunkId, PendingChunk>,
    /// Those of each file: one that is closed is not looked for among all.
    files: HashMap<InodeId, BTreeSet<ChunkId>>,
}

impl Writing {
    /// What is kept of `chunk`, from now on.
    fn entry(&mut self, chunk: ChunkId, inode: InodeId, bytes: u64) -> &mut PendingChunk {
        self.chunks.entry(chunk).or_insert_with(|| {
            self.files.entry(inode).or_default().insert(chunk);
            PendingChunk {
                inode,
                bytes,
                targets: Vec::new(),
                reserved: Vec::new(),
            }
        })
    }

    fn remove(&mut self, chunk: ChunkId) -> Option<PendingChunk> {
        let pending = self.chunks.remove(&chunk)?;
        if let Some(chunks) = self.files.get_mut(&pending.inode) {
            chunks.remove(&chunk);
            if chunks.is_empty() {
                self.files.remove(&pending.inode);
            }
        }
        Some(pending)
    }
}

impl Cluster {
    /// The write of `chunk` begins; `targets` are reserved already. When it has begun before (a retry), the first
    /// pipeline stays and the new reservation is taken back. Answers with the pipeline.
    pub(crate) fn begin_write(
        &mut self,
        chunk: ChunkId,
        inode: InodeId,
        bytes: u64,
        targets: Vec<Target>,
    ) -> Vec<Target> {
        if let Some(pending) = self.writing.chunks.get(&chunk) {
            let first = pending.targets.clone();
            self.release(&targets, bytes);
            return first;
        }
        let pending = self.writing.entry(chunk, inode, bytes);
        pending.reserved.clone_from(&targets);
        pending.targets.clone_from(&targets);
        targets
    }

    /// The chunk that is being written, when it is.
    pub(crate) fn pending(&self, chunk: ChunkId) -> Option<&PendingChunk> {
        self.writing.chunks.get(&chunk)
    }

    /// Where `chunk` is being written, as far as this master knows.
    pub(crate) fn writers_of(&self, chunk: ChunkId) -> Vec<Target> {
        (self.writing.chunks.get(&chunk)).map_or_else(Vec::new, |pending| pending.targets.clone())
    }

    /// Adds nodes, reserved already, to the pipeline of a chunk. `bytes` is the same in all calls for one chunk.
    pub(crate) fn extend_write(&mut self, chunk: ChunkId, inode: InodeId, bytes: u64, targets: &[Target]) {
        let pending = self.writing.entry(chunk, inode, bytes);
        pending.targets.extend_from_slice(targets);
        pending.reserved.extend_from_slice(targets);
    }

    /// The pipeline of a chunk is now `datanodes`: what was reserved on others is taken back.
    pub(crate) fn replace_write(&mut self, chunk: ChunkId, datanodes: &[DatanodeId]) {
        let Some(pending) = self.writing.chunks.get_mut(&chunk) else {
            return;
        };
        let stays = |target: &Target| datanodes.contains(&target.datanode);
        pending.targets.retain(stays);
        let (kept, dropped): (Vec<_>, Vec<_>) =
            std::mem::take(&mut pending.reserved).into_iter().partition(stays);
        pending.reserved = kept;
        let bytes = pending.bytes;
        self.release(&dropped, bytes);
    }

    /// A datanode has reported its replica: it is no longer busy with it.
    pub(crate) fn end_target(&mut self, chunk: ChunkId, datanode: DatanodeId) {
        let Some(pending) = self.writing.chunks.get_mut(&chunk) else {
            return;
        };
        let (done, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut pending.reserved)
            .into_iter()
            .partition(|target| target.datanode == datanode);
        pending.reserved = rest;
        let bytes = pending.bytes;
        self.release(&done, bytes);
    }

    /// The chunk is not being written any more.
    pub(crate) fn end_write(&mut self, chunk: ChunkId) {
        if let Some(pending) = self.writing.remove(chunk) {
            self.release(&pending.reserved, pending.bytes);
        }
    }

    /// The file is not being written any more. Answers with the chunks that were.
    pub(crate) fn end_file(&mut self, inode: InodeId) -> Vec<ChunkId> {
        let of_file = self.writing.files.get(&inode);
        let chunks: Vec<_> = of_file.into_iter().flatten().copied().collect();
        for &chunk in &chunks {
            self.end_write(chunk);
        }
        chunks
    }

    /// The lead is over: whose writes are under way is another master's to know. Answers how many there were.
    pub(crate) fn end_all_writes(&mut self) -> usize {
        let mut chunks: Vec<_> = self.writing.chunks.keys().copied().collect();
        chunks.sort_unstable();
        for &chunk in &chunks {
            self.end_write(chunk);
        }
        chunks.len()
    }

    /// Drops what is left of writes whose file is closed or gone: of writers that vanished.
    pub(crate) fn sweep_writes(&mut self, namespace: &Namespace) {
        let open = |chunk: ChunkId| namespace.chunk(chunk).is_some_and(|info| info.len.is_none());
        let mut over: Vec<_> = self
            .writing
            .chunks
            .iter()
            .filter(|(chunk, pending)| !open(**chunk) && namespace.writer_of(pending.inode).is_none())
            .map(|(chunk, _)| *chunk)
            .collect();
        over.sort_unstable();
        for chunk in over {
            self.end_write(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use placement::StorageReport;
    use types::StorageId;

    use super::*;
    use crate::Config;

    const BYTES: u64 = 1_000;

    fn target(n: u8) -> Target {
        Target {
            datanode: DatanodeId::from_random_bytes([n; 16]),
            storage: StorageId::from_random_bytes([n; 16]),
        }
    }

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new(&Config::new("/x", "root"), 1);
        for n in 1..=3 {
            let storage = StorageReport {
                id: target(n).storage,
                capacity: 1 << 40,
                used: 0,
                available: 1 << 40,
                chunks: 0,
                failed: None,
                times: placement::DiskTimes::default(),
            };
            let named = (format!("node-{n}"), 9866, "/default".to_owned());
            cluster
                .view
                .register(Duration::ZERO, target(n).datanode, named, vec![storage]);
        }
        cluster
    }

    fn reserved(cluster: &Cluster) -> Vec<(u32, u64)> {
        cluster
            .view
            .nodes()
            .map(|node| (node.reserved_streams, node.storages[0].reserved))
            .collect()
    }

    fn begin(cluster: &mut Cluster, chunk: ChunkId, targets: &[u8]) -> Vec<Target> {
        let targets: Vec<_> = targets.iter().copied().map(target).collect();
        cluster.reserve(&targets, BYTES);
        cluster.begin_write(chunk, InodeId(9), BYTES, targets)
    }

    #[test]
    fn load_is_counted_until_the_replica_is_reported() {
        let mut cluster = cluster();
        let chunk = ChunkId::new(1).unwrap();
        begin(&mut cluster, chunk, &[1, 2]);
        assert_eq!(reserved(&cluster), [(1, BYTES), (1, BYTES), (0, 0)]);
        cluster.end_target(chunk, target(1).datanode);
        cluster.end_target(chunk, target(1).datanode);
        assert_eq!(reserved(&cluster), [(0, 0), (1, BYTES), (0, 0)], "once");
        cluster.end_write(chunk);
        assert_eq!(reserved(&cluster), [(0, 0); 3]);
    }

    #[test]
    fn a_retry_gets_the_first_pipeline() {
        let mut cluster = cluster();
        let chunk = ChunkId::new(1).unwrap();
        begin(&mut cluster, chunk, &[1, 2]);
        assert_eq!(begin(&mut cluster, chunk, &[3]), [target(1), target(2)]);
        assert_eq!(reserved(&cluster), [(1, BYTES), (1, BYTES), (0, 0)]);
    }

    #[test]
    fn a_new_pipeline_takes_the_old_ones_place() {
        let mut cluster = cluster();
        let chunk = ChunkId::new(1).unwrap();
        begin(&mut cluster, chunk, &[1, 2]);
        cluster.reserve(&[target(3)], BYTES);
        cluster.extend_write(chunk, InodeId(9), BYTES, &[target(3)]);
        cluster.replace_write(chunk, &[target(2).datanode, target(3).datanode]);
        assert_eq!(reserved(&cluster), [(0, 0), (1, BYTES), (1, BYTES)]);
        assert_eq!(cluster.end_file(InodeId(9)), [chunk]);
        assert_eq!(reserved(&cluster), [(0, 0); 3]);
    }

    #[test]
    fn a_file_ends_its_own_chunks_and_leaves_nothing_behind() {
        let mut cluster = cluster();
        let chunks = [1, 2, 3, 4].map(|chunk| ChunkId::new(chunk).unwrap());
        let (one, other) = (InodeId(9), InodeId(8));
        for (chunk, inode) in chunks.into_iter().zip([one, other, one, one]) {
            cluster.begin_write(chunk, inode, BYTES, vec![target(1)]);
        }
        cluster.end_write(chunks[3]);
        assert_eq!(cluster.end_file(one), [chunks[0], chunks[2]]);
        assert_eq!(cluster.end_file(one), []);
        assert!(cluster.pending(chunks[1]).is_some());
        assert_eq!(cluster.end_all_writes(), 1);
        assert!(cluster.writing.files.is_empty());
    }
}
