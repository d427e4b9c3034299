//! Reading a checkpoint.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use env::Ahead;
use env::disk::{File, read_exact_at};

use crate::error::Damaged;
use crate::kept::Checkpoint;
use crate::layout::{BLOCK_HEAD_BYTES, Damage, FOOTER_BYTES, Next, Totals, Walk};

/// Blocks that are read and checked ahead of who takes them.
const BLOCKS_AHEAD: usize = 4;

/// The saved state of a checkpoint, to be read once from its beginning. A thread reads and checks ahead.
///
/// Damage is an error of kind `InvalidData` that holds a [`Damaged`]; after it nothing more can be read. The end
/// (`Ok(0)`) comes only behind a footer that fits.
#[derive(Debug)]
pub struct Reader {
    blocks: Ahead<Result<Step, Damaged>>,
    block: Vec<u8>,
    /// How much of the block has been handed out.
    taken: usize,
    end: Option<Result<Totals, Damaged>>,
    path: PathBuf,
}

/// What the thread ahead has checked.
#[derive(Debug)]
enum Step {
    Block(Vec<u8>),
    End(Totals),
}

impl Reader {
    pub(crate) fn new(checkpoint: &Checkpoint) -> Self {
        let (start, chain) = checkpoint.start();
        let mut ahead = Blocks {
            file: Arc::clone(checkpoint.raw()),
            path: checkpoint.path().to_owned(),
            offset: start,
            walk: Walk::after_header(chain),
            ended: false,
        };
        Self {
            blocks: Ahead::start("checkpoint-read", BLOCKS_AHEAD, move || ahead.next()),
            block: Vec::new(),
            taken: 0,
            end: None,
            path: checkpoint.path().to_owned(),
        }
    }

    /// Reads what has not been read, to its end, and says whether all of the checkpoint was whole.
    ///
    /// # Errors
    /// When it was not.
    pub fn finish(mut self) -> Result<Totals, Damaged> {
        loop {
            if let Some(end) = self.end.clone() {
                return end;
            }
            self.advance();
        }
    }

    /// Goes to the next block, or to the end.
    fn advance(&mut self) {
        (self.block, self.taken) = (Vec::new(), 0);
        match self.blocks.next() {
            Some(Ok(Step::Block(block))) => self.block = block,
            Some(Ok(Step::End(totals))) => self.end = Some(Ok(totals)),
            Some(Err(damaged)) => self.end = Some(Err(damaged)),
            // The thread ends only behind one of the two above.
            None => {
                self.end = Some(Err(Damaged {
                    path: self.path.clone(),
                    offset: 0,
                    damage: Damage::Unreadable(io::ErrorKind::BrokenPipe),
                }));
            }
        }
    }
}

impl io::Read for Reader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self.block.get(self.taken..).unwrap_or_default();
            let length = rest.len().min(bytes.len());
            if length > 0 || bytes.is_empty() {
                bytes
                    .split_at_mut(length)
                    .0
                    .copy_from_slice(rest.split_at(length).0);
                self.taken += length;
                return Ok(length);
            }
            match &self.end {
                Some(Ok(_)) => return Ok(0),
                Some(Err(damaged)) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, damaged.clone()));
                }
                None => self.advance(),
            }
        }
    }
}

/// Reads and checks one block after the other.
struct Blocks {
    file: Arc<dyn File>,
    path: PathBuf,
    offset: u64,
    walk: Walk,
    ended: bool,
}

impl Blocks {
    /// None behind the end, and behind damage.
    fn next(&mut self) -> Option<Result<Step, Damaged>> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Step::Block(_)));
        Some(step)
    }

    fn step(&mut self) -> Result<Step, Damaged> {
        let mut head = [0; BLOCK_HEAD_BYTES];
        self.read(&mut head, 0, "a block")?;
        match Walk::next(&head).map_err(|damage| self.damaged(damage))? {
            Next::Block(length) => {
                let mut payload = vec![0; length];
                self.read(&mut payload, BLOCK_HEAD_BYTES, "a block")?;
                self.walk
                    .block(&head, &payload)
                    .map_err(|damage| self.damaged(damage))?;
                self.offset += (BLOCK_HEAD_BYTES + length) as u64;
                Ok(Step::Block(payload))
            }
            Next::Footer => {
                let mut footer = [0; FOOTER_BYTES];
                self.read(&mut footer, 0, "the footer")?;
                let totals = self.walk.footer(&footer).map_err(|damage| self.damaged(damage))?;
                self.offset += FOOTER_BYTES as u64;
                match self.file.read_at(&mut [0], self.offset) {
                    Ok(0) => Ok(Step::End(totals)),
                    Ok(_) => Err(self.damaged(Damage::Behind)),
                    Err(error) => Err(self.damaged(Damage::Unreadable(error.kind()))),
                }
            }
        }
    }

    fn read(&self, bytes: &mut [u8], skip: usize, within: &'static str) -> Result<(), Damaged> {
        read_exact_at(&*self.file, bytes, self.offset + skip as u64).map_err(|error| {
            self.damaged(match error.kind() {
                io::ErrorKind::UnexpectedEof => Damage::Cut(within),
                kind => Damage::Unreadable(kind),
            })
        })
    }

    fn damaged(&self, damage: Damage) -> Damaged {
        Damaged {
            path: self.path.clone(),
            offset: self.offset,
            damage,
        }
    }
}
