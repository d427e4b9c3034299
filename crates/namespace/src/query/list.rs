//! Directory listings, page by page.

use types::limits::LISTING_PAGE_MAX;
use types::{Caller, FsPath};

use crate::permission::{self, Access};
use crate::query::stat::status;
use crate::{Namespace, NamespaceError, Page, resolve};

impl Namespace {
    /// Up to `limit` entries of a directory behind the name `start_after`, which need not be there any more; at most
    /// [`LISTING_PAGE_MAX`], and that many when `limit` is 0. Entries that come and go between two pages may or may not
    /// be seen; all others are seen exactly once.
    ///
    /// Needs read and search permission on the directory: names, and what `stat` says of each.
    ///
    /// # Errors
    /// When it is not a directory, or the caller may not read it.
    pub fn list(
        &self,
        caller: &Caller,
        path: &FsPath,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Page, NamespaceError> {
        let tree = &self.files.tree;
        let id = resolve::existing(tree, caller, path)?.found;
        let directory = tree.inode(id);
        if !directory.is_directory() {
            return Err(NamespaceError::NotDirectory(path.clone()));
        }
        permission::require(caller, &directory, &[Access::Read, Access::Search], || {
            path.clone()
        })?;
        let limit = match limit {
            0 => LISTING_PAGE_MAX,
            limit => limit.min(LISTING_PAGE_MAX),
        };
        let mut children = tree.children(id, start_after.unwrap_or_default());
        let mut entries = Vec::new();
        while entries.len() < limit {
            let Some((name, child)) = children.advance() else {
                break;
            };
            entries.push(status(&name, &tree.inode(child), &self.files.chunks));
        }
        Ok(Page {
            entries,
            more: children.advance().is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use types::limits::LISTING_PAGE_MAX;

    use crate::NamespaceError;
    use crate::testing::{Fs, caller, denied, path};

    #[test]
    fn entries_come_in_byte_order_page_by_page() {
        let mut fs = Fs::new();
        for name in ["b", "a", "ä", "B", "ab"] {
            fs.by("ann").mkdir(&format!("/tmp/{name}")).unwrap();
        }
        fs.by("ann").mkdir("/tmp/a/below").unwrap();
        assert_eq!(fs.names("/tmp"), ["B", "a", "ab", "b", "ä"]);
        let page = |after, limit| {
            let page = fs.ns.list(&caller("bob"), &path("/tmp"), after, limit).unwrap();
            let names: Vec<_> = page.entries.into_iter().map(|entry| entry.name).collect();
            (names.join(" "), page.more)
        };
        assert_eq!(page(None, 2), ("B a".to_owned(), true));
        assert_eq!(page(Some("a"), 2), ("ab b".to_owned(), true));
        assert_eq!(page(Some("b"), 2), ("ä".to_owned(), false));
        assert_eq!(page(Some("b"), 1), ("ä".to_owned(), false));
        assert_eq!(page(Some("aa"), 1), ("ab".to_owned(), true), "need not be there");
        assert_eq!(page(Some("ä"), 1), (String::new(), false));
        assert_eq!(page(Some(""), 1), ("B".to_owned(), true));
    }

    #[test]
    fn it_takes_read_and_search_permission() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_mode("/tmp/a", 0o700).unwrap();
        let list = |fs: &Fs| fs.ns.list(&caller("bob"), &path("/tmp/a"), None, 0).map(|_| ());
        assert_eq!(list(&fs), Err(denied("/tmp/a", "bob", "read permission")));
        fs.by("ann").chmod("/tmp/a", 0o704).unwrap();
        assert_eq!(list(&fs), Err(denied("/tmp/a", "bob", "search permission")));
        fs.by("ann").chmod("/tmp/a", 0o705).unwrap();
        assert_eq!(list(&fs), Ok(()));
    }

    #[test]
    fn a_file_has_no_entries_to_list() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        let refused = fs.ns.list(&caller("ann"), &path("/tmp/f"), None, 0);
        assert_eq!(refused, Err(NamespaceError::NotDirectory(path("/tmp/f"))));
    }

    /// The product promises 1,000,000 entries in a directory. Without optimisation so many would take many seconds, and
    /// a tenth of them tells the same.
    #[test]
    fn a_huge_directory_is_paged_completely() {
        let count: u64 = if cfg!(debug_assertions) {
            100_000
        } else {
            1_000_000
        };
        let mut fs = Fs::new();
        let directory = fs.stat("/tmp").unwrap().inode;
        for number in 0..count {
            // Not in the order of the names.
            let shuffled = number * 7_919 % count;
            fs.plant(directory, &format!("entry-{shuffled:07}"));
        }
        assert_eq!(fs.stat("/tmp").unwrap().children, count);
        let (mut seen, mut after) = (0, None::<String>);
        loop {
            let page = fs
                .ns
                .list(&caller("ann"), &path("/tmp"), after.as_deref(), usize::MAX)
                .unwrap();
            for entry in &page.entries {
                assert_eq!(entry.name, format!("entry-{seen:07}"));
                seen += 1;
            }
            after = page.entries.last().map(|entry| entry.name.clone());
            assert_eq!(page.entries.len(), LISTING_PAGE_MAX);
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, count);
    }
}
