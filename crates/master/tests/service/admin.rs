use proto::v1::{self, ErrorCode, MasterRole};

use crate::group::{Masters, who};
use crate::harness::{Calls, Harness, code, eventually, root, user};

async fn transfer(calls: &Calls, caller: v1::Caller, id: u64) -> Result<u64, tonic::Status> {
    let request = v1::TransferLeadershipRequest {
        caller: Some(caller),
        id,
    };
    let answer = calls.admin.clone().transfer_leadership(request).await?;
    Ok(answer.into_inner().id)
}

#[tokio::test]
async fn a_master_alone_says_so() {
    let harness = Harness::start().await;
    let answer = who(&harness).await;
    assert_eq!(answer.leader, answer.asked);
    assert_eq!(answer.masters.len(), 1);
    let master = &answer.masters[0];
    assert_eq!((master.id, master.role()), (answer.asked, MasterRole::Leader));
    assert_eq!(master.address, harness.master.grpc_addr().to_string());
    assert!(master.last_index > Some(0), "{master:?}");
    harness.admin.clone().ping(v1::PingRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_a_checkpoint_file_byte_for_byte() {
    let harness = Harness::start().await;
    harness.mkdir(root(1), "/a", 0o755).await.unwrap();
    let mut admin = harness.admin.clone();
    let for_all = v1::BackupRequest {
        caller: Some(user("eve", 1)),
    };
    assert_eq!(
        code(admin.backup(for_all).await.map(drop)),
        ErrorCode::PermissionDenied
    );
    let request = v1::CheckpointRequest {
        caller: Some(root(2)),
    };
    let info = admin.checkpoint(request).await.unwrap().into_inner();
    assert_eq!(who(&harness).await.masters[0].applied_index, Some(info.index));

    let request = v1::BackupRequest {
        caller: Some(root(3)),
    };
    let mut parts = admin.backup(request).await.unwrap().into_inner();
    let (mut length, mut bytes) = (None, Vec::new());
    while let Some(part) = parts.message().await.unwrap() {
        length.get_or_insert(part.length);
        bytes.extend_from_slice(&part.bytes);
    }
    assert_eq!(length, Some(bytes.len() as u64));
    let newest = std::fs::read_dir(harness.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("checkpoint-"))
        .max();
    let file = newest.expect("a checkpoint is in the directory");
    assert_eq!(std::fs::read(file).unwrap(), bytes);

    let harness = harness.restart().await;
    harness.stat("/a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_to_whom_the_operator_names() {
    let masters = Masters::start().await;
    let leader = masters.leader().await;
    let to = masters.others(leader)[0];
    let id = who(masters.at(to)).await.asked;
    let eve = transfer(masters.at(leader), user("eve", 1), id).await;
    assert_eq!(code(eve), ErrorCode::PermissionDenied);
    let elsewhere = transfer(masters.at(to), root(1), id).await;
    assert_eq!(code(elsewhere), ErrorCode::NotLeader);
    assert_eq!(transfer(masters.at(leader), root(2), id).await.unwrap(), id);
    eventually(async || (who(masters.at(leader)).await.leader == id).then_some(())).await;
    masters.mkdir(3, "/a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_is_removed_and_knows_it() {
    let masters = Masters::start().await;
    let leader = masters.leader().await;
    let gone = masters.others(leader)[0];
    let id = who(masters.at(gone)).await.asked;
    masters
        .call(async |calls| {
            let request = v1::RemoveMasterRequest {
                caller: Some(root(1)),
                id,
            };
            calls.admin.clone().remove_master(request).await
        })
        .await
        .unwrap();
    let leader = masters.leader().await;
    assert_eq!(who(masters.at(leader)).await.masters.len(), 2);
    let request = v1::AddMasterRequest {
        caller: Some(root(2)),
        address: "m9:9800".into(),
    };
    let nobody = masters
        .call(async |calls| calls.admin.clone().add_master(request.clone()).await)
        .await;
    assert_eq!(code(nobody), ErrorCode::Invalid, "nobody answers there");
    masters.mkdir(3, "/a").await;
}
