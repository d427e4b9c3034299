//! `Reap`: frees what recursive deletes have detached.

use crate::handler::{Answer, Call, Files, delete};
use crate::table::Doomed;
use crate::{Outcome, permission};

/// Frees up to `limit` inodes and chunks (and the few that were being written), and goes down as many directories at most.
pub(crate) fn reap(files: &mut Files, call: &Call<'_>, limit: u64) -> Answer {
    permission::require_superuser(call.caller)?;
    let limit = limit.max(1);
    let (mut steps, mut freed) = (limit, 0);
    while freed < limit
        && let Some(doomed) = files.tree.next_doomed(&mut steps)
    {
        if let Doomed::File(file) = doomed {
            let mut chunks = delete::end_writing(files, file);
            for slot in files.tree.take_chunks(file, limit - freed) {
                files.chunks.free_at(slot);
                chunks += 1;
            }
            files.tree.freed_chunks(chunks);
            freed += chunks;
            if freed >= limit || files.tree.committed_count(file) > 0 {
                continue;
            }
        }
        files.tree.free_doomed(doomed);
        freed += 1;
    }
    Ok(Outcome::Reaped(freed))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fs, client_of, denied, filled, options, path, unpublished};
    use crate::{Command, Content, NamespaceError, Outcome, Totals};

    /// `/tmp/a` with three directories, three files and four chunks.
    fn tree() -> Fs {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_p("/tmp/a/b/c").unwrap();
        fs.by("ann").put("/tmp/a/b/f", &[1, 2]);
        fs.by("ann").put("/tmp/a/g", &[3]);
        fs.by("ann").put("/tmp/a/b/c/h", &[4]);
        fs
    }

    fn delete_tree(fs: &mut Fs, at: &str) {
        let ticket = fs.by("ann").ticket(at).unwrap();
        assert_eq!(fs.by("ann").delete_tree(at, ticket), Ok(Outcome::Done));
    }

    #[test]
    fn a_tree_is_gone_at_once_and_freed_bit_by_bit() {
        let mut fs = tree();
        delete_tree(&mut fs, "/tmp/a");
        assert!(!fs.exists("/tmp/a"));
        assert_eq!(fs.stat("/tmp").unwrap().children, 0);
        let left = Totals {
            files: 0,
            directories: 2,
            chunks: 0,
        };
        assert_eq!(fs.ns.totals(), left, "what is removed does not count");
        let content = Content {
            files: 3,
            directories: 3,
            chunks: 4,
        };
        assert_eq!(fs.ns.graveyard(), content);
        assert_eq!(fs.ns.take_freed(), []);
        assert_eq!(fs.ns.chunks().count(), 4, "held until they are freed");

        let mut steps = Vec::new();
        while fs.ns.reap_due() {
            steps.push(fs.reap_some(4));
            assert_eq!(fs.ns.totals(), left);
        }
        assert_eq!(steps.iter().sum::<u64>(), 10);
        assert!(
            steps.len() >= 3 && steps.iter().all(|freed| *freed <= 4),
            "{steps:?}"
        );
        assert_eq!(fs.ns.graveyard(), Content::default());
        let mut freed = fs.freed();
        freed.sort_unstable();
        assert_eq!(freed, [1, 2, 3, 4]);
        assert_eq!(fs.reap_some(4), 0, "there is nothing more");
    }

    #[test]
    fn its_name_is_free_for_another() {
        let mut fs = tree();
        delete_tree(&mut fs, "/tmp/a");
        fs.by("ann").put("/tmp/a", &[9]);
        assert_eq!(fs.freed().len(), 4);
        assert_eq!(fs.lens("/tmp/a"), [9]);
    }

    #[test]
    fn who_writes_below_is_told_that_it_is_gone() {
        let mut fs = tree();
        let inode = fs.by("ann").create("/tmp/a/b/open", options()).unwrap().inode;
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let other = fs.by("ann").create("/tmp/other", options()).unwrap().inode;
        let before = fs.at;
        delete_tree(&mut fs, "/tmp/a");
        let client = client_of("ann");
        let gone = NamespaceError::NotWriter { inode, client };
        for answer in [
            fs.by("ann").add_chunk(inode, &[]).map(|_| ()),
            fs.by("ann").complete(inode, &[filled(chunk, 1)]).map(|_| ()),
            fs.by("ann").abandon_chunk(inode, chunk.chunk).map(|_| ()),
            fs.by("ann").abandon_file(inode, &[]).map(|_| ()),
            fs.by("ann").bump(inode, chunk.chunk).map(|_| ()),
            fs.by("ann").update(inode, filled(chunk, 1)).map(|_| ()),
            fs.ns.writer_file(inode, client).map(|_| ()),
        ] {
            assert_eq!(answer, Err(gone.clone()));
        }
        assert_eq!(fs.ns.file_chunks(inode), None);
        let leases: Vec<_> = fs.ns.leases().map(|lease| lease.files).collect();
        assert_eq!(leases, [[other]]);
        assert_eq!(fs.expire(before + 99), 1, "only what is there is closed");
        assert_eq!(fs.ns.leases().count(), 0);
        fs.reap();
        assert_eq!(fs.ns.totals().chunks, 0);
    }

    #[test]
    fn an_unpublished_file_outlives_its_directory_without_a_place_to_go() {
        let mut fs = Fs::slotted();
        fs.by("ann").mkdir_p("/tmp/a/b/c").unwrap();
        let inode = fs.by("ann").create("/tmp/a/b/new", unpublished()).unwrap().inode;
        delete_tree(&mut fs, "/tmp/a");
        for _ in 0..2 {
            let file = fs.ns.writer_file(inode, client_of("ann")).unwrap();
            assert_eq!(file.path, None);
            let lost = Err(NamespaceError::NotFound(path("/tmp/a/b/new")));
            assert_eq!(fs.by("ann").complete(inode, &[]), lost);
            fs.reap();
        }
        // The slots are used again; the directory is known by its whole id.
        fs.by("ann").mkdir_p("/tmp/a/b/c").unwrap();
        let lost = Err(NamespaceError::NotFound(path("/tmp/a/b/new")));
        assert_eq!(fs.by("ann").complete(inode, &[]), lost);
        assert_eq!(fs.ns.writer_file(inode, client_of("ann")).unwrap().path, None);
        fs.by("ann").abandon_file(inode, &[]).unwrap();
    }

    #[test]
    fn a_large_file_is_freed_bit_by_bit_too() {
        let mut fs = Fs::new();
        let lens = [1; 1_001];
        fs.by("ann").put("/tmp/f", &lens);
        fs.by("ann").put("/tmp/g", &[7]);
        fs.by("ann").append("/tmp/f").unwrap();
        fs.by("ann").rename("/tmp/g", "/tmp/f").unwrap();
        assert_eq!(fs.ns.leases().count(), 0);
        assert_eq!(fs.ns.totals().chunks, 1);
        assert_eq!(fs.ns.totals().files, 1);
        assert_eq!(fs.reap_some(1_000), 1_000);
        assert_eq!((fs.reap_some(1_000), fs.ns.reap_due()), (2, false));
        assert_eq!(fs.freed().len(), 1_001);
        assert_eq!(fs.lens("/tmp/f"), [7]);
    }

    #[test]
    fn only_the_leader_reaps() {
        let mut fs = Fs::new();
        let refusal = Err(denied("/", "ann", "superuser privilege"));
        assert_eq!(fs.by("ann").run(Command::Reap { limit: 1 }), refusal);
        assert_eq!(fs.by("ann").run(Command::SetSafeMode { on: true }), refusal);
    }
}
