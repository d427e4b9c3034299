//! Why a table refuses.

/// All slots of a table are taken, or used up: 2^32 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a table is full: no slot is left to be given out")]
pub struct Full;

/// A name is longer than [`NAME_BYTES_MAX`](crate::NAME_BYTES_MAX) bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name of {0} bytes is too long: 255 are allowed")]
pub struct NameTooLong(pub usize);

/// Why bytes are not taken for a table.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// They could not be read, or end too early.
    #[error("a table can not be read: {0}")]
    Io(#[from] std::io::Error),
    /// They are not those that a table writes.
    #[error("these are not the bytes of a table ({table}): {what}")]
    Corrupt {
        /// Which kind of table was expected.
        table: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}
