//! The chunks of a file, for those who read it.

use types::{Caller, ChunkExtent, FsPath};

use crate::permission::{self, Access};
use crate::query::stat::status;
use crate::{Located, Namespace, NamespaceError, resolve};

impl Namespace {
    /// The committed chunks of a file, up to the first one that is being written. Needs read permission.
    ///
    /// # Errors
    /// When it is not a file, or the caller may not read it.
    pub fn locate(&self, caller: &Caller, path: &FsPath) -> Result<Located, NamespaceError> {
        let id = resolve::existing(&self.files.tree, caller, path)?.found;
        let inode = self.files.tree.inode(id);
        permission::require(caller, inode, &[Access::Read], || path.clone())?;
        let Some(file) = inode.file() else {
            return Err(NamespaceError::IsDirectory(path.clone()));
        };
        let extents = file.committed_chunks().iter().filter_map(|&chunk| {
            let found = self.files.chunks.find(chunk)?;
            Some(ChunkExtent {
                chunk,
                generation: found.generation,
                len: found.len()?,
            })
        });
        Ok(Located {
            status: status(id, inode),
            chunks: extents.collect(),
            chunk_size: file.chunk_size,
        })
    }
}
