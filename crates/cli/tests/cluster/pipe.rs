//! A long stream through a pipe, in bounded memory.

use crate::scale::{GIB, MIB, full};
use crate::support::{Cluster, Content, PipeGet, PipePut};

/// What a client may use, whatever the size of a file.
const CLIENT_MEMORY_BYTES: u64 = 256 * MIB;

#[test]
fn a_long_pipe_needs_little_memory() {
    let size = if full("DISTRIFS_TEST_SOAK_PIPE") {
        10 * GIB
    } else {
        512 * MIB
    };
    let cluster = Cluster::start(3);
    let content = Content::new(80, size);

    let mut put = PipePut::start(&cluster.client, cluster.dir(), content, "/long", &[]);
    put.feed_to(size);
    let memory = put.peak_memory();
    put.finish();
    assert!(memory < CLIENT_MEMORY_BYTES, "put used {} MiB", memory / MIB);
    println!("put of {} MiB: peak of {} MiB", size / MIB, memory / MIB);

    let mut get = PipeGet::start(&cluster.client, cluster.dir(), content, "/long");
    // More than any pipe holds is left, so it has not ended yet.
    get.take_to(size - 16 * MIB);
    let memory = get.peak_memory();
    get.finish();
    assert!(memory < CLIENT_MEMORY_BYTES, "get used {} MiB", memory / MIB);
    println!("get of {} MiB: peak of {} MiB", size / MIB, memory / MIB);
}
