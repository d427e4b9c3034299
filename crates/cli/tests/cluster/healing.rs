//! Data heals itself: copies that are lost are made again, and rot is replaced from good copies.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::scale::MIB;
use crate::support::{Cluster, Content, Digest, Role, chunk_files, digest_of_file, flip_bit, until};

const CHUNKS: usize = 12;

/// A file of so many chunks, each long enough to be a file of its own on the datanodes.
fn stored(cluster: &Cluster, path: &str) -> Content {
    let content = Content::new(70, CHUNKS as u64 * MIB - 777);
    let source = cluster.dir().join("source");
    content.write_file(&source);
    cluster
        .client
        .ok(&["put", source.to_str().unwrap(), path, "--chunk-size", "1MiB"]);
    content
}

/// The data files of finished replicas on these datanodes, by chunk; without those that rest in quarantine.
fn replicas<'a>(datanodes: impl IntoIterator<Item = &'a Role>) -> BTreeMap<String, Vec<PathBuf>> {
    let mut replicas: BTreeMap<_, Vec<PathBuf>> = BTreeMap::new();
    for datanode in datanodes {
        for file in chunk_files(datanode.dir()) {
            let rests = file.components().any(|part| {
                ["quarantine", "corrupt"]
                    .iter()
                    .any(|away| part.as_os_str() == *away)
            });
            if file.extension().is_none() && !rests {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                replicas.entry(name).or_default().push(file);
            }
        }
    }
    replicas
}

/// Whether every chunk has `copies` replicas on these datanodes, and no more.
fn all_have<'a>(datanodes: impl IntoIterator<Item = &'a Role>, copies: usize) -> bool {
    let replicas = replicas(datanodes);
    replicas.len() == CHUNKS && replicas.values().all(|files| files.len() == copies)
}

fn digests(files: &[PathBuf]) -> Option<Vec<Digest>> {
    // A file may go while it is looked at.
    files
        .iter()
        .map(|file| file.exists().then(|| digest_of_file(file)))
        .collect()
}

fn assert_reads_right(cluster: &Cluster, path: &str, content: Content, why: &str) {
    let target = cluster.dir().join("target");
    cluster
        .client
        .ok(&["get", path, target.to_str().unwrap(), "--overwrite"]);
    assert_eq!(digest_of_file(&target), content.digest(), "{why}");
}

#[test]
fn after_the_death_of_a_datanode_every_chunk_has_its_copies_again() {
    let mut cluster = Cluster::start(5);
    let content = stored(&cluster, "/file");
    until("all three replicas have arrived", || {
        all_have(&cluster.datanodes, 3).then_some(())
    });
    let victim = (0..5)
        .max_by_key(|&number| replicas([&cluster.datanodes[number]]).len())
        .unwrap();
    cluster.datanodes[victim].kill();
    let dead = cluster.datanodes.remove(victim);
    until("the others have three replicas of each chunk", || {
        all_have(&cluster.datanodes, 3).then_some(())
    });
    assert!(!replicas([&dead]).is_empty(), "it had some");
    assert_reads_right(&cluster, "/file", content, "copies are as the originals");
    // Two more may go now, and everything is there.
    for datanode in &mut cluster.datanodes[..2] {
        datanode.kill();
    }
    assert_reads_right(&cluster, "/file", content, "two more datanodes are dead");
}

#[test]
fn a_datanode_that_comes_back_makes_no_copy_too_many() {
    let mut cluster = Cluster::start(4);
    let content = stored(&cluster, "/file");
    until("all three replicas have arrived", || {
        all_have(&cluster.datanodes, 3).then_some(())
    });
    cluster.datanodes[0].kill();
    cluster.wait_for_datanodes(3);
    until("the others have three replicas of each chunk", || {
        all_have(&cluster.datanodes[1..], 3).then_some(())
    });
    // It comes back with what it had: that is too much now, and goes, when the others were read again.
    cluster.datanodes[0].start();
    until("each chunk has three replicas, and no more", || {
        all_have(&cluster.datanodes, 3).then_some(())
    });
    assert_reads_right(&cluster, "/file", content, "nothing was lost by it");
}

#[test]
fn rot_that_a_reader_finds_is_replaced_from_a_good_replica() {
    let cluster = Cluster::start(4);
    let content = stored(&cluster, "/file");
    until("all three replicas have arrived", || {
        all_have(&cluster.datanodes, 3).then_some(())
    });
    let all = replicas(&cluster.datanodes);
    let good: BTreeMap<_, _> = all
        .iter()
        .map(|(chunk, files)| (chunk.clone(), digest_of_file(&files[0])))
        .collect();
    // One replica of every other chunk rots.
    let rotten: Vec<_> = all.values().step_by(2).map(|files| files[1].clone()).collect();
    for file in &rotten {
        flip_bit(file, fs::metadata(file).unwrap().len() / 2, 5);
    }
    until("every replica is as it was written, three of each chunk", || {
        // Which replica is asked first is the master's choice, so ask again and again.
        assert_reads_right(&cluster, "/file", content, "it is read around until it is healed");
        let now = replicas(&cluster.datanodes);
        let healed = now.iter().all(|(chunk, files)| {
            let whole = digests(files);
            whole.is_some_and(|digests| {
                digests.len() == 3 && digests.iter().all(|digest| *digest == good[chunk])
            })
        });
        (now.len() == CHUNKS && healed).then_some(())
    });
}
