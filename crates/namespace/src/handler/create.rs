//! `Create`, `CreateWithChunk`: makes a file and opens it for writing.

use types::FsPath;
use types::limits::REPLICATION_MAX;

use crate::handler::mkdir::{check_new, make_parents, new_attributes};
use crate::handler::{Answer, Call, Files, chunk, delete, overwrite};
use crate::table::{Attributes, Unpublished, Writer};
use crate::{CreateOptions, NamespaceError, OpenedFile, Outcome, Publish, resolve};

/// Makes a file.
pub(crate) fn create(files: &mut Files, call: &Call<'_>, path: &FsPath, options: &CreateOptions) -> Answer {
    Ok(Outcome::Opened(make(files, call, path, options)?))
}

/// Makes a file with its first chunk.
pub(crate) fn with_chunk(
    files: &mut Files,
    call: &Call<'_>,
    path: &FsPath,
    options: &CreateOptions,
) -> Answer {
    let file = make(files, call, path, options)?;
    let chunk = chunk::append_empty(files, file.inode)?;
    Ok(Outcome::Begun { file, chunk })
}

fn make(
    files: &mut Files,
    call: &Call<'_>,
    path: &FsPath,
    options: &CreateOptions,
) -> Result<OpenedFile, NamespaceError> {
    let client = call.client()?;
    check_replication(path, options.replication)?;
    let walk = resolve::walk(&files.tree, call.caller, path)?;
    let Some(name) = path.name() else {
        return Err(NamespaceError::IsDirectory(path.clone()));
    };
    let old = walk.target();
    match old {
        Some(target) => overwrite::check(
            &files.tree,
            call,
            client,
            walk.parent,
            target,
            path,
            options.overwrite,
        )?,
        None => check_new(&files.tree, call, &walk, options.parents)?,
    }

    let parent = match old {
        Some(_) => walk.parent,
        None => make_parents(&mut files.tree, call, &walk, directory_mode(options.mode))?,
    };
    let at_create = options.publish == Publish::AtCreate;
    if old.is_some() && at_create {
        delete::remove(files, parent, name, None, call.at);
    }
    let writer = Writer {
        client,
        user: call.caller.user.as_str().into(),
        name: name.into(),
        unpublished: (!at_create).then(|| Unpublished {
            path: path.clone(),
            parent,
            overwrite: options.overwrite,
        }),
        tail: Vec::new(),
        has_empty: false,
    };
    let attributes = Attributes {
        replication: options.replication,
        chunk_size: options.chunk_size,
        ..new_attributes(&files.tree, call, parent, options.mode)
    };
    let id = files.tree.add_file(attributes, writer, call.at)?;
    if at_create {
        files.tree.publish(id, parent, name, call.at);
    }
    files.leases.begin(client, id, call.at);
    Ok(OpenedFile {
        inode: id,
        replication: options.replication,
        chunk_size: options.chunk_size,
        len: 0,
    })
}

/// The mode of directories that are made for a file of `mode`: who may read the file may go there.
const fn directory_mode(mode: u16) -> u16 {
    mode | (mode & 0o444) >> 2
}

/// # Errors
/// When no chunk can have that many replicas.
pub(crate) fn check_replication(path: &FsPath, replication: u16) -> Result<(), NamespaceError> {
    if (1..=REPLICATION_MAX).contains(&replication) {
        return Ok(());
    }
    Err(NamespaceError::Invalid {
        path: path.clone(),
        why: format!("replication {replication} is not from 1 to {REPLICATION_MAX}"),
    })
}

#[cfg(test)]
mod tests {
    use types::limits::REPLICATION_MAX;

    use crate::testing::{CHUNK_SIZE, Fs, client_of, denied, filled, options, path, unpublished};
    use crate::{Command, CreateOptions, NamespaceError, Outcome};

    fn overwriting() -> CreateOptions {
        CreateOptions {
            overwrite: true,
            ..options()
        }
    }

    fn with_replication(replication: u16) -> CreateOptions {
        CreateOptions {
            replication,
            ..options()
        }
    }

    #[test]
    fn a_file_is_there_at_once_or_when_it_is_complete() {
        let mut fs = Fs::new();
        fs.by("ann").create("/tmp/now", options()).unwrap();
        let later = fs.by("ann").create("/tmp/later", unpublished()).unwrap();
        assert_eq!(fs.names("/tmp"), ["now"]);
        assert!(fs.stat("/tmp/now").unwrap().being_written);
        assert_eq!(fs.ns.totals().files, 1);
        let status = fs.by("ann").complete(later.inode, &[]).unwrap();
        assert_eq!(fs.names("/tmp"), ["later", "now"]);
        assert_eq!(Ok(status), fs.stat("/tmp/later"));
    }

