//! What rests on a volume when it is looked through. Before its other directories: what a crash cut in half is put together
//! again here, so that these see a replica or none.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use env::disk::{EntryKind, Open};
use types::{ChunkId, Generation, UnixMillis};

use crate::index::{Place, ReplicaState, Slot};
use crate::names::{Paths, QUARANTINE, parse_resting};
use crate::reader::read_header;
use crate::scan::{Problem, ScanReport};
use crate::store::{Shared, absent_is_fine};

/// Which halves of a replica are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Halves {
    data: bool,
    sidecar: bool,
}

impl Shared {
    /// Puts what rests on a volume into the list.
    pub(crate) fn scan_quarantine(&self, position: usize, report: &mut ScanReport) -> io::Result<()> {
        let directory = self.volume(position).dir.join(QUARANTINE);
        let mut found: BTreeMap<(ChunkId, Generation, UnixMillis), Halves> = BTreeMap::new();
        for entry in self.disk.read_dir(&directory)? {
            let named = parse_resting(&entry.path, &self.pool).filter(|_| entry.kind == EntryKind::File);
            let Some((chunk, generation, since, is_sidecar)) = named else {
                report.note(&entry.path, Problem::Unknown);
                continue;
            };
            let halves = found.entry((chunk, generation, since)).or_default();
            halves.data |= !is_sidecar;
            halves.sidecar |= is_sidecar;
        }
        for ((chunk, generation, since), halves) in found {
            let _names = self.lock_bucket(chunk);
            self.resume_rest(position, chunk, generation, since, halves)?;
        }
        Ok(())
    }

    fn resume_rest(
        &self,
        position: usize,
        chunk: ChunkId,
        generation: Generation,
        since: UnixMillis,
        halves: Halves,
    ) -> io::Result<()> {
        let there = Paths::resting(&self.volume(position).dir, &self.pool, chunk, generation, since);
        let here = self.paths(chunk, position);
        let exists = |path: &PathBuf| self.disk.exists(path);
        if !halves.data {
            if exists(&here.data)? && !exists(&here.sidecar)? {
                // Only the sidecar's new name had reached the disk: it was never deleted.
                self.disk.rename(&there.sidecar, &here.sidecar)?;
                return self.disk.sync_dir(&here.directory);
            }
            return absent_is_fine(self.disk.remove_file(&there.sidecar));
        }
        if !halves.sidecar && exists(&here.sidecar)? && !exists(&here.data)? {
            // The other way round: the deletion, or the restoring, is finished or taken back: it rests.
            self.disk.rename(&here.sidecar, &there.sidecar)?;
        }
        let size = self.disk.open(&there.data, Open::Read)?.size()?;
        // The data may have more behind its end. Without a header it can not be restored, but still be destroyed.
        let sidecar = self.disk.open(&there.sidecar, Open::Read);
        let header = sidecar.and_then(|sidecar| read_header(&*sidecar));
        let len = header.ok().and_then(Result::ok).map_or(size, |header| header.len);
        let slot = Slot {
            generation,
            len,
            volume: position,
            place: Place::Files,
            state: ReplicaState::Finalized,
        };
        self.enter(chunk, slot, since);
        Ok(())
    }
}
