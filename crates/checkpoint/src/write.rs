//! Writing a checkpoint.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::Disk;

use crate::error::{Failure, WriteError};
use crate::files::{Temporary, name, prune};
use crate::layout::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, FOOTER_BYTES, Header, MEMBERSHIP_BYTES_MAX, Totals, Walk,
    encode_footer,
};
use crate::pace::{Pace, Pacer};

/// A checkpoint that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Where it is.
    pub path: PathBuf,
    /// The index of the log up to which it holds.
    pub index: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// What is in it.
    pub totals: Totals,
    /// The older one of the two that are kept; none while there is only one. The log is needed behind it.
    pub older: Option<u64>,
}

/// Writes a checkpoint into `directory`, makes it durable, and removes those that are older than the two newest.
///
/// `save` writes the state, in pieces of any size.
///
/// # Errors
/// When the disk or `save` fails. Nothing is left of it then, unless the disk does not even let a file be removed.
pub fn write(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    header: &Header,
    pace: Pace,
    save: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<Info, WriteError> {
    check(header)?;
    let temporary = Temporary::create(disk, directory, "writing")?;
    let mut end = 0;
    let totals = {
        let file = &temporary.file;
        let write = |bytes: &[u8]| {
            file.write_all_at(bytes, end)?;
            // So that little is left to do for the sync, and the log's syncs meanwhile do not queue behind a lot.
            file.start_writeback(end, bytes.len() as u64);
            end += bytes.len() as u64;
            Ok(())
        };
        encode(header, pace, write, save).map_err(|error| error.of(temporary.path()))?
    };
    let path = temporary.finish(name(header.index).as_ref())?;
    let older = prune(&**disk, directory);
    Ok(Info {
        path,
        index: header.index,
        bytes: end,
        totals,
        older,
    })
}

/// Writes the bytes of a checkpoint file somewhere else than into a file.
///
/// # Errors
/// When `out` or `save` fails.
pub fn write_to(
    out: &mut dyn io::Write,
    header: &Header,
    save: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<Totals, WriteError> {
    check(header)?;
    encode(header, Pace::FULL, |bytes| out.write_all(bytes), save)
        .map_err(|error| error.of(Path::new("the checkpoint")))
}

fn check(header: &Header) -> Result<(), WriteError> {
    match header.membership.len() {
        bytes if bytes > MEMBERSHIP_BYTES_MAX => Err(WriteError::Membership(bytes)),
        _ => Ok(()),
    }
}

/// Whose fault it is.
enum EncodeError {
    Write(io::Error),
    Save(io::Error),
}

impl EncodeError {
    fn of(self, path: &Path) -> WriteError {
        match self {
            Self::Save(error) => WriteError::Save(error),
            Self::Write(error) => WriteError::Failed(Failure {
                action: "write",
                path: path.to_owned(),
                error,
            }),
        }
    }
}

fn encode(
    header: &Header,
    pace: Pace,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
    save: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<Totals, EncodeError> {
    let (bytes, crc) = header.encode();
    write(&bytes).map_err(EncodeError::Write)?;
    let mut blocks = Blocks {
        write,
        walk: Walk::after_header(crc),
        block: Vec::with_capacity(BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX),
        pacer: Pacer::new(pace),
        failure: None,
    };
    blocks.begin_block();
    let saved = save(&mut blocks);
    // Where the disk has failed, that is the cause, whatever `save` makes of it.
    if let Some(error) = blocks.failure.take() {
        return Err(EncodeError::Write(error));
    }
    saved.map_err(EncodeError::Save)?;
    blocks.finish().map_err(EncodeError::Write)
}

/// Cuts what is written into blocks. All are full but the last.
struct Blocks<W> {
    write: W,
    walk: Walk,
    /// Room for a head, then the payload so far.
    block: Vec<u8>,
    pacer: Pacer,
    failure: Option<io::Error>,
}

impl<W: FnMut(&[u8]) -> io::Result<()>> Blocks<W> {
    fn begin_block(&mut self) {
        self.block.clear();
        self.block.resize(BLOCK_HEAD_BYTES, 0);
    }

    fn room(&self) -> usize {
        BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX - self.block.len()
    }

    fn end_block(&mut self) -> io::Result<()> {
        if let Some((head, payload)) = self.block.split_first_chunk_mut::<BLOCK_HEAD_BYTES>()
            && !payload.is_empty()
        {
            *head = self.walk.write(payload);
            (self.write)(&self.block)?;
        }
        self.begin_block();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Totals> {
        self.end_block()?;
        let footer: [u8; FOOTER_BYTES] = encode_footer(self.walk.totals(), self.walk.chain());
        (self.write)(&footer)?;
        Ok(self.walk.totals())
    }
}

impl<W: FnMut(&[u8]) -> io::Result<()>> io::Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("the checkpoint can not be written any more"));
        }
        let slice = usize::try_from(self.pacer.slice()).unwrap_or(usize::MAX);
        let (taken, _) = bytes.split_at(bytes.len().min(self.room()).min(slice));
        self.block.extend_from_slice(taken);
        if self.room() == 0
            && let Err(error) = self.end_block()
        {
            let told = io::Error::from(error.kind());
            self.failure = Some(error);
            return Err(told);
        }
        self.pacer.worked(taken.len() as u64);
        Ok(taken.len())
    }

    /// Nothing: a block is written when it is full, and a checkpoint is durable when all of it is.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
