//! What operators ask and change, over gRPC; and what any gRPC tool finds there.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use proto::v1::operations_client::OperationsClient;
use proto::v1::{self, AdminState, ErrorCode, ReplicaEvent};
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::harness::{Harness, channel, code, detail, eventually, root, user};

fn operations(harness: &Harness) -> OperationsClient<Channel> {
    OperationsClient::new(channel(&harness.master))
}

async fn set_state(
    harness: &Harness,
    caller: v1::Caller,
    node: &str,
    state: AdminState,
    limit: Duration,
) -> Result<v1::NodeDetail, Status> {
    let request = v1::SetNodeStateRequest {
        caller: Some(caller),
        node: node.to_owned(),
        state: state.into(),
        maintenance_ms: u64::try_from(limit.as_millis()).unwrap(),
    };
    let answer = operations(harness).set_node_state(request).await?;
    Ok(answer.into_inner().node.unwrap())
}

async fn nodes(harness: &Harness) -> Vec<v1::NodeDetail> {
    let caller = Some(user("eve", 1));
    let request = v1::NodesRequest { caller };
    operations(harness)
        .nodes(request)
        .await
        .unwrap()
        .into_inner()
        .nodes
}

fn address(node: &v1::NodeDetail) -> String {
    let datanode = node.datanode.as_ref().unwrap();
    format!("{}:{}", datanode.host, datanode.data_port)
}

#[tokio::test]
async fn a_datanode_takes_part_as_an_operator_says() {
    let harness = Harness::start().await;
    let node = harness.node(1).await;
    let name = address(&nodes(&harness).await[0]);
    let hour = Duration::from_secs(3_600);

    let refused = set_state(&harness, user("eve", 1), &name, AdminState::Decommissioning, hour).await;
    assert_eq!(code(refused), ErrorCode::PermissionDenied);
    for (call, bad) in [(1, Duration::ZERO), (2, hour * 24 * 365)] {
        let refused = set_state(&harness, root(call), &name, AdminState::Maintenance, bad).await;
        assert_eq!(code(refused), ErrorCode::Invalid);
    }
    let refused = set_state(&harness, root(3), &name, AdminState::Decommissioned, hour).await;
    assert_eq!(code(refused), ErrorCode::Invalid, "that is found, not said");
    let unknown = set_state(&harness, root(4), "nobody:1", AdminState::InService, hour).await;
    assert_eq!(code(unknown), ErrorCode::NotFound);

    let away = set_state(&harness, root(5), &name, AdminState::Maintenance, hour)
        .await
        .unwrap();
    assert_eq!(away.admin(), AdminState::Maintenance);
    assert!(away.maintenance_until_ms > 0);
    let drains = set_state(&harness, root(6), &name, AdminState::Decommissioning, hour)
        .await
        .unwrap();
    assert_eq!(drains.admin(), AdminState::Decommissioning);
    assert_eq!(nodes(&harness).await[0].admin(), AdminState::Decommissioning);

    let harness = harness.restart().await;
    assert_eq!(
        nodes(&harness).await[0].admin(),
        AdminState::Decommissioning,
        "it is in the log"
    );
    let id = uuid::Uuid::from_slice(&node.id()).unwrap().to_string();
    let back = set_state(&harness, root(7), &id, AdminState::InService, hour)
        .await
        .unwrap();
    assert_eq!(back.admin(), AdminState::InService);
}

#[tokio::test]
async fn only_who_is_dead_is_removed() {
    let harness = Harness::start().await;
    let node = harness.node(1).await;
    let name = address(&nodes(&harness).await[0]);
    let remove = async |harness: &Harness, caller: v1::Caller| {
        let request = v1::RemoveNodeRequest {
            caller: Some(caller),
            node: name.clone(),
            force: false,
        };
        operations(harness).remove_node(request).await.map(drop)
    };
    let refusal = detail(remove(&harness, root(1)).await);
    assert_eq!(refusal.code(), ErrorCode::Invalid);
    assert!(refusal.message.contains("is not dead"), "{}", refusal.message);
    // After a restart of the master nobody has heard of it.
    let harness = harness.restart().await;
    assert_eq!(
        code(remove(&harness, user("eve", 1)).await),
        ErrorCode::PermissionDenied
    );
    remove(&harness, root(2)).await.unwrap();
    assert_eq!(nodes(&harness).await, []);
    assert_eq!(code(remove(&harness, root(3)).await), ErrorCode::NotFound);
    // If it comes after all, it is a new one.
    let node = harness.stranger(node.n);
    node.register().await.unwrap();
    assert_eq!(nodes(&harness).await.len(), 1);
}

