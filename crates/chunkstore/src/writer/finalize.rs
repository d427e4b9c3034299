//! The end of a replica that is being written: it becomes one that is finalized, and takes the place of another one.
//!
//! # Guarantees
//! - What it takes the place of is older, corrupt, or what it was begun with; never one that is as good.
//! - At any moment of it, a crash leaves the old replica or the new one, or the new one's bytes to be adopted.

use std::io;
use std::sync::Arc;

use types::Generation;

use super::{Body, Held, WriteError, Writer, gone, index};
use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::names::bucket;
use crate::pack::Entry;
use crate::reader::verify;
use crate::sidecar::Header;
use crate::units::{SUM, units};
use crate::writer::growing::Shape;

impl Writer {
    /// Makes the replica durable under its final name. A replica of the same chunk that it replaces goes, and only once this one
    /// is in its place, or can be found by the next start.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn finalize(self) -> Result<Replica, WriteError> {
        self.finalize_over(None)
    }

    /// As [`Writer::finalize`], where something can be left after an error: see [`Writer::fall_back`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn try_finalize(&mut self) -> Result<Replica, WriteError> {
        self.finalize_in_place(None)
    }

    /// As [`Writer::finalize`], of a copy of the replica at `from`, which goes once this one is there.
    pub(crate) fn finalize_over(mut self, from: Option<Slot>) -> Result<Replica, WriteError> {
        self.finalize_in_place(from)
    }

    fn finalize_in_place(&mut self, from: Option<Slot>) -> Result<Replica, WriteError> {
        self.usable()?;
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        self.back_into_memory(&mut shape)?;
        let header = self.header(&shape);
        let Header { generation, len, .. } = header;
        let shared = Arc::clone(&self.shared);
        let in_files = matches!(shape.body, Some(Body::Files(_)));
        let completed = match &mut shape.body {
            Some(Body::Held(_)) => Ok(()),
            Some(Body::Files(files)) => shared.timed_sync(self.volume, || files.complete(header)),
            None => Err(gone()),
        };
        self.poison_on(completed)?;

        let _names = shared.lock_bucket(self.chunk);
        // Who looks through a volume that has come back waits for the names, too.
        self.usable()?;
        let present = shared.index.find(self.chunk);
        let mut replaced = self.replaces(present, generation, from)?;
        if let Some(old) = replaced
            && in_files
            && (old.volume, old.place) == (self.volume, Place::Files)
            && self.base.is_none()
            && old.generation < generation
        {
            // Both would have the same names, and the files of one beside those of the other would look like a corrupt replica.
            // So the old one goes for good before; the new one is found where it is, should it come to no more than that.
            let kept = match &mut shape.body {
                Some(Body::Files(files)) => files.keep(header),
                _ => Ok(()),
            };
            let removed = kept.and_then(|()| shared.remove_replica(self.chunk, old, true));
            self.poison_on(removed)?;
            replaced = None;
        }
        let body = shape.body.take();
        let place = shared.timed_sync(self.volume, || self.settle(body, header));
        let slot = match place {
            Ok(place) => Slot {
                generation,
                len,
                volume: self.volume,
                place,
                state: ReplicaState::Finalized,
            },
            Err(error) => {
                let shares_names =
                    |old: &Slot| in_files && old.volume == self.volume && old.place == Place::Files;
                if let Some(old) = replaced.filter(shares_names) {
                    // What is there under their names is the old one still, or nobody knows.
                    let whole = self.base.is_some() && shared.open_slot(self.chunk, old).is_ok();
                    if !whole {
                        shared.index.remove(self.chunk);
                        shared.unmark_corrupt(self.chunk, &old);
                    }
                }
                return self.poison_on(Err(error));
            }
        };
        if !shared.index.put(self.chunk, slot) {
            let isolated = io::Error::other("its volume is not used any more");
            return self.poison_on(Err(isolated));
        }
        if let Some(old) = replaced {
            let in_place = (old.volume, old.place) == (slot.volume, slot.place);
            let gone = if in_place {
                shared.unmark_corrupt(self.chunk, &old);
                Ok(())
            } else {
                shared.erase(self.chunk, old)
            };
            if let Err(error) = gone {
                tracing::warn!(chunk = %self.chunk, %error, "could not remove a replica that was replaced");
            }
        }
        Ok(shared.describe(self.chunk, slot))
    }

    /// The replica whose place this one takes, when it may: an older one, a corrupt one of its generation, the one that it is a
    /// copy of, or the one that it was begun with, and no other.
    fn replaces(
        &self,
        present: Option<Slot>,
        generation: Generation,
        from: Option<Slot>,
    ) -> Result<Option<Slot>, WriteError> {
        let superseded = WriteError::Superseded {
            chunk: self.chunk,
            present: present.map_or(generation, |present| present.generation),
        };
        if let Some(meant) = from.or(self.base) {
            let written_on = from.is_some_and(|from| self.shared.is_reopened(self.chunk, from.volume));
            // What it was begun with or copied from has changed, or is gone.
            let same = present.is_some_and(|present| present.is_still(&meant));
            return if same && !written_on {
                Ok(present)
            } else {
                Err(superseded)
            };
        }
        match present {
            Some(old) if old.generation > generation => Err(superseded),
            Some(old) if old.generation == generation && old.state != ReplicaState::Corrupt => {
                Err(superseded)
            }
            present => Ok(present),
        }
    }

    /// One that is small goes into a pack, though it was in files meanwhile; unless these are those of a finalized one.
    fn back_into_memory(&mut self, shape: &mut Shape) -> Result<(), WriteError> {
        let Some(Body::Files(files)) = &shape.body else {
            return Ok(());
        };
        if files.is_behind()
            || shape.received > self.shared.options.packed_max
            || self.shared.options.packed_max == 0
        {
            return Ok(());
        }
        let len = shape.received;
        let mut held = Held {
            data: vec![0; index(len)],
            sums: vec![0; index(units(len) * SUM)],
        };
        let read = shape.read(0, &mut held.data, &mut held.sums);
        self.poison_on(read)?;
        if let Err(error) = verify(self.chunk, 0, &held.data, &held.sums) {
            self.poisoned = true;
            return Err(error.into());
        }
        // Its files go when it is packed, and not before.
        self.files_left = shape.body.replace(Body::Held(held));
        Ok(())
    }

    /// Puts the bytes where they stay.
    fn settle(&self, body: Option<Body>, header: Header) -> io::Result<Place> {
        let volume = self.shared.volume(self.volume);
        match body {
            Some(Body::Held(Held { data, sums })) => {
                let header = Header {
                    sums_crc: crc_fast::crc32_iscsi(&sums),
                    ..header
                };
                let spots = volume.packs.append(vec![Entry { header, sums, data }])?;
                let spot = spots.first().copied().ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(Place::Packed(spot))
            }
            Some(Body::Files(mut files)) => {
                let to = self.shared.paths(self.chunk, self.volume);
                files.name(&volume, bucket(self.chunk), &to)?;
                Ok(Place::Files)
            }
            None => Err(gone()),
        }
    }
}
