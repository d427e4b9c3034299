//! Emptying packs that are mostly of no use: what lives in them moves to the active one.

use std::io;

use env::disk::Open;
use types::ChunkId;

use crate::index::{Place, ReplicaState, Slot};
use crate::pack::active::{Entry, Packs};
use crate::pack::layout::Spot;
use crate::pack::scan::{Found, read_body};
use crate::sidecar::Header;
use crate::store::{ChunkStore, Shared};
use crate::units::first_mismatch;

/// Replicas that are moved by one sync.
const MOVED_AT_ONCE: usize = 64;

impl ChunkStore {
    /// Empties one pack of which more than half is of no use, and removes it. Says whether one is gone. Blocks.
    ///
    /// Nothing is marked as gone before its copy, compared with its sums, is on disk. A replica that is found corrupt is
    /// marked so and stays where it is, and its pack with it. A pack in which something rests is left alone. A pack that can not be emptied keeps no other from it.
    ///
    /// # Errors
    /// When none could be emptied, and one of them because of the file system. What was not moved stays where it is.
    pub fn compact(&self) -> io::Result<bool> {
        let shared = &self.0;
        let mut failed = None;
        for (position, volume) in shared.volumes().into_iter().enumerate() {
            if !volume.is_working() {
                continue;
            }
            for (serial, load) in volume.packs.usage.all() {
                // What rests keeps its place, and its pack, until it is destroyed.
                let worth_it = load.live_bytes * 2 < load.bytes && load.resting == 0;
                if !worth_it || volume.packs.is_active(serial) {
                    continue;
                }
                match shared.empty_pack(position, &volume.packs, serial) {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(false), Err)
    }
}

impl Shared {
    /// Says whether the pack is gone.
    fn empty_pack(&self, position: usize, packs: &Packs, serial: u32) -> io::Result<bool> {
        let mut live = Vec::new();
        for (spot, header) in packs.listed(serial)? {
            let Some(chunk) = self.pool.chunk_of(header.uuid) else {
                continue;
            };
            if self.holds(chunk, position, spot).is_some() {
                live.push((chunk, spot, header));
            }
        }
        for group in live.chunks(MOVED_AT_ONCE) {
            self.move_entries(position, packs, serial, group)?;
        }
        packs.remove_if_empty(serial)
    }

    fn move_entries(
        &self,
        position: usize,
        packs: &Packs,
        serial: u32,
        group: &[(ChunkId, Spot, Header)],
    ) -> io::Result<()> {
        let file = self.disk.open(&packs.path(serial), Open::Read)?;
        let (mut entries, mut moved) = (Vec::new(), Vec::new());
        for &(chunk, spot, header) in group {
            match read_body(&*file, spot, &header)? {
                Some((sums, data)) if first_mismatch(&data, &sums).is_none() => {
                    entries.push(Entry { header, sums, data });
                    moved.push((chunk, spot, header));
                }
                _ => {
                    tracing::warn!(%chunk, pack = %packs.path(serial).display(), "a packed replica is corrupt");
                    self.found_corrupt(chunk, header.generation);
                }
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let spots = packs.append(entries)?;
        for ((chunk, from, header), to) in moved.into_iter().zip(spots) {
            let _names = self.lock_bucket(chunk);
            // It may have been deleted or replaced meanwhile: then the copy is what is not needed.
            match self.holds(chunk, position, from) {
                Some(slot) => {
                    let place = Place::Packed(to);
                    self.index.put(chunk, Slot { place, ..slot });
                    packs.retire(from, header.len, false)?;
                }
                None => packs.retire(to, header.len, false)?,
            }
        }
        Ok(())
    }

    /// The slot of `chunk`, when it is still the entry at `spot`.
    fn holds(&self, chunk: ChunkId, volume: usize, spot: Spot) -> Option<Slot> {
        self.index.find(chunk).filter(|slot| {
            slot.volume == volume
                && slot.place == Place::Packed(spot)
                && slot.state == ReplicaState::Finalized
        })
    }
}

impl Packs {
    /// The live entries of a pack that is known, without a look at their bytes.
    fn listed(&self, serial: u32) -> io::Result<Vec<(Spot, Header)>> {
        let mut found = Vec::new();
        self.walk(serial, false, |entry| {
            if let Found::Replica(spot, header) = entry {
                found.push((spot, header));
            }
        })?;
        Ok(found)
    }
}
