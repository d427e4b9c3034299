//! An independent look at the datanodes' disks: which chunks are whole on which of them. It asks no server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Client, Cluster, Content, Role, chunk_files};

/// Bytes of each file: more than a replica that is packed with others.
pub(super) const FILE_BYTES: u64 = 200_000;

/// The chunks that have both of their files on a disk, by the uuid in the files' names.
fn chunks_on(datanode: &Role) -> BTreeSet<String> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for file in chunk_files(datanode.dir()) {
        // What rests before it is destroyed is in another directory.
        let counts = file.components().any(|part| part.as_os_str() == "chunks");
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let uuid = name.trim_end_matches(".meta").trim_start_matches("chunk-");
        if counts {
            *found.entry(uuid.to_owned()).or_default() += 1;
        }
    }
    let whole = found.into_iter().filter(|(_, files)| *files == 2);
    whole.map(|(uuid, _)| uuid).collect()
}

/// On how many of these datanodes each chunk is; one that is on none of them is not in it.
pub(super) fn copies<'a>(datanodes: impl IntoIterator<Item = &'a Role>) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for datanode in datanodes {
        for chunk in chunks_on(datanode) {
            *copies.entry(chunk).or_default() += 1;
        }
    }
    copies
}

/// Stores so many files of one chunk each, three times. Answers which chunk each of them has, as seen on the disks alone.
pub(super) fn store(cluster: &Cluster, directory: &str, files: usize) -> BTreeMap<String, String> {
    let source = cluster.dir().join("source");
    let mut chunks = BTreeMap::new();
    cluster.client.ok(&["mkdir", "-p", directory]);
    let mut before: BTreeSet<_> = copies(&cluster.datanodes).into_keys().collect();
    for number in 0..files {
        Content::new(number as u64, FILE_BYTES).write_file(&source);
        let path = format!("{directory}/{number:03}");
        cluster.client.ok(&["put", source.to_str().unwrap(), &path]);
        let after = copies(&cluster.datanodes);
        let mut new: Vec<_> = after.keys().filter(|chunk| !before.contains(*chunk)).collect();
        let chunk = new.pop().expect("a file that was stored is on the disks").clone();
        assert!(new.is_empty(), "one chunk for one file");
        assert_eq!(
            after[&chunk], 3,
            "on disk on three datanodes when it is acknowledged"
        );
        before.insert(chunk.clone());
        chunks.insert(path, chunk);
    }
    chunks
}

/// What `health` says; none while no master answers.
pub(super) fn health(client: &Client) -> Option<Value> {
    let done = client.run(&["health", "--json"]);
    serde_json::from_slice(&done.stdout).ok()
}

/// How many chunks have how many copies, by what `health` says. None while it says that it is not sure.
pub(super) fn told(client: &Client, wanted: usize) -> Option<BTreeMap<usize, u64>> {
    let health = health(client)?;
    if health["exact"] != true {
        return None;
    }
    let chunks = &health["chunks"];
    let count = |name: &str| chunks[name].as_u64().unwrap();
    let mut told = BTreeMap::new();
    for (copies, count) in chunks["at_risk_by_copies_left"].as_object().unwrap() {
        told.insert(copies.parse().unwrap(), count.as_u64().unwrap());
    }
    told.insert(0, count("lost") + count("unavailable"));
    told.insert(wanted, count("healthy") + count("surplus"));
    told.retain(|_, count| *count > 0);
    Some(told)
}

/// The same by what is on the disks of these datanodes, of all chunks that were ever stored.
pub(super) fn seen<'a>(
    stored: &BTreeMap<String, String>,
    datanodes: impl IntoIterator<Item = &'a Role>,
    wanted: usize,
) -> BTreeMap<usize, u64> {
    let copies = copies(datanodes);
    let mut seen = BTreeMap::new();
    for chunk in stored.values() {
        let count = copies.get(chunk).copied().unwrap_or(0).min(wanted);
        *seen.entry(count).or_default() += 1;
    }
    seen
}

/// The state of a datanode, by an operator's word, as `nodes` shows it.
pub(super) fn admin_state(client: &Client, address: &str) -> String {
    let nodes: Value = serde_json::from_slice(&client.ok(&["nodes", "--json"])).unwrap();
    let nodes = nodes.as_array().unwrap();
    let node = nodes.iter().find(|node| node["address"] == address).unwrap();
    node["admin"].as_str().unwrap().to_owned()
}

/// Whether a datanode is held to be alive, in one word.
pub(super) fn liveness(client: &Client, address: &str) -> Option<String> {
    let done = client.run(&["nodes", "--json"]);
    let nodes: Value = serde_json::from_slice(&done.stdout).ok()?;
    let nodes = nodes.as_array()?;
    let node = nodes.iter().find(|node| node["address"] == address)?;
    Some(node["liveness"].as_str()?.to_owned())
}
