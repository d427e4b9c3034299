//! Three masters, of which one leads at a time, or none: the client follows by itself, with the same call id.

use std::sync::Arc;
use std::time::Duration;

use client::{ErrorKind, FileSystem};
use env::Env;

use crate::fake::{Master, Refuse, config, path};

/// Far less than an attempt may take: a client that only waits for its own deadlines is found out.
const PATIENCE: Duration = Duration::from_secs(20);

struct Group {
    masters: Vec<Arc<Master>>,
    fs: FileSystem,
}

impl Group {
    /// Three masters; the client knows those of them that are named.
    async fn start(known: &[usize]) -> Self {
        let mut masters = Vec::new();
        for _ in 0..3 {
            masters.push(Master::start(&[]).await);
        }
        let mut config = config(&masters[0]);
        config.masters = known.iter().map(|&number| masters[number].address()).collect();
        config.timeouts.call = PATIENCE * 3;
        config.timeouts.call_total = PATIENCE * 3;
        let fs = FileSystem::connect(Env::real(), config).unwrap();
        Self { masters, fs }
    }

    /// From now on these masters see that one as the leader of `term`.
    fn sees(&self, who: &[usize], leader: Option<usize>, term: u64) {
        let all: Vec<_> = self.masters.iter().collect();
        for &number in who {
            self.masters[number].sees(&all, leader, term);
        }
    }

    async fn mkdir(&self, name: &str) -> Result<(), client::Error> {
        let made = tokio::time::timeout(PATIENCE, self.fs.mkdir(&path(name), 0o755, false)).await;
        made.expect("the leader was not found")
    }

    fn calls(&self, master: usize) -> Vec<u64> {
        self.masters[master].calls("mkdir")
    }
}

#[tokio::test]
async fn when_the_leader_dies_the_next_one_is_found() {
    let group = Group::start(&[0, 1, 2]).await;
    group.sees(&[0, 1, 2], Some(0), 1);
    group.mkdir("/a").await.unwrap();
    group.masters[0].kill();
    group.sees(&[1, 2], None, 2);
    let (fs, later) = (group.fs.clone(), path("/b"));
    let call = tokio::spawn(async move { fs.mkdir(&later, 0o755, false).await });
    // Both are asked, and nobody leads; then one does.
    while group.calls(1).len() < 2 || group.calls(2).len() < 2 {
        tokio::task::yield_now().await;
    }
    group.sees(&[1, 2], Some(2), 2);
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let ids = [group.calls(1), group.calls(2)].concat();
    assert!(ids.iter().all(|id| *id == ids[0]), "one call, one id: {ids:?}");
}

#[tokio::test]
async fn when_the_leader_is_silent_the_call_goes_on_at_the_next_one() {
    let group = Group::start(&[0, 1, 2]).await;
    group.sees(&[0, 1, 2], Some(0), 1);
    group.mkdir("/a").await.unwrap();
    group.masters[0].freeze();
    let mut asked = group.masters[1].asked.subscribe();
    let (fs, later) = (group.fs.clone(), path("/b"));
    let call = tokio::spawn(async move { fs.mkdir(&later, 0o755, false).await });
    // It is still the leader for all that they know; then it is not.
    let before = *asked.borrow();
    asked.wait_for(|asked| *asked > before + 2).await.unwrap();
    group.sees(&[1, 2], Some(1), 2);
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let (old, new) = (group.calls(0), group.calls(1));
    assert_eq!(old.len(), 2);
    assert_eq!(new, [old[1]], "the same call");
    // It wakes up, and is not asked any more.
    group.masters[0].thaw();
    group.mkdir("/c").await.unwrap();
    assert_eq!((group.calls(0).len(), group.calls(1).len()), (2, 2));
}