#[tokio::test]
async fn a_datanode_with_the_only_copy_of_something_is_removed_only_by_force() {
    let harness = Harness::start_with(|config| config.min_replicas = Some(1)).await;
    let node = harness.node(1).await;
    harness.file("/only", 1, 9, &[&node]).await;
    // It is not heard of any more, by a master that has just started.
    let harness = harness
        .restart_with(|config| {
            config.heartbeat_interval = Duration::from_millis(500);
            config.dead_after = Duration::from_secs(2);
        })
        .await;
    let name = address(&nodes(&harness).await[0]);
    let remove = async |call: u64, force: bool| {
        let request = v1::RemoveNodeRequest {
            caller: Some(root(call)),
            node: name.clone(),
            force,
        };
        operations(&harness).remove_node(request).await.map(drop)
    };
    let counting = detail(remove(1, false).await);
    assert_eq!(counting.code(), ErrorCode::NotReady, "{}", counting.message);
    let caller = Some(user("eve", 2));
    let health = operations(&harness).health(v1::HealthRequest { caller }).await;
    let health = health.unwrap().into_inner();
    assert_eq!(health.recounted, Some(0.0));
    let why = health
        .problems
        .iter()
        .find(|problem| problem.kind == "not-counted");
    assert!(why.unwrap().what.contains(&name), "{health:?}");

    let mut call = 10;
    let refusal = eventually(async || {
        call += 1;
        let refusal = detail(remove(call, false).await);
        (refusal.code() != ErrorCode::NotReady).then_some(refusal)
    })
    .await;
    assert_eq!(refusal.code(), ErrorCode::Invalid);
    assert!(
        refusal.message.contains("1 chunk of 1 file: /only") && refusal.message.contains("--force"),
        "{}",
        refusal.message
    );
    remove(5, true).await.unwrap();
    assert_eq!(nodes(&harness).await, []);
}

