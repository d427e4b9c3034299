//! Members change, checkpoints are sent, and the lead goes round, while callers propose.

use std::sync::Arc;

use env::disk::{Disk, SimDisk};
use tokio::sync::RwLock;

use crate::common::{append, directory};
use crate::masters::links::address;
use crate::masters::load::Load;
use crate::masters::{Masters, until, until_async};

/// Has whoever leads do something until it works.
async fn by_leader<T: Send + 'static, E: std::fmt::Debug>(
    masters: &Masters,
    what: &str,
    mut change: impl AsyncFnMut(&Masters, usize) -> Option<Result<T, E>>,
) -> T {
    until_async(what, async || {
        let leader = masters.leader().await;
        change(masters, leader).await?.ok()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_come_and_go_under_load() {
    let mut masters = Masters::new(4, 3).await;
    for place in 0..4 {
        masters.start(place).await;
    }
    masters.voters(&[0, 1, 2]).await;
    masters.agree("formed").await;
    let masters = Arc::new(RwLock::new(masters));
    let load = Arc::new(Load::default());
    let callers = load.start(&masters, 4);
    {
        let masters = masters.read().await;
        for _ in 0..2 {
            let before = load.count();
            until("some work", || (load.count() > before + 50).then_some(())).await;
            by_leader(&masters, "the fourth to be added", async |masters, leader| {
                let member = masters.member(leader);
                let added = member.call(async move |group| match group.add(&address(3)).await {
                    Err(consensus::ChangeError::Already { id, .. }) => Ok(id),
                    added => added,
                });
                added.await
            })
            .await;
            masters.voters(&[0, 1, 2, 3]).await;
            by_leader(&masters, "the lead to go over", async |masters, leader| {
                let member = masters.member(leader);
                member.call(async move |group| group.transfer(None).await).await
            })
            .await;
            let gone = masters.id(3);
            by_leader(&masters, "the fourth to be removed", async |masters, leader| {
                let member = masters.member(leader);
                let removed = member.call(async move |group| match group.remove(gone).await {
                    Err(consensus::ChangeError::Unknown(_)) => Ok(()),
                    removed => removed,
                });
                removed.await
            })
            .await;
            masters.voters(&[0, 1, 2]).await;
        }
    }
    let acknowledged = load.end(callers).await;
    let masters = Arc::into_inner(masters).unwrap().into_inner();
    masters.agree("the end").await;
    masters.check(&acknowledged);
    masters.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_sent_to_who_is_behind_the_log() {
    let mut masters = Masters::new(3, 3).await;
    for place in 0..3 {
        masters.settings[place].segment_bytes = 4096 + 512;
        masters.start(place).await;
    }
    masters.agree("formed").await;
    let masters = Arc::new(RwLock::new(masters));
    let load = Arc::new(Load::default());
    let callers = load.start(&masters, 4);
    // Two checkpoints: behind the older one the log is cut.
    for _ in 0..2 {
        let before = load.count();
        until("some work", || (load.count() > before + 400).then_some(())).await;
        let masters = masters.read().await;
        for (_, member) in masters.running() {
            let written = member.call(async move |group| group.checkpoint().await);
            written.await.unwrap().unwrap();
        }
    }
    let lost = (masters.read().await.leader().await + 1) % 3;
    {
        let mut masters = masters.write().await;
        masters.lose(lost).await;
        masters.start(lost).await;
    }
    masters.read().await.voters(&[0, 1, 2]).await;
    let acknowledged = load.end(callers).await;
    let masters = Arc::into_inner(masters).unwrap().into_inner();
    masters.agree("the end").await;
    masters.check(&acknowledged);
    let has = masters.member(lost).group.status().borrow().checkpoint;
    assert!(has > 400, "it came as a checkpoint: {has}");
    masters.end().await;
}

/// So many commands that are agreed on, by whoever leads.
async fn agreed(masters: &Masters, what: &str, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut attempt = 0;
    while all.len() < count {
        attempt += 1;
        let text = format!("{what} {attempt}");
        let leader = masters.member(masters.leader().await);
        let command = append(text.clone());
        let proposed = leader.call(async move |group| group.propose(command).await);
        if let Some(Ok(_)) = proposed.await {
            all.push(text);
        }
    }
    all
}

/// Gives the newest checkpoint of one disk to another one: what is there when a master crashes that has just received it.
fn receive_newest(from: &SimDisk, to: &SimDisk) {
    let newest = checkpoint::newest(from, &directory()).unwrap().unwrap();
    let bytes = env::disk::read_file(from, newest.path()).unwrap();
    let to: Arc<dyn Disk> = Arc::new(to.clone());
    let mut receiver = checkpoint::receive(&to, &directory()).unwrap();
    receiver.take(&bytes).unwrap();
    receiver.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_checkpoint_came_and_before_the_log_begins_anew_loses_nothing() {
    let mut masters = Masters::new(3, 3).await;
    for place in 0..3 {
        masters.settings[place].segment_bytes = 4096 + 512;
        masters.start(place).await;
    }
    masters.agree("formed").await;
    let leader = masters.leader().await;
    let (behind, third) = ((leader + 1) % 3, (leader + 2) % 3);
    masters.kill(behind).await;
    let mut acknowledged = Vec::new();
    // Two checkpoints: behind the older one the log is cut.
    for round in ["one", "two"] {
        acknowledged.extend(agreed(&masters, round, 200).await);
        for (_, member) in masters.running() {
            let written = member.call(async move |group| group.checkpoint().await);
            written.await.unwrap().unwrap();
        }
    }
    let leader = masters.leader().await;
    receive_newest(&masters.disks[leader], &masters.disks[behind]);
    masters.start(behind).await;
    masters.agree("all are there").await;
    // What it writes now is needed: the third one has none of it.
    masters.kill(third).await;
    acknowledged.extend(agreed(&masters, "without the third", 30).await);
    let leader = (3 - behind - third) % 3;
    masters.kill(leader).await;
    masters.kill(behind).await;
    masters.start(behind).await;
    masters.start(third).await;
    masters.agree("without the first").await;
    masters.check(&acknowledged);
    masters.end().await;
}
