//! Many operations in one message, through the SDK: the one test that links it, as no verb shows what each operation answers.

use client::{BatchAnswer, BatchOperation, Config, Error, FileSystem};
use env::Env;
use types::FsPath;

use crate::support::Group;

fn path(text: &str) -> FsPath {
    FsPath::parse(text).unwrap()
}

fn mkdir(name: &str) -> BatchOperation {
    BatchOperation::Mkdir {
        path: path(name),
        mode: 0o755,
        parents: false,
    }
}

fn delete(name: &str) -> BatchOperation {
    BatchOperation::Delete {
        path: path(name),
        recursive: false,
    }
}

#[tokio::test]
async fn answers_come_in_order_and_a_refusal_is_that_of_one_operation() {
    let group = Group::start(1, 1);
    let user = String::from_utf8(group.client.ok(&["stat", "/", "--json"])).unwrap();
    let root: serde_json::Value = serde_json::from_str(&user).unwrap();
    let config = Config::new(group.addresses.clone(), root["owner"].as_str().unwrap());
    let fs = FileSystem::connect(Env::real(), config).unwrap();

    // More than one message holds.
    let many: Vec<_> = (0..2_500).map(|number| mkdir(&format!("/d{number}"))).collect();
    let made = fs.batch(&many).await;
    assert_eq!(made.len(), many.len());
    assert!(made.iter().all(|answer| matches!(answer, Ok(BatchAnswer::Done))));

    let mixed = [
        mkdir("/d7"),
        BatchOperation::Stat(path("/d8")),
        delete("/nowhere"),
        BatchOperation::Rename {
            from: path("/d9"),
            to: path("/renamed"),
            replace: false,
        },
        BatchOperation::SetMode {
            path: path("/d10"),
            mode: 0o700,
        },
        delete("/d11"),
    ];
    let answers = fs.batch(&mixed).await;
    assert!(matches!(answers[0], Err(Error::Exists(_))), "{:?}", answers[0]);
    assert!(matches!(&answers[1], Ok(BatchAnswer::Status(status)) if status.name == "d8"));
    assert!(matches!(answers[2], Err(Error::NotFound(_))), "{:?}", answers[2]);
    assert!(
        answers[3..]
            .iter()
            .all(|answer| matches!(answer, Ok(BatchAnswer::Done)))
    );
    assert!(group.client.exists("/renamed") && !group.client.exists("/d9") && !group.client.exists("/d11"));
    let stat = fs.batch(&[BatchOperation::Stat(path("/d10"))]).await;
    assert!(matches!(&stat[0], Ok(BatchAnswer::Status(status)) if status.mode == 0o700));
}

#[tokio::test]
async fn a_batch_that_meets_a_failover_is_done_once() {
    let mut group = Group::start(3, 1);
    let root = String::from_utf8(group.client.ok(&["stat", "/", "--json"])).unwrap();
    let root: serde_json::Value = serde_json::from_str(&root).unwrap();
    let config = Config::new(group.addresses.clone(), root["owner"].as_str().unwrap());
    let fs = FileSystem::connect(Env::real(), config).unwrap();
    for round in 0..3 {
        let worker = {
            let fs = fs.clone();
            tokio::spawn(async move {
                for number in 0..40 {
                    // Done twice, a directory would be there already.
                    let batch: Vec<_> = (0..50)
                        .map(|one| mkdir(&format!("/{round}-{number}-{one}")))
                        .collect();
                    for answer in fs.batch(&batch).await {
                        assert!(matches!(answer, Ok(BatchAnswer::Done)), "{answer:?}");
                    }
                }
            })
        };
        group = tokio::task::spawn_blocking(move || {
            let leader = group.leader();
            group.masters[leader].kill();
            group.leader_other_than(leader);
            group.masters[leader].start();
            group.wait_for_members(&[0, 1, 2]);
            group
        })
        .await
        .unwrap();
        worker.await.unwrap();
    }
}
