//! Where files are, by their identity, for the master's own use: no permissions apply.

use std::collections::BTreeMap;

use types::{FsPath, InodeId};

use crate::Namespace;

impl Namespace {
    /// The paths of some inodes, in their order; of a file without a name, the one that it will have. None for what is not
    /// there any more. A file does not know its name: the directories of these files are looked through, each of them once.
    #[must_use]
    pub fn paths(&self, inodes: &[InodeId]) -> Vec<Option<FsPath>> {
        let tree = &self.files.tree;
        let mut paths: Vec<_> = inodes.iter().map(|_| None).collect();
        let mut directories: BTreeMap<InodeId, BTreeMap<InodeId, Vec<usize>>> = BTreeMap::new();
        for (at, &inode) in inodes.iter().enumerate() {
            if !tree.is_there(inode) {
                continue;
            }
            if let Some(path) = tree.path(inode) {
                put(&mut paths, at, &path);
            } else if let Some(parent) = tree.parent(inode) {
                let files = directories.entry(parent).or_default();
                files.entry(inode).or_default().push(at);
            }
        }
        for (directory, mut files) in directories {
            let Some(above) = tree.path(directory) else {
                continue;
            };
            let mut children = tree.children(directory, "");
            while !files.is_empty()
                && let Some((name, child)) = children.advance()
            {
                if let Some(places) = files.remove(&child)
                    && let Ok(path) = above.join(&name)
                {
                    places.into_iter().for_each(|at| put(&mut paths, at, &path));
                }
            }
        }
        paths
    }
}

fn put(paths: &mut [Option<FsPath>], at: usize, path: &FsPath) {
    if let Some(place) = paths.get_mut(at) {
        *place = Some(path.clone());
    }
}

#[cfg(test)]
mod tests {
    use types::InodeId;

    use crate::testing::{Fs, path, unpublished};

    #[test]
    fn files_are_found_by_their_identity() {
        let mut fs = Fs::slotted();
        fs.by("ann").mkdir_p("/tmp/a/b").unwrap();
        let one = fs.by("ann").put("/tmp/a/b/one", &[1]);
        let two = fs.by("ann").put("/tmp/two", &[]);
        let removed = fs.by("ann").put("/tmp/a/gone", &[1]);
        fs.by("ann").delete("/tmp/a/gone").unwrap();
        let open = fs.by("ann").create("/tmp/a/open", unpublished()).unwrap().inode;
        let directory = fs.stat("/tmp/a").unwrap().inode;
        let all = [two, one, removed, open, directory, InodeId::ROOT, two];
        let found = fs.ns.paths(&all);
        let expected = [
            Some("/tmp/two"),
            Some("/tmp/a/b/one"),
            None,
            Some("/tmp/a/open"),
            Some("/tmp/a"),
            Some("/"),
            Some("/tmp/two"),
        ];
        assert_eq!(found, expected.map(|at| at.map(path)));
        fs.by("ann").rename("/tmp/a", "/tmp/z").unwrap();
        assert_eq!(fs.ns.paths(&[one]), [Some(path("/tmp/z/b/one"))]);
    }

    #[test]
    fn what_is_being_freed_has_no_path() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/a").unwrap();
        let file = fs.by("ann").put("/tmp/a/f", &[1]);
        let ticket = fs.by("ann").ticket("/tmp/a").unwrap();
        fs.by("ann").delete_tree("/tmp/a", ticket).unwrap();
        assert_eq!(fs.ns.paths(&[file]), [None]);
    }
}
