//! Reading a replica, every byte checked.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use env::clock::Clock;
use env::disk::{Disk, File, Open, read_exact_at};
use transfer::checksum::{self, Composite};
use types::{ChunkId, Generation};

use crate::index::Slot;
use crate::names::Paths;
use crate::pack::layout::{Mark, decode_entry};
use crate::pack::{Packs, Spot};
use crate::sidecar::{self, BrokenHeader, HEADER_BYTES, Header};
use crate::store::Shared;
use crate::units::{SUM, UNIT, align_down, first_mismatch, sum_of, units};
use crate::volume::Volume;

/// What is wrong with a corrupt replica.
#[derive(Debug, thiserror::Error)]
pub enum Corruption {
    /// Bytes do not match their checksum.
    #[error("the data does not match its checksum")]
    Checksum,
    /// The stored checksums do not match the checksum over them.
    #[error("the stored checksums do not match the checksum over them")]
    Sums,
    /// The data is shorter than the sidecar says.
    #[error("the data is {found} bytes long, not {expected}")]
    DataLength {
        /// What the sidecar says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The sidecar is shorter or longer than its header says.
    #[error("the sidecar is {found} bytes long, not {expected}")]
    SidecarLength {
        /// What its header says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The sidecar's header is broken, or is that of another replica.
    #[error("the sidecar is broken: {0}")]
    Sidecar(String),
    /// One of the two files is not there.
    #[error("the {0} file is missing")]
    Missing(&'static str),
}

/// Why bytes of a replica can not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The replica is not what was written.
    #[error("the replica of chunk {chunk} is corrupt at offset {offset}: {why}")]
    Corrupt {
        /// The chunk.
        chunk: ChunkId,
        /// Where in the data it was noticed.
        offset: u64,
        /// What is wrong.
        why: Corruption,
    },
    /// The request does not fit the replica: whole units inside of it, with room for their sums.
    #[error("chunk {chunk} has {len} bytes; can not read {asked} bytes at {offset}")]
    Range {
        /// The chunk.
        chunk: ChunkId,
        /// Its length.
        len: u64,
        /// The offset of the request.
        offset: u64,
        /// The length of the request.
        asked: u64,
    },
    /// The file system can not read it.
    #[error("can not read the replica of chunk {chunk}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        source: io::Error,
    },
}

/// An open finalized replica. It stays readable, as it was when it was opened, when the replica is deleted or gets a new
/// generation.
pub struct Reader {
    chunk: ChunkId,
    header: Header,
    source: Source,
    clock: Arc<dyn Clock>,
    volume: Arc<Volume>,
}

/// The files of a replica, to be handed to another process, which reads and checks for itself.
#[derive(Debug)]
pub struct Descriptors<'a> {
    /// The file with the data.
    pub data: BorrowedFd<'a>,
    /// Where the data begins in it.
    pub data_at: u64,
    /// The file with the sums; none when it is the one with the data.
    pub sums: Option<BorrowedFd<'a>>,
    /// Where the sums begin in it.
    pub sums_at: u64,
}

/// The two parts of a replica, wherever they are.
pub(crate) struct Source {
    data: Part,
    sidecar: Part,
    header: Header,
}

struct Part {
    file: Arc<dyn File>,
    /// Where it begins.
    at: u64,
}

