//! The checkpoints of a directory: which there are, which is the newest that is whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, File, Open, read_exact_at};

use crate::error::{Damaged, Error, Failure, RestoreError, While};
use crate::files::list;
use crate::layout::{
    BLOCK_HEAD_BYTES, BadHeader, Damage, FOOTER_BYTES, Header, PREFIX_BYTES, Totals, footer_totals,
    header_bytes,
};
use crate::read::Reader;

/// A checkpoint whose header can be read and whose end is there. It is open: it can be read to its end even when it is
/// removed meanwhile.
#[derive(Clone)]
pub struct Checkpoint {
    path: PathBuf,
    header: Header,
    /// Where the first block begins, and what its CRC continues.
    start: u64,
    chain: u32,
    totals: Totals,
    bytes: u64,
    file: Arc<dyn File>,
    passed_over: Vec<Damaged>,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("term", &self.header.term)
            .field("index", &self.header.index)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Opens the file, whatever its name is, and looks at its two ends: not whether all of it is whole.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub fn open_file(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let file = disk.open(path, Open::Read).when("open", path)?;
        match look_at(file, path)? {
            Ok(checkpoint) => Ok(checkpoint),
            Err(Damaged {
                damage: Damage::Header(bad @ BadHeader::Newer(_)),
                path,
                ..
            }) => Err(Error::Newer { path, bad }),
            Err(damaged) => Err(damaged.into()),
        }
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What its footer says that it holds.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Checkpoints that are newer than this one, and damaged.
    #[must_use]
    pub fn passed_over(&self) -> &[Damaged] {
        &self.passed_over
    }

    /// The saved state. Every block is checked before a byte of it is handed out.
    #[must_use]
    pub fn open(&self) -> Reader {
        Reader::new(self)
    }

    /// Reads all of it, to see whether it is whole.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self) -> Result<Totals, Damaged> {
        self.open().finish()
    }

    /// Where the first block begins, and what its CRC continues.
    pub(crate) const fn start(&self) -> (u64, u32) {
        (self.start, self.chain)
    }

    /// The bytes of the file as they are, to be sent to another master, who checks them.
    #[must_use]
    pub fn raw(&self) -> &Arc<dyn File> {
        &self.file
    }
}

/// What there is in a directory. Nothing but the two ends of each file has been looked at.
#[derive(Debug)]
pub struct Kept {
    /// Newest first.
    pub whole: Vec<Checkpoint>,
    /// Those that have no proper header or end, newest first.
    pub damaged: Vec<Damaged>,
}

/// The checkpoints of a directory; none where there is no directory.
///
/// # Errors
/// When it can not be listed, or a program that is newer wrote there.
pub fn kept(disk: &dyn Disk, directory: &Path) -> Result<Kept, Error> {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for (index, path) in list(disk, directory)? {
        match look(disk, &path, index)? {
            Looked::Whole(checkpoint) => whole.push(*checkpoint),
            Looked::Damaged(damage) => damaged.push(damage),
            Looked::Newer(bad) => return Err(Error::Newer { path, bad }),
            Looked::Gone => {}
        }
    }
    Ok(Kept { whole, damaged })
}

/// The newest checkpoint that is whole, all of it; none where there never was one. A damaged one is passed over for the one
/// before it, with a warning: see [`Checkpoint::passed_over`].
///
/// This reads all of the file. Where it is to be restored anyway, [`restore_newest`] reads it once.
///
/// # Errors
/// As [`Error`] says.
pub fn newest(disk: &dyn Disk, directory: &Path) -> Result<Option<Checkpoint>, Error> {
    match restore_newest(disk, directory, |_, _| Ok::<_, std::convert::Infallible>(())) {
        Ok(found) => Ok(found.map(|(checkpoint, ())| checkpoint)),
        Err(RestoreError::Checkpoint(error)) => Err(error),
        Err(RestoreError::State { error, .. }) => match error {},
    }
}

