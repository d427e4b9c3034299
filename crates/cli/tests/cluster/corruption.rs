//! Flipped bits on disk never reach a reader.

use std::fs;

use fastrand::Rng;

use crate::scale::MIB;
use crate::support::{Cluster, Content, chunk_files, digest_of_file, flip_bit, until};

/// A file of four chunks on every datanode, each long enough to be a file of its own there.
fn stored(cluster: &Cluster, path: &str) -> Content {
    let content = Content::new(60, 3 * MIB + 123_456);
    let source = cluster.dir().join("source");
    content.write_file(&source);
    cluster
        .client
        .ok(&["put", source.to_str().unwrap(), path, "--chunk-size", "1MiB"]);
    content
}

fn assert_reads_right(cluster: &Cluster, path: &str, content: Content, why: &str) {
    let target = cluster.dir().join("target");
    cluster
        .client
        .ok(&["get", path, target.to_str().unwrap(), "--overwrite"]);
    assert_eq!(digest_of_file(&target), content.digest(), "{why}");
}

#[test]
fn flipped_bits_in_chunks_and_sidecars_of_one_replica_are_read_around() {
    let cluster = Cluster::start(3);
    let mut random = Rng::with_seed(61);
    for (number, datanode) in cluster.datanodes.iter().enumerate() {
        let path = format!("/file-{number}");
        let before = chunk_files(datanode.dir());
        let content = stored(&cluster, &path);
        let files = until("all of the file has arrived", || {
            let mut files = chunk_files(datanode.dir());
            files.retain(|file| !before.contains(file));
            (files.len() == 8).then_some(files)
        });
        for file in files {
            let length = fs::metadata(&file).unwrap().len();
            flip_bit(&file, random.u64(..length), random.u32(..8));
        }
        // Which replica is asked first is the master's choice, so ask more than once.
        for _ in 0..3 {
            assert_reads_right(&cluster, &path, content, "one replica is spoilt");
        }
    }
}

#[test]
fn two_of_three_replicas_may_be_spoilt() {
    let cluster = Cluster::start(3);
    let content = stored(&cluster, "/file");
    let mut random = Rng::with_seed(62);
    for datanode in &cluster.datanodes[..2] {
        for file in chunk_files(datanode.dir()) {
            let length = fs::metadata(&file).unwrap().len();
            flip_bit(&file, random.u64(..length), random.u32(..8));
        }
    }
    for _ in 0..3 {
        assert_reads_right(&cluster, "/file", content, "two replicas are spoilt");
    }
}

#[test]
fn with_every_replica_spoilt_the_read_fails_and_says_so() {
    let cluster = Cluster::start(3);
    let content = stored(&cluster, "/file");
    for datanode in &cluster.datanodes {
        for file in chunk_files(datanode.dir()) {
            if file.extension().is_none() {
                flip_bit(&file, 1000, 3);
            }
        }
    }
    let target = cluster.dir().join("target");
    let complaint = cluster.client.fails(&["get", "/file", target.to_str().unwrap()]);
    assert!(complaint.contains("/file"), "{complaint}");
    // Nothing that looks like the file may be left.
    if target.exists() {
        assert_ne!(digest_of_file(&target), content.digest());
        panic!("a broken file was left under the name asked for");
    }
}

#[test]
fn a_missing_or_truncated_chunk_is_read_around() {
    let cluster = Cluster::start(3);
    let content = stored(&cluster, "/file");
    for (number, file) in chunk_files(cluster.datanodes[0].dir()).iter().enumerate() {
        if number % 2 == 0 {
            fs::remove_file(file).unwrap();
        } else {
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(100)
                .unwrap();
        }
    }
    for _ in 0..3 {
        assert_reads_right(&cluster, "/file", content, "one replica is mutilated");
    }
}
