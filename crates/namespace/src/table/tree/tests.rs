use types::{ChunkId, UnixMillis};

use crate::testing::{Fs, caller, options, path};
use crate::{Command, NamespaceError, SetAttributes};

#[test]
fn a_full_table_refuses_and_changes_nothing() {
    for slotted in [false, true] {
        let mut fs = if slotted { Fs::slotted() } else { Fs::new() };
        fs.ns.files.tree.inodes_max = 6;
        fs.by("ann").mkdir_p("/tmp/a/b").unwrap();
        // Room for two: a part of the way would be made. The harness looks whether anything has changed.
        let full = NamespaceError::Full("it has all of its 6 inodes".to_owned());
        assert_eq!(
            full.to_string(),
            "the namespace is full: it has all of its 6 inodes"
        );
        assert_eq!(fs.by("ann").mkdir_p("/tmp/c/d/e"), Err(full.clone()));
        fs.by("ann").mkdir_p("/tmp/c/d").unwrap();
        assert_eq!(fs.by("ann").create("/tmp/f", options()), Err(full));
        fs.by("ann").delete("/tmp/a/b").unwrap();
        fs.by("ann").create("/tmp/f", options()).unwrap();
    }
}

#[test]
fn a_file_may_be_longer_than_its_record_can_say() {
    let mut fs = Fs::new();
    let inode = fs.by("ann").put("/tmp/f", &[1]);
    let chunk = ChunkId::new(1).unwrap();
    let tree = &mut fs.ns.files.tree;
    for _ in 0..3 {
        tree.commit(inode, chunk, 1 << 47).unwrap();
    }
    assert_eq!(fs.stat("/tmp/f").unwrap().len, 3 * (1 << 47) + 1);
    let bytes = crate::testing::saved(&fs.ns);
    let loaded = crate::Namespace::load(&mut &*bytes).unwrap();
    let status = loaded.stat(&caller("ann"), &path("/tmp/f")).unwrap();
    assert_eq!(status.len, 3 * (1 << 47) + 1);
}

#[test]
fn times_of_any_year_are_kept() {
    let mut fs = Fs::new();
    fs.by("ann").put("/tmp/f", &[1]);
    fs.by("ann").mkdir("/tmp/d").unwrap();
    for (mtime, atime) in [(0, u64::MAX), (u64::MAX, 0), (1 << 48, 1 << 47), (5, 5)] {
        let (mtime, atime) = (UnixMillis(mtime), UnixMillis(atime));
        for at in ["/tmp/f", "/tmp/d"] {
            let set = SetAttributes {
                mtime: Some(mtime),
                atime: Some(atime),
                ..Default::default()
            };
            fs.by("ann").set(at, set).unwrap();
            let status = fs.stat(at).unwrap();
            assert_eq!((status.mtime, status.atime), (mtime, atime), "{at}");
        }
    }
    assert_eq!(
        fs.ns.files.tree.odd.count(),
        0,
        "what fits goes back into the record"
    );
}

#[test]
fn attributes_that_nobody_has_are_forgotten() {
    let mut fs = Fs::new();
    let before = fs.ns.files.tree.attributes.len();
    fs.by("ann").put("/tmp/f", &[1]);
    for mode in 0..0o100 {
        fs.by("ann").chmod("/tmp/f", mode).unwrap();
    }
    assert_eq!(fs.ns.files.tree.attributes.len(), before + 1);
    fs.by("ann").delete("/tmp/f").unwrap();
    assert_eq!(fs.ns.files.tree.attributes.len(), before);
}

#[test]
fn a_chunk_runs_out_of_generations_with_a_refusal() {
    let mut fs = Fs::new();
    let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
    let extent = fs.by("ann").add_chunk(inode, &[]).unwrap();
    let chunks = &mut fs.ns.files.chunks;
    let mut chunk = chunks.find(extent.chunk).unwrap();
    chunk.state = crate::table::ChunkState::BeingWritten {
        acknowledged: 0,
        highest: types::Generation(u64::from(u32::MAX) - 1),
    };
    chunks.set(extent.chunk, chunk);
    let last = fs.by("ann").bump(inode, extent.chunk).unwrap();
    assert_eq!(last.0, u64::from(u32::MAX));
    let (inode, chunk) = (inode, extent.chunk);
    let refused = fs.by("ann").run(Command::BumpGeneration { inode, chunk });
    assert!(
        matches!(refused, Err(NamespaceError::WrongChunk { .. })),
        "{refused:?}"
    );
}
