//! Many small files, recursively.

use std::fs;

use fastrand::Rng;

use crate::scale::full;
use crate::support::{Cluster, Content, tree_digest};

#[test]
fn a_tree_of_small_files_comes_back_whole() {
    let count = if full("DISTRIFS_TEST_SMALL_FILES") {
        10_000
    } else {
        1_000
    };
    let cluster = Cluster::start(3);
    let source = cluster.dir().join("tree");
    let mut random = Rng::with_seed(70);
    for number in 0..count {
        let dir = source.join(format!("{}/{}", number % 7, number % 31));
        fs::create_dir_all(&dir).unwrap();
        Content::new(number, random.u64(..4096)).write_file(&dir.join(number.to_string()));
    }
    let source_text = source.to_str().unwrap();
    let target = cluster.dir().join("target");

    cluster.client.ok(&["put", "-r", source_text, "/tree"]);
    cluster
        .client
        .ok(&["get", "-r", "/tree", target.to_str().unwrap()]);

    assert_eq!(tree_digest(&source).len() as u64, count);
    assert!(tree_digest(&source) == tree_digest(&target), "the trees differ");
    let listed = cluster.client.ok(&["ls", "-R", "/tree"]);
    assert!(String::from_utf8(listed).unwrap().lines().count() as u64 >= count);
}