impl Source {
    /// A data file and its sidecar.
    pub(crate) fn of_files(disk: &dyn Disk, paths: &Paths, chunk: ChunkId) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { chunk, source };
        let open = |path, what| match disk.open(path, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(corrupt(chunk, Corruption::Missing(what)))
            }
            other => other.map_err(io),
        };
        let data = open(&paths.data, "data")?;
        let sidecar = open(&paths.sidecar, "sidecar")?;
        let header = read_header(&*sidecar)
            .map_err(io)?
            .map_err(|broken| corrupt(chunk, Corruption::Sidecar(broken.to_string())))?;
        check_lengths(&header, &*data, &*sidecar)
            .map_err(io)?
            .map_err(|why| corrupt(chunk, why))?;
        Ok(Self {
            data: Part { file: data, at: 0 },
            sidecar: Part { file: sidecar, at: 0 },
            header,
        })
    }

    /// An entry of a pack.
    pub(crate) fn of_pack(packs: &Packs, spot: Spot, chunk: ChunkId) -> Result<Self, ReadError> {
        Self::of_entry(packs, spot, chunk, |mark| match mark {
            Mark::Live(header) => Some(header),
            _ => None,
        })
    }

    /// An entry of a pack that rests.
    pub(crate) fn of_resting(packs: &Packs, spot: Spot, chunk: ChunkId) -> Result<Self, ReadError> {
        Self::of_entry(packs, spot, chunk, |mark| match mark {
            Mark::Resting(header) => Some(header),
            _ => None,
        })
    }

    fn of_entry(
        packs: &Packs,
        spot: Spot,
        chunk: ChunkId,
        wanted: impl FnOnce(Mark) -> Option<Header>,
    ) -> Result<Self, ReadError> {
        let opened = packs.disk.open(&packs.path(spot.pack), Open::Read);
        let file = opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => corrupt(chunk, Corruption::Missing("pack")),
            _ => ReadError::Io { chunk, source },
        })?;
        let mut bytes = [0; HEADER_BYTES];
        read_whole(chunk, &*file, &mut bytes, spot.at.into(), 0)?;
        let wrong = |why: String| corrupt(chunk, Corruption::Sidecar(why));
        let mark = decode_entry(&bytes, packs.storage, spot).map_err(|broken| wrong(broken.to_string()))?;
        let header = wanted(mark).ok_or_else(|| wrong("it is marked as something else".to_owned()))?;
        let at = u64::from(spot.at);
        Ok(Self {
            data: Part {
                file: Arc::clone(&file),
                at: at + sidecar::file_len(header.len),
            },
            sidecar: Part { file, at },
            header,
        })
    }

    /// Fills `bytes` from `offset` of the data on.
    fn data(&self, chunk: ChunkId, bytes: &mut [u8], offset: u64) -> Result<(), ReadError> {
        read_whole(chunk, &*self.data.file, bytes, self.data.at + offset, offset)
    }

    /// Fills `sums` from number `unit` on.
    fn sums(&self, chunk: ChunkId, sums: &mut [u8], unit: u64) -> Result<(), ReadError> {
        let at = self.sidecar.at + sidecar::sum_at(unit);
        read_whole(chunk, &*self.sidecar.file, sums, at, unit * UNIT)
    }
}

const fn corrupt(chunk: ChunkId, why: Corruption) -> ReadError {
    ReadError::Corrupt {
        chunk,
        offset: 0,
        why,
    }
}

impl Reader {
    pub(crate) fn open(
        shared: &Shared,
        source: Source,
        chunk: ChunkId,
        slot: Slot,
    ) -> Result<Self, ReadError> {
        let header = source.header;
        let wrong = |what: String| Err(corrupt(chunk, Corruption::Sidecar(what)));
        if header.uuid != shared.pool.chunk_uuid(chunk) {
            return wrong(format!("it is that of {}", header.uuid));
        }
        if (header.generation, header.len) != (slot.generation, slot.len) {
            return wrong(format!(
                "it says generation {} and {} bytes, not generation {} and {} bytes",
                header.generation, header.len, slot.generation, slot.len
            ));
        }
        Ok(Self {
            chunk,
            header,
            source,
            clock: Arc::clone(&shared.clock),
            volume: shared.volume(slot.volume),
        })
    }

    /// The chunk.
    #[must_use]
    pub const fn chunk(&self) -> ChunkId {
        self.chunk
    }

