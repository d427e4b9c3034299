//! Choosing datanodes for a chunk and counting them as busy, until the chunk is added or the attempt is over.

use namespace::NamespaceError;
use placement::{Refusal, Request, Target};
use proto::v1::ErrorCode;
use types::{ChunkId, ChunkSize, ClientId, InodeId, limits};

use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;

/// What the chunks of a file want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Replicas.
    pub(crate) replication: u16,
    /// Replicas without which a chunk is not taken.
    pub(crate) required: u16,
    /// Bytes on each datanode: a full chunk, with its checksums.
    pub(crate) bytes: u64,
}

impl Wanted {
    /// # Errors
    /// When `client` does not write the file.
    pub(crate) fn by_writer(core: &Core, inode: InodeId, client: ClientId) -> Result<Self, NamespaceError> {
        let file = core.machine.read().writer_file(inode, client)?;
        Ok(Self::of(core, file.replication, file.chunk_size))
    }

    /// What the chunks of a file of this kind want.
    pub(crate) fn of(core: &Core, replication: u16, chunk_size: ChunkSize) -> Self {
        let chunk = chunk_size.bytes();
        let checksums = chunk / u64::from(limits::CHECKSUM_UNIT_BYTES) * 4;
        Self {
            replication,
            required: core.config.required_replicas().min(replication),
            bytes: chunk + checksums,
        }
    }
}

/// Datanodes that are counted as busy with a chunk. Dropped (also when the caller goes away), it is taken back.
pub(crate) struct Reservation<'a> {
    core: &'a Core,
    lead: Lead,
    targets: Vec<Target>,
    bytes: u64,
}

impl<'a> Reservation<'a> {
    /// Datanodes for a new chunk.
    ///
    /// # Errors
    /// `NOT_READY` when too few can take it, but more may register any moment; else `WRITE_DENIED` with every reason.
    pub(crate) fn take(
        core: &'a Core,
        lead: Lead,
        wanted: Wanted,
        request: &Request<'_>,
    ) -> Result<Self, Rejection> {
        let (replication, required) = (usize::from(wanted.replication), usize::from(wanted.required));
        let settled = core.settled();
        let (reservation, refusals, absent) = Self::choose(core, lead, request);
        let available = reservation.targets.len();
        if !settled && (available < required || (available < replication && absent)) {
            return Err(Rejection::new(
                ErrorCode::NotReady,
                format!(
                    "the master has just started: {available} datanodes of {replication} that are wanted can take a \
                     chunk by now; try again in a moment"
                ),
            ));
        }
        if available < required {
            return Err(Rejection::write_denied(
                replication,
                required,
                available,
                &refusals,
            ));
        }
        Ok(reservation)
    }

    /// The datanodes that another chunk was given, for one more.
    pub(crate) fn of_same(core: &'a Core, lead: Lead, targets: Vec<Target>, bytes: u64) -> Self {
        core.cluster().reserve(&targets, bytes);
        Self {
            core,
            lead,
            targets,
            bytes,
        }
    }

    /// The datanodes.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// More datanodes for a chunk that `request.existing` have already: at least one, up to as many as are asked for.
    ///
    /// # Errors
    /// `WRITE_DENIED` when there is none.
    pub(crate) fn take_more(
        core: &'a Core,
        lead: Lead,
        wanted: Wanted,
        request: &Request<'_>,
    ) -> Result<Self, Rejection> {
        let (reservation, refusals, _) = Self::choose(core, lead, request);
        if reservation.targets.is_empty() && request.count > 0 {
            let kept = request.existing.len();
            return Err(Rejection::write_denied(
                kept.saturating_add(request.count),
                wanted.required.into(),
                kept,
                &refusals,
            ));
        }
        Ok(reservation)
    }

    fn choose(core: &'a Core, lead: Lead, request: &Request<'_>) -> (Self, Vec<Refusal>, bool) {
        let mut cluster = core.cluster();
        let choice = cluster.choose(request);
        cluster.reserve(&choice.targets, request.bytes);
        let absent = cluster.somebody_is_absent();
        drop(cluster);
        let reservation = Self {
            core,
            lead,
            targets: choice.targets,
            bytes: request.bytes,
        };
        (reservation, choice.refusals, absent)
    }

    /// The chunk was added: from now on its write is what keeps them busy. Answers with the pipeline, which is an earlier
    /// one when the chunk was added before.
    pub(crate) fn begin(mut self, chunk: ChunkId, inode: InodeId) -> Vec<Target> {
        let targets = std::mem::take(&mut self.targets);
        let mut cluster = self.core.cluster();
        if self.is_over() {
            cluster.release(&targets, self.bytes);
            return targets;
        }
        cluster.begin_write(chunk, inode, self.bytes, targets)
    }

    /// They join the pipeline of a chunk.
    pub(crate) fn extend(mut self, chunk: ChunkId, inode: InodeId) -> Vec<Target> {
        let targets = std::mem::take(&mut self.targets);
        let mut cluster = self.core.cluster();
        if self.is_over() {
            cluster.release(&targets, self.bytes);
        } else {
            cluster.extend_write(chunk, inode, self.bytes, &targets);
        }
        targets
    }

    /// Whether another master keeps count of writes by now. To be asked under the lock of the cluster: a lead that ends
    /// is over before it takes that lock to clear what it has counted.
    fn is_over(&self) -> bool {
        self.core.leadership.current() != Some(self.lead)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.targets.is_empty() {
            self.core.cluster().release(&self.targets, self.bytes);
        }
    }
}
