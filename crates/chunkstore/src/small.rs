//! Many small replicas at once: from memory into a pack, with one write and one sync for all of them.
//!
//! # Guarantees
//! - Each has its own outcome. One that is refused does not keep another from its place; only a disk that fails fails all.
//! - A replica is durable before it is in the index. What a crash leaves in the pack of those that were not acknowledged is
//!   whole, or not there, as with [`Writer::finalize`](crate::Writer::finalize).
//! - What one takes the place of is older, or corrupt; never one that is as good.

use std::io;

use types::{ChunkId, Generation, StorageId};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::pack::layout::entry_len;
use crate::pack::{Entry, Spot};
use crate::sidecar::Header;
use crate::store::{ChunkStore, Shared};
use crate::units::{SUM, units};

/// A whole replica in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallReplica {
    /// Of which chunk.
    pub chunk: ChunkId,
    /// In which version.
    pub generation: Generation,
    /// The bytes.
    pub data: Vec<u8>,
    /// One CRC32C for each 512 of them, big-endian. They are stored as given; the caller has compared them with the data.
    pub sums: Vec<u8>,
}

/// Why a small replica is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// There is one already, and it is not older.
    #[error("chunk {chunk} is here already, at generation {present}")]
    Exists {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
    },
    /// It is not one that is packed, or has not a sum for each unit.
    #[error("chunk {chunk} can not be packed: it has {len} bytes and {sums} bytes of sums")]
    Unfit {
        /// The chunk.
        chunk: ChunkId,
        /// Bytes of data.
        len: u64,
        /// Bytes of sums.
        sums: u64,
    },
    /// No volume has room.
    #[error("no volume can take {needed} bytes of small replicas: {why}")]
    NoRoom {
        /// What is needed for all of them.
        needed: u64,
        /// Each volume and what is wrong with it.
        why: String,
    },
    /// The disk failed; none is kept.
    #[error("can not keep chunk {chunk}: {why}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        why: String,
    },
}

impl ChunkStore {
    /// The longest replica that is packed; 0 when none is.
    #[must_use]
    pub fn packed_max(&self) -> u64 {
        self.0.options.packed_max
    }

    /// Makes whole replicas durable, all of them on one volume: that of `wish` where it works and has room, else the one that
    /// has the most. One outcome for each, in their order. Blocks.
    pub fn put_small(
        &self,
        wish: Option<StorageId>,
        replicas: Vec<SmallReplica>,
    ) -> Vec<Result<Replica, PutError>> {
        let shared = &self.0;
        let (mut entries, mut fit) = (Vec::new(), Vec::new());
        let mut check = |replica: SmallReplica| {
            let header = shared.check(&replica)?;
            fit.push((replica.chunk, header));
            entries.push(Entry {
                header,
                sums: replica.sums,
                data: replica.data,
            });
            Ok(())
        };
        let checked: Vec<Result<(), PutError>> = replicas.into_iter().map(&mut check).collect();
        let mut settled = shared.settle_small(wish, entries, &fit).into_iter();
        checked
            .into_iter()
            .filter_map(|checked| match checked {
                Ok(()) => settled.next(),
                Err(error) => Some(Err(error)),
            })
            .collect()
    }
}

impl Shared {
    /// Whether a replica may be kept, as far as can be said before it is written; and its header.
    fn check(&self, replica: &SmallReplica) -> Result<Header, PutError> {
        let SmallReplica {
            chunk,
            generation,
            data,
            sums,
        } = replica;
        let len = data.len() as u64;
        if len == 0 || len > self.options.packed_max || sums.len() as u64 != units(len) * SUM {
            return Err(PutError::Unfit {
                chunk: *chunk,
                len,
                sums: sums.len() as u64,
            });
        }
        self.makes_way(*chunk, *generation)?;
        Ok(Header {
            uuid: self.pool.chunk_uuid(*chunk),
            generation: *generation,
            len,
            sums_crc: crc_fast::crc32_iscsi(sums),
        })
    }

    /// What a replica of this generation takes the place of, when it may.
    fn makes_way(&self, chunk: ChunkId, generation: Generation) -> Result<Option<Slot>, PutError> {
        match self.index.find(chunk) {
            Some(present)
                if present.generation > generation
                    || (present.generation == generation && present.state == ReplicaState::Finalized) =>
            {
                Err(PutError::Exists {
                    chunk,
                    present: present.generation,
                })
            }
            present => Ok(present),
        }
    }

    /// Writes, syncs, and puts what is then durable into the index. One outcome for each of `kept`.
    fn settle_small(
        &self,
        wish: Option<StorageId>,
        entries: Vec<Entry>,
        kept: &[(ChunkId, Header)],
    ) -> Vec<Result<Replica, PutError>> {
        if kept.is_empty() {
            return Vec::new();
        }
        let needed = kept.iter().map(|(_, header)| entry_len(header.len)).sum();
        let Some(position) = self.place_for(wish, needed) else {
            let why = self.why_no_room(needed);
            let no_room = |_| {
                Err(PutError::NoRoom {
                    needed,
                    why: why.clone(),
                })
            };
            return kept.iter().map(no_room).collect();
        };
        let volume = self.volume(position);
        volume.promise(needed);
        let written = self.timed_sync(position, || volume.packs.append(entries));
        volume.release(needed);
        match written {
            Ok(spots) if spots.len() == kept.len() => kept
                .iter()
                .zip(spots)
                .map(|((chunk, header), spot)| self.enter_small(*chunk, header, position, spot))
                .collect(),
            written => {
                let error = match written {
                    Err(error) => error,
                    Ok(_) => io::ErrorKind::UnexpectedEof.into(),
                };
                self.examine(position);
                let failed = |(chunk, _): &(ChunkId, Header)| {
                    Err(PutError::Io {
                        chunk: *chunk,
                        why: error.to_string(),
                    })
                };
                kept.iter().map(failed).collect()
            }
        }
    }

    /// Puts an entry that is durable into the index, in the place of an older one. What may not be there after all is of no use
    /// in the pack either.
    fn enter_small(
        &self,
        chunk: ChunkId,
        header: &Header,
        volume: usize,
        spot: Spot,
    ) -> Result<Replica, PutError> {
        let slot = Slot {
            generation: header.generation,
            len: header.len,
            volume,
            place: Place::Packed(spot),
            state: ReplicaState::Finalized,
        };
        let _names = self.lock_bucket(chunk);
        let unused = |error: PutError| {
            // It may come back at the next start, as one that everybody knows to be of no use.
            if let Err(error) = self.volume(volume).packs.retire(spot, header.len, false) {
                tracing::warn!(%chunk, %error, "could not mark a packed replica as gone");
            }
            error
        };
        let replaced = self.makes_way(chunk, header.generation).map_err(unused)?;
        if !self.index.put(chunk, slot) {
            return Err(PutError::Io {
                chunk,
                why: "its volume is not used any more".to_owned(),
            });
        }
        if let Some(old) = replaced
            && let Err(error) = self.erase(chunk, old)
        {
            tracing::warn!(%chunk, %error, "could not remove a replica that was replaced");
        }
        Ok(self.describe(chunk, slot))
    }
}