/// Gives the newest checkpoint that is whole to `restore`, and answers with what that answers; none where there never was a
/// checkpoint.
///
/// Whether it is whole is known for sure only at its end: when it is not, what `restore` answered is dropped, and it is
/// called again with the one before. So it must build something new, and not change something in place.
///
/// # Errors
/// As [`RestoreError`] says. That `restore` fails on a whole checkpoint is no reason to take an older one.
pub fn restore_newest<T, E>(
    disk: &dyn Disk,
    directory: &Path,
    mut restore: impl FnMut(&Header, &mut dyn io::Read) -> Result<T, E>,
) -> Result<Option<(Checkpoint, T)>, RestoreError<E>> {
    let Kept { whole, mut damaged } = kept(disk, directory)?;
    for mut checkpoint in whole {
        let mut reader = checkpoint.open();
        let outcome = restore(&checkpoint.header, &mut reader);
        match (reader.finish(), outcome) {
            (Err(damage), _) => damaged.push(damage),
            (Ok(_), Err(error)) => {
                let path = checkpoint.path;
                return Err(RestoreError::State { path, error });
            }
            (Ok(_), Ok(restored)) => {
                damaged.retain(|other| other.path > checkpoint.path);
                for damage in &damaged {
                    let instead = checkpoint.path.display();
                    tracing::warn!(%damage, %instead, "a damaged checkpoint is passed over for the one before it");
                }
                checkpoint.passed_over = damaged;
                return Ok(Some((checkpoint, restored)));
            }
        }
    }
    // Names sort as indexes.
    damaged.sort_by(|a, b| b.path.cmp(&a.path));
    let more = damaged.len().saturating_sub(1);
    match damaged.into_iter().next() {
        Some(first) => Err(Error::NoneWhole { first, more }.into()),
        None => Ok(None),
    }
}

/// What a file looks like from outside.
pub(crate) enum Looked {
    Whole(Box<Checkpoint>),
    Damaged(Damaged),
    Newer(BadHeader),
    Gone,
}

/// Looks at both ends of a file, and whether they fit its name.
pub(crate) fn look(disk: &dyn Disk, path: &Path, index: u64) -> Result<Looked, Failure> {
    let file = match disk.open(path, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Looked::Gone),
        file => file.when("open", path)?,
    };
    Ok(match look_at(file, path)? {
        Err(Damaged {
            damage: Damage::Header(bad @ BadHeader::Newer(_)),
            ..
        }) => Looked::Newer(bad),
        Err(damaged) => Looked::Damaged(damaged),
        Ok(checkpoint) if checkpoint.header.index != index => Looked::Damaged(Damaged {
            path: path.to_owned(),
            offset: 0,
            damage: Damage::Name(checkpoint.header.index),
        }),
        Ok(checkpoint) => Looked::Whole(Box::new(checkpoint)),
    })
}

fn look_at(file: Arc<dyn File>, path: &Path) -> Result<Result<Checkpoint, Damaged>, Failure> {
    let bytes = file.size().when("read", path)?;
    Ok(ends(&*file, bytes)
        .map(|ends| Checkpoint {
            path: path.to_owned(),
            header: ends.header,
            start: ends.start,
            chain: ends.chain,
            totals: ends.totals,
            bytes,
            file,
            passed_over: Vec::new(),
        })
        .map_err(|(offset, damage)| Damaged {
            path: path.to_owned(),
            offset,
            damage,
        }))
}

struct Ends {
    header: Header,
    start: u64,
    chain: u32,
    totals: Totals,
}

/// The header, and the footer as far as it can be checked without the blocks.
fn ends(file: &dyn File, bytes: u64) -> Result<Ends, (u64, Damage)> {
    let read = |offset: u64, length: usize, within| {
        let mut part = vec![0; length];
        match read_exact_at(file, &mut part, offset) {
            Ok(()) => Ok(part),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err((bytes, Damage::Cut(within))),
            Err(error) => Err((offset, Damage::Unreadable(error.kind()))),
        }
    };
    let in_header = |bad: BadHeader| (0, Damage::Header(bad));
    // A file that is no checkpoint at all is known by its first bytes, however few there are.
    let prefix = PREFIX_BYTES.min(usize::try_from(bytes).unwrap_or(PREFIX_BYTES));
    let length = header_bytes(&read(0, prefix, "the header")?).map_err(in_header)?;
    let (header, chain) = Header::decode(&read(0, length, "the header")?).map_err(in_header)?;
    let start = length as u64;
    let end = bytes
        .checked_sub(FOOTER_BYTES as u64)
        .filter(|end| *end >= start)
        .ok_or((bytes, Damage::Cut("the footer")))?;
    let footer = read(end, FOOTER_BYTES, "the footer")?;
    let totals = footer
        .first_chunk()
        .and_then(footer_totals)
        .ok_or((end, Damage::Footer))?;
    let heads = totals.blocks.saturating_mul(BLOCK_HEAD_BYTES as u64);
    let expected = heads.saturating_add(totals.bytes).saturating_add(start);
    if expected != end {
        return Err((end, Damage::Size { expected, found: end }));
    }
    Ok(Ends {
        header,
        start,
        chain,
        totals,
    })
}