    /// The generation of the replica when it was opened.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.header.generation
    }

    /// Bytes of data.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a length in bytes, not of a collection"
    )]
    pub const fn len(&self) -> u64 {
        self.header.len
    }

    /// The files that it is in; none where the disk has no descriptors to give.
    ///
    /// The sums at the replica's place in them never change: sidecars are replaced by other files, entries of packs are appended and
    /// never written over. So what matches them is this replica in this generation, whatever becomes of it.
    #[must_use]
    pub fn descriptors(&self) -> Option<Descriptors<'_>> {
        let Source { data, sidecar, .. } = &self.source;
        let one_file = Arc::ptr_eq(&data.file, &sidecar.file);
        let sums = match one_file {
            true => None,
            false => Some(sidecar.file.descriptor()?),
        };
        Some(Descriptors {
            data: data.file.descriptor()?,
            data_at: data.at,
            sums,
            sums_at: sidecar.at + sidecar::sum_at(0),
        })
    }

    /// Fills `data` from `offset` and `sums` with the sums of its units, and checks each.
    ///
    /// `offset` is a multiple of 512; `data` ends at one too, or at the end of the replica; `sums` has four bytes for each
    /// unit.
    ///
    /// # Errors
    /// See [`ReadError`]; what the buffers hold then is not to be used.
    pub fn read_verified(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> Result<(), ReadError> {
        check_range(self.chunk, self.header.len, offset, data, sums)?;
        let begun = self.clock.monotonic();
        let read = (self.source.data(self.chunk, data, offset))
            .and_then(|()| self.source.sums(self.chunk, sums, offset / UNIT));
        // Failed reads are counted by who asks what they mean.
        if read.is_ok() {
            self.volume.note_read(false);
            self.volume
                .reads
                .note(self.clock.monotonic().saturating_sub(begun));
        }
        read?;
        verify(self.chunk, offset, data, sums)
    }

    /// Asks the system to forget what it has of the replica in memory, so that the next reads come from the disk.
    pub(crate) fn uncache(&self) {
        let Source {
            data,
            sidecar,
            header,
        } = &self.source;
        data.file.uncache(data.at, header.len);
        sidecar.file.uncache(sidecar.at, sidecar::file_len(header.len));
    }

    /// Compares the stored sums with the checksum over them.
    pub(crate) fn check_sums(&self) -> Result<(), ReadError> {
        self.sums(|_, _| Ok(()))
    }

    /// The CRC32C of the first `len` bytes, put together from the stored sums. These are compared with the checksum over
    /// them first; of the data only the last unit is read, when it is cut.
    ///
    /// # Errors
    /// When the sums are not what was written, can not be read, or `len` is more than there is.
    pub fn checksum(&self, len: u64) -> Result<u32, ReadError> {
        if len > self.header.len {
            return Err(ReadError::Range {
                chunk: self.chunk,
                len: self.header.len,
                offset: 0,
                asked: len,
            });
        }
        let whole = len == self.header.len;
        // Covers all of the replica or the whole units before the cut; a short unit at the end has its own sum.
        let covered = if whole { len } else { align_down(len) };
        let mut composite = Composite::new();
        self.sums(|at, sums| {
            let data = (covered.saturating_sub(at)).min(sums.len() as u64 / SUM * UNIT);
            let data = usize::try_from(data).unwrap_or_default();
            let sums = sums.get(..checksum::sums_len(data)).unwrap_or_default();
            composite
                .push_sums(sums, data)
                .map_err(|_| corrupt(self.chunk, Corruption::Sums))
        })?;
        if covered < len {
            let unit = (self.header.len - covered).min(UNIT);
            let mut data = vec![0; usize::try_from(unit).unwrap_or_default()];
            self.read_verified(covered, &mut data, &mut [0; 4])?;
            data.truncate(usize::try_from(len - covered).unwrap_or_default());
            composite.push(Composite::of(checksum::crc32c(&data), len - covered));
        }
        Ok(composite.crc())
    }

    /// Gives all stored sums to `each`, block by block with the offset in the data that a block begins at. What was given
    /// is known to be right only when this has returned without an error.
    fn sums(&self, mut each: impl FnMut(u64, &[u8]) -> Result<(), ReadError>) -> Result<(), ReadError> {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        let mut block = vec![0; 64 << 10];
        let (mut unit, end) = (0, units(self.header.len));
        while unit < end {
            let take = usize::try_from((end - unit) * SUM).map_or(block.len(), |left| left.min(block.len()));
            block.truncate(take);
            self.source.sums(self.chunk, &mut block, unit)?;
            digest.update(&block);
            each(unit * UNIT, &block)?;
            unit += take as u64 / SUM;
        }
        if digest.finalize() == u64::from(self.header.sums_crc) {
            Ok(())
        } else {
            Err(corrupt(self.chunk, Corruption::Sums))
        }
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// All stored sums, as they are, and the data, compared with them: of a replica that is small.
    pub(crate) fn read_all(&self) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
        let mut data = vec![0; usize::try_from(self.header.len).unwrap_or_default()];
        let mut sums = vec![0; checksum::sums_len(data.len())];
        self.read_verified(0, &mut data, &mut sums)?;
        Ok((data, sums))
    }

    /// The sum of what is left of the unit that a cut to `len` bytes goes through; the unit is compared with its sum first.
    pub(crate) fn sum_of_cut(&self, len: u64) -> Result<[u8; 4], ReadError> {
        let start = align_down(len);
        let whole = self.header.len.saturating_sub(start).min(UNIT);
        let mut unit = vec![0; usize::try_from(whole).unwrap_or_default()];
        self.read_verified(start, &mut unit, &mut [0; 4])?;
        unit.truncate(usize::try_from(len - start).unwrap_or_default());
        Ok(sum_of(&unit))
    }

    /// Copies the first `end` sums to the same place in another sidecar file, as they are. Gives the checksum over them.
    pub(crate) fn copy_sums(&self, to: &dyn File, end: u64) -> io::Result<crc_fast::Digest> {
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        let mut unit = 0;
        let mut block = vec![0; 64 << 10];
        while unit < end {
            let take = usize::try_from((end - unit) * SUM).map_or(block.len(), |left| left.min(block.len()));
            block.truncate(take);
            read_exact_at(
                &*self.source.sidecar.file,
                &mut block,
                self.source.sidecar.at + sidecar::sum_at(unit),
            )?;
            to.write_all_at(&block, sidecar::sum_at(unit))?;
            crc.update(&block);
            unit += take as u64 / SUM;
        }
        Ok(crc)
    }
}

