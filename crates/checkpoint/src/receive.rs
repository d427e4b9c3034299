//! Receiving a checkpoint that another master sends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::Disk;

use crate::error::{Failure, ReceiveError, While};
use crate::files::{Temporary, name, prune};
use crate::kept::{Checkpoint, Looked, look};
use crate::layout::{
    BLOCK_HEAD_BYTES, BadHeader, Damage, FOOTER_BYTES, Header, Next, PREFIX_BYTES, Walk, header_bytes,
};

/// A checkpoint that comes in, in pieces of any size. Each of its parts is checked before it is written; nothing has the
/// name of a checkpoint before all of it is on disk. Dropping it leaves nothing.
pub struct Receiver {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Where it is to be, if not among the checkpoints of the directory.
    name: Option<OsString>,
    temporary: Temporary,
    /// What has come of the part that is incomplete, at most a block.
    part: Vec<u8>,
    expect: Expect,
    /// How many bytes are behind us: checked and written.
    offset: u64,
    header: Option<Header>,
}

/// The part that comes in.
#[derive(Debug, Clone, Copy)]
enum Expect {
    HeaderPrefix,
    Header(usize),
    Head(Walk),
    Block(Walk, usize),
    Footer(Walk),
    Nothing,
}

impl Expect {
    fn bytes(self) -> usize {
        match self {
            Self::HeaderPrefix => PREFIX_BYTES,
            Self::Header(bytes) => bytes,
            Self::Head(_) => BLOCK_HEAD_BYTES,
            Self::Block(_, payload) => BLOCK_HEAD_BYTES + payload,
            Self::Footer(_) => FOOTER_BYTES,
            Self::Nothing => 0,
        }
    }
}

/// Begins to receive a checkpoint into `directory`.
///
/// # Errors
/// When no file can be made there.
pub fn receive(disk: &Arc<dyn Disk>, directory: &Path) -> Result<Receiver, ReceiveError> {
    begin(disk, directory, None)
}

/// Begins to receive a checkpoint into a file of any name, which it replaces: a backup. No other file is touched.
///
/// # Errors
/// When no file can be made there.
pub fn receive_as(disk: &Arc<dyn Disk>, path: &Path) -> Result<Receiver, ReceiveError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| Failure {
        action: "make",
        path: path.to_owned(),
        error: std::io::ErrorKind::IsADirectory.into(),
    })?;
    begin(disk, directory, Some(name.to_owned()))
}

fn begin(disk: &Arc<dyn Disk>, directory: &Path, name: Option<OsString>) -> Result<Receiver, ReceiveError> {
    Ok(Receiver {
        disk: Arc::clone(disk),
        directory: directory.to_owned(),
        name,
        temporary: Temporary::create(disk, directory, "receiving")?,
        part: Vec::new(),
        expect: Expect::HeaderPrefix,
        offset: 0,
        header: None,
    })
}

impl Receiver {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When they are not those of a checkpoint, or can not be written. The receiver is of no use then.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), ReceiveError> {
        while !bytes.is_empty() {
            if matches!(self.expect, Expect::Nothing) {
                return Err(self.damaged(Damage::Behind));
            }
            let missing = self.expect.bytes().saturating_sub(self.part.len());
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.part.extend_from_slice(taken);
            bytes = rest;
            if self.part.len() == self.expect.bytes() {
                self.complete()?;
            }
        }
        Ok(())
    }

    /// What the checkpoint says of itself, once that has come.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// How many bytes have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.offset + self.part.len() as u64
    }

    /// Makes the checkpoint durable, gives it its name, and removes those that are older than the two newest.
    ///
    /// # Errors
    /// When it is not complete, or the disk fails.
    pub fn finish(self) -> Result<Checkpoint, ReceiveError> {
        let end = self.received();
        let (Expect::Nothing, Some(header)) = (self.expect, self.header) else {
            return Err(ReceiveError::Damaged {
                offset: end,
                damage: Damage::Cut("what was sent"),
            });
        };
        let path = match &self.name {
            None => self.temporary.finish(name(header.index).as_ref())?,
            Some(name) => self.temporary.finish(name)?,
        };
        let looked = look(&*self.disk, &path, header.index)?;
        if self.name.is_none() {
            prune(&*self.disk, &self.directory);
        }
        match looked {
            Looked::Whole(checkpoint) => Ok(*checkpoint),
            Looked::Damaged(damaged) => Err(ReceiveError::Damaged {
                offset: damaged.offset,
                damage: damaged.damage,
            }),
            Looked::Newer(bad) => Err(header_damage(bad)),
            Looked::Gone => Err(Failure {
                action: "find",
                path,
                error: std::io::ErrorKind::NotFound.into(),
            }
            .into()),
        }
    }

    /// Checks a part that is complete, and writes it when it is known to be whole.
    fn complete(&mut self) -> Result<(), ReceiveError> {
        self.expect = match self.expect {
            Expect::HeaderPrefix => Expect::Header(header_bytes(&self.part).map_err(header_damage)?),
            Expect::Header(_) => {
                let (header, crc) = Header::decode(&self.part).map_err(header_damage)?;
                self.header = Some(header);
                self.write()?;
                Expect::Head(Walk::after_header(crc))
            }
            Expect::Head(walk) => match self.head().and_then(|head| Walk::next(&head)) {
                Ok(Next::Block(payload)) => Expect::Block(walk, payload),
                Ok(Next::Footer) => Expect::Footer(walk),
                Err(damage) => return Err(self.damaged(damage)),
            },
            Expect::Block(mut walk, _) => {
                let payload = self.part.get(BLOCK_HEAD_BYTES..).unwrap_or_default();
                if let Err(damage) = self.head().and_then(|head| walk.block(&head, payload)) {
                    return Err(self.damaged(damage));
                }
                self.write()?;
                Expect::Head(walk)
            }
            Expect::Footer(walk) => {
                let footer = self.part.first_chunk().ok_or(Damage::Footer);
                if let Err(damage) = footer.and_then(|footer| walk.footer(footer)) {
                    return Err(self.damaged(damage));
                }
                self.write()?;
                Expect::Nothing
            }
            Expect::Nothing => Expect::Nothing,
        };
        Ok(())
    }

    fn head(&self) -> Result<[u8; BLOCK_HEAD_BYTES], Damage> {
        self.part.first_chunk().copied().ok_or(Damage::Cut("a block"))
    }

    fn write(&mut self) -> Result<(), Failure> {
        let (file, length) = (&self.temporary.file, self.part.len() as u64);
        file.write_all_at(&self.part, self.offset)
            .when("write", self.temporary.path())?;
        file.start_writeback(self.offset, length);
        self.offset += length;
        self.part.clear();
        Ok(())
    }

    const fn damaged(&self, damage: Damage) -> ReceiveError {
        ReceiveError::Damaged {
            offset: self.offset,
            damage,
        }
    }
}

const fn header_damage(bad: BadHeader) -> ReceiveError {
    ReceiveError::Damaged {
        offset: 0,
        damage: Damage::Header(bad),
    }
}
