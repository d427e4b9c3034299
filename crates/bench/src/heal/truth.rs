//! What `health` says, beside what is on the disks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::REPLICATION;
use super::cluster::Cluster;
use super::files::Stored;
use super::walk::{Walk, walk};

/// How many chunks have how many copies; more than wanted count as wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Copies(BTreeMap<usize, u64>);

/// What `health --json` says.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Whether it is sure.
    pub exact: bool,
    pub level: String,
    pub copies: Copies,
    pub being_written: u64,
    pub surplus: u64,
    pub with_corrupt: u64,
}

/// What is on the disks, of all files that are there.
#[derive(Debug, Clone, Default)]
pub(super) struct OnDisk {
    pub copies: Copies,
    /// Bytes of the copies that are missing.
    pub missing_bytes: u64,
    /// Chunks with more replicas than wanted.
    pub surplus: u64,
}

const WANTED: usize = REPLICATION as usize;

impl Copies {
    fn add(&mut self, copies: usize, count: u64) {
        if count > 0 {
            *self.0.entry(copies.min(WANTED)).or_default() += count;
        }
    }

    pub(super) fn of(&self, copies: usize) -> u64 {
        self.0.get(&copies).copied().unwrap_or_default()
    }

    /// Whether every chunk has all its copies.
    pub(super) fn are_full(&self) -> bool {
        self.0.keys().all(|copies| *copies >= WANTED)
    }

    /// Copies that are missing, of all chunks.
    pub(super) fn missing(&self) -> u64 {
        let missing = |(copies, count): (&usize, &u64)| (WANTED - copies.min(&WANTED)) as u64 * count;
        self.0.iter().map(missing).sum()
    }
}

impl std::fmt::Display for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no chunks");
        }
        for (at, (copies, count)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{count} chunks with {copies}")?;
        }
        Ok(())
    }
}

/// Asks `health --json`; none while no master answers.
pub(super) fn told(cluster: &Cluster) -> anyhow::Result<Option<Told>> {
    let output = cluster.verb(&["health", "--json"])?;
    Ok(serde_json::from_slice(&output.stdout)
        .ok()
        .and_then(|health| parse(&health)))
}

fn parse(health: &Value) -> Option<Told> {
    let chunks = health.get("chunks")?;
    let count = |name: &str| chunks.get(name).and_then(Value::as_u64);
    let mut copies = Copies::default();
    for (left, count) in chunks.get("at_risk_by_copies_left")?.as_object()? {
        copies.add(left.parse().ok()?, count.as_u64()?);
    }
    copies.add(0, count("lost")? + count("unavailable")?);
    for whole in ["healthy", "surplus", "corrupt", "misplaced", "draining"] {
        copies.add(WANTED, count(whole)?);
    }
    Some(Told {
        exact: health.get("exact")?.as_bool()?,
        level: health.get("level")?.as_str()?.to_owned(),
        copies,
        being_written: count("being_written")?,
        surplus: count("surplus")?,
        with_corrupt: count("with_corrupt_replica")?,
    })
}

/// Counts the chunks of these files on the disks of the datanodes that run.
pub(super) fn on_disk(cluster: &Cluster, files: &[Arc<Stored>]) -> anyhow::Result<OnDisk> {
    Ok(count(&walk(cluster.dirs())?, files))
}

fn count(walk: &Walk, files: &[Arc<Stored>]) -> OnDisk {
    let mut seen = OnDisk::default();
    for chunk in files.iter().flat_map(|file| &file.chunks) {
        let copies = walk.copies(&chunk.name, chunk.len);
        seen.copies.add(copies, 1);
        seen.missing_bytes += WANTED.saturating_sub(copies) as u64 * chunk.len;
        seen.surplus += u64::from(walk.of(&chunk.name).len() > WANTED);
    }
    seen
}

/// The files of which no replica of some chunk is on the disks of the datanodes that run.
pub(super) fn lost(cluster: &Cluster, files: &[Arc<Stored>]) -> anyhow::Result<Vec<String>> {
    let walk = walk(cluster.dirs())?;
    let is_lost = |file: &&Arc<Stored>| {
        let mut chunks = file.chunks.iter();
        chunks.any(|chunk| walk.copies(&chunk.name, chunk.len) == 0)
    };
    let lost = files.iter().filter(is_lost);
    let mut paths: Vec<_> = lost.map(|file| file.path.to_string()).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn health_is_read_as_copies() {
        let told = parse(&json!({
            "exact": true, "level": "at-risk",
            "chunks": {
                "healthy": 5, "surplus": 1, "corrupt": 2, "misplaced": 0, "draining": 0, "being_written": 4,
                "at_risk_by_copies_left": { "1": 3, "2": 7 }, "lost": 1, "unavailable": 1, "with_corrupt_replica": 2,
            }
        }))
        .unwrap();
        assert_eq!(
            told.copies.to_string(),
            "2 chunks with 0, 3 chunks with 1, 7 chunks with 2, 8 chunks with 3"
        );
        assert_eq!(told.copies.missing(), 2 * 3 + 3 * 2 + 7);
        assert!(!told.copies.are_full() && told.exact);
        assert!(parse(&json!({ "exact": true })).is_none());
    }
}
