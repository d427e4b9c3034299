//! What is on a volume when the process starts.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};

use env::disk::{Disk, EntryKind, Open};
use types::{ChunkId, Generation};
use uuid::Uuid;

use crate::index::{Place, ReplicaState, Slot};
use crate::marks::Marked;
use crate::names::{CHUNKS, FileName, Paths};
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
    /// The same replica is on another volume too. Moved to quarantine.
    #[error("the same replica is on another volume too; moved to quarantine")]
    Twice,
}

impl ScanReport {
    pub(crate) fn note(&mut self, path: &Path, problem: Problem) {
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

/// Looks through a volume that was prepared, and puts its replicas into the index. Requests may go on meanwhile, on other volumes
/// and on this one: so its temporary directory was emptied before it had a position.
pub(crate) fn volume(
    shared: &Shared,
    position: usize,
    volume: &Volume,
    report: &mut ScanReport,
) -> io::Result<()> {
    let disk = &*shared.disk;
    shared.scan_quarantine(position, report)?;
    let marked = shared.marked_corrupt(position)?;
    for subdirectory in disk.read_dir(&volume.dir.join(CHUNKS))? {
        if subdirectory.kind != EntryKind::Directory {
            report.note(&subdirectory.path, Problem::Unknown);
            continue;
        }
        directory(shared, position, &subdirectory.path, &marked, report)?;
    }
    packs(shared, position, volume, &marked, report)
}

/// Puts what is packed into the index.
fn packs(
    shared: &Shared,
    position: usize,
    volume: &Volume,
    marked: &Marked,
    report: &mut ScanReport,
) -> io::Result<()> {
    let packs = &volume.packs;
    for entry in shared.disk.read_dir(&packs.directory)? {
        let Some(serial) = serial_of(&entry.path).filter(|_| entry.kind == EntryKind::File) else {
            report.note(&entry.path, Problem::Unknown);
            continue;
        };
        packs.begin_after(serial);
        let (mut found, mut resting) = (Vec::new(), Vec::new());
        packs.walk(serial, true, |entry_found| match entry_found {
            Found::Damage { at, why } => report.note(&entry.path, Problem::BrokenPack { at, why }),
            Found::Replica(spot, header) => {
                packs.usage.added(serial, entry_len(header.len));
                match shared.pool.chunk_of(header.uuid) {
                    None => report.note(&entry.path, Problem::Foreign),
                    Some(chunk) => found.push((
                        chunk,
                        packed(position, spot, &header, marked.contains(chunk, &header)),
                    )),
                }
            }
            Found::Resting(spot, header) => {
                packs.usage.found_resting(serial, entry_len(header.len));
                if let Some(chunk) = shared.pool.chunk_of(header.uuid) {
                    resting.push((chunk, packed(position, spot, &header, false)));
                }
            }
        })?;
        for (chunk, slot) in found {
            let _names = shared.lock_bucket(chunk);
            register(shared, chunk, slot, report)?;
        }
        for (chunk, slot) in resting {
            let _names = shared.lock_bucket(chunk);
            // Since when is not written down: from now on, then.
            shared.enter(chunk, slot, shared.clock.wall());
        }
        packs.remove_if_empty(serial)?;
    }
    Ok(())
}

fn packed(position: usize, spot: Spot, header: &Header, corrupt: bool) -> Slot {
    Slot {
        generation: header.generation,
        len: header.len,
        volume: position,
        place: Place::Packed(spot),
        state: if corrupt {
            ReplicaState::Corrupt
        } else {
            ReplicaState::Finalized
        },
    }
}

fn directory(
    shared: &Shared,
    position: usize,
    path: &Path,
    marked: &Marked,
    report: &mut ScanReport,
) -> io::Result<()> {
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
            let _names = shared.lock_bucket(chunk);
            replica(shared, position, chunk, marked, report)?;
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
fn replica(
    shared: &Shared,
    position: usize,
    chunk: ChunkId,
    marked: &Marked,
    report: &mut ScanReport,
) -> io::Result<()> {
    let paths = shared.paths(chunk, position);
    let (header, corrupt) = match inspect(shared, &paths, chunk) {
        Ok(found) => found,
        Err(why) => {
            report.note(&paths.sidecar, Problem::BrokenSidecar(why));
            return Ok(());
        }
    };
    let known = (marked.contains(chunk, &header)).then(|| "it was found so before".to_owned());
    let state = match corrupt.or(known) {
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
    register(shared, chunk, slot, report)
}

/// Puts a replica into the index, unless a better one is there: a newer one, or a whole one of the same generation, of which the
/// shorter is better, for only a recovery's cut makes one so. What is of no use then goes: a packed entry whose mark was lost
/// in a crash is marked again, and a replica that is on two volumes (its move was cut short by a crash) goes to quarantine
/// from one. Older ones in files are left alone. The caller holds the chunk's bucket.
fn register(shared: &Shared, chunk: ChunkId, slot: Slot, report: &mut ScanReport) -> io::Result<()> {
    if let Some(present) = shared.index.find(chunk) {
        // A volume that is taken in while requests go on: it was finalized on it just now.
        if (present.volume, present.place) == (slot.volume, slot.place) {
            return Ok(());
        }
        let rank = |slot: &Slot| {
            (
                slot.generation,
                slot.state == ReplicaState::Finalized,
                Reverse(slot.len),
            )
        };
        let newer = if let (Place::Packed(_), Place::Packed(_)) = (slot.place, present.place)
            && slot.volume == present.volume
        {
            // Later entries replace earlier ones; packs are walked in the order of their numbers.
            (slot.generation, Reverse(slot.len)) >= (present.generation, Reverse(present.len))
        } else {
            rank(&slot) > rank(&present)
        };
        let (lost, won) = if newer { (present, slot) } else { (slot, present) };
        if newer {
            report.replicas = report.replicas.saturating_sub(1);
            report.corrupt = report
                .corrupt
                .saturating_sub(u64::from(present.state == ReplicaState::Corrupt));
            shared.index.remove(chunk);
        }
        give_way(shared, chunk, lost, won, report)?;
        if !newer {
            return Ok(());
        }
    }
    if shared.index.put(chunk, slot) {
        report.replicas += 1;
        report.corrupt += u64::from(slot.state == ReplicaState::Corrupt);
    }
    Ok(())
}

fn give_way(
    shared: &Shared,
    chunk: ChunkId,
    lost: Slot,
    won: Slot,
    report: &mut ScanReport,
) -> io::Result<()> {
    let path = shared.paths(chunk, lost.volume).data;
    let same = (lost.generation, lost.len) == (won.generation, won.len);
    match lost.place {
        Place::Packed(spot) => {
            let volume = shared.volume(lost.volume);
            volume.packs.retire(spot, lost.len, false)
        }
        Place::Files if same && won.state == ReplicaState::Finalized => {
            if let Some(since) = shared.rest_files(chunk, lost.generation, lost.volume)? {
                shared.enter(chunk, lost, since);
            }
            report.note(&path, Problem::Twice);
            Ok(())
        }
        Place::Files => {
            report.note(&path, Problem::Duplicate(won.generation));
            Ok(())
        }
    }
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
