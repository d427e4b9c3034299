//! `fsck --verify` asks real datanodes for the checksums of their replicas, and names the one that is spoilt.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::Value;

use super::disks::{copies, store};
use crate::support::{Client, Cluster, Role, chunk_files, flip_bit, until};

fn verify(client: &Client) -> Value {
    let done = client.run(&["fsck", "/some", "--verify", "--json"]);
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr))
}

/// The paths of files with a replica that is not as the others, each with the datanodes of such replicas.
fn wrong(report: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let wrong = |file: &&Value| file["verified"] == false;
    let files = report["files"].as_array().unwrap().iter().filter(wrong);
    files
        .map(|file| {
            let replicas = file["wrong_replicas"].as_array().unwrap().iter();
            (
                text(&file["path"]),
                replicas.map(|one| text(&one["datanode"])).collect(),
            )
        })
        .collect()
}

fn file(datanode: &Role, chunk: &str, suffix: &str) -> PathBuf {
    let name = format!("chunk-{chunk}{suffix}");
    let mut files = chunk_files(datanode.dir()).into_iter();
    files
        .find(|file| file.file_name().is_some_and(|other| *other == *name))
        .expect("the replica has files of its own")
}

#[test]
fn a_spoilt_replica_is_named_and_healed() {
    let mut cluster = Cluster::start(3);
    let client = cluster.client.clone();
    let stored = store(&cluster, "/some", 6);
    assert_eq!(wrong(&verify(&client)), []);

    let address = cluster.datanodes[1].ready().datanodes[0].clone();
    let datanode = &cluster.datanodes[1];
    // Sums that are not those that were written, and half of the data: each behind the back of its datanode.
    flip_bit(&file(datanode, &stored["/some/001"], ".meta"), 70, 3);
    let cut = file(datanode, &stored["/some/004"], "");
    let len = fs::metadata(&cut).unwrap().len();
    File::options()
        .write(true)
        .open(&cut)
        .unwrap()
        .set_len(len / 2)
        .unwrap();
    let expected = ["/some/001", "/some/004"].map(|path| (path.to_owned(), vec![address.clone()]));
    assert_eq!(wrong(&verify(&client)), expected);

    // Whoever reads one is told so, and it is replaced.
    until("all replicas agree again", || {
        for path in stored.keys() {
            client.ok(&["cat", path]);
        }
        let healthy = client.run(&["health"]).status.success();
        (healthy
            && wrong(&verify(&client)).is_empty()
            && copies(&cluster.datanodes).values().all(|n| *n == 3))
        .then_some(())
    });
}
