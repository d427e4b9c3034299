//! Replicas in files of their own.

use std::path::Path;

use env::disk::{Disk, Effect, Fault, Op, SimDisk};

use crate::common::{bytes, chunk, pool, read_all};
use crate::support::{EIO, G1, open, put, try_open, write};

const PACKED_MAX: u64 = 0;

#[test]
fn power_loss_while_starting_is_no_harm() {
    let data = bytes(1, 2000);
    for died in 0..8 {
        let disk = SimDisk::new();
        let store = open(&disk, PACKED_MAX).0;
        put(&store, 1, G1, &data).unwrap();
        let mut unfinished = store.create(chunk(2), G1).unwrap();
        write(&mut unfinished, &data).unwrap();
        disk.kill();
        drop((unfinished, store));
        disk.die_after(died);
        let _ = try_open(&disk, PACKED_MAX);
        disk.crash(died);
        let (store, _) = open(&disk, PACKED_MAX);
        assert_eq!(store.replicas(None, 10).len(), 1);
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
    }
}

#[test]
fn a_failed_operation_is_final_for_its_replica() {
    for op in [
        Op::Create,
        Op::Write,
        Op::SetLen,
        Op::SyncData,
        Op::Rename,
        Op::SyncDir,
    ] {
        for skip in 0..4 {
            let disk = SimDisk::new();
            let store = open(&disk, PACKED_MAX).0;
            disk.faults()
                .add(Fault::once(op, skip, Effect::Fail(EIO)).on("chunk"));
            let done = put(&store, 1, G1, &bytes(1, 5000));
            if done.is_none() {
                assert!(store.replica(chunk(1)).is_none(), "{op:?} {skip}");
                assert_eq!(
                    disk.read_dir(Path::new("/volume/tmp")).unwrap(),
                    [],
                    "{op:?} {skip}"
                );
            }
            disk.faults().clear();
            assert_eq!(store.volumes()[0].failed, None, "one bad file is not a bad disk");
            // A new replica may be tried, from the beginning.
            if done.is_none() {
                put(&store, 1, G1, &bytes(2, 5000)).unwrap();
                assert_eq!(read_all(&store, chunk(1)).unwrap(), bytes(2, 5000));
            }
        }
    }
}

#[test]
fn a_full_disk_fails_the_replica_and_not_the_volume() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    disk.set_capacity(6000);
    let mut writer = store.create(chunk(1), G1).unwrap();
    assert!(write(&mut writer, &bytes(1, 9000)).is_none());
    assert_eq!(store.volumes()[0].failed, None);
    drop(writer);
    put(&store, 2, G1, &bytes(2, 3000)).unwrap();
}

#[test]
fn any_flipped_bit_is_an_error_and_never_a_wrong_byte() {
    let disk = SimDisk::new();
    let store = open(&disk, PACKED_MAX).0;
    let data = bytes(4, 1100);
    put(&store, 1, G1, &data).unwrap();
    let name = format!("/volume/chunks/01/chunk-{}", pool(1).chunk_uuid(chunk(1)));
    for path in [name.clone(), format!("{name}.meta")] {
        let path = Path::new(&path);
        let len = disk.open(path, env::disk::Open::Read).unwrap().size().unwrap();
        for bit in 0..len * 8 {
            let (offset, mask) = (bit / 8, 1 << (bit % 8));
            disk.corrupt(path, offset, mask).unwrap();
            assert!(
                read_all(&store, chunk(1)).is_err(),
                "{}: bit {bit}",
                path.display()
            );
            let of_sums = store
                .open_replica(chunk(1))
                .map(|reader| reader.checksum(data.len() as u64));
            if path.extension().is_some() {
                assert!(!matches!(of_sums, Ok(Ok(_))), "sidecar, bit {bit}");
            }
            disk.corrupt(path, offset, mask).unwrap();
        }
    }
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
}
