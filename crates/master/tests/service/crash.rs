//! Disks that fail, and machines that lose power.

use std::sync::Arc;

use env::Env;
use env::disk::{Effect, Fault, FaultDisk, Op, RealDisk, SimDisk};
use master::Failure;
use proto::v1::ErrorCode;

use crate::harness::{Harness, code, patient, root};

#[tokio::test]
async fn a_failed_sync_stops_the_master_and_acknowledges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultDisk::new(Arc::new(RealDisk)));
    let env = Env {
        disk: Arc::clone(&disk) as _,
        ..Env::real()
    };
    let config = patient(&dir);
    let harness = Harness::open_in(env, dir, config).await;
    harness.mkdir(root(1), "/before", 0o755).await.unwrap();
    disk.faults()
        .add(Fault::always(Op::SyncData, Effect::Fail(libc::EIO)));
    assert_eq!(
        code(harness.mkdir(root(2), "/lost", 0o755).await),
        ErrorCode::NotReady
    );
    let failure = harness.master.failed().await;
    assert!(matches!(failure, Failure::Log(_)), "{failure}");
    disk.faults().clear();
    assert_eq!(
        code(harness.mkdir(root(3), "/never", 0o755).await),
        ErrorCode::NotReady,
        "it stays failed"
    );
    assert!(
        harness.stat("/lost").await.is_err(),
        "not durable, so not visible"
    );

    let harness = harness.restart().await;
    harness.stat("/before").await.unwrap();
    harness
        .mkdir(root(2), "/lost", 0o755)
        .await
        .expect("the same call may come again");
    assert!(harness.stat("/never").await.is_err());
}

#[tokio::test]
async fn what_is_acknowledged_outlives_a_loss_of_power() {
    for seed in 0..4u64 {
        let disk = SimDisk::new();
        let world = || Env {
            disk: Arc::new(disk.clone()),
            ..Env::real()
        };
        let dir = tempfile::tempdir().unwrap();
        let config = patient(&dir);
        let harness = Harness::open_in(world(), dir, config.clone()).await;
        let cluster = harness.master.cluster_id().unwrap();
        disk.die_after(5 + seed * 19);
        let mut acknowledged = Vec::new();
        for n in 0..60 {
            let path = format!("/{n}");
            if harness.mkdir(root(n + 1), &path, 0o755).await.is_err() {
                break;
            }
            acknowledged.push(path);
        }
        assert!(acknowledged.len() < 60, "the power failed");
        let Harness { dir, master, .. } = harness;
        master.failed().await;
        master.shutdown().await;
        disk.crash(seed);

        let harness = Harness::open_in(world(), dir, config).await;
        assert_eq!(harness.master.cluster_id().unwrap(), cluster);
        for path in &acknowledged {
            harness
                .stat(path)
                .await
                .unwrap_or_else(|status| panic!("seed {seed}: {path}: {status}"));
        }
        harness.mkdir(root(1_000), "/after", 0o755).await.unwrap();
    }
}