#[tokio::test]
async fn settings_are_of_the_cluster_and_stay() {
    let harness = Harness::start().await;
    let set = async |harness: &Harness, caller: v1::Caller, key: &str, value: &str| {
        let request = v1::SetSettingRequest {
            caller: Some(caller),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let answer = operations(harness).set_setting(request).await?;
        Ok::<_, Status>(answer.into_inner().setting.unwrap())
    };
    let refused = set(&harness, user("eve", 1), "repair.streams", "7").await;
    assert_eq!(code(refused), ErrorCode::PermissionDenied);
    let refusal = detail(set(&harness, root(1), "repair.stream", "7").await);
    assert_eq!(refusal.code(), ErrorCode::Invalid);
    assert!(
        refusal.message.contains("repair.streams_per_node"),
        "{}",
        refusal.message
    );
    let setting = set(&harness, root(2), "repair.bandwidth_per_node", "10MiB")
        .await
        .unwrap();
    assert_eq!((&*setting.value, &*setting.default_value), ("10485760", "0"));

    let harness = harness.restart().await;
    let caller = Some(user("eve", 2));
    let jobs = operations(&harness).jobs(v1::JobsRequest { caller }).await;
    let jobs = jobs.unwrap().into_inner();
    let kept = jobs
        .settings
        .iter()
        .find(|setting| setting.key == "repair.bandwidth_per_node");
    assert_eq!(kept.unwrap().value, "10485760");
    let repair = jobs.jobs.iter().find(|job| job.name == "repair").unwrap();
    assert!(
        repair.limits.iter().any(|limit| limit.value == "10485760"),
        "{repair:?}"
    );
}

async fn fsck(harness: &Harness, show: v1::FsckShow) -> (Vec<String>, Vec<v1::ConditionCount>) {
    let request = v1::FsckRequest {
        caller: Some(root(90)),
        path: "/".to_owned(),
        show: show.into(),
        with_replicas: false,
    };
    let mut parts = operations(harness).fsck(request).await.unwrap().into_inner();
    let (mut files, mut counts) = (Vec::new(), Vec::new());
    while let Some(part) = parts.message().await.unwrap() {
        files.extend(part.files.into_iter().map(|file| file.path));
        counts.extend(part.file_counts);
    }
    (files, counts)
}

#[tokio::test]
async fn health_and_fsck_tell_of_a_bad_replica() {
    let harness = Harness::start().await;
    let (a, b) = (harness.node(1).await, harness.node(2).await);
    let c = harness.node(3).await;
    harness.file("/good", 1, 100, &[&a, &b, &c]).await;
    let bad = harness.file("/bad", 10, 100, &[&a, &b, &c]).await;
    let health = async || {
        let caller = Some(user("eve", 3));
        let answer = operations(&harness).health(v1::HealthRequest { caller }).await;
        answer.unwrap().into_inner()
    };
    let counted = |health: &v1::HealthResponse| {
        let chunks = &health.chunks;
        chunks.len() == 1
            && chunks[0].count == 2
            && chunks[0].condition.unwrap().class() == v1::DataClass::Healthy
    };
    let well = eventually(async || Some(health().await).filter(counted)).await;
    assert_eq!(well.level(), v1::HealthLevel::Healthy, "{:?}", well.problems);
    assert_eq!(fsck(&harness, v1::FsckShow::Unhealthy).await.0, [""; 0]);
    b.change(ReplicaEvent::Corrupt, bad).await.unwrap();
    let told = eventually(async || Some(health().await).filter(|health| !health.problems.is_empty())).await;
    assert_eq!(
        told.level(),
        v1::HealthLevel::AtRisk,
        "two copies of three: {told:?}"
    );
    let corrupt = told.chunks.iter().find(|count| count.condition.unwrap().corrupt);
    assert_eq!(corrupt.unwrap().count, 1);

    assert_eq!(fsck(&harness, v1::FsckShow::Unhealthy).await.0, ["/bad"]);
    assert_eq!(fsck(&harness, v1::FsckShow::AtRisk).await.0, ["/bad"]);
    assert_eq!(fsck(&harness, v1::FsckShow::Lost).await.0, [""; 0]);
    let (all, counts) = fsck(&harness, v1::FsckShow::All).await;
    assert_eq!(all, ["/bad", "/good"]);
    assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), 2);
    let (none, counts) = fsck(&harness, v1::FsckShow::Unspecified).await;
    assert_eq!((none.len(), counts.len()), (0, 2));

    let explain_to = async |caller, subject| {
        let request = v1::ExplainRequest {
            caller: Some(caller),
            subject: Some(subject),
        };
        operations(&harness)
            .explain(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let explain = async |subject| explain_to(root(91), subject).await;
    use v1::explain_request::Subject;
    let file = explain(Subject::Path("/bad".to_owned())).await.unwrap();
    assert!(file.condition.unwrap().corrupt && !file.paragraphs.is_empty());
    let chunk = explain(Subject::Chunk(bad.chunk.as_u64())).await.unwrap();
    assert!(chunk.condition.unwrap().corrupt && !chunk.paragraphs.is_empty());
    let names = |told: &v1::ExplainResponse| {
        let mut lines = told.paragraphs.iter().flat_map(|one| &one.lines);
        lines.any(|line| line.contains("/bad"))
    };
    assert!(names(&chunk));
    let hide = v1::SetModeRequest {
        caller: Some(root(92)),
        path: "/bad".to_owned(),
        mode: 0o600,
    };
    harness.fs.clone().set_mode(hide).await.unwrap();
    let hidden = explain_to(user("bob", 93), Subject::Chunk(bad.chunk.as_u64())).await;
    assert!(!names(&hidden.unwrap()), "bob may not read it");
    let node = explain(Subject::Node(address(&nodes(&harness).await[0])))
        .await
        .unwrap();
    assert!(node.condition.is_none() && !node.paragraphs.is_empty());
    assert_eq!(
        code(explain(Subject::Path("/none".to_owned())).await),
        ErrorCode::NotFound
    );
    assert_eq!(code(explain(Subject::Chunk(4_711)).await), ErrorCode::NotFound);
}

#[tokio::test]
async fn what_would_be_moved_is_told_and_not_moved() {
    let harness = Harness::start().await;
    let (_a, _b) = (harness.node(1).await, harness.node(2).await);
    let rebalance = async |action: v1::RebalanceAction| {
        let request = v1::RebalanceRequest {
            caller: Some(root(1)),
            action: action.into(),
        };
        operations(&harness)
            .rebalance(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let plan = rebalance(v1::RebalanceAction::Plan).await.unwrap();
    assert_eq!((plan.volumes.len(), plan.bytes, plan.moves), (2, 0, 0));
    assert!((plan.threshold - 0.05).abs() < 1e-9);
    assert!(
        plan.explanation[1].contains("nothing has to be moved"),
        "{plan:?}"
    );
    let job = plan.job.unwrap();
    assert_eq!(job.state(), v1::JobState::Stopped, "{job:?}");
}

/// What a tool that knows no schema finds.
#[tokio::test]
async fn schemas_are_told_to_tools_that_ask() {
    let harness = Harness::start().await;
    let mut client = ServerReflectionClient::new(channel(&harness.master));
    let questions = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("distrifs.v1.Operations".to_owned()),
    ];
    let requests = questions.map(|question| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    });
    let answers = client
        .server_reflection_info(stream::iter(requests))
        .await
        .unwrap();
    let answers: Vec<_> = answers
        .into_inner()
        .map(|answer: Result<ServerReflectionResponse, _>| answer.unwrap().message_response.unwrap())
        .collect()
        .await;
    let MessageResponse::ListServicesResponse(services) = &answers[0] else {
        panic!("{answers:?}")
    };
    let names: Vec<_> = services
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in [
        "distrifs.v1.Admin",
        "distrifs.v1.Membership",
        "distrifs.v1.Namespace",
        "distrifs.v1.Operations",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    let MessageResponse::FileDescriptorResponse(file) = &answers[1] else {
        panic!("{answers:?}")
    };
    let schema = &file.file_descriptor_proto[0];
    let has = |word: &str| schema.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(has("SetNodeState") && has("Rebalance"));
}

#[tokio::test]
async fn every_service_says_that_it_serves() {
    let harness = Harness::start().await;
    let mut client = HealthClient::new(channel(&harness.master));
    for service in [
        "",
        "distrifs.v1.Admin",
        "distrifs.v1.Membership",
        "distrifs.v1.Namespace",
        "distrifs.v1.Operations",
    ] {
        let service = service.to_owned();
        let answer = client.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
    let service = "distrifs.v1.None".to_owned();
    let unknown = client.check(HealthCheckRequest { service }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}
