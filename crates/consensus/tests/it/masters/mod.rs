//! A group of masters in one process: real gRPC over loopback, a thread for each, and wires that can be cut.

pub(crate) mod links;
pub(crate) mod load;
mod member;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Settings, Standing};
use env::disk::SimDisk;
use types::MasterId;

use crate::common::{append, world};
use links::{Links, address};
use member::Member;

/// Nothing takes longer than this, however slow the machine is; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);

/// Masters at places that are numbered from 0; some run.
pub(crate) struct Masters {
    pub(crate) links: Links,
    pub(crate) disks: Vec<SimDisk>,
    running: Vec<Option<Member>>,
    /// What each is started with.
    pub(crate) settings: Vec<Settings>,
    seed: u64,
}

impl Masters {
    /// Places for `count` masters that are started with the first `configured` of them; none runs yet.
    pub(crate) async fn new(count: usize, configured: usize) -> Self {
        let links = Links::default();
        links.lay(count).await;
        let peers: Vec<_> = (0..configured).map(address).collect();
        let settings = |place| Settings {
            segment_bytes: 64 << 10,
            address: address(place),
            peers: peers.clone(),
            ..Settings::default()
        };
        Self {
            links,
            disks: (0..count).map(|_| SimDisk::new()).collect(),
            running: (0..count).map(|_| None).collect(),
            settings: (0..count).map(settings).collect(),
            seed: 1,
        }
    }

    /// A group of `count` that works.
    pub(crate) async fn formed(count: usize) -> Self {
        let mut masters = Self::new(count, count).await;
        for place in 0..count {
            masters.start(place).await;
        }
        masters.agree("formed").await;
        masters
    }

    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    pub(crate) async fn start(&mut self, place: usize) {
        assert!(self.running[place].is_none(), "it runs");
        self.seed += 1;
        let mut env = world(
            Arc::new(self.disks[place].clone()),
            self.seed * 100 + place as u64,
        );
        env.net = self.links.network(place);
        let settings = self.settings[place].clone();
        let (member, listens) = Member::start(env, settings).await;
        self.links.listens(place, listens);
        self.running[place] = Some(member);
    }

    pub(crate) fn member(&self, place: usize) -> &Member {
        self.running[place].as_ref().unwrap()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Member)> {
        let places = self.running.iter().enumerate();
        places.filter_map(|(place, member)| Some((place, member.as_ref()?)))
    }

    /// Ends the process, in the middle of whatever it does. What it has written stays.
    pub(crate) async fn kill(&mut self, place: usize) {
        self.disks[place].kill();
        self.running[place].take().unwrap().end().await;
    }

    /// Pulls the plug: what was not synced may be gone.
    pub(crate) async fn crash(&mut self, place: usize) {
        self.seed += 1;
        self.disks[place].crash(self.seed);
        self.running[place].take().unwrap().end().await;
    }

    /// Ends the process, and takes the disk away.
    pub(crate) async fn lose(&mut self, place: usize) {
        if self.running[place].is_some() {
            self.kill(place).await;
        }
        self.disks[place] = SimDisk::new();
    }

    pub(crate) async fn stop(&mut self, place: usize) {
        self.running[place].as_mut().unwrap().stop().await;
    }

    pub(crate) fn go_on(&mut self, place: usize) {
        self.running[place].as_mut().unwrap().go_on();
    }

    pub(crate) fn id(&self, place: usize) -> MasterId {
        self.member(place).group.id()
    }

    /// Who leads, and may answer.
    pub(crate) fn leader_now(&self) -> Option<usize> {
        let mut leaders = self
            .running()
            .filter(|(_, member)| member.group.leads().is_some());
        leaders.next().map(|(place, _)| place)
    }

    /// Waits until one leads.
    pub(crate) async fn leader(&self) -> usize {
        self.leader_among(|_| true).await
    }

    /// Waits until one of these leads.
    pub(crate) async fn leader_among(&self, which: impl Fn(usize) -> bool) -> usize {
        let leader = || {
            let mut leaders = self
                .running()
                .filter(|(place, member)| which(*place) && member.group.leads().is_some());
            leaders.next().map(|(place, _)| place)
        };
        until("a leader", leader).await
    }

    /// Has something agreed on, asking whoever leads until it is done; then every member that runs has it.
    pub(crate) async fn agree(&self, text: &str) {
        let mut attempt = 0;
        let members = until_async("an agreement", async || {
            attempt += 1;
            let leader = self.member(self.leader_now()?);
            let command = append(format!("{text} {attempt}"));
            let proposed = leader.call(async move |group| group.propose(command).await);
            proposed.await?.ok()?;
            Some(leader.group.status().borrow().members.clone())
        })
        .await;
        let done = format!("{text} {attempt}");
        until("everyone to have it", || {
            let mut running = self
                .running()
                .filter(|(_, member)| members.iter().any(|other| other.id == member.group.id()));
            running
                .all(|(_, member)| member.history.commands().contains(&done))
                .then_some(())
        })
        .await;
    }

    /// Waits until exactly the masters at these places have a vote, and everyone who runs there says so.
    pub(crate) async fn voters(&self, places: &[usize]) {
        let expected: BTreeSet<_> = places.iter().map(|place| self.id(*place)).collect();
        until("the voters", || {
            let mut at = places.iter().map(|place| self.member(*place));
            at.all(|member| {
                let status = member.group.status().borrow().clone();
                let all: BTreeSet<_> = status.members.iter().map(|member| member.id).collect();
                all == expected && status.members.iter().all(|member| member.voter)
            })
            .then_some(())
        })
        .await;
    }

    /// Waits until the master at `place` waits for something, and gives the text.
    pub(crate) async fn waits(&self, place: usize, for_what: &str) -> String {
        let member = self.member(place);
        until(for_what, || match &*member.group.standing().borrow() {
            Standing::Joining(waiting) if waiting.to_string().contains(for_what) => Some(waiting.to_string()),
            _ => None,
        })
        .await
    }

    /// All histories are one, and each command is in it once.
    pub(crate) fn check(&self, acknowledged: &[String]) {
        let histories: Vec<_> = self
            .running()
            .map(|(_, member)| member.history.commands())
            .collect();
        let longest = histories.iter().max_by_key(|history| history.len()).unwrap();
        for history in &histories {
            assert_eq!(*history, longest[..history.len()], "histories differ");
        }
        let distinct: BTreeSet<_> = longest.iter().collect();
        assert_eq!(distinct.len(), longest.len(), "something was applied twice");
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|text| !distinct.contains(text))
            .collect();
        assert!(
            lost.is_empty(),
            "{} of {} were lost: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
    }

    /// Ends everyone.
    pub(crate) async fn end(mut self) {
        for place in 0..self.count() {
            if self.running[place].is_some() {
                self.kill(place).await;
            }
        }
    }
}

/// Looks until there is something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    until_async(what, async || look()).await
}

pub(crate) async fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
