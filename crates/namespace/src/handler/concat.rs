//! `Concat`: files become one, without a byte being copied: their chunks go behind those of the first.
//!
//! Chunks keep their ids, generations and replicas, so those who have located them go on reading. All files must agree in
//! what their chunks are to be: in their replication, and none may have larger chunks than the target.

use std::collections::BTreeSet;

use types::limits::{CONCAT_CHUNKS_MAX, CONCAT_SOURCES_MAX};
use types::{FsPath, InodeId};

use crate::handler::{Answer, Call, Files, delete};
use crate::permission::{self, Access, CHANGE};
use crate::table::{File, Tree};
use crate::{NamespaceError, Outcome, resolve};

/// A file whose chunks go into another one.
struct Source<'p> {
    id: InodeId,
    /// Where its name is.
    parent: InodeId,
    name: &'p str,
    len: u64,
}

/// Joins files.
pub(crate) fn concat(files: &mut Files, call: &Call<'_>, target: &FsPath, sources: &[FsPath]) -> Answer {
    let tree = &files.tree;
    let invalid = |path: &FsPath, why: String| NamespaceError::Invalid {
        path: path.clone(),
        why,
    };
    if sources.is_empty() || sources.len() > CONCAT_SOURCES_MAX {
        let why = format!("from 1 to {CONCAT_SOURCES_MAX} files can be joined to it at once");
        return Err(invalid(target, why));
    }
    let id = resolve::existing(tree, call.caller, target)?.found;
    let grows = closed_file(tree, target, id)?;
    permission::require(call.caller, &tree.inode(id), &[Access::Write], || target.clone())?;
    let mut named = BTreeSet::from([id]);
    let mut chunks = tree.committed_count(id);
    let mut moved = Vec::with_capacity(sources.len());
    for path in sources {
        let walk = resolve::existing(tree, call.caller, path)?;
        let source = closed_file(tree, path, walk.found)?;
        permission::require(call.caller, &tree.inode(walk.found), &[Access::Read], || {
            path.clone()
        })?;
        permission::require(call.caller, &tree.inode(walk.parent), &CHANGE, || {
            path.parent().unwrap_or_else(FsPath::root)
        })?;
        permission::require_unsticky(
            call.caller,
            &tree.inode(walk.parent),
            &tree.inode(walk.found),
            || path.clone(),
        )?;
        if !named.insert(walk.found) {
            return Err(invalid(
                path,
                "a file can not be joined to itself, nor twice".to_owned(),
            ));
        }
        if source.replication != grows.replication {
            let why = format!(
                "it has a replication of {}, and {target} has {}: make them the same first",
                source.replication, grows.replication
            );
            return Err(invalid(path, why));
        }
        if source.chunk_size > grows.chunk_size {
            let why = format!(
                "its chunks have up to {} bytes, and those of {target} at most {}",
                source.chunk_size.bytes(),
                grows.chunk_size.bytes()
            );
            return Err(invalid(path, why));
        }
        chunks += tree.committed_count(walk.found);
        moved.push(Source {
            id: walk.found,
            parent: walk.parent,
            name: path.name().unwrap_or_default(),
            len: source.len,
        });
    }
    if chunks > CONCAT_CHUNKS_MAX {
        let why = format!("it would have {chunks} chunks; joined files may have {CONCAT_CHUNKS_MAX}");
        return Err(invalid(target, why));
    }

    let slots: Vec<_> = moved
        .iter()
        .flat_map(|source| tree.committed(source.id))
        .collect();
    let len = moved.iter().map(|source| source.len).sum();
    files.tree.extend(id, &slots, len)?;
    for slot in slots {
        files.chunks.give_at(slot, id);
    }
    files.tree.touch(id, call.at);
    for source in moved {
        // They are another file's by now.
        let _ = files.tree.take_chunks(source.id, u64::MAX);
        delete::remove(files, source.parent, source.name, None, call.at);
    }
    Ok(Outcome::Done)
}

