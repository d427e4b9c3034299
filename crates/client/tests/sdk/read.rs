//! Readers against replicas that fail.

use client::{Error, FileReader};
use transfer::checksum;

use crate::fake::{Cluster, Fault, bytes, path};

pub(crate) async fn whole(reader: &FileReader) -> Result<Vec<u8>, Error> {
    let mut stream = reader.stream_all();
    let mut data = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part?;
        assert!(!part.is_empty());
        data.extend_from_slice(&part);
    }
    assert!(stream.next().await.is_none());
    Ok(data)
}

/// A file of five chunks, short ones in the middle, on three datanodes that are asked in their order.
async fn five_chunks() -> (Cluster, Vec<u8>, Vec<types::ChunkId>) {
    let cluster = Cluster::start(3).await;
    let data = bytes(150_000);
    let (a, b, c, d, e) = (
        &data[..65_536],
        &data[65_536..65_537],
        &data[65_537..100_000],
        &data[100_000..100_512],
        &data[100_512..],
    );
    let chunks = cluster.master.add_file("/f", &[a, b, c, d, e]);
    (cluster, data, chunks)
}

#[tokio::test]
async fn a_file_is_read_whole_and_in_parts() {
    let (cluster, data, _) = five_chunks().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    assert_eq!(reader.len(), data.len() as u64);
    assert!(whole(&reader).await.unwrap() == data);

    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let from = random.usize(..data.len() + 10);
        let len = random.usize(..40_000);
        let expected = &data[from.min(data.len())..(from + len).min(data.len())];
        let mut buf = vec![0xee; len];
        let count = reader.read_at(from as u64, &mut buf).await.unwrap();
        assert_eq!(count, expected.len());
        assert!(&buf[..count] == expected);
        assert!(
            buf[count..].iter().all(|byte| *byte == 0xee),
            "what is behind the end is left alone"
        );
    }
    let connections = cluster.nodes[0]
        .connections
        .load(std::sync::atomic::Ordering::SeqCst);
    assert!(connections < 10, "connections are used again: {connections}");
    assert_eq!(
        cluster.master.calls("locate").len(),
        3,
        "once for each page of locations"
    );
}

#[tokio::test]
async fn an_empty_file_has_no_bytes() {
    let cluster = Cluster::start(1).await;
    cluster.master.add_file("/f", &[]);
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    assert!(reader.is_empty());
    assert!(whole(&reader).await.unwrap().is_empty());
    assert_eq!(reader.read_at(0, &mut [0; 4]).await.unwrap(), 0);
    assert!(matches!(
        cluster.fs.open(&path("/no")).await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn whatever_a_replica_does_the_bytes_are_right_and_the_next_one_goes_on_where_it_stopped() {
    for fault in [
        Fault::ReadRefusedAsCorrupt,
        Fault::FlipAt(33_000),
        Fault::CloseAt(33_000),
        Fault::StallAt(33_000),
        Fault::SkipAt(33_000),
        Fault::CloseAt(0),
    ] {
        let (cluster, data, chunks) = five_chunks().await;
        cluster.nodes[0].fail(fault);
        let reader = cluster.fs.open(&path("/f")).await.unwrap();
        assert!(whole(&reader).await.unwrap() == data, "{fault:?}");
        let resumed = cluster.nodes[1].reads.lock().unwrap()[0];
        let delivered = match fault {
            Fault::ReadRefusedAsCorrupt | Fault::CloseAt(0) => 0,
            // The packet before the bad one ends here.
            _ => 32_768,
        };
        assert_eq!(resumed, delivered, "{fault:?}");
        if matches!(fault, Fault::ReadRefusedAsCorrupt | Fault::FlipAt(_)) {
            while cluster.master.corrupt() != [(chunks[0], cluster.nodes[0].id)] {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_never_reaches_the_caller() {
    let (cluster, data, _) = five_chunks().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    for at in [0, 1, 511, 512, 8_191, 8_192, 65_535] {
        cluster.nodes[0].fail(Fault::FlipAt(at));
        let mut buf = vec![0; 65_536];
        reader.read_at(0, &mut buf).await.unwrap();
        assert!(buf == data[..65_536], "{at}");
    }
}

#[tokio::test]
async fn when_no_replica_serves_the_error_names_each_and_why() {
    let (cluster, _, chunks) = five_chunks().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    // Not even this one has it any more.
    cluster.nodes[2].store(chunks[0], types::Generation(0), b"stale");
    let error = reader.read_at(10, &mut [0; 100]).await.unwrap_err();
    let Error::DataUnavailable {
        offset: 10,
        chunk,
        tried,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*chunk, chunks[0]);
    assert_eq!(tried.len(), 3, "{error}");
    for node in &cluster.nodes {
        assert!(error.to_string().contains(&node.address), "{error}");
    }
    assert!(error.to_string().contains("no such replica"), "{error}");
    assert!(
        cluster.master.calls("locate").len() >= 3,
        "fresh locations were asked for"
    );
}

#[tokio::test]
async fn fresh_locations_lead_to_replicas_that_moved() {
    let (cluster, data, chunks) = five_chunks().await;
    cluster.master.locate_as(chunks[0], &[&[0], &[0], &[1]]);
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    cluster.nodes[0].kill();
    let mut buf = vec![0; 1000];
    assert_eq!(reader.read_at(5, &mut buf).await.unwrap(), 1000);
    assert!(buf == data[5..1005]);
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_mixed_with_the_new_one() {
    let (cluster, _, _) = five_chunks().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    cluster.master.add_file("/f", &[b"new"]);
    // The last chunk was not located yet.
    let error = reader.read_at(149_000, &mut [0; 10]).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[tokio::test]
async fn the_checksum_is_that_of_the_bytes_however_they_are_cut() {
    let (cluster, data, _) = five_chunks().await;
    cluster.master.add_file("/g", &[&data[..1000], &data[1000..]]);
    let expected = client::FileChecksum {
        crc32c: checksum::crc32c(&data),
        len: data.len() as u64,
    };
    cluster.nodes[0].kill();
    for file in ["/f", "/g"] {
        assert_eq!(cluster.fs.checksum(&path(file)).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_stop_others() {
    let (cluster, data, _) = five_chunks().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut stream = reader.stream_all();
        stream.next().await.unwrap().unwrap();
        idle.push(stream);
    }
    assert!(whole(&reader).await.unwrap() == data);
}
