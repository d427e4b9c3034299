//! The whole state as a stream of bytes, and back.
//!
//! ```text
//!  0..8    "DFSSTATE"
//!  8..12   version of the format: 2 (1, which has no settings and less of members, is read too)
//! 12..     what is small (postcard): length 8, bytes
//!          inodes, names, names of directories, lists of chunks, chunks: each as its table writes it
//! last 4   CRC32C of everything before
//! ```
//! Numbers are little-endian. The bytes are a function of the state alone: a master that was restarted writes the same as
//! one that was not. What is told once (freed chunks that nobody took yet) is not in it.
//!
//! Every stream that is not exactly such a state is refused, and takes no more memory than a few times its own length.

mod small;
mod summed;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};

use compact::{Arena, NameTree, Slab};

use self::small::Small;
use self::summed::{SummedReader, SummedWriter};
use crate::Namespace;

const MAGIC: [u8; 8] = *b"DFSSTATE";

/// The version that is written, and the newest that is read.
const VERSION: u32 = 2;

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

impl From<compact::LoadError> for LoadError {
    fn from(error: compact::LoadError) -> Self {
        match error {
            compact::LoadError::Io(error) => Self::Read(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

fn damaged(what: &str) -> LoadError {
    LoadError::Damaged(what.to_owned())
}

impl Namespace {
    /// Writes the whole state. Equal states give equal bytes. Takes time in proportion to all that there is: save a clone.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut out = SummedWriter::new(out);
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        let small = postcard::to_stdvec(&Small::of(self)).map_err(io::Error::other)?;
        out.write_all(&(small.len() as u64).to_le_bytes())?;
        out.write_all(&small)?;
        let (tree, chunks) = (&self.files.tree, &self.files.chunks);
        tree.inodes.save(&mut out)?;
        tree.names.save(&mut out)?;
        tree.own_names.save(&mut out)?;
        tree.lists.save(&mut out)?;
        chunks.table.save(&mut out)?;
        out.finish()
    }

    /// Reads what [`Namespace::save`] wrote: all of `input`.
    ///
    /// # Errors
    /// When `input` fails, or is not a state.
    pub fn load(input: &mut dyn io::Read) -> Result<Self, LoadError> {
        let mut input = SummedReader::new(input);
        let (mut magic, mut version, mut len) = ([0; 8], [0; 4], [0; 8]);
        input.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(damaged("it does not begin as one"));
        }
        input.read_exact(&mut version)?;
        let version = u32::from_le_bytes(version);
        match version {
            1..=VERSION => {}
            0 => return Err(damaged("it has no version")),
            found => {
                return Err(LoadError::Version {
                    found,
                    known: VERSION,
                });
            }
        }
        input.read_exact(&mut len)?;
        let (len, mut small) = (u64::from_le_bytes(len), Vec::new());
        (&mut input).take(len).read_to_end(&mut small)?;
        if small.len() as u64 != len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut state = Small::read(version, &small)?;
        let inodes = Slab::load(&mut input)?;
        let names = NameTree::load(&mut input)?;
        let own_names = NameTree::load(&mut input)?;
        let lists = Arena::load(&mut input)?;
        let chunks = Slab::load(&mut input)?;
        input.finish()?;

        let tree = &mut state.files.tree;
        tree.inodes = inodes;
        tree.names = names;
        tree.own_names = own_names;
        tree.lists = lists;
        state.files.chunks.table = chunks;
        if !state.adds_up() {
            return Err(damaged("its tables do not belong together"));
        }
        Ok(state)
    }

    /// What must be so in every state, as far as it is quickly seen.
    fn adds_up(&self) -> bool {
        let tree = &self.files.tree;
        let unpublished = tree
            .writers
            .values()
            .filter(|writer| writer.unpublished.is_some());
        let counted = tree.files.checked_add(tree.directories);
        let inodes = (tree.inodes.len() as u64).checked_sub(unpublished.count() as u64);
        let named = tree.names.len() as u64 + tree.graves() + u64::from(tree.has_root());
        tree.has_root() == self.cluster.is_some() && counted == inodes && counted == Some(named)
    }
}
