//! Members that come and go, and what must always be true of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkpoint::Pace;
use env::clock::RealClock;
use env::disk::{Disk, FaultDisk, SimDisk};
use env::net::Network;
use env::random::SeededRandom;
use env::{Env, Inline};
use types::{MasterId, Term};

use super::network::Router;
use crate::raft::Address;
use crate::{Group, Image, LogCommand, OpenError, ProposeError, RestoreError, Role, Settings, StateMachine};

pub(super) fn directory() -> &'static Path {
    Path::new("/meta")
}

/// Runs a simulation from a seed. Time stands still while anybody works.
pub(super) fn simulate<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _inline = Inline::enter();
        future.await
    })
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Append(pub(super) String);

impl LogCommand for Append {
    type DecodeError = std::string::FromUtf8Error;

    fn op_code(&self) -> u8 {
        9
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(_op: u8, payload: &[u8]) -> Result<Self, Self::DecodeError> {
        String::from_utf8(payload.to_vec()).map(Self)
    }
}

/// All that was applied, with the indexes. Answers with how many commands there are.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Vec<(u64, String)>>);

impl History {
    pub(super) fn commands(&self) -> Vec<String> {
        let commands = self.0.lock().unwrap();
        commands.iter().map(|(_, text)| text.clone()).collect()
    }
}

impl StateMachine for History {
    type Command = Append;
    type Outcome = u64;
    type Image = Saved;

    fn apply_batch(&self, first_index: u64, batch: Vec<Append>, _awaited: bool) -> Vec<u64> {
        let mut commands = self.0.lock().unwrap();
        let last = commands.last().map_or(0, |(index, _)| *index);
        assert!(last < first_index, "{first_index} after {last}");
        let applied = (first_index..).zip(batch).map(|(index, command)| {
            commands.push((index, command.0));
            commands.len() as u64
        });
        applied.collect()
    }

    fn image(&self) -> Saved {
        Saved(self.0.lock().unwrap().clone())
    }

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError> {
        let mut text = String::new();
        input.read_to_string(&mut text)?;
        let parsed = text.lines().map(|line| {
            let (index, text) = line.split_once(' ').unwrap();
            (index.parse().unwrap(), text.to_owned())
        });
        *self.0.lock().unwrap() = parsed.collect();
        Ok(())
    }
}

/// One command a line, behind its index.
pub(super) struct Saved(Vec<(u64, String)>);

impl Image for Saved {
    fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|(index, text)| writeln!(out, "{index} {text}"))
    }
}

pub(super) struct Member {
    pub(super) disk: SimDisk,
    pub(super) faults: FaultDisk,
    pub(super) group: Arc<Group<History>>,
    pub(super) history: Arc<History>,
}

/// The members that run, by number, and the disks of those that do not.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) members: BTreeMap<usize, Member>,
    pub(super) down: BTreeMap<usize, SimDisk>,
    pub(super) settings: Settings,
    pub(super) rng: fastrand::Rng,
}

pub(super) fn settings() -> Settings {
    Settings {
        segment_bytes: 4096 + 1024,
        checkpoint_pace: Pace::FULL,
        peers: vec!["several".to_owned()],
        ..Settings::default()
    }
}

