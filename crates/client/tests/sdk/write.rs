//! Writers against pipelines that break.

use std::sync::atomic::Ordering;
use std::time::Duration;

use client::{CreateOptions, Error};
use transfer::pb::BlockConstructionStage as Stage;

use crate::fake::{CHUNK, Cluster, Fault, PACKET, bytes, path};

#[tokio::test]
async fn bytes_arrive_on_every_replica_in_the_order_of_the_file() {
    let cluster = Cluster::start(3).await;
    for len in [
        1,
        511,
        512,
        513,
        PACKET,
        PACKET + 1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        3 * CHUNK + 700,
    ] {
        let data = bytes(len);
        cluster.put("/f", &data).await.unwrap();
        let replicas = cluster.assert_stored("/f", &data);
        assert_eq!(replicas, vec![3; len.div_ceil(CHUNK)], "{len}");
        assert!(cluster.master.is_complete("/f"));
    }
}

#[tokio::test]
async fn an_empty_file_has_no_chunk() {
    let cluster = Cluster::start(0).await;
    cluster.put("/empty", &[]).await.unwrap();
    assert!(cluster.master.chunks("/empty").is_empty());
}

/// Datanodes keep room for it; not knowing better, they would keep 64 MiB for each file that is open.
#[tokio::test]
async fn datanodes_are_told_how_long_a_chunk_may_get() {
    let cluster = Cluster::start(3).await;
    cluster.put("/f", &bytes(CHUNK + 5)).await.unwrap();
    for node in &cluster.nodes {
        assert_eq!(*node.announced.lock().unwrap(), [CHUNK as u64; 2]);
    }
}

#[tokio::test]
async fn a_source_that_ends_with_a_chunk_leaves_no_empty_one_behind() {
    let cluster = Cluster::start(3).await;
    let data = bytes(2 * CHUNK);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    assert_eq!(file.copy_from(&mut &data[..]).await.unwrap(), data.len() as u64);
    assert_eq!(file.position(), data.len() as u64);
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [3, 3]);
    assert_eq!(cluster.master.calls("add_chunk").len(), 2);
}

#[tokio::test]
async fn a_datanode_that_refuses_or_is_down_is_replaced_before_anything_is_written() {
    for position in 0..3 {
        let cluster = Cluster::start(4).await;
        if position == 2 {
            cluster.nodes[position].kill();
        } else {
            cluster.nodes[position].fail(Fault::RefuseSetup);
        }
        let data = bytes(CHUNK + 5);
        cluster.put("/f", &data).await.unwrap();
        assert_eq!(cluster.assert_stored("/f", &data), [3, 3]);
        assert_eq!(cluster.master.calls("abandon_chunk").len(), 1);
        assert!(
            cluster
                .master
                .excluded()
                .last()
                .unwrap()
                .contains(&cluster.nodes[position].id)
        );
    }
}

/// Breaks the pipeline at each position in turn, and looks at what the repair did.
async fn survives(fault: Fault) {
    for position in 0..3 {
        let cluster = Cluster::start(3).await;
        cluster.nodes[position].fail(fault);
        let data = bytes(2 * CHUNK + 100);
        cluster.put("/f", &data).await.unwrap();
        let replicas = cluster.assert_stored("/f", &data);
        assert_eq!(replicas[0], 2, "{fault:?} at {position}: the survivors");
        assert_eq!(
            cluster.master.calls("bump_generation").len(),
            1,
            "{fault:?} at {position}"
        );
        for (number, node) in cluster
            .nodes
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != position)
        {
            let recovered = node.recovered.lock().unwrap().clone();
            let [(chunk, Stage::PipelineSetupStreamingRecovery, kept)] = recovered[..] else {
                panic!("{recovered:?}");
            };
            // What was acknowledged is never sent again: after the repair, the first packet begins right behind it.
            let received = node.received.lock().unwrap();
            let of_chunk: Vec<_> = received
                .iter()
                .filter(|(of, _)| *of == chunk)
                .map(|(_, at)| *at)
                .collect();
            let restarts: Vec<_> = of_chunk
                .windows(2)
                .filter(|pair| pair[1] <= pair[0])
                .map(|p| p[1])
                .collect();
            assert!(
                restarts.is_empty() || restarts == [kept],
                "{fault:?} at {position}, node {number}: {restarts:?}, {kept}"
            );
            assert!(of_chunk.iter().filter(|at| **at < kept).count() == (kept as usize).div_ceil(PACKET));
        }
    }
}

#[tokio::test]
async fn a_datanode_that_dies_in_the_middle_is_dropped() {
    survives(Fault::DieAt(20_000)).await;
}

#[tokio::test]
async fn a_datanode_that_reports_an_error_is_dropped() {
    survives(Fault::ErrorAt(20_000)).await;
}

