//! Small files in few messages, and what becomes of them when these fail.

use std::sync::atomic::Ordering;

use client::{CreateOptions, Error, FileSystem};
use futures_util::future::join_all;

use crate::fake::{CHUNK, Cluster, Fault, Refuse, bytes, path};
use crate::read::whole;

/// A cluster that knows messages for many.
async fn cluster(datanodes: usize) -> Cluster {
    let cluster = Cluster::start(datanodes).await;
    cluster.master.serve_batches();
    for node in &cluster.nodes {
        node.knows_small.store(true, Ordering::SeqCst);
    }
    cluster
}

fn name(number: usize) -> String {
    format!("/f{number}")
}

fn content(number: usize) -> Vec<u8> {
    bytes(1 + number * 97 % 4096)
}

/// Writes so many files at once. What became of each.
async fn put_many(fs: &FileSystem, count: usize) -> Vec<Result<(), Error>> {
    put_these(fs, 0..count).await
}

async fn put_these(fs: &FileSystem, numbers: std::ops::Range<usize>) -> Vec<Result<(), Error>> {
    let put = |number: usize| async move {
        let mut file = fs.create(&path(&name(number)), CreateOptions::default()).await?;
        file.write(&content(number)).await?;
        let status = file.close().await?;
        assert_eq!(status.len, content(number).len() as u64);
        Ok(())
    };
    join_all(numbers.map(put)).await
}

async fn all_are_stored(cluster: &Cluster, count: usize, replicas: usize) {
    for number in 0..count {
        assert_eq!(
            cluster.assert_stored(&name(number), &content(number)),
            [replicas],
            "{number}"
        );
        assert!(cluster.master.is_complete(&name(number)));
    }
}

#[tokio::test]
async fn many_files_take_few_messages() {
    let cluster = cluster(3).await;
    let count = 60;
    assert!(put_many(&cluster.fs, count).await.iter().all(Result::is_ok));
    all_are_stored(&cluster, count, 3).await;
    for call in ["create", "complete"] {
        assert_eq!(cluster.master.calls(call).len(), count, "each once");
    }
    assert_eq!(cluster.master.calls("add_chunk").len(), 0);
    assert!(
        cluster.master.batched().len() <= 12,
        "{:?}",
        cluster.master.batched()
    );
    for node in &cluster.nodes {
        let requests = node.small.lock().unwrap().clone();
        assert_eq!(requests.iter().sum::<usize>(), count);
        assert!(requests.len() <= 6, "{requests:?}");
    }

    let before = cluster.master.batched().len();
    let read = |number: usize| {
        let fs = &cluster.fs;
        async move {
            let file = fs.open(&path(&name(number))).await.unwrap();
            assert!(whole(&file).await.unwrap() == content(number));
            let mut buf = vec![0; content(number).len() + 5];
            let count = file.read_at(0, &mut buf).await.unwrap();
            assert!(buf[..count] == content(number));
        }
    };
    join_all((0..count).map(read)).await;
    assert!(cluster.master.batched().len() - before <= 6);
    let reads: usize = cluster
        .nodes
        .iter()
        .map(|node| node.reads.lock().unwrap().len())
        .sum();
    assert_eq!(reads, 0, "none was read by itself");
}

#[tokio::test]
async fn what_is_empty_or_long_is_as_it_always_was() {
    let cluster = cluster(3).await;
    for len in [0, 1, 64 << 10, (64 << 10) + 1, 3 * CHUNK] {
        let data = bytes(len);
        cluster.put("/f", &data).await.unwrap();
        let replicas = cluster.assert_stored("/f", &data);
        assert_eq!(replicas, vec![3; len.div_ceil(CHUNK)], "{len}");
        assert!(cluster.master.is_complete("/f"));
        let file = cluster.fs.open(&path("/f")).await.unwrap();
        assert!(whole(&file).await.unwrap() == data);
    }
    assert_eq!(cluster.master.calls("abandon_chunk").len(), 0);
}

#[tokio::test]
async fn a_file_that_is_flushed_first_is_written_by_itself() {
    let cluster = cluster(3).await;
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    file.write(&[1; 700]).await.unwrap();
    file.hflush().await.unwrap();
    file.write(&[2; 700]).await.unwrap();
    file.close().await.unwrap();
    let data = [[1; 700], [2; 700]].concat();
    assert_eq!(cluster.assert_stored("/f", &data), [3]);
    assert!(cluster.nodes[0].small.lock().unwrap().is_empty());
    assert_eq!(
        cluster.master.calls("add_chunk").len(),
        0,
        "the chunk that came with the file"
    );
}