#[tokio::test]
async fn many_calls_leave_a_silent_leader_together() {
    let group = Group::start(&[0, 1, 2]).await;
    group.sees(&[0, 1, 2], Some(0), 1);
    group.mkdir("/a").await.unwrap();
    group.masters[0].freeze();
    let calls: Vec<_> = (0..32)
        .map(|number| {
            let (fs, name) = (group.fs.clone(), path(&format!("/{number}")));
            tokio::spawn(async move { fs.mkdir(&name, 0o755, false).await })
        })
        .collect();
    group.sees(&[1, 2], Some(2), 2);
    for call in calls {
        tokio::time::timeout(PATIENCE, call)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    assert_eq!(group.calls(2).len(), 32);
}

#[tokio::test]
async fn a_leader_that_takes_its_time_is_not_left() {
    let group = Group::start(&[0, 1, 2]).await;
    group.sees(&[0, 1, 2], Some(0), 4);
    group.mkdir("/a").await.unwrap();
    // One that was cut off for a while knows a leader of the past.
    group.sees(&[2], Some(1), 3);
    group.masters[0].refuse("mkdir", [Refuse::Hang]);
    group.fs.admin().masters().await.unwrap();
    let mut asked = group.masters[2].asked.subscribe();
    let (fs, later) = (group.fs.clone(), path("/b"));
    let call = tokio::spawn(async move { fs.mkdir(&later, 0o755, false).await });
    let before = *asked.borrow();
    asked.wait_for(|asked| *asked > before + 3).await.unwrap();
    group.masters[0].thaw();
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let calls = [group.calls(0).len(), group.calls(1).len(), group.calls(2).len()];
    assert_eq!(calls, [2, 0, 0]);
}

#[tokio::test]
async fn wrong_hints_and_hints_in_circles_do_not_keep_from_the_leader() {
    let group = Group::start(&[0, 1, 2]).await;
    group.masters[0].follow(Some(vec!["127.0.0.1:1".into(), "nonsense".into()]));
    group.masters[1].follow(Some(vec!["nonsense".into()]));
    group.mkdir("/a").await.unwrap();
    assert_eq!(group.calls(2).len(), 1);

    let group = Group::start(&[0, 1, 2]).await;
    group.masters[0].follow(Some(vec![group.masters[1].address()]));
    group.masters[1].follow(Some(vec![group.masters[0].address()]));
    group.mkdir("/a").await.unwrap();
    assert_eq!(group.calls(2).len(), 1);
}

#[tokio::test]
async fn a_leader_that_nobody_named_is_found_and_so_are_the_others() {
    let group = Group::start(&[0]).await;
    group.sees(&[0, 1, 2], Some(2), 1);
    group.mkdir("/a").await.unwrap();
    assert_eq!((group.calls(0).len(), group.calls(2).len()), (1, 1));
    let seen = group.fs.admin().masters().await.unwrap();
    assert_eq!(
        (seen.leader.map(|id| id.0), seen.term, seen.masters.len()),
        (Some(3), 1, 3)
    );
    assert!(seen.masters.iter().all(|master| master.answers));
    group.masters[0].kill();
    group.masters[2].kill();
    group.sees(&[1], Some(1), 2);
    group.mkdir("/b").await.unwrap();
    assert_eq!(group.calls(1).len(), 1);
}

#[tokio::test]
async fn what_is_waited_for_is_said() {
    let group = Group::start(&[0]).await;
    let mut waiting = group.fs.waiting();
    group.masters[0].refuse("mkdir", vec![Refuse::NotReady; 14]);
    let (fs, later) = (group.fs.clone(), path("/b"));
    let call = tokio::spawn(async move { fs.mkdir(&later, 0o755, false).await });
    let said = waiting.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(said.contains("starting"), "{said}");
    tokio::time::timeout(PATIENCE * 2, call)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(*waiting.borrow(), None);
}

#[tokio::test]
async fn safe_mode_by_an_operator_is_final_and_says_how_to_leave_it() {
    let group = Group::start(&[0]).await;
    group.masters[0].refuse("mkdir", [Refuse::SafeMode]);
    let error = group.mkdir("/a").await.unwrap_err();
    assert_eq!((error.kind(), error.kind().errno()), (ErrorKind::ReadOnly, 30));
    assert!(
        error.to_string().contains("distrifs admin safemode leave"),
        "{error}"
    );
    assert_eq!(group.calls(0).len(), 1);
}
