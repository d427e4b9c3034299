//! The audit log: who changed what, and who was denied.

use master::AuditLog;
use proto::v1;
use serde_json::{Value, json};

use crate::harness::{Harness, root, user};

#[tokio::test]
async fn changes_and_denials_are_told_with_their_results() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("audit.log");
    let log = AuditLog::new(path.clone());
    let harness = Harness::start_with(|config| config.audit = Some(log)).await;
    harness.mkdir(root(1), "/d", 0o755).await.unwrap();
    harness.mkdir(user("bob", 1), "/d/e", 0o755).await.unwrap_err();
    harness.stat("/d").await.unwrap();
    let operation = |call_id, kind| v1::Operation {
        call_id,
        kind: Some(kind),
    };
    let delete = |path: &str| {
        v1::operation::Kind::Delete(v1::DeleteRequest {
            caller: None,
            path: path.to_owned(),
            recursive: true,
        })
    };
    let batch = v1::BatchRequest {
        caller: Some(root(0)),
        operations: vec![operation(2, delete("/nothing")), operation(3, delete("/d"))],
    };
    harness.fs.clone().batch(batch).await.unwrap();
    let harness = harness.restart().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["user"].as_str().unwrap(),
                line["operation"].as_str().unwrap(),
                line["path"].as_str().unwrap(),
                line["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("root", "mkdir", "/d", "OK"),
            ("bob", "mkdir", "/d/e", "PERMISSION_DENIED"),
            ("root", "delete", "/nothing", "NOT_FOUND"),
            ("root", "delete", "/d", "OK"),
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line["from"] == json!("127.0.0.1") && line["at_ms"].as_u64() > Some(0))
    );
    assert!(lines[1]["why"].as_str().unwrap().contains("bob"));
    drop(harness);
}
