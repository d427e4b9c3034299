//! Every file size with every chunk size: what goes in comes out.

use fastrand::Rng;

use crate::scale::{GIB, KIB, MIB, full};
use crate::support::{Cluster, Content, digest_of_file};

const CHUNK_SIZES: [u64; 4] = [MIB, 16 * MIB, 64 * MIB, 512 * MIB];

/// Sizes around everything that matters to `chunk`: nothing, one checksum unit, one chunk, many chunks.
fn sizes(chunk: u64) -> [u64; 10] {
    [0, 1, 511, 512, 513, chunk - 1, chunk, chunk + 1, 100 * MIB, GIB]
}

/// Whether the gate tries this one: all small ones, and of the large ones each size and each chunk size once or so.
fn in_gate(size: u64, chunk: u64) -> bool {
    size <= 2 * MIB
        || (size <= 17 * MIB && chunk == 16 * MIB)
        || (size == 64 * MIB + 1 && chunk == 64 * MIB)
        || (size == 100 * MIB && chunk == 16 * MIB)
}

#[test]
fn every_size_comes_back_in_every_chunk_size() {
    let cluster = Cluster::start(3);
    let full = full("DISTRIFS_TEST_MATRIX");
    let mut random = Rng::with_seed(2);
    for chunk in CHUNK_SIZES {
        for size in sizes(chunk) {
            if full || in_gate(size, chunk) {
                round_trip(&cluster, size, chunk, &mut random);
            }
        }
    }
}

fn round_trip(cluster: &Cluster, size: u64, chunk: u64, random: &mut Rng) {
    let client = &cluster.client;
    let content = Content::new(size ^ chunk.rotate_left(32), size);
    let source = cluster.dir().join("source");
    let target = cluster.dir().join("target");
    let (source_text, target_text) = (source.to_str().unwrap(), target.to_str().unwrap());
    content.write_file(&source);

    let chunk_text = format!("{}KiB", chunk / KIB);
    client.ok(&["put", source_text, "/file", "--chunk-size", &chunk_text]);
    client.ok(&["get", "/file", target_text]);
    assert_eq!(
        digest_of_file(&target),
        content.digest(),
        "size {size}, chunk size {chunk}"
    );

    for (offset, length) in ranges(size, chunk, random) {
        let part = client.ok(&["getrange", "/file", &offset.to_string(), &length.to_string()]);
        assert!(
            part == content.bytes(offset..offset + length),
            "size {size}, chunk size {chunk}: {length} bytes at {offset}"
        );
    }

    client.ok(&["rm", "/file"]);
    std::fs::remove_file(source).unwrap();
    std::fs::remove_file(target).unwrap();
}

/// Parts to read: the last byte, over a border of chunks where there is one, and at random.
fn ranges(size: u64, chunk: u64, random: &mut Rng) -> Vec<(u64, u64)> {
    if size == 0 {
        return vec![(0, 0)];
    }
    let mut ranges = vec![(size - 1, 1)];
    if size > chunk {
        ranges.push((chunk - 1, 2.min(size - chunk + 1)));
    }
    for _ in 0..3 {
        let offset = random.u64(0..size);
        let length = random.u64(0..=(size - offset).min(3 * MIB));
        ranges.push((offset, length));
    }
    ranges
}
