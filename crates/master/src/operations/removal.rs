//! What would be lost for good with a datanode that an operator wants to be forgotten.
//!
//! A chunk is *only there* when every valid replica that is known is on that datanode; of one that is being written, also replicas
//! that are not finished. One that has not told what it has since this master started may have any chunk of which nobody else has
//! a valid replica.

use std::collections::BTreeSet;

use namespace::{ChunkInfo, Namespace};
use placement::Class;
use types::{DatanodeId, FsPath, InodeId};

use crate::cluster::{Cluster, expected};
use crate::core::Core;
use crate::desk::Unfinished;

/// Chunks that are looked at before others may have the lock of the cluster.
const SLICE: usize = 2_000;

/// Files that are named.
const NAMED_MAX: usize = 5;

/// Files that are told apart; of more it is only known that there are more.
const FILES_MAX: usize = 100_000;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct OnlyThere {
    pub(crate) chunks: u64,
    pub(crate) files: u64,
    /// Some of the files; a deleted one has none.
    pub(crate) examples: Vec<FsPath>,
}

/// It can not be said yet: the chunks are being counted.
#[derive(Debug)]
pub(crate) struct Counting;

/// What is on `datanode` and nowhere else.
///
/// # Errors
/// [`Counting`].
pub(crate) async fn only_there(core: &Core, datanode: DatanodeId) -> Result<OnlyThere, Counting> {
    let mut found = OnlyThere::default();
    let (mut files, mut named) = (BTreeSet::new(), Vec::new());
    let mut from = Some(0);
    // What is finished meanwhile is among the replicas then.
    let unfinished = core.desk.unfinished();
    while let Some(at) = from {
        {
            let cluster = core.cluster();
            let namespace = core.machine.read();
            if namespace.totals().chunks == 0 {
                return Ok(found);
            }
            if !cluster.counts() || cluster.recount_due() {
                return Err(Counting);
            }
            let page = cluster.ledger.list_chunks(at, SLICE, |condition| {
                matches!(condition.class, Class::Unavailable | Class::BeingWritten)
            });
            for info in page
                .items
                .iter()
                .filter_map(|listed| namespace.chunk(listed.chunk))
            {
                if is_only_there(&cluster, &namespace, &unfinished, &info, datanode) {
                    found.chunks += 1;
                    if files.len() < FILES_MAX && files.insert(info.owner) && named.len() < NAMED_MAX {
                        named.push(info.owner);
                    }
                }
            }
            from = page.next;
        }
        tokio::task::yield_now().await;
    }
    found.files = files.len() as u64;
    found.examples = paths(core, &named);
    Ok(found)
}

fn is_only_there(
    cluster: &Cluster,
    namespace: &Namespace,
    unfinished: &Unfinished,
    info: &ChunkInfo,
    datanode: DatanodeId,
) -> bool {
    let mut holders = cluster.holders(info, unfinished);
    // The picture follows the log a moment later: what was on one that was removed just now is about to be forgotten.
    holders.retain(|holder| namespace.member(*holder).is_some());
    let is_open = expected(info).len.is_none();
    let has_told = match is_open {
        true => cluster.has_told_all(datanode, unfinished),
        false => cluster.has_told(datanode),
    };
    let is_here = holders.remove(&datanode);
    holders.is_empty() && (is_here || !has_told)
}

fn paths(core: &Core, files: &[InodeId]) -> Vec<FsPath> {
    let namespace = core.machine.read();
    namespace.paths(files).into_iter().flatten().collect()
}

impl OnlyThere {
    /// What of, in words: `3 chunks of 2 files: /a, /b`.
    pub(crate) fn words(&self) -> String {
        let plural = |count: u64, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let names: Vec<_> = self.examples.iter().map(ToString::to_string).collect();
        let more = self.files.saturating_sub(names.len() as u64);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!(
            "{} of {}: {}{more}",
            plural(self.chunks, "chunk"),
            plural(self.files, "file"),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use namespace::Command;

    use super::*;
    use crate::cluster::testing::{World, node};
    use crate::desk::Desk;

    #[test]
    fn what_is_being_written_only_there_is_only_there() {
        let mut world = World::of(3);
        let (file, chunk) = world.open("/f", 1);
        let desk = Desk::new();
        for n in 1..=3 {
            desk.told(node(n), Vec::new());
        }
        let only_on = |world: &World, desk: &Desk, n| {
            let info = world.namespace.chunk(chunk.chunk).unwrap();
            is_only_there(
                &world.cluster,
                &world.namespace,
                &desk.unfinished(),
                &info,
                node(n),
            )
        };
        assert!(!only_on(&world, &desk, 1), "it has nothing");
        world.begin_write(file.inode, chunk.chunk, &[1]);
        assert!(only_on(&world, &desk, 1), "it is the pipeline");
        assert!(!only_on(&world, &desk, 2));
        // Another master leads now, and knows it from the datanode.
        world.cluster.end_lead();
        desk.told(node(1), vec![chunk]);
        assert!(only_on(&world, &desk, 1));
        desk.told(node(2), vec![chunk]);
        assert!(!only_on(&world, &desk, 1), "another one has it too");
        world.apply(Command::RemoveMember { id: node(2) });
        assert!(only_on(&world, &desk, 1), "and is gone");
        // A third one has told nothing since this master started.
        let desk = Desk::new();
        assert!(only_on(&world, &desk, 3), "it may have it");
        desk.told(node(1), vec![chunk]);
        assert!(!only_on(&world, &desk, 3));
    }

    #[test]
    fn some_are_named_and_the_others_counted() {
        let path = |path: &str| FsPath::parse(path).unwrap();
        let one = OnlyThere {
            chunks: 1,
            files: 1,
            examples: vec![path("/a")],
        };
        assert_eq!(one.words(), "1 chunk of 1 file: /a");
        let many = OnlyThere {
            chunks: 9,
            files: 4,
            examples: vec![path("/a"), path("/b")],
        };
        assert_eq!(many.words(), "9 chunks of 4 files: /a, /b and 2 more");
    }
}