#[tokio::test]
async fn a_datanode_that_hangs_is_found_and_dropped() {
    survives(Fault::HangAt(20_000)).await;
}

#[tokio::test]
async fn a_datanode_that_dies_at_the_end_of_a_chunk_is_dropped_and_the_survivors_close_it() {
    for position in 0..3 {
        let cluster = Cluster::start(3).await;
        cluster.nodes[position].fail(Fault::DieAtEnd);
        // Of two packets: one alone is closed by itself.
        let data = bytes(PACKET + 1000);
        cluster.put("/f", &data).await.unwrap();
        assert_eq!(cluster.assert_stored("/f", &data), [2]);
        for node in cluster.nodes.iter().filter(|node| node.number != position) {
            let recovered = node.recovered.lock().unwrap();
            assert!(
                matches!(recovered[..], [(_, Stage::PipelineCloseRecovery, at)] if at == data.len() as u64),
                "{recovered:?}"
            );
            assert_eq!(node.received.lock().unwrap().len(), 2, "nothing is sent again");
        }
    }
}

#[tokio::test]
async fn when_too_few_survive_a_newcomer_is_filled_and_joins() {
    let cluster = Cluster::start(4).await;
    cluster.nodes[0].fail(Fault::DieAt(20_000));
    cluster.nodes[1].fail(Fault::DieAt(40_000));
    let data = bytes(CHUNK);
    cluster.put("/f", &data).await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [2]);
    assert_eq!(cluster.master.calls("additional_datanodes").len(), 1);
    let newcomer = &cluster.nodes[3];
    let kept = newcomer.recovered.lock().unwrap()[0].2;
    assert!(kept > 0);
    assert!(
        newcomer
            .received
            .lock()
            .unwrap()
            .iter()
            .all(|(_, at)| *at >= kept),
        "the beginning was copied"
    );
}

#[tokio::test]
async fn a_newcomer_that_can_not_be_filled_is_replaced_by_another() {
    let cluster = Cluster::start(5).await;
    cluster.nodes[0].fail(Fault::DieAt(20_000));
    cluster.nodes[1].fail(Fault::DieAt(40_000));
    cluster.nodes[3].kill();
    let data = bytes(CHUNK);
    cluster.put("/f", &data).await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [2]);
    assert_eq!(cluster.master.calls("additional_datanodes").len(), 2);
}

#[tokio::test]
async fn when_there_is_no_newcomer_the_write_is_denied_with_the_whole_reason() {
    let cluster = Cluster::start(3).await;
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    let data = bytes(4 * CHUNK);
    file.write(&data[..CHUNK]).await.unwrap();
    file.hflush().await.unwrap();
    cluster.nodes[0].fail(Fault::DieAt(20_000));
    cluster.nodes[1].fail(Fault::DieAt(40_000));
    let error = match file.write(&data[CHUNK..]).await {
        Err(error) => error,
        Ok(()) => file.hflush().await.unwrap_err(),
    };
    let Error::WriteDenied(denial) = &error else {
        panic!("{error}")
    };
    assert_eq!(denial.required, 1);
    for node in &cluster.nodes[..2] {
        let refusal = denial
            .refusals
            .iter()
            .find(|refusal| refusal.datanode == node.address)
            .unwrap();
        assert!(!refusal.why.is_empty());
    }
    assert_eq!(file.write(&data).await, Err(error), "it stays failed");
    assert!(
        cluster.master.chunks("/f")[0].acknowledged,
        "what was acknowledged stays"
    );
}

#[tokio::test]
async fn nothing_acknowledged_and_too_few_left_begins_with_another_chunk() {
    let cluster = Cluster::start(5).await;
    cluster.nodes[0].fail(Fault::DieAt(0));
    let data = bytes(CHUNK);
    cluster.nodes[1].kill();
    cluster.put("/f", &data).await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data).len(), 1);
}

#[tokio::test]
async fn chunks_stay_in_order_when_one_has_to_begin_again() {
    // Two chunks fit into the window, so the second is ready while the pipeline of the first is still being built.
    let cluster = Cluster::with(4, |config| {
        config.chunk_size = Some(types::ChunkSize::new(8 << 10).unwrap());
    })
    .await;
    let data = bytes(10 * (8 << 10) + 3);
    cluster.nodes[1].fail(Fault::RefuseSetup);
    cluster.put("/f", &data).await.unwrap();
    cluster.assert_stored("/f", &data);
}

