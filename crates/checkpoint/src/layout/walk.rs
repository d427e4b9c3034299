//! The way through the bytes of a checkpoint, from its header to its footer. Pure: who has the bytes hands them in.

use super::footer::{self, FOOTER_BYTES, Totals};
use super::header::BadHeader;
use super::{BLOCK_BYTES_MAX, crc};

/// Bytes of a block before its payload.
pub(crate) const BLOCK_HEAD_BYTES: usize = 8;

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The header can not be read.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// The file's name and its header name different indexes.
    #[error("it says that it holds the log up to {0}, and its name says another index")]
    Name(u64),
    /// The file ends too early.
    #[error("the file ends here, within {0}")]
    Cut(&'static str),
    /// A block can not be this long.
    #[error("a block would have {0} bytes")]
    Length(u32),
    /// A block or the footer is not what was written, or not behind what it was written behind.
    #[error("the CRC is {found:08x} where the bytes, and those before, give {computed:08x}")]
    Crc {
        /// What is stored.
        found: u32,
        /// What should be.
        computed: u32,
    },
    /// Where the footer should be there is something else.
    #[error("there is neither a block nor the footer")]
    Footer,
    /// The footer counts other blocks than there are.
    #[error(
        "the footer counts {} blocks of {} bytes, and there are {} of {}",
        expected.blocks, expected.bytes, found.blocks, found.bytes
    )]
    Totals {
        /// By the footer.
        expected: Totals,
        /// What there is.
        found: Totals,
    },
    /// The footer counts more, or fewer, bytes than the file has.
    #[error("by its footer, the blocks end at byte {expected}, and they end at byte {found}")]
    Size {
        /// By the footer.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// There are bytes behind the footer.
    #[error("there are bytes behind the end")]
    Behind,
    /// The disk can not read the bytes.
    #[error("it can not be read: {0}")]
    Unreadable(std::io::ErrorKind),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A block with a payload of so many bytes.
    Block(usize),
    /// The footer.
    Footer,
}

/// How far the way has been gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    chain: u32,
    totals: Totals,
}

impl Walk {
    /// Behind a header with this CRC.
    pub(crate) fn after_header(crc: u32) -> Self {
        Self {
            chain: crc,
            totals: Totals::default(),
        }
    }

    /// What begins with `head`.
    pub(crate) fn next(head: &[u8; BLOCK_HEAD_BYTES]) -> Result<Next, Damage> {
        let [_, _, _, _, length @ ..] = *head;
        let length = u32::from_le_bytes(length);
        match usize::try_from(length) {
            Ok(0) => Ok(Next::Footer),
            Ok(bytes) if bytes <= BLOCK_BYTES_MAX => Ok(Next::Block(bytes)),
            _ => Err(Damage::Length(length)),
        }
    }

    /// Goes over a block, if it belongs here.
    pub(crate) fn block(&mut self, head: &[u8; BLOCK_HEAD_BYTES], payload: &[u8]) -> Result<(), Damage> {
        let [c0, c1, c2, c3, length @ ..] = *head;
        let found = u32::from_le_bytes([c0, c1, c2, c3]);
        let computed = crc(&[&self.chain.to_le_bytes(), &length, payload]);
        if found != computed {
            return Err(Damage::Crc { found, computed });
        }
        self.take(computed, payload);
        Ok(())
    }

    /// Goes over the footer, if it belongs here.
    pub(crate) fn footer(self, bytes: &[u8; FOOTER_BYTES]) -> Result<Totals, Damage> {
        footer::check(bytes, self.chain, self.totals)?;
        Ok(self.totals)
    }

    /// The head of the next block, over which it goes. The payload is neither empty nor too long.
    pub(crate) fn write(&mut self, payload: &[u8]) -> [u8; BLOCK_HEAD_BYTES] {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let crc = crc(&[&self.chain.to_le_bytes(), &length, payload]);
        self.take(crc, payload);
        let mut head = [0; BLOCK_HEAD_BYTES];
        let bytes = crc.to_le_bytes().into_iter().chain(length);
        head.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        head
    }

    fn take(&mut self, crc: u32, payload: &[u8]) {
        self.chain = crc;
        self.totals.blocks += 1;
        self.totals.bytes += payload.len() as u64;
    }

    pub(crate) const fn chain(&self) -> u32 {
        self.chain
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }
}
