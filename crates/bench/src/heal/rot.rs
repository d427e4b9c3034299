//! Replicas that are spoiled on the disk of one datanode, behind its back, and whether they were replaced.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::REPLICATION;
use super::files::{Chunk, Content, Stored};
use super::walk::{Found, Place, Walk};

/// What is done to replicas with files of their own.
const KINDS: [&str; 5] = [
    "a byte of data changed",
    "a byte of sums changed",
    "data cut in half",
    "data deleted",
    "sums deleted",
];

/// What is done to packed ones.
const PACKED: &str = "a byte in a pack changed";

/// A chunk of which one replica was spoiled.
#[derive(Debug, Clone)]
pub(super) struct Victim {
    pub what: &'static str,
    number: u64,
    chunk: Chunk,
}

/// Spoils so many replicas of each kind on datanode `node`; of each chunk one.
pub(super) fn spoil(
    walk: &Walk,
    node: usize,
    files: &[Arc<Stored>],
    each: usize,
) -> anyhow::Result<Vec<Victim>> {
    let (mut own, mut packed) = (Vec::new(), Vec::new());
    for file in files {
        for chunk in &file.chunks {
            let here = walk.of(&chunk.name).iter().find(|found| found.node == node);
            match here.map(|found| (&found.place, found)) {
                Some((Place::Files { .. }, found)) => own.push((file.number, chunk, found)),
                Some((Place::Pack { .. }, found)) => packed.push((file.number, chunk, found)),
                None => {}
            }
        }
    }
    let mut random = fastrand::Rng::with_seed(42);
    random.shuffle(&mut own);
    random.shuffle(&mut packed);
    let own = own
        .into_iter()
        .zip(KINDS.into_iter().flat_map(|kind| vec![kind; each]));
    let packed = packed.into_iter().zip(vec![PACKED; each]);
    let mut victims = Vec::new();
    for ((number, chunk, found), what) in own.chain(packed) {
        one(found, what).with_context(|| format!("cannot spoil chunk {}", chunk.name))?;
        victims.push(Victim {
            what,
            number,
            chunk: chunk.clone(),
        });
    }
    Ok(victims)
}

fn one(found: &Found, what: &str) -> anyhow::Result<()> {
    match (&found.place, what) {
        (Place::Files { data, .. }, "a byte of data changed") => flip(data, found.len / 3),
        // Behind its header.
        (Place::Files { sidecar, .. }, "a byte of sums changed") => flip(sidecar, 65),
        (Place::Files { data, .. }, "data cut in half") => {
            Ok(File::options().write(true).open(data)?.set_len(found.len / 2)?)
        }
        (Place::Files { data, .. }, "data deleted") => Ok(fs::remove_file(data)?),
        (Place::Files { sidecar, .. }, _) => Ok(fs::remove_file(sidecar)?),
        (Place::Pack { file, at }, _) => flip(file, at + found.len / 3),
    }
}

fn flip(path: &Path, offset: u64) -> anyhow::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    file.write_all_at(&[byte[0] ^ 0x10], offset)?;
    Ok(())
}

impl Victim {
    /// Whether the chunk is on as many datanodes as it should be, with the bytes that were written, and nothing else of it is
    /// there.
    pub(super) fn is_healed(&self, walk: &Walk, content: &Content) -> bool {
        let found = walk.of(&self.chunk.name);
        found.len() == usize::from(REPLICATION)
            && found
                .iter()
                .all(|replica| wrong(replica, &self.chunk, self.number, content).is_none())
    }
}

/// What is wrong with a replica, compared with what was written.
pub(super) fn wrong(found: &Found, chunk: &Chunk, number: u64, content: &Content) -> Option<String> {
    let written = content.part(number, chunk.offset, chunk.len).unwrap_or_default();
    let bytes = match found.read() {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("it can not be read: {error}")),
    };
    if bytes.len() != written.len() {
        return Some(format!("it has {} bytes, not {}", bytes.len(), written.len()));
    }
    let other = bytes.iter().zip(written).position(|(is, was)| is != was)?;
    Some(format!("byte {other} of {} is another one", bytes.len()))
}