/// The header of a sidecar file.
pub(crate) fn read_header(sidecar: &dyn File) -> io::Result<Result<Header, BrokenHeader>> {
    let mut bytes = [0; HEADER_BYTES];
    let n = sidecar.read_at(&mut bytes, 0)?;
    Ok(Header::decode(bytes.get(..n).unwrap_or_default()))
}

/// Whether both files are as long as the header says. The data may be longer: a replica that was cut, or is appended to, has
/// bytes behind its end that mean nothing.
pub(crate) fn check_lengths(
    header: &Header,
    data: &dyn File,
    sidecar: &dyn File,
) -> io::Result<Result<(), Corruption>> {
    let (expected, found) = (header.len, data.size()?);
    if found < expected {
        return Ok(Err(Corruption::DataLength { expected, found }));
    }
    let (expected, found) = (sidecar::file_len(header.len), sidecar.size()?);
    if found != expected {
        return Ok(Err(Corruption::SidecarLength { expected, found }));
    }
    Ok(Ok(()))
}

/// Whether a request is for whole units inside of `len` bytes, with room for their sums.
pub(crate) fn check_range(
    chunk: ChunkId,
    len: u64,
    offset: u64,
    data: &[u8],
    sums: &[u8],
) -> Result<(), ReadError> {
    let asked = data.len() as u64;
    let end = offset.checked_add(asked);
    let whole = offset.is_multiple_of(UNIT)
        && end.is_some_and(|end| end == len || (end < len && end.is_multiple_of(UNIT)))
        && sums.len() as u64 == units(asked) * SUM;
    if whole {
        Ok(())
    } else {
        Err(ReadError::Range {
            chunk,
            len,
            offset,
            asked,
        })
    }
}

pub(crate) fn verify(chunk: ChunkId, offset: u64, data: &[u8], sums: &[u8]) -> Result<(), ReadError> {
    match first_mismatch(data, sums) {
        None => Ok(()),
        Some(position) => Err(ReadError::Corrupt {
            chunk,
            offset: offset + position,
            why: Corruption::Checksum,
        }),
    }
}

/// A file that ends early is corruption, noticed at `offset` of the data.
fn read_whole(
    chunk: ChunkId,
    file: &dyn File,
    bytes: &mut [u8],
    at: u64,
    offset: u64,
) -> Result<(), ReadError> {
    match read_exact_at(file, bytes, at) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Corrupt {
            chunk,
            offset,
            why: Corruption::DataLength {
                expected: at + bytes.len() as u64,
                found: file.size().unwrap_or_default(),
            },
        }),
        Err(source) => Err(ReadError::Io { chunk, source }),
    }
}
