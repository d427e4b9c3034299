//! What was being written when the process last ended, when its volume was last used, or when a write failed, as far as it had been
//! synced.
//!
//! ```text
//! tmp/chunk-<uuid>.<n>.synced   the record: how much, and the checksum of all of it
//! tmp/chunk-<uuid>.<n>          the data; not of a replica that was appended to: that is in its place
//! tmp/chunk-<uuid>.<n>.meta     the sums; made anew from the data when that is what the record says
//! ```
//!
//! Guarantee: what is given back is, byte for byte, what was recorded, and the newest record that is true counts. What is of no
//! more use (there is a finalized replica that is not older, or it is not what was recorded) is removed; what the disk does not
//! give now stays for the next time that its volume is looked through.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use env::disk::{EntryKind, Open};
use types::ChunkId;

use crate::index::{Place, ReplicaState, Slot};
use crate::names::{Paths, TMP, parse_kept};
use crate::scan::ScanReport;
use crate::sidecar::Header;
use crate::store::{ChunkStore, Shared, absent_is_fine};
use crate::volume::Volume;
use crate::writer::{Body, Files, Kept, Writer, compare};

/// A replica that may be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    chunk: ChunkId,
    volume: usize,
    paths: Paths,
}

/// Space that is kept for what may follow.
const ADOPTED_BYTES: u64 = 64 << 20;

impl ChunkStore {
    /// Replicas that were being written when the process last ended, or when a volume that has come back was last used, each with
    /// what had been synced of it, in the generation that it had then; once. All of it is read: blocks.
    #[must_use]
    pub fn adopt(&self) -> Vec<Writer> {
        self.adopt_where(&mut |_| true)
    }

    /// The same, of the chunks that `free` says nobody writes. The others are left for another call. A writer that is stranded
    /// ([`Writer::is_stranded`]) may be kept, but does nothing meanwhile.
    #[must_use]
    pub fn adopt_where(&self, free: &mut dyn FnMut(ChunkId) -> bool) -> Vec<Writer> {
        let shared = &self.0;
        let list = || shared.left.lock().unwrap_or_else(PoisonError::into_inner);
        let found = list().clone();
        let mut adopted: Vec<Writer> = Vec::new();
        for left in found {
            let works = shared.volume(left.volume).is_working();
            if works && !free(left.chunk) {
                continue;
            }
            let _names = shared.lock_bucket(left.chunk);
            // It is in the list until its names are held: whoever would write over it asks with them.
            list().retain(|other| *other != left);
            if !works {
                // It is found again when its volume comes back.
                continue;
            }
            let Some(writer) = shared.take_back(&left, true) else {
                continue;
            };
            tracing::info!(chunk = %left.chunk, generation = %writer.generation(), bytes = writer.received(), "an unfinished replica was found");
            let rank = |writer: &Writer| (writer.generation(), writer.received());
            match adopted.iter_mut().find(|other| other.chunk() == left.chunk) {
                Some(other) if rank(other) < rank(&writer) => *other = writer,
                Some(_) => {}
                None => adopted.push(writer),
            }
        }
        adopted
    }
}

impl Writer {
    /// What was synced of a replica that can not be written on: as [`ChunkStore::adopt`] would give it back, without what came after
    /// the last record. None when nothing was synced, and the replica is gone then; or when the disk does not give it now, or its
    /// volume is not used any more, and its files stay. All of it is read: blocks.
    #[must_use]
    pub fn fall_back(mut self) -> Option<Self> {
        if self.is_stranded() {
            return None;
        }
        let kept = self.rest()?;
        let (shared, volume) = (Arc::clone(&self.shared), self.volume);
        // Behind a finalized replica there is one writer at a time.
        drop(self);
        let (chunk, serial) = parse_kept(&kept, &shared.pool)?;
        let (paths, working) = {
            let volume = shared.volume(volume);
            let paths = Paths::temporary(&volume.dir, &shared.pool, chunk, serial);
            (paths, volume.is_working())
        };
        if !working {
            return None;
        }
        let _names = shared.lock_bucket(chunk);
        shared.take_back(&Left { chunk, volume, paths }, false)
    }
}

impl Shared {
    /// What there is of a replica; what is of no use goes, and what can not be read now stays. The caller holds the chunk's bucket.
    fn take_back(self: &Arc<Self>, left: &Left, whole_look: bool) -> Option<Writer> {
        match self.adopt(left, whole_look) {
            Ok(Some(writer)) => Some(writer),
            Ok(None) => {
                // A volume that has left the index meanwhile has taken with it what this may be behind.
                if self.volume(left.volume).is_working() {
                    self.discard(&left.paths);
                }
                None
            }
            Err(error) => {
                // That may pass, and it may be the only one that outlived the writer: another look at the volume finds it.
                tracing::warn!(chunk = %left.chunk, %error, "an unfinished replica can not be read; its files stay");
                None
            }
        }
    }