    #[test]
    fn an_existing_file_is_replaced_only_when_asked_for() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[10, 20]);
        let refusal = Err(NamespaceError::Exists(path("/tmp/f")));
        assert_eq!(fs.by("ann").create("/tmp/f", options()), refusal);
        assert_eq!(fs.by("ann").create("/tmp/f", unpublished()), refusal);
        fs.by("ann").create("/tmp/f", overwriting()).unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().len, 0);
        assert_eq!(fs.freed(), [1, 2]);
        assert_eq!(fs.ns.totals().files, 1);
    }

    #[test]
    fn until_it_is_complete_an_overwritten_file_stays() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[10]);
        let new = CreateOptions {
            overwrite: true,
            ..unpublished()
        };
        let inode = fs.by("ann").create("/tmp/f", new).unwrap().inode;
        assert_eq!(fs.lens("/tmp/f"), [10]);
        fs.by("ann").write(inode, &[5, 6]);
        assert_eq!(fs.lens("/tmp/f"), [5, 6]);
        assert_eq!(fs.freed(), [1]);
        assert_eq!(fs.ns.totals().files, 1);
    }

    #[test]
    fn a_file_that_another_client_writes_is_not_replaced() {
        let mut fs = Fs::new();
        fs.by("ann").create("/tmp/f", options()).unwrap();
        let refusal = Err(NamespaceError::BeingWritten {
            path: path("/tmp/f"),
            holder: client_of("ann"),
        });
        assert_eq!(fs.by_other_client("ann").create("/tmp/f", overwriting()), refusal);
        let exists = Err(NamespaceError::Exists(path("/tmp/f")));
        assert_eq!(fs.by_other_client("ann").create("/tmp/f", options()), exists);
    }

    #[test]
    fn a_client_may_replace_what_it_writes_itself() {
        let mut fs = Fs::new();
        let old = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        fs.by("ann").add_chunk(old, &[]).unwrap();
        let new = fs.by("ann").create("/tmp/f", overwriting()).unwrap().inode;
        assert_eq!(fs.freed(), [1]);
        let (client, inode) = (client_of("ann"), old);
        assert_eq!(
            fs.by("ann").add_chunk(old, &[]),
            Err(NamespaceError::NotWriter { inode, client })
        );
        let leases: Vec<_> = fs.ns.leases().collect();
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].files, [new]);
    }

    #[test]
    fn overwriting_takes_write_permission_on_the_file_and_the_directory() {
        let mut fs = Fs::new();
        fs.by("root").mkdir_mode("/open", 0o777).unwrap();
        fs.by("ann").put("/open/f", &[]);
        let refusal = Err(denied("/open/f", "bob", "write permission"));
        assert_eq!(fs.by("bob").create("/open/f", overwriting()), refusal);
        fs.by("ann").chmod("/open/f", 0o666).unwrap();
        fs.by("bob").create("/open/f", overwriting()).unwrap();

        fs.by("ann").put("/tmp/f", &[]);
        fs.by("ann").chmod("/tmp/f", 0o666).unwrap();
        let sticky = Err(denied("/tmp/f", "bob", "ownership (the directory is sticky)"));
        assert_eq!(fs.by("bob").create("/tmp/f", overwriting()), sticky);
        let closed = Err(denied("/", "ann", "write permission"));
        assert_eq!(fs.by("ann").create("/f", options()), closed);
    }

    #[test]
    fn parents_are_made_so_that_those_who_may_read_the_file_can_go_there() {
        let mut fs = Fs::new();
        let missing = Err(NamespaceError::NotFound(path("/tmp/a")));
        assert_eq!(fs.by("ann").create("/tmp/a/b/f", options()), missing);
        let parents = CreateOptions {
            parents: true,
            mode: 0o640,
            ..options()
        };
        fs.by("ann").create("/tmp/a/b/f", parents).unwrap();
        assert_eq!(fs.stat("/tmp/a/b").unwrap().mode, 0o750);
        assert_eq!(fs.stat("/tmp/a/b/f").unwrap().mode, 0o640);
    }

    #[test]
    fn directories_are_in_the_way() {
        let mut fs = Fs::new();
        let refusal = |at| Err(NamespaceError::IsDirectory(path(at)));
        assert_eq!(fs.by("root").create("/tmp", overwriting()), refusal("/tmp"));
        assert_eq!(fs.by("root").create("/", options()), refusal("/"));
    }

    #[test]
    fn a_file_may_begin_with_its_first_chunk() {
        let mut fs = Fs::new();
        let begin = |path: &str| Command::CreateWithChunk {
            path: crate::testing::path(path),
            options: unpublished(),
        };
        let entry = fs.by("ann").entry(begin("/tmp/f"));
        let first = fs.ns.apply(&entry).unwrap();
        let Outcome::Begun { file, chunk } = first.clone() else {
            panic!("{first:?}");
        };
        assert_eq!(fs.ns.apply(&entry), Ok(first), "the same call again");
        assert_eq!(fs.ns.file_chunks(file.inode).unwrap().len(), 1);
        assert!(!fs.exists("/tmp/f"));
        let second = fs.by("ann").add_chunk(file.inode, &[filled(chunk, 9)]).unwrap();
        fs.by("ann").complete(file.inode, &[filled(second, 5)]).unwrap();
        assert_eq!(fs.lens("/tmp/f"), [9, 5]);

        let chunks = fs.ns.totals().chunks;
        let refused = fs.by("ann").run(begin("/tmp/f"));
        assert_eq!(refused, Err(NamespaceError::Exists(path("/tmp/f"))));
        let closed = fs.by("ann").run(begin("/f"));
        assert_eq!(closed, Err(denied("/", "ann", "write permission")));
        assert_eq!(
            fs.ns.totals().chunks,
            chunks,
            "nothing is left of what was refused"
        );
    }

    #[test]
    fn replication_has_limits() {
        let mut fs = Fs::new();
        for bad in [0, REPLICATION_MAX + 1] {
            let refused = fs.by("ann").create("/tmp/f", with_replication(bad));
            assert!(matches!(refused, Err(NamespaceError::Invalid { .. })));
        }
        let opened = fs
            .by("ann")
            .create("/tmp/f", with_replication(REPLICATION_MAX))
            .unwrap();
        assert_eq!(opened.replication, REPLICATION_MAX);
        assert_eq!(opened.chunk_size.bytes(), CHUNK_SIZE);
    }
}
