//! The chunks of a file, for those who read it.

use types::{Caller, ChunkExtent, FsPath};

use crate::command::TRUNCATION;
use crate::permission::{self, Access};
use crate::query::stat::status;
use crate::{Located, Namespace, NamespaceError, resolve};

impl Namespace {
    /// The chunks of a file: the committed ones, and those from the first one on that is being written. Needs read permission.
    ///
    /// # Errors
    /// When it is not a file, or the caller may not read it.
    pub fn locate(&self, caller: &Caller, path: &FsPath) -> Result<Located, NamespaceError> {
        let id = resolve::existing(&self.files.tree, caller, path)?.found;
        let inode = self.files.tree.inode(id);
        permission::require(caller, &inode, &[Access::Read], || path.clone())?;
        let Some(file) = inode.file() else {
            return Err(NamespaceError::IsDirectory(path.clone()));
        };
        let extents = self.files.tree.committed(id).filter_map(|slot| {
            let (chunk, found) = self.files.chunks.at(slot)?;
            Some(ChunkExtent {
                chunk,
                generation: found.generation,
                len: found.len()?,
            })
        });
        let mut chunks: Vec<_> = extents.collect();
        let rest = file.uncommitted_chunks().iter();
        let mut open: Vec<_> = rest.filter_map(|&id| self.chunk(id)).collect();
        if file.writer.is_some_and(|writer| writer.client == TRUNCATION) {
            // Replicas may have more for a while; readers do not.
            chunks.extend(open.drain(..).map(|info| ChunkExtent {
                chunk: info.chunk,
                generation: info.generation,
                len: info.acknowledged,
            }));
        }
        Ok(Located {
            status: status(path.name().unwrap_or_default(), &inode, &self.files.chunks),
            chunks,
            open,
            chunk_size: file.chunk_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use types::Generation;

    use crate::NamespaceError;
    use crate::testing::{CHUNK_SIZE, Fs, caller, denied, path};

    #[test]
    fn chunks_come_in_order() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[CHUNK_SIZE, 7, CHUNK_SIZE]);
        let located = fs.ns.locate(&caller("bob"), &path("/tmp/f")).unwrap();
        let chunks: Vec<_> = located
            .chunks
            .iter()
            .map(|extent| (extent.chunk.as_u64(), extent.generation, extent.len))
            .collect();
        let first = Generation(1);
        assert_eq!(
            chunks,
            [(1, first, CHUNK_SIZE), (2, first, 7), (3, first, CHUNK_SIZE)]
        );
        assert_eq!(located.chunk_size.bytes(), CHUNK_SIZE);
        assert_eq!(located.status.len, 2 * CHUNK_SIZE + 7);
    }

    #[test]
    fn it_takes_a_file_and_read_permission() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        fs.by("ann").chmod("/tmp/f", 0o600).unwrap();
        let locate = |at| fs.ns.locate(&caller("bob"), &path(at)).map(|_| ());
        assert_eq!(locate("/tmp/f"), Err(denied("/tmp/f", "bob", "read permission")));
        assert_eq!(locate("/tmp"), Err(NamespaceError::IsDirectory(path("/tmp"))));
        assert_eq!(locate("/tmp/x"), Err(NamespaceError::NotFound(path("/tmp/x"))));
        assert_eq!(
            locate("/tmp/f/x"),
            Err(NamespaceError::NotDirectory(path("/tmp/f")))
        );
    }
}
