//! Standard output, buffered by us: the standard library's flushes at each line.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use super::colours;
use crate::failure::{Failure, Result};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Where answers go.
#[derive(Debug)]
pub(crate) struct Out {
    file: File,
    buffer: Vec<u8>,
    terminal: bool,
    coloured: bool,
}

impl Out {
    /// Standard output.
    ///
    /// # Errors
    /// When it is closed.
    pub(crate) fn stdout() -> Result<Self> {
        let stdout = io::stdout();
        Ok(Self {
            file: stdout_file()?,
            buffer: Vec::new(),
            terminal: stdout.is_terminal(),
            coloured: colours(&stdout),
        })
    }

    /// Whether to colour.
    pub(crate) const fn coloured(&self) -> bool {
        self.coloured
    }

    /// Prints `text`.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn print(&mut self, text: &str) -> Result<()> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.terminal || self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Prints `text` and ends the line.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.print("\n")
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| Failure::stdout(&error))
    }
}

/// Standard output as a file, for large writes without a buffer between.
///
/// # Errors
/// When it is closed.
pub(crate) fn stdout_file() -> Result<File> {
    let stdout = io::stdout();
    let owned = stdout.as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(|error| Failure::stdout(&error))
}
