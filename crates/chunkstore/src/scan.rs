//! What is on a volume when the process starts.

use std::io;
use std::path::{Path, PathBuf};

use env::disk::{Disk, EntryKind, Open};
use types::{ChunkId, Generation};
use uuid::Uuid;

use crate::index::{Place, ReplicaState, Slot};
use crate::names::{CHUNKS, FileName, Paths, TMP};
use crate::pack::Spot;
use crate::pack::layout::entry_len;
use crate::pack::scan::{Found, serial_of};
use crate::reader::{check_lengths, read_header};
use crate::sidecar::Header;
use crate::store::{Shared, absent_is_fine};
use crate::volume::Volume;

/// Findings that are listed; more are only counted.
const FINDINGS_MAX: usize = 1_000;

/// What was found at start.
#[derive(Debug, Default)]
pub struct ScanReport {
    /// Replicas in the index, corrupt ones included.
    pub replicas: u64,
    /// Replicas that are in the index as corrupt.
    pub corrupt: u64,
    /// Files of unfinished replicas that were removed.
    pub temporary_removed: u64,
    /// What is wrong, where: the first thousand.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub findings_unlisted: u64,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its name is none of ours. Left alone.
    #[error("not a file of a chunk store; left alone")]
    Unknown,
    /// It is a chunk of another block pool. Left alone.
    #[error("a chunk of another cluster; left alone")]
    Foreign,
    /// It is not in the subdirectory of its chunk. Left alone.
    #[error("not in the directory that it belongs in; left alone")]
    Misplaced,
    /// Data without a sidecar can not be checked, and is of no known generation. Left alone.
    #[error("data without a sidecar; left alone")]
    NoSidecar,
    /// A sidecar without data: a replica that was being finalized or deleted. Removed.
    #[error("a sidecar without data, of a replica that was being finalized or deleted; removed")]
    NoData,
    /// The sidecar can not be read, so that the replica's generation is not known. Left alone.
    #[error("the sidecar is broken ({0}); left alone")]
    BrokenSidecar(String),
    /// The replica is in the index as corrupt.
    #[error("the replica is corrupt: {0}")]
    Corrupt(String),
    /// A part of a pack is damaged: what was in it is lost.
    #[error("damaged at byte {at} ({why}); what was there is lost")]
    BrokenPack {
        /// Where.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// There is another replica of the chunk that is not older. Left alone.
    #[error("there is another replica of the chunk, at generation {0}; left alone")]
    Duplicate(Generation),
}

impl ScanReport {
    fn note(&mut self, path: &Path, problem: Problem) {
        tracing::warn!(path = %path.display(), %problem, "found at start");
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                path: path.to_owned(),
                problem,
            });
        } else {
            self.findings_unlisted += 1;
        }
    }
}

/// Prepares a volume, empties its temporary directory and puts its replicas into the index.
pub(crate) fn volume(
    shared: &Shared,
    position: usize,
    volume: &Volume,
    report: &mut ScanReport,
) -> io::Result<()> {
    let disk = &*shared.disk;
    volume.prepare(disk)?;
    for entry in disk.read_dir(&volume.dir.join(TMP))? {
        if entry.kind == EntryKind::File {
            disk.remove_file(&entry.path)?;
            report.temporary_removed += 1;
        }
    }
    for subdirectory in disk.read_dir(&volume.dir.join(CHUNKS))? {
        if subdirectory.kind != EntryKind::Directory {
            report.note(&subdirectory.path, Problem::Unknown);
            continue;
        }
        directory(shared, position, &subdirectory.path, report)?;
    }
    packs(shared, position, volume, report)
}

/// Puts what is packed into the index.
fn packs(shared: &Shared, position: usize, volume: &Volume, report: &mut ScanReport) -> io::Result<()> {
    let packs = &volume.packs;
    for entry in shared.disk.read_dir(&packs.directory)? {
        let Some(serial) = serial_of(&entry.path).filter(|_| entry.kind == EntryKind::File) else {
            report.note(&entry.path, Problem::Unknown);
            continue;
        };
        packs.begin_after(serial);
        let mut retired = Vec::new();
        packs.walk(serial, true, |found| match found {
            Found::Damage { at, why } => report.note(&entry.path, Problem::BrokenPack { at, why }),
            Found::Replica(spot, header) => {
                packs.usage.added(serial, entry_len(header.len));
                match shared.pool.chunk_of(header.uuid) {
                    None => report.note(&entry.path, Problem::Foreign),
                    Some(chunk) => {
                        let slot = Slot {
                            generation: header.generation,
                            len: header.len,
                            volume: position,
                            place: Place::Packed(spot),
                            state: ReplicaState::Finalized,
                        };
                        retired.extend(register(shared, chunk, slot, report));
                    }
                }
            }
        })?;
        for (volume, spot, len) in retired {
            shared.volume(volume).packs.retire(spot, len, false)?;
        }
        packs.remove_if_empty(serial)?;
    }
    Ok(())
}