#[tokio::test]
async fn a_small_file_is_one_packet_and_one_that_fails_is_begun_anew() {
    let faults = [
        Fault::RefuseSetup,
        Fault::DieAt(0),
        Fault::DieAtEnd,
        Fault::ErrorAt(0),
        Fault::HangAt(0),
    ];
    for fault in faults {
        for position in 0..3 {
            let cluster = Cluster::start(4).await;
            cluster.nodes[position].fail(fault);
            let data = bytes(1000);
            cluster.put("/f", &data).await.unwrap();
            assert_eq!(cluster.assert_stored("/f", &data), [3], "{fault:?} at {position}");
            let chunk = cluster.master.chunks("/f")[0].extent.chunk;
            for node in &cluster.nodes {
                let received = node.received.lock().unwrap();
                let of_chunk = received.iter().filter(|(of, _)| *of == chunk).count();
                assert!(of_chunk <= 1, "{fault:?} at {position}");
            }
            assert_eq!(cluster.master.calls("abandon_chunk").len(), 1);
            assert!(
                cluster
                    .nodes
                    .iter()
                    .all(|node| node.recovered.lock().unwrap().is_empty())
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_readers_may_see_is_closed_by_a_packet_of_its_own() {
    let cluster = Cluster::start(3).await;
    let options = CreateOptions {
        publish: client::Publish::AtCreate,
        ..CreateOptions::default()
    };
    let mut file = cluster.fs.create(&path("/f"), options).await.unwrap();
    file.write(&bytes(1000)).await.unwrap();
    cluster.nodes[0].fail(Fault::DieAtEnd);
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &bytes(1000)), [2]);
    assert!(cluster.master.calls("abandon_chunk").is_empty());
}

#[tokio::test]
async fn connections_are_used_again_for_the_next_chunk_and_the_next_file() {
    let cluster = Cluster::start(3).await;
    for len in [100, 3 * CHUNK, 700] {
        cluster.put("/f", &bytes(len)).await.unwrap();
        cluster.assert_stored("/f", &bytes(len));
    }
    // A chunk is begun while the one before is acknowledged: so two.
    let connections = cluster.nodes[0].connections.load(Ordering::SeqCst);
    assert!(connections <= 2, "{connections}");
}

#[tokio::test]
async fn a_flush_makes_bytes_known_to_every_datanode_and_the_file_goes_on() {
    let cluster = Cluster::start(3).await;
    let data = bytes(3000);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    for (from, to) in [(0, 700), (700, 701), (701, 1024), (1024, 1024), (1024, 2999)] {
        file.write(&data[from..to]).await.unwrap();
        file.hflush().await.unwrap();
        let chunk = cluster.master.chunks("/f")[0].extent.chunk;
        for node in &cluster.nodes {
            assert_eq!(node.replica(chunk).unwrap().data, data[..to]);
        }
    }
    file.write(&data[2999..]).await.unwrap();
    file.close().await.unwrap();
    cluster.assert_stored("/f", &data);
}

#[tokio::test]
async fn a_sync_is_asked_of_every_datanode_and_told_to_the_master() {
    let cluster = Cluster::start(3).await;
    let data = bytes(CHUNK + 3000);
    let at = path("/f");
    let create = cluster.fs.create(&at, CreateOptions::default());
    let mut file = create.await.unwrap();
    file.hsync().await.unwrap();
    assert_eq!(
        cluster.master.chunks("/f").len(),
        0,
        "nothing was written, nothing is allocated"
    );
    file.write(&data[..700]).await.unwrap();
    file.hsync().await.unwrap();
    // Nothing new, but it was only in memory.
    file.write(&data[700..701]).await.unwrap();
    file.hflush().await.unwrap();
    file.hsync().await.unwrap();
    let first = cluster.master.chunks("/f")[0].extent;
    assert_eq!(first.len, 701);
    for node in &cluster.nodes {
        assert_eq!(
            *node.synced.lock().unwrap(),
            [(first.chunk, 700), (first.chunk, 701)]
        );
    }
    // Past the end of the chunk, which is on the disk as always.
    file.write(&data[701..CHUNK + 10]).await.unwrap();
    file.hsync().await.unwrap();
    let chunks = cluster.master.chunks("/f");
    assert_eq!([chunks[0].extent.len, chunks[1].extent.len], [CHUNK as u64, 10]);
    assert!(chunks[0].acknowledged && !chunks[1].acknowledged);
    for node in &cluster.nodes {
        let last = node.synced.lock().unwrap().last().copied();
        assert_eq!(last, Some((chunks[1].extent.chunk, 10)));
    }
    file.write(&data[CHUNK + 10..]).await.unwrap();
    file.close().await.unwrap();
    cluster.assert_stored("/f", &data);
}

/// What no master knows to be finished is repaired by nobody, and a program that logs may need hours for the next chunk.
#[tokio::test]
async fn a_finished_chunk_is_told_to_the_master_though_the_next_one_is_not() {
    let cluster = Cluster::start(3).await;
    let data = bytes(2 * CHUNK);
    let at = path("/f");
    let create = cluster.fs.create(&at, CreateOptions::default());
    let mut file = create.await.unwrap();
    file.write(&data[..CHUNK + 700]).await.unwrap();
    file.hflush().await.unwrap();
    let told = async || {
        let chunks = cluster.master.chunks("/f");
        chunks.iter().map(|chunk| chunk.acknowledged).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [false, false]);
    let waiting = async {
        while told().await != [true, false] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
    file.write(&data[CHUNK + 700..]).await.unwrap();
    file.close().await.unwrap();
    cluster.assert_stored("/f", &data);
    assert_eq!(cluster.master.calls("sync").len(), 1, "a closed file is known");
}

#[tokio::test]
async fn a_sync_goes_to_those_that_are_left() {
    let cluster = Cluster::start(3).await;
    let data = bytes(5000);
    let at = path("/f");
    let create = cluster.fs.create(&at, CreateOptions::default());
    let mut file = create.await.unwrap();
    file.write(&data[..1000]).await.unwrap();
    file.hflush().await.unwrap();
    cluster.nodes[1].fail(Fault::DieAt(999));
    file.hsync().await.unwrap();
    let chunk = cluster.master.chunks("/f")[0].extent;
    assert_eq!((chunk.len, chunk.generation.as_u64()), (1000, 2));
    for node in [&cluster.nodes[0], &cluster.nodes[2]] {
        let last = node.synced.lock().unwrap().last().copied();
        assert_eq!(last, Some((chunk.chunk, 1000)));
    }
    file.write(&data[1000..]).await.unwrap();
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [2]);
}

#[tokio::test]
async fn an_idle_pipeline_is_kept_alive() {
    let cluster = Cluster::start(3).await;
    let data = bytes(1000);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    file.write(&data[..500]).await.unwrap();
    file.hflush().await.unwrap();
    while cluster.nodes[2].heartbeats.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    file.write(&data[500..]).await.unwrap();
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [3]);
    assert!(cluster.master.calls("bump_generation").is_empty());
}

#[tokio::test]
async fn a_hung_datanode_is_found_while_nothing_is_written() {
    let cluster = Cluster::start(3).await;
    let data = bytes(2 * PACKET);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    cluster.nodes[1].fail(Fault::HangAt(PACKET));
    file.write(&data).await.unwrap();
    while cluster.master.calls("update_pipeline").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [2]);
}