/// Whatever fails, at whichever datanode: every file is written, whole, where the masters think that it is.
#[tokio::test]
async fn what_fails_among_others_is_written_by_itself() {
    for fault in [
        Fault::DieAtSmall,
        Fault::CloseAfterSmall,
        Fault::HangAtSmall,
        Fault::RefuseSmall(1),
    ] {
        for position in 0..3 {
            let cluster = cluster(5).await;
            cluster.nodes[position].fail(fault);
            let count = 12;
            for (number, outcome) in put_many(&cluster.fs, count).await.into_iter().enumerate() {
                assert!(
                    outcome.is_ok(),
                    "{fault:?} at {position}, file {number}: {outcome:?}"
                );
            }
            all_are_stored(&cluster, count, 3).await;
            assert!(
                !cluster.master.calls("abandon_chunk").is_empty(),
                "{fault:?} at {position}"
            );
            if matches!(fault, Fault::RefuseSmall(_)) {
                assert_eq!(
                    cluster.master.calls("abandon_chunk").len(),
                    1,
                    "only the one that failed"
                );
            }
        }
    }
}

#[tokio::test]
async fn datanodes_and_masters_of_before_are_asked_one_by_one() {
    for (master, datanodes) in [(true, false), (false, true), (false, false)] {
        let cluster = Cluster::start(3).await;
        if master {
            cluster.master.serve_batches();
        }
        for node in &cluster.nodes {
            node.knows_small.store(datanodes, Ordering::SeqCst);
        }
        for numbers in [0..8, 8..16] {
            assert!(put_these(&cluster.fs, numbers).await.iter().all(Result::is_ok));
        }
        all_are_stored(&cluster, 16, 3).await;
        let file = cluster.fs.open(&path(&name(3))).await.unwrap();
        assert!(whole(&file).await.unwrap() == content(3));
    }
}

#[tokio::test]
async fn one_of_many_is_refused_alone() {
    let cluster = cluster(3).await;
    cluster.master.refuse("create", [Refuse::SafeMode]);
    cluster.master.refuse("complete", [Refuse::SafeMode]);
    let outcomes = put_many(&cluster.fs, 10).await;
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(refused, 2, "{outcomes:?}");
    let one = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(one, Error::SafeMode(_)), "{one:?}");
}

/// Nobody does anything twice: the call ids stay what they are.
#[tokio::test]
async fn what_is_asked_again_keeps_its_call_id() {
    let cluster = cluster(3).await;
    cluster.master.refuse("batch", [Refuse::NotReady]);
    cluster.master.refuse("complete", [Refuse::NotReplicated]);
    assert!(put_many(&cluster.fs, 1).await[0].is_ok());
    let completes = cluster.master.calls("complete");
    assert_eq!(completes.len(), 2, "once with others, once by itself");
    assert_eq!(completes[0], completes[1]);
    assert_eq!(cluster.master.calls("create").len(), 1);

    cluster.master.refuse("batch", [Refuse::LoseAnswer]);
    let _ = cluster
        .fs
        .create(&path("/g"), CreateOptions::default())
        .await
        .unwrap();
    let creates = cluster.master.calls("create");
    assert_eq!((creates.len(), creates[1]), (3, creates[2]));
}

#[tokio::test]
async fn whoever_gives_up_leaves_no_file_behind() {
    let cluster = cluster(3).await;
    cluster.master.refuse("create", [Refuse::Hang]);
    let (fs, at) = (cluster.fs.clone(), path("/f"));
    let creating = tokio::spawn(async move { fs.create(&at, CreateOptions::default()).await.map(drop) });
    while cluster.master.calls("create").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    creating.abort();
    assert!(creating.await.unwrap_err().is_cancelled());
    cluster.master.thaw();
    while cluster.master.calls("abandon_file").is_empty() {
        cluster.master.thaw();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!cluster.master.exists("/f"));
}

#[tokio::test]
async fn whatever_a_datanode_does_the_bytes_are_right() {
    for fault in [
        Fault::DieAtSmall,
        Fault::CloseAfterSmall,
        Fault::HangAtSmall,
        Fault::RefuseSmall(0),
        Fault::FlipSmall,
    ] {
        let cluster = cluster(3).await;
        for number in 0..6 {
            cluster.master.add_file(&name(number), &[&content(number)]);
        }
        cluster.nodes[0].fail(fault);
        let read = |number: usize| {
            let fs = &cluster.fs;
            async move {
                let file = fs.open(&path(&name(number))).await.unwrap();
                assert!(
                    whole(&file).await.unwrap() == content(number),
                    "{fault:?}, file {number}"
                );
            }
        };
        join_all((0..6).map(read)).await;
        assert!(!cluster.nodes[0].small.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn whole_files_are_put_and_got_in_their_order() {
    let cluster = cluster(3).await;
    let long = bytes(2 * CHUNK + 3);
    let mut files: Vec<_> = (0..300)
        .map(|number| (path(&name(number)), content(number).into()))
        .collect();
    files[7].1 = long.clone().into();
    files[8].1 = bytes::Bytes::new();
    let paths: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
    let expected: Vec<bytes::Bytes> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    for status in cluster.fs.put_many(files, &CreateOptions::default()).await {
        status.unwrap();
    }
    cluster.assert_stored(&name(7), &long);
    let mut asked = paths.clone();
    asked.insert(5, path("/none"));
    let mut got = cluster.fs.get_many(&asked).await;
    assert!(matches!(got.remove(5), Err(Error::NotFound(_))));
    for (got, expected) in got.into_iter().zip(expected) {
        assert!(got.unwrap() == expected);
    }
}