/// A file that nobody writes.
fn closed_file<'t>(tree: &'t Tree, path: &FsPath, id: InodeId) -> Result<File<'t>, NamespaceError> {
    let Some(file) = tree.inode(id).file() else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    match file.writer {
        Some(writer) => Err(NamespaceError::BeingWritten {
            path: path.clone(),
            holder: writer.client,
        }),
        None => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use types::ChunkSize;
    use types::limits::CONCAT_SOURCES_MAX;

    use crate::handler::Answer;
    use crate::testing::{CHUNK_SIZE, Fs, client_of, denied, options, path};
    use crate::{Command, CreateOptions, NamespaceError, Outcome};

    fn concat(fs: &mut Fs, by: &str, target: &str, sources: &[&str]) -> Answer {
        let sources = sources.iter().map(|source| path(source)).collect();
        let target = path(target);
        fs.by(by).run(Command::Concat { target, sources })
    }

    #[test]
    fn chunks_change_hands_and_the_sources_are_gone() {
        let mut fs = Fs::slotted();
        fs.by("ann").mkdir("/tmp/parts").unwrap();
        let target = fs.by("ann").put("/tmp/whole", &[CHUNK_SIZE, 5]);
        let one = fs.by("ann").put("/tmp/parts/1", &[7]);
        fs.by("ann").put("/tmp/parts/2", &[]);
        let three = fs.by("ann").put("/tmp/3", &[1, CHUNK_SIZE, 2]);
        let parts = [target, one, three].map(|file| fs.ns.file_chunks(file).unwrap());
        fs.ns.take_touched();
        let sources = ["/tmp/parts/1", "/tmp/parts/2", "/tmp/3"];
        assert_eq!(concat(&mut fs, "ann", "/tmp/whole", &sources), Ok(Outcome::Done));
        assert_eq!(fs.lens("/tmp/whole"), [CHUNK_SIZE, 5, 7, 1, CHUNK_SIZE, 2]);
        let chunks = fs.ns.file_chunks(target).unwrap();
        let ids: Vec<_> = chunks.iter().map(|info| info.chunk).collect();
        let before: Vec<_> = parts.iter().flatten().map(|info| info.chunk).collect();
        assert_eq!(ids, before);
        assert!(chunks.iter().all(|info| info.owner == target));
        assert_eq!(fs.ns.take_touched().len(), 4, "those that have another owner");
        assert!(fs.names("/tmp/parts").is_empty());
        assert_eq!(fs.names("/tmp"), ["parts", "whole"]);
        assert!(fs.freed().is_empty());
        assert_eq!((fs.ns.totals().files, fs.ns.totals().chunks), (1, 6));
        fs.by("ann").delete("/tmp/whole").unwrap();
        assert_eq!(fs.freed().len(), 6);
    }

    #[test]
    fn an_empty_file_can_grow_by_one() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/a", &[]);
        fs.by("ann").put("/tmp/b", &[9]);
        concat(&mut fs, "ann", "/tmp/a", &["/tmp/b"]).unwrap();
        assert_eq!((fs.lens("/tmp/a"), fs.exists("/tmp/b")), (vec![9], false));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/a", &[1]);
        fs.by("ann").put("/tmp/b", &[2]);
        fs.by("ann").mkdir("/tmp/d").unwrap();
        fs.by("ann").create("/tmp/open", options()).unwrap();
        let other = |replication, chunk_size| CreateOptions {
            replication,
            chunk_size: ChunkSize::new(chunk_size).unwrap(),
            ..options()
        };
        for (at, options) in [
            ("/tmp/two", other(2, CHUNK_SIZE)),
            ("/tmp/large", other(3, CHUNK_SIZE * 2)),
            ("/tmp/small", other(3, CHUNK_SIZE / 2)),
        ] {
            let inode = fs.by("ann").create(at, options).unwrap().inode;
            fs.by("ann").write(inode, &[3]);
        }
        let mut why = |target: &str, sources: &[&str]| match concat(&mut fs, "ann", target, sources) {
            Err(NamespaceError::Invalid { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(why("/tmp/a", &[]).contains("from 1 to"));
        assert!(why("/tmp/a", &["/tmp/b"; CONCAT_SOURCES_MAX + 1]).contains("from 1 to"));
        assert!(why("/tmp/a", &["/tmp/a"]).contains("itself"));
        assert!(why("/tmp/a", &["/tmp/b", "/tmp/b"]).contains("twice"));
        assert!(why("/tmp/a", &["/tmp/b", "/tmp/two"]).contains("replication of 2"));
        assert!(why("/tmp/a", &["/tmp/large"]).contains("up to 2048 bytes"));
        let holder = client_of("ann");
        let busy = |at| {
            Err(NamespaceError::BeingWritten {
                path: path(at),
                holder,
            })
        };
        assert_eq!(
            concat(&mut fs, "ann", "/tmp/a", &["/tmp/open"]),
            busy("/tmp/open")
        );
        assert_eq!(
            concat(&mut fs, "ann", "/tmp/open", &["/tmp/a"]),
            busy("/tmp/open")
        );
        let directory = Err(NamespaceError::IsDirectory(path("/tmp/d")));
        assert_eq!(concat(&mut fs, "ann", "/tmp/a", &["/tmp/d"]), directory);
        let missing = Err(NamespaceError::NotFound(path("/tmp/x")));
        assert_eq!(concat(&mut fs, "ann", "/tmp/a", &["/tmp/b", "/tmp/x"]), missing);
        concat(&mut fs, "ann", "/tmp/a", &["/tmp/small", "/tmp/b"]).unwrap();
        assert_eq!(fs.lens("/tmp/a"), [1, 3, 2]);
    }

    #[test]
    fn it_takes_the_right_to_write_the_one_and_to_read_and_remove_the_others() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/a", &[1]);
        fs.by("bob").put("/tmp/b", &[2]);
        let refused = |missing| Err(denied("/tmp/b", "ann", missing));
        let sticky = "ownership (the directory is sticky)";
        assert_eq!(concat(&mut fs, "ann", "/tmp/a", &["/tmp/b"]), refused(sticky));
        assert_eq!(
            concat(&mut fs, "ann", "/tmp/b", &["/tmp/a"]),
            refused("write permission")
        );
        fs.by("bob").chmod("/tmp/b", 0o600).unwrap();
        assert_eq!(
            concat(&mut fs, "ann", "/tmp/a", &["/tmp/b"]),
            refused("read permission")
        );
        concat(&mut fs, "root", "/tmp/a", &["/tmp/b"]).unwrap();
    }
}