#[tokio::test]
async fn a_cancelled_write_loses_and_doubles_nothing() {
    let cluster = Cluster::start(3).await;
    let data = bytes(3 * CHUNK + 10);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    while file.position() < data.len() as u64 {
        let rest = &data[file.position() as usize..];
        // Ever so often it is cancelled, wherever it is.
        tokio::select! {
            biased;
            written = file.write(rest) => written.unwrap(),
            () = tokio::task::yield_now() => {}
        }
    }
    file.close().await.unwrap();
    assert_eq!(cluster.assert_stored("/f", &data), [3; 4]);
}

#[tokio::test]
async fn many_writers_with_a_small_budget_all_get_through() {
    let cluster = Cluster::with(3, |config| config.memory_budget = PACKET as u64).await;
    let mut files = Vec::new();
    for number in 0..20 {
        let at = path(&format!("/f{number}"));
        let mut file = cluster.fs.create(&at, CreateOptions::default()).await.unwrap();
        // Every one of them holds a packet that is not full.
        file.write(&bytes(100)).await.unwrap();
        files.push(file);
    }
    for file in &mut files {
        file.write(&bytes(3 * PACKET)).await.unwrap();
    }
    for (number, file) in files.into_iter().enumerate() {
        file.close().await.unwrap();
        let mut data = bytes(100);
        data.extend(bytes(3 * PACKET));
        cluster.assert_stored(&format!("/f{number}"), &data);
    }
}

#[tokio::test]
async fn the_lease_is_renewed_as_long_as_a_file_is_open_and_a_dropped_writer_gives_its_file_up() {
    let cluster = Cluster::start(3).await;
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    file.write(b"some").await.unwrap();
    while cluster.master.calls("renew_lease").len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(file);
    while cluster.master.exists("/f") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let renewed = cluster.master.calls("renew_lease").len();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(cluster.master.calls("renew_lease").len() <= renewed + 1);
}

#[tokio::test]
async fn an_aborted_file_is_gone() {
    let cluster = Cluster::start(3).await;
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    file.write(&bytes(CHUNK + 1)).await.unwrap();
    file.abort().await.unwrap();
    assert!(!cluster.master.exists("/f"));
    assert_eq!(cluster.master.calls("abandon_file").len(), 1);
}
