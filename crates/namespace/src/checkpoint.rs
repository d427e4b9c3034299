//! The whole state as a stream of bytes, and back.

use std::io;

use crate::Namespace;

/// Why a stream is not a state.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("the state could not be read: {0}")]
    Read(#[from] io::Error),
    /// Its bytes are not those of a state.
    #[error("the state is damaged: {0}")]
    Damaged(String),
    /// It was written by a version of this program that this one does not know.
    #[error(
        "the state has format version {found}; this program reads versions up to {known}: use a newer one"
    )]
    Version {
        /// The version of the stream.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
}

impl Namespace {
    /// Writes the whole state. Equal states give equal bytes.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        out.write_all(&bytes)
    }

    /// Reads what [`Namespace::save`] wrote, up to the end of `input`.
    ///
    /// # Errors
    /// When `input` fails, or is not a state.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let (state, rest) =
            postcard::take_from_bytes(&bytes).map_err(|reason| LoadError::Damaged(reason.to_string()))?;
        if !rest.is_empty() {
            return Err(LoadError::Damaged(format!("{} bytes too many", rest.len())));
        }
        Ok(state)
    }
}
