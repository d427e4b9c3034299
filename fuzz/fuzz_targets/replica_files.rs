//! The files of a datanode's volume (data, sidecars, packs, what rests in quarantine), spoiled, as it finds them when it starts.
//!
//! What must hold, beyond not panicking: every replica that the store has can be asked for, read, judged, given another
//! generation and deleted; what is read has the checksums that are told with it; the store opens again.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::{ChunkStore, Options, Reserve, SmallReplica, VolumeDir};
use env::clock::RealClock;
use env::disk::{Disk, SimDisk};
use fuzz::spoil;
use libfuzzer_sys::fuzz_target;
use transfer::checksum;
use types::{ChunkId, ClusterId, Generation, PoolId, StorageId};

const VOLUME: &str = "/volume";

fuzz_target!(|input: &[u8]| {
    let _inline = env::Inline::enter();
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(VOLUME)).unwrap();
    fill(&open(&disk).expect("a new volume opens"));
    spoil(&disk, Path::new(VOLUME), input);

    let Some(store) = open(&disk) else { return };
    for writer in store.adopt() {
        let _ = writer.finalize();
    }
    let replicas = store.replicas(None, 100);
    for replica in &replicas {
        let _ = read(&store, replica.chunk);
        let _ = store.verify(replica.chunk, replica.generation);
    }
    let _ = store.compact();
    for replica in &replicas {
        let _ = read(&store, replica.chunk);
    }
    drop(store);
    assert!(open(&disk).is_some(), "what was opened opens again");
});

fn open(disk: &SimDisk) -> Option<ChunkStore> {
    let options = Options {
        reserve: Reserve::Bytes(0),
        packed_max: 4096,
        ..Options::default()
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let volumes = vec![VolumeDir {
        storage: StorageId::from_random_bytes([1; 16]),
        dir: PathBuf::from(VOLUME),
    }];
    let pool = PoolId::of(ClusterId::from_random_bytes([7; 16]));
    let (store, _) = ChunkStore::open(disk, Arc::new(RealClock::new()), pool, volumes, options).ok()?;
    Some(store)
}

/// Two replicas with files of their own (one of them unfinished, and synced), and two in a pack.
fn fill(store: &ChunkStore) {
    for (id, len) in [(1, 6_000), (2, 5_000)] {
        let mut writer = store.create(chunk(id), Generation(1)).unwrap();
        let (data, sums) = content(id, len);
        writer.write(0, &data, &sums).unwrap();
        match id {
            1 => drop(writer.finalize().unwrap()),
            _ => {
                writer.sync().unwrap();
                writer.leave();
            }
        }
    }
    let small = [(3, 700), (4, 512)].map(|(id, len)| {
        let (data, sums) = content(id, len);
        SmallReplica {
            chunk: chunk(id),
            generation: Generation(1),
            data,
            sums,
        }
    });
    for kept in store.put_small(None, small.to_vec()) {
        kept.unwrap();
    }
}

fn chunk(id: u64) -> ChunkId {
    ChunkId::new(id).unwrap()
}

fn content(id: u64, len: usize) -> (Vec<u8>, Vec<u8>) {
    let data: Vec<u8> = (0..len).map(|at| (at as u64 * id) as u8).collect();
    let mut sums = vec![0; checksum::sums_len(len)];
    checksum::compute(&data, &mut sums);
    (data, sums)
}

/// Reads all of a replica, as far as it can be read.
fn read(store: &ChunkStore, chunk: ChunkId) -> Option<()> {
    let reader = store.open_replica(chunk).ok()?;
    let len = usize::try_from(reader.len()).ok().filter(|len| *len < 1 << 20)?;
    let (mut data, mut sums) = (vec![0; len], vec![0; checksum::sums_len(len)]);
    reader.read_verified(0, &mut data, &mut sums).ok()?;
    assert!(checksum::verify(&data, &sums).is_ok());
    Some(())
}
