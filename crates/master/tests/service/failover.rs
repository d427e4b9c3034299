use proto::v1::{self, ErrorCode};
use tonic::Status;

use crate::group::{Masters, file, goes_on, who};
use crate::harness::{code, detail, eventually, root, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_masters_are_one_cluster() {
    let masters = Masters::start().await;
    masters.mkdir(1, "/a").await;
    let leader = masters.leader().await;
    let answers: Vec<_> = [
        who(masters.at(0)).await,
        who(masters.at(1)).await,
        who(masters.at(2)).await,
    ]
    .into();
    assert!(answers.iter().all(|answer| answer.masters.len() == 3));
    assert!(
        answers
            .iter()
            .all(|answer| answer.cluster_id == masters.at(0).cluster)
    );
    assert_eq!(answers[leader].leader, answers[leader].asked);
    for other in masters.others(leader) {
        let refusal = detail(masters.at(other).stat("/").await);
        assert_eq!(refusal.code(), ErrorCode::NotLeader);
        assert_eq!(
            refusal.masters,
            [format!("m{leader}:9800")],
            "{}",
            refusal.message
        );
        let change = masters.at(other).mkdir(root(2), "/b", 0o755).await;
        assert_eq!(code(change), ErrorCode::NotLeader);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_the_leader() {
    let mut masters = Masters::start().await;
    for n in 0..20 {
        masters.mkdir(n + 1, &format!("/d{n}")).await;
    }
    let leader = masters.leader().await;
    masters.kill(leader);
    for n in 0..20 {
        let path = format!("/d{n}");
        masters.call(async |calls| calls.stat(&path).await).await.unwrap();
    }
    masters.mkdir(100, "/after").await;
    let second = masters.leader().await;
    assert_ne!(second, leader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_repeated_elsewhere_is_made_once() {
    let mut masters = Masters::start().await;
    masters.mkdir(1, "/a").await;
    // A rename works once: a second time there would be nothing to rename.
    let rename = async |masters: &Masters| {
        let request = v1::RenameRequest {
            caller: Some(root(2)),
            from: "/a".into(),
            to: "/b".into(),
            replace: false,
        };
        masters
            .call(async |calls| calls.fs.clone().rename(request.clone()).await)
            .await
    };
    rename(&masters).await.unwrap();
    let leader = masters.leader().await;
    masters.kill(leader);
    rename(&masters).await.unwrap();
    let mkdir = masters
        .call(async |calls| calls.mkdir(user("other", 2), "/b/c", 0o755).await)
        .await;
    assert_eq!(
        code(mkdir),
        ErrorCode::PermissionDenied,
        "another's call is another call"
    );
    assert_eq!(
        code(masters.call(async |calls| calls.stat("/a").await).await),
        ErrorCode::NotFound
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_was_opened_again_is_gone_on_with_at_another_master() {
    let mut masters = Masters::start().await;
    let nodes = [masters.node(1).await, masters.node(2).await];
    let old = file(&masters, 1, "/f", &[&nodes[0], &nodes[1]]).await;
    let append = v1::AppendRequest {
        caller: Some(root(10)),
        path: "/f".into(),
    };
    let opened = masters
        .call(async |calls| calls.fs.clone().append(append.clone()).await)
        .await;
    let request = v1::AppendChunkRequest {
        caller: Some(root(11)),
        inode: opened.unwrap().into_inner().inode,
        exclude: Vec::new(),
        host: "node-2".into(),
    };
    let append_chunk = async |masters: &Masters| {
        let answer = masters
            .call(async |calls| calls.fs.clone().append_chunk(request.clone()).await)
            .await;
        answer.unwrap().into_inner()
    };
    let first = append_chunk(&masters).await;
    assert_eq!(proto::extent(&first.extent.unwrap()).unwrap(), old);
    assert_eq!(first.targets.len(), 2);
    let leader = masters.leader().await;
    masters.kill(leader);
    // The answer was lost with the leader; the new one has never heard of the pipeline.
    assert_eq!(append_chunk(&masters).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_answers_nothing_and_orders_nothing() {
    let masters = Masters::start().await;
    let nodes = [masters.node(1).await, masters.node(2).await];
    let chunk = file(&masters, 1, "/f", &[&nodes[0], &nodes[1]]).await;
    let old = masters.leader().await;
    masters.wires.cut(old);
    let others = masters.others(old);
    let new = masters.leader_among(&others).await;

    // What has changed since then, it does not know: it must not speak.
    let request = v1::DeleteRequest {
        caller: Some(root(9)),
        path: "/f".into(),
        recursive: false,
    };
    masters.at(new).fs.clone().delete(request).await.unwrap();
    for _ in 0..20 {
        let stale = masters.at(old).stat("/f").await;
        assert_eq!(code(stale), ErrorCode::NotLeader, "a stale answer");
        let beat = nodes[0].at(old).beat(1 << 40).await.unwrap();
        assert!(!beat.leads && beat.commands.is_empty(), "{beat:?}");
    }
    let change = masters.at(old).mkdir(root(10), "/x", 0o755).await;
    assert!(goes_on(&change.unwrap_err()), "a client goes on elsewhere");

    let order = nodes[0].at(new).beat(1 << 40).await.unwrap();
    assert!(order.leads);
    let deletes = order.commands.iter().any(|command| {
        matches!(&command.command, Some(v1::command::Command::DeleteReplicas(delete))
            if delete.replicas[0].chunk == chunk.chunk.as_u64())
    });
    assert!(deletes, "the new leader orders: {order:?}");

    masters.wires.heal(old);
    let term = order.term;
    eventually(async || (who(masters.at(old)).await.term >= term).then_some(())).await;
    let beat = nodes[0].at(old).beat(1 << 40).await.unwrap();
    assert!(beat.term >= term || !beat.leads, "{beat:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_at_a_leader_that_falls_is_sent_on_at_once() {
    let masters = Masters::start().await;
    let _nodes = [masters.node(1).await, masters.node(2).await];
    let leader = masters.leader().await;
    let calls = masters.at(leader).clone();
    let inode = calls.create(root(1), "/f").await.unwrap();
    let (chunk, _) = calls.add_chunk(root(2), inode, &[]).await.unwrap();
    // Nobody has these bytes: this waits for its half minute, or for another leader.
    let written = types::ChunkExtent { len: 1000, ..chunk };
    let waiting = tokio::spawn(async move { calls.complete(root(3), inode, &[written]).await });
    masters.at(leader).stat("/").await.unwrap();
    masters.wires.cut(leader);
    let refusal: Result<_, Status> = waiting.await.unwrap();
    assert_eq!(code(refusal), ErrorCode::NotLeader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_knows_the_replicas_when_it_takes_over() {
    let mut masters = Masters::start().await;
    let nodes = [masters.node(1).await, masters.node(2).await];
    let chunk = file(&masters, 1, "/f", &[&nodes[0], &nodes[1]]).await;
    let leader = masters.leader().await;
    masters.kill(leader);
    let located = masters
        .call(async |calls| calls.locate("/f", "").await)
        .await
        .unwrap();
    assert_eq!(located[0].extent, Some(proto::wire_extent(chunk)));
    assert_eq!(located[0].replicas.len(), 2, "nobody had to be waited for");
    // And no safe mode: the first answer to a change is not that it has to wait.
    let new = masters.leader().await;
    masters.at(new).mkdir(root(9), "/d", 0o755).await.unwrap();
    let chunk = file_at(&masters, new, 20).await;
    assert_eq!(chunk.1.len(), 2, "and there is room for new chunks");
}

async fn file_at(masters: &Masters, at: usize, call: u64) -> (types::ChunkExtent, Vec<v1::Replica>) {
    let calls = masters.at(at);
    let inode = calls.create(root(call), "/g").await.unwrap();
    calls.add_chunk(root(call + 1), inode, &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_hands_over_first() {
    let mut masters = Masters::start().await;
    masters.mkdir(1, "/a").await;
    let leader = masters.leader().await;
    let before = who(masters.at(leader)).await.term;
    masters.stop(leader).await;
    // Somebody was elected before the old leader was gone: that is known without waiting.
    let others = masters.others(leader);
    let leads = [who(masters.at(others[0])).await, who(masters.at(others[1])).await];
    assert!(
        leads
            .iter()
            .any(|answer| answer.leader != 0 && answer.term > before),
        "{leads:?}"
    );
    masters.mkdir(2, "/b").await;

    masters.restart(leader).await;
    masters.master(leader).formed().await;
    let other = masters.leader_among(&others).await;
    masters.kill(other);
    masters.call(async |calls| calls.stat("/b").await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datanode_registers_everywhere_and_orders_come_from_the_leader_alone() {
    let masters = Masters::start().await;
    let nodes = [masters.node(1).await, masters.node(2).await];
    let leader = masters.leader().await;
    let term = nodes[0].at(leader).beat(1 << 40).await.unwrap().term;
    for other in masters.others(leader) {
        let beat = nodes[0].at(other).beat(1 << 40).await.unwrap();
        assert!(!beat.leads);
        assert_eq!(beat.masters.len(), 3);
        assert_eq!(beat.term, term, "the term of the leader, not one of its own");
        let stranger = masters.stranger(7);
        assert_eq!(
            code(stranger.at(other).beat(1 << 40).await),
            ErrorCode::UnknownDatanode
        );
    }
    file(&masters, 1, "/f", &[&nodes[0], &nodes[1]]).await;
    let request = v1::DeleteRequest {
        caller: Some(root(9)),
        path: "/f".into(),
        recursive: true,
    };
    masters
        .call(async |calls| calls.fs.clone().delete(request.clone()).await)
        .await
        .unwrap();
    let ordered = eventually(async || {
        for other in masters.others(masters.leader().await) {
            assert_eq!(
                nodes[0].at(other).ordered_to_delete().await,
                [],
                "not theirs to say"
            );
        }
        let leader = masters.leader().await;
        nodes[0].at(leader).ordered_to_delete().await.first().copied()
    })
    .await;
    assert!(ordered.0 > 0);
}