fn directory(shared: &Shared, position: usize, path: &Path, report: &mut ScanReport) -> io::Result<()> {
    let disk = &*shared.disk;
    // Sorted by name, so that data comes directly before its sidecar.
    let mut data: Option<(Uuid, PathBuf)> = None;
    for entry in disk.read_dir(path)? {
        let name = match entry.kind {
            EntryKind::File => FileName::parse(&entry.path),
            EntryKind::Directory | EntryKind::Other => FileName::Unknown,
        };
        let alone = match name {
            FileName::Sidecar(uuid) => data.take_if(|(data, _)| *data != uuid),
            FileName::Data(_) => data.take(),
            FileName::Unknown => None,
        };
        if let Some((_, path)) = alone {
            report.note(&path, Problem::NoSidecar);
        }
        let uuid = match name {
            FileName::Data(uuid) | FileName::Sidecar(uuid) => uuid,
            FileName::Unknown => {
                report.note(&entry.path, Problem::Unknown);
                continue;
            }
        };
        let Some(chunk) = shared.pool.chunk_of(uuid) else {
            report.note(&entry.path, Problem::Foreign);
            continue;
        };
        if shared.paths(chunk, position).directory != path {
            report.note(&entry.path, Problem::Misplaced);
        } else if let FileName::Data(uuid) = name {
            data = Some((uuid, entry.path));
        } else if data.take().is_some() {
            replica(shared, position, chunk, report)?;
        } else {
            absent_is_fine(disk.remove_file(&entry.path))?;
            report.note(&entry.path, Problem::NoData);
        }
    }
    if let Some((_, path)) = data {
        report.note(&path, Problem::NoSidecar);
    }
    Ok(())
}

/// Puts a replica that has both files into the index.
fn replica(shared: &Shared, position: usize, chunk: ChunkId, report: &mut ScanReport) -> io::Result<()> {
    let paths = shared.paths(chunk, position);
    let (header, corrupt) = match inspect(shared, &paths, chunk) {
        Ok(found) => found,
        Err(why) => {
            report.note(&paths.sidecar, Problem::BrokenSidecar(why));
            return Ok(());
        }
    };
    let state = match corrupt {
        None => ReplicaState::Finalized,
        Some(why) => {
            report.note(&paths.data, Problem::Corrupt(why));
            ReplicaState::Corrupt
        }
    };
    let slot = Slot {
        generation: header.generation,
        len: header.len,
        volume: position,
        place: Place::Files,
        state,
    };
    // Files are looked at before packs, so that nothing packed is in the way on this volume; on another, it is left alone.
    register(shared, chunk, slot, report);
    Ok(())
}

/// Puts a replica into the index, unless a newer one is there. Gives the packed entry that is of no use then: its mark was
/// lost in a crash, or another volume has the chunk.
fn register(
    shared: &Shared,
    chunk: ChunkId,
    slot: Slot,
    report: &mut ScanReport,
) -> Option<(usize, Spot, u64)> {
    let mut loser = None;
    if let Some(present) = shared.index.find(chunk) {
        let newer = if let (Place::Packed(_), Place::Packed(_)) = (slot.place, present.place)
            && slot.volume == present.volume
        {
            // Later entries replace earlier ones; packs are walked in the order of their numbers.
            slot.generation >= present.generation
        } else {
            (slot.generation, slot.len) > (present.generation, present.len)
        };
        let (lost, won) = if newer { (present, slot) } else { (slot, present) };
        match lost.place {
            Place::Packed(spot) => loser = Some((lost.volume, spot, lost.len)),
            Place::Files => {
                let lost = shared.paths(chunk, lost.volume).data;
                report.note(&lost, Problem::Duplicate(won.generation));
            }
        }
        if !newer {
            return loser;
        }
        shared.volume(present.volume).replica_removed(present.len);
        report.replicas -= 1;
        report.corrupt -= u64::from(present.state == ReplicaState::Corrupt);
    }
    if slot.state == ReplicaState::Corrupt {
        report.corrupt += 1;
    }
    shared.index.put(chunk, slot);
    shared.volume(slot.volume).replica_added(slot.len);
    report.replicas += 1;
    loser
}

/// The header of a replica, and what is wrong with its files; an error when the header is not to be had.
fn inspect(shared: &Shared, paths: &Paths, chunk: ChunkId) -> Result<(Header, Option<String>), String> {
    let disk: &dyn Disk = &*shared.disk;
    let sidecar = disk
        .open(&paths.sidecar, Open::Read)
        .map_err(|error| error.to_string())?;
    let header = read_header(&*sidecar)
        .map_err(|error| error.to_string())?
        .map_err(|broken| broken.to_string())?;
    if header.uuid != shared.pool.chunk_uuid(chunk) {
        return Err(format!("it is that of {}", header.uuid));
    }
    let checked = disk
        .open(&paths.data, Open::Read)
        .and_then(|data| check_lengths(&header, &*data, &*sidecar));
    let corrupt = match checked {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why.to_string()),
        Err(error) => Some(error.to_string()),
    };
    Ok((header, corrupt))
}