    /// Empties the temporary directory of a volume, but for what may be adopted, which it gives. Nobody writes there yet, or any
    /// more.
    pub(crate) fn empty_temporary(
        &self,
        volume: &Volume,
        report: &mut ScanReport,
    ) -> io::Result<Vec<(ChunkId, Paths)>> {
        let entries = self.disk.read_dir(&volume.dir.join(TMP))?;
        let (mut stay, mut found) = (BTreeSet::new(), Vec::new());
        for entry in &entries {
            if let Some((chunk, serial)) = parse_kept(&entry.path, &self.pool) {
                self.serial_taken(serial);
                let paths = Paths::temporary(&volume.dir, &self.pool, chunk, serial);
                stay.extend([paths.data.clone(), paths.sidecar.clone(), paths.kept.clone()]);
                found.push((chunk, paths));
            }
        }
        for entry in entries {
            if entry.kind == EntryKind::File && !stay.contains::<PathBuf>(&entry.path) {
                absent_is_fine(self.disk.remove_file(&entry.path))?;
                report.temporary_removed += 1;
            }
        }
        Ok(found)
    }

    /// What was found on the volume at a position may be adopted.
    pub(crate) fn note_left(&self, position: usize, found: Vec<(ChunkId, Paths)>) {
        let left = |(chunk, paths)| Left {
            chunk,
            volume: position,
            paths,
        };
        let mut list = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(found.into_iter().map(left));
    }

    /// Whether bytes that were synced behind the finalized replica of `chunk` on this volume are still to be adopted. The caller
    /// holds the chunk's bucket.
    pub(crate) fn is_left(&self, chunk: ChunkId, volume: usize) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        (left.iter()).any(|left| (left.chunk, left.volume) == (chunk, volume))
    }

    /// `whole_look`: the volume was looked through before, so that what is finalized there is in the index. The caller holds the
    /// chunk's bucket.
    fn adopt(self: &Arc<Self>, left: &Left, whole_look: bool) -> io::Result<Option<Writer>> {
        let (chunk, disk) = (left.chunk, &self.disk);
        let records = Kept::read(&**disk, &left.paths.kept, self.pool.chunk_uuid(chunk))?;
        let Some((newest, _)) = records.first().copied() else {
            return Ok(None);
        };
        let present = self.index.find(chunk);
        let in_tmp = disk.exists(&left.paths.data)?;
        let home = self.paths(chunk, left.volume).data;
        // It had its final name, and its sidecar had not: the power went while it was finalized. At other times the data there is that
        // of a finalized replica, whose volume has left the index.
        let half_named = whole_look && !in_tmp && present.is_none();
        let alone = in_tmp || half_named;
        let from = if in_tmp { &left.paths.data } else { &home };
        let data = match disk.open(from, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let paths = Paths {
            data: if alone {
                left.paths.data.clone()
            } else {
                home.clone()
            },
            ..left.paths.clone()
        };
        for (_, record) in records {
            let Some(base) = base_of(&record, present, alone, left.volume) else {
                continue;
            };
            let sidecar = disk.open(&paths.sidecar, Open::CreateTruncate)?;
            let mut files =
                Files::over(Arc::clone(disk), paths.clone(), Arc::clone(&data), sidecar).at_rest();
            if !compare(&*data, &record, |unit, sums| files.found(unit, sums, record.len))? {
                tracing::warn!(%chunk, bytes = record.len, "an unfinished replica is not what was synced");
                continue;
            }
            if half_named {
                disk.rename(&home, &paths.data)?;
            }
            if alone {
                data.set_len(record.len)?;
            }
            let kept = Kept::resume(Arc::clone(disk), paths.kept.clone(), newest)?;
            if base.is_some() && !self.begin_reopened(chunk, left.volume) {
                return Ok(None);
            }
            let files = files.left(base.map(|base| base.len), kept, record);
            let body = Body::Files(Box::new(files));
            let shared = Arc::clone(self);
            let (generation, len) = (record.generation, record.len);
            let writer = Writer::over(shared, left.volume, chunk, generation, body, len, ADOPTED_BYTES);
            return Ok(Some(writer.instead_of(base)));
        }
        Ok(None)
    }

    /// What can not be adopted goes.
    fn discard(&self, paths: &Paths) {
        for path in [&paths.data, &paths.sidecar, &paths.kept] {
            if let Err(error) = absent_is_fine(self.disk.remove_file(path)) {
                tracing::warn!(path = %path.display(), %error, "could not remove a temporary file");
            }
        }
    }
}

/// The finalized replica that a recorded one is written behind, if it is; none when the record is of no use. `alone`: it has a data
/// file of its own.
#[expect(
    clippy::option_option,
    reason = "no use, of use alone, of use behind another one"
)]
fn base_of(record: &Header, present: Option<Slot>, alone: bool, volume: usize) -> Option<Option<Slot>> {
    match present {
        Some(present) if present.generation >= record.generation => None,
        _ if alone => Some(None),
        Some(base) => {
            let here = base.volume == volume && base.place == Place::Files;
            let whole = base.state == ReplicaState::Finalized && base.len <= record.len;
            (here && whole).then_some(Some(base))
        }
        None => None,
    }
}
