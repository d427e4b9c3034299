//! What is in a tree.

use types::{Caller, FsPath};

use crate::permission::{self, Access};
use crate::query::acknowledged;
use crate::table::Body;
use crate::{ContentSummary, Namespace, NamespaceError, resolve};

impl Namespace {
    /// What is in a tree; of a file, the file alone. Needs read and search permission on every directory in it. Takes
    /// time in proportion to the tree, and no stack.
    ///
    /// # Errors
    /// When there is none, or the caller may not read all of its directories.
    pub fn content_summary(&self, caller: &Caller, path: &FsPath) -> Result<ContentSummary, NamespaceError> {
        let tree = &self.files.tree;
        let mut summary = ContentSummary::default();
        let mut waiting = vec![resolve::existing(tree, caller, path)?.found];
        while let Some(id) = waiting.pop() {
            let inode = tree.inode(id);
            match &inode.body {
                Body::File(file) => {
                    summary.files += 1;
                    let len = file.len + acknowledged(file, &self.files.chunks);
                    summary.len = summary.len.saturating_add(len);
                    let space = len.saturating_mul(file.replication.into());
                    summary.space = summary.space.saturating_add(space);
                }
                Body::Directory { .. } => {
                    permission::require(caller, &inode, &[Access::Read, Access::Search], || {
                        tree.path(id).unwrap_or_else(|| path.clone())
                    })?;
                    summary.directories += 1;
                    let mut children = tree.children(id, "");
                    while let Some((_, child)) = children.advance() {
                        waiting.push(child);
                    }
                }
            }
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use crate::ContentSummary;
    use crate::testing::{Fs, caller, denied, options, path};

    #[test]
    fn everything_below_is_counted() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_p("/tmp/a/b").unwrap();
        fs.by("ann").put("/tmp/a/f", &[10, 5]);
        fs.by("ann").put("/tmp/a/b/g", &[1]);
        fs.by("ann").create("/tmp/a/b/open", options()).unwrap();
        let summary = |at| fs.ns.content_summary(&caller("ann"), &path(at)).unwrap();
        let tree = ContentSummary {
            files: 3,
            directories: 2,
            len: 16,
            space: 48,
        };
        assert_eq!(summary("/tmp/a"), tree);
        let file = ContentSummary {
            files: 1,
            directories: 0,
            len: 15,
            space: 45,
        };
        assert_eq!(summary("/tmp/a/f"), file);
    }

    #[test]
    fn a_directory_that_is_closed_is_named() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/a").unwrap();
        fs.by("ann").mkdir_mode("/tmp/a/b", 0o711).unwrap();
        let refused = fs.ns.content_summary(&caller("bob"), &path("/tmp"));
        assert_eq!(refused, Err(denied("/tmp/a/b", "bob", "read permission")));
    }
}
