//! Entries as bytes: what a record of the write-ahead log carries.
//!
//! The op code is the one byte that the log's record form gives to a command; the payload is the whole [`Entry`] in
//! postcard. Both are on disk, so neither the numbers below nor the order of the variants of
//! [`Command`](crate::Command) may ever change: new kinds go to the end, and a retired number is not used again. Bytes
//! that are not an entry are an error, never a panic.

use crate::{Command, Entry};

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The payload is not an entry.
    #[error("the payload of a record with op code {op} is not a command: {reason}")]
    Malformed {
        /// The record's op code.
        op: u8,
        /// What the format's reader says.
        reason: postcard::Error,
    },
    /// The payload goes on behind the entry.
    #[error("the payload of a record with op code {op} has {bytes} bytes too many")]
    TooLong {
        /// The record's op code.
        op: u8,
        /// How many bytes are left over.
        bytes: usize,
    },
    /// The payload is an entry of another kind than the record says.
    #[error("a record has op code {op}, but its payload is a command with op code {found}")]
    OpCode {
        /// The record's op code.
        op: u8,
        /// The op code of the command inside.
        found: u8,
    },
}

impl Command {
    /// The number that stands for this kind of command in the log. It never changes.
    #[must_use]
    pub const fn op_code(&self) -> u8 {
        match self {
            Self::Format { .. } => 1,
            Self::Mkdir { .. } => 2,
            Self::Create { .. } => 3,
            Self::Append { .. } => 4,
            Self::AddChunk { .. } => 5,
            Self::AbandonChunk { .. } => 6,
            Self::AbandonFile { .. } => 7,
            Self::BumpGeneration { .. } => 8,
            Self::UpdatePipeline { .. } => 9,
            Self::Complete { .. } => 10,
            Self::RenewLease => 11,
            Self::ExpireLeases { .. } => 12,
            Self::Rename { .. } => 13,
            Self::Delete { .. } => 14,
            Self::SetAttributes { .. } => 15,
            Self::RegisterDatanode(_) => 16,
        }
    }
}

impl Entry {
    /// Appends the payload to `out`.
    #[expect(
        clippy::expect_used,
        reason = "postcard fails only for sequences of unknown length, and when its buffer is full; a Vec grows"
    )]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let buffer = std::mem::take(out);
        *out = postcard::to_extend(self, buffer).expect("an entry can always be encoded");
    }

    /// Reads what [`Entry::encode`] wrote for a command with op code `op`.
    ///
    /// # Errors
    /// When `payload` is not exactly one entry, or not one with this op code.
    pub fn decode(op: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        let (entry, rest): (Self, _) =
            postcard::take_from_bytes(payload).map_err(|reason| DecodeError::Malformed { op, reason })?;
        if !rest.is_empty() {
            return Err(DecodeError::TooLong {
                op,
                bytes: rest.len(),
            });
        }
        match entry.command.op_code() {
            found if found == op => Ok(entry),
            found => Err(DecodeError::OpCode { op, found }),
        }
    }
}