pub(super) fn env(disk: Arc<dyn Disk>, seed: u64) -> Env {
    Env {
        clock: Arc::new(RealClock::new()),
        disk,
        net: Network::real(),
        random: Arc::new(SeededRandom::new(seed)),
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            router: Router::default(),
            members: BTreeMap::new(),
            down: BTreeMap::new(),
            settings: settings(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// So many members, of one group.
    pub(super) async fn formed(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed);
        for number in 0..count {
            world.start(number, SimDisk::new()).await.unwrap();
        }
        let members: BTreeMap<_, _> = (0..count)
            .map(|number| (world.id(number).0, Address(format!("master-{number}"))))
            .collect();
        let first = &world.members.get(&0).unwrap().group;
        first.node.raft.initialize(members).await.unwrap();
        world
    }

    pub(super) async fn start(&mut self, number: usize, disk: SimDisk) -> Result<(), OpenError> {
        let faults = FaultDisk::new(Arc::new(disk.clone()));
        let env = env(Arc::new(faults.clone()), self.rng.u64(..));
        let history = Arc::new(History::default());
        let settings = Settings {
            address: format!("master-{number}"),
            ..self.settings.clone()
        };
        let router = self.router.clone();
        let network = |id, _| router.from(id);
        let opened = Group::open_over(&env, directory(), Arc::clone(&history), settings, None, network);
        let group = Arc::new(opened.await?);
        self.router
            .join(group.id(), group.node.raft.clone(), Arc::new(faults.clone()));
        let member = Member {
            disk,
            faults,
            group,
            history,
        };
        self.members.insert(number, member);
        Ok(())
    }

    /// The power of this member goes.
    pub(super) async fn kill(&mut self, number: usize) {
        let Some(member) = self.members.remove(&number) else {
            return;
        };
        self.router.leave(member.group.id());
        member.disk.die_after(0);
        // Nothing of this life may write to the disk of the next.
        let _ = member.group.node.raft.shutdown().await;
        member.disk.crash(self.rng.u64(..));
        self.down.insert(number, member.disk);
    }

    /// It comes back.
    pub(super) async fn restart(&mut self, number: usize) {
        if let Some(disk) = self.down.remove(&number) {
            self.start(number, disk).await.unwrap();
        }
    }

    pub(super) fn id(&self, number: usize) -> MasterId {
        self.members.get(&number).unwrap().group.id()
    }

    pub(super) fn ids(&self) -> Vec<MasterId> {
        self.members.values().map(|member| member.group.id()).collect()
    }

    pub(super) fn group(&self, number: usize) -> Arc<Group<History>> {
        Arc::clone(&self.members.get(&number).unwrap().group)
    }

    /// Who may answer now. There is never more than one.
    pub(super) fn leads(&self) -> Option<(usize, Term)> {
        let leading: Vec<_> = self
            .members
            .iter()
            .filter_map(|(number, member)| Some((*number, member.group.leads()?)))
            .collect();
        assert!(leading.len() <= 1, "several lead: {leading:?}");
        leading.first().copied()
    }

    /// Lets time pass, and looks all the while.
    pub(super) async fn pass(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(3)).await;
            self.leads();
        }
    }

    /// Waits for a leader.
    pub(super) async fn leader(&self) -> usize {
        let begin = tokio::time::Instant::now();
        loop {
            if let Some((number, _)) = self.leads() {
                return number;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "nobody leads: {:?}",
                self.statuses()
            );
            self.pass(Duration::from_millis(3)).await;
        }
    }

    fn statuses(&self) -> Vec<(Role, Term, u64, u64)> {
        let status = |member: &Member| {
            let status = member.group.status().borrow().clone();
            (status.role, status.term, status.last, status.applied)
        };
        self.members.values().map(status).collect()
    }

    /// Proposes at whoever leads, again until it is done.
    pub(super) async fn propose(&self, text: &str) -> u64 {
        loop {
            let leader = self.leader().await;
            match self.group(leader).propose(Append(text.to_owned())).await {
                Ok(index) => return index,
                Err(ProposeError::NotLeader(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// As [`World::propose`], where members fail: again also when nobody knows whether it was done.
    pub(super) async fn propose_patiently(&self, text: &str) {
        loop {
            let leader = self.leader().await;
            match self.group(leader).propose(Append(text.to_owned())).await {
                Ok(_) => return,
                Err(_) => self.pass(Duration::from_millis(20)).await,
            }
        }
    }

    /// Waits until all have applied what the leader has, and gives that.
    pub(super) async fn settled(&self) -> Vec<String> {
        let begin = tokio::time::Instant::now();
        loop {
            let leader = self.leader().await;
            let expected = self.members.get(&leader).unwrap().history.commands();
            if self
                .members
                .values()
                .all(|member| member.history.commands() == expected)
            {
                return expected;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "never the same: {:?}",
                self.statuses()
            );
            self.pass(Duration::from_millis(50)).await;
        }
    }
}
