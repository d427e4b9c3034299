//! How masters come to be a group, over real gRPC.

use std::sync::Arc;
use std::time::Duration;

use consensus::{ChangeError, Group, Settings};
use env::disk::SimDisk;
use env::net::Incoming;
use proto::v1;
use proto::v1::consensus_client::ConsensusClient;
use tonic::transport::Channel;
use types::MasterId;

use crate::common::{History, directory, world};
use crate::masters::links::address;
use crate::masters::{Masters, until_async};

#[tokio::test(flavor = "multi_thread")]
async fn three_form_in_any_order_and_again() {
    for order in [[0, 1, 2], [2, 1, 0]] {
        let mut masters = Masters::new(3, 3).await;
        masters.start(order[0]).await;
        masters.waits(order[0], "not reached yet").await;
        masters.start(order[1]).await;
        masters.waits(order[1], "not reached yet").await;
        masters.start(order[2]).await;
        masters.voters(&[0, 1, 2]).await;
        masters.agree("first").await;
        let ids = [0, 1, 2].map(|place| masters.id(place));
        for place in order {
            masters.crash(place).await;
        }
        for place in order {
            masters.start(place).await;
        }
        masters.agree("second").await;
        masters.voters(&[0, 1, 2]).await;
        assert_eq!(
            ids,
            [0, 1, 2].map(|place| masters.id(place)),
            "they are who they were"
        );
        masters.check(&[]);
        masters.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_power_goes_while_they_form() {
    for dies_at in [1, 3, 6, 10, 15, 25] {
        let mut masters = Masters::new(3, 3).await;
        masters.start(1).await;
        masters.start(2).await;
        masters.start(0).await;
        masters.disks[0].die_after(dies_at);
        let status = masters.member(0).group.status();
        // It forms, or dies before.
        let _ = tokio::time::timeout(
            Duration::from_secs(2),
            status.clone().wait_for(|status| status.leader.is_some()),
        )
        .await;
        masters.crash(0).await;
        masters.start(0).await;
        masters.agree("all").await;
        masters.voters(&[0, 1, 2]).await;
        masters.check(&[]);
        masters.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_differ_are_told() {
    let mut masters = Masters::new(2, 2).await;
    masters.settings[1].peers = vec![address(0), address(1), address(2)];
    masters.start(0).await;
    masters.start(1).await;
    let text = masters.waits(0, "other masters").await;
    assert!(text.contains(&address(1)), "{text}");
    masters.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_disk_comes_back_as_somebody_new() {
    let mut masters = Masters::formed(3).await;
    for number in 0..20 {
        masters.agree(&format!("before {number}")).await;
    }
    // The leader, and then one that follows.
    for round in 0..2 {
        let lost = masters.leader().await;
        let before = masters.id(lost);
        masters.lose(lost).await;
        masters.start(lost).await;
        assert_ne!(masters.id(lost), before);
        masters.voters(&[0, 1, 2]).await;
        masters.agree(&format!("after {round}")).await;
        masters.check(&[]);
    }
    masters.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_added_and_removed() {
    let mut masters = Masters::new(4, 3).await;
    for place in 0..4 {
        masters.start(place).await;
    }
    masters.voters(&[0, 1, 2]).await;
    masters.agree("three").await;
    let text = masters.waits(3, "admin master add").await;
    assert!(text.contains(&address(0)), "{text}");

    let leader = masters.leader().await;
    let add = async |masters: &Masters, at: usize, whom: String| {
        let member = masters.member(at);
        member
            .call(async move |group| group.add(&whom).await)
            .await
            .unwrap()
    };
    let follower = (leader + 1) % 3;
    let refused = add(&masters, follower, address(3)).await;
    assert_eq!(
        refused,
        Err(ChangeError::NotLeader(consensus::NotLeader {
            leader: Some(address(leader))
        }))
    );
    assert!(matches!(
        add(&masters, leader, address(follower)).await,
        Err(ChangeError::Already { .. })
    ));
    assert!(matches!(
        add(&masters, leader, address(9)).await,
        Err(ChangeError::Unreachable { .. })
    ));
    assert_eq!(add(&masters, leader, address(3)).await, Ok(masters.id(3)));
    masters.voters(&[0, 1, 2, 3]).await;
    masters.agree("four").await;

    // The leader removes itself: it hands over, and the next one does it.
    let gone = masters.id(leader);
    let remove = async |masters: &Masters, at: usize| {
        let member = masters.member(at);
        member
            .call(async move |group| group.remove(gone).await)
            .await
            .unwrap()
    };
    assert!(matches!(
        remove(&masters, leader).await,
        Err(ChangeError::NotLeader(_))
    ));
    let next = masters.leader_among(|place| place != leader).await;
    assert_eq!(remove(&masters, next).await, Ok(()));
    let rest: Vec<_> = (0..4).filter(|place| *place != leader).collect();
    masters.voters(&rest).await;
    assert_eq!(remove(&masters, next).await, Err(ChangeError::Unknown(gone)));
    let text = masters.waits(leader, "removed").await;
    assert!(text.contains("stands by"), "{text}");
    masters.agree("without it").await;
    masters.end().await;
}

/// Asks a master that was just started for its vote.
async fn ask_for_vote(
    client: &mut ConsensusClient<Channel>,
    to: MasterId,
    leadership_transfer: bool,
) -> Result<v1::VoteResponse, tonic::Status> {
    let request = v1::VoteRequest {
        to: to.0,
        vote: Some(v1::RaftVote {
            term: 9,
            candidate: 77,
            committed: false,
        }),
        last: None,
        leadership_transfer,
    };
    client.pre_vote(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_just_started_votes_once_nobody_relies_on_what_it_followed_before() {
    for (patience, soon) in [
        (Duration::from_secs(3_600), false),
        (Duration::from_millis(500), true),
    ] {
        let settings = Settings {
            election: (patience / 2, patience),
            ..Settings::default()
        };
        let env = world(Arc::new(SimDisk::new()), 7);
        let group = Group::open(&env, &directory(), Arc::<History>::default(), settings).await;
        let group = group.unwrap();
        let listener = env.net.listen("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(group.service());
        let server = tokio::spawn(server.serve_with_incoming(Incoming::new(listener)));
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        let mut client = ConsensusClient::new(channel);
        if soon {
            until_async("a vote, or none", async || {
                ask_for_vote(&mut client, group.id(), false).await.ok()
            })
            .await;
        } else {
            let refused = ask_for_vote(&mut client, group.id(), false).await.unwrap_err();
            assert!(refused.message().contains("just been started"), "{refused}");
            // The leader itself wants this one.
            ask_for_vote(&mut client, group.id(), true).await.unwrap();
        }
        server.abort();
        group.close().await;
    }
}
