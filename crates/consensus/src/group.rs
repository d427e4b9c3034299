//! The facade.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, ForwardToLeader};
use openraft::impls::OneshotResponder;
use openraft::network::RaftNetworkFactory;
use openraft::{Raft, ReadPolicy};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use types::{MasterId, Term};

use crate::acknowledged::Acknowledged;
use crate::backup::Backup;
use crate::error::{CheckpointError, Failure, NotLeader, OpenError, ProposeError};
use crate::followers::{self, Follower};
use crate::form::{self, ChangeError, Standing};
use crate::lease::Lease;
use crate::machine::StateMachine;
use crate::node::{Node, SharedNode};
use crate::observer::Observer;
use crate::open::{self, Opened};
use crate::raft::{Address, Command, TypeConfig};
use crate::runtime;
use crate::settings::Settings;
use crate::status::Status;
use crate::store::{
    Adapter, Checkpointer, Condition, LogStore, Prepared, Request, Room, SnapshotData, Written, erase,
};
use crate::transport::{self, Service};

/// Commands that are under way at most; who comes then waits for room.
const QUEUE_COMMANDS: usize = 1024;

const QUEUE_COMMANDS_U32: u32 = 1024;

/// How long commands under way may take to end when the group is closed.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Bytes of encoded commands that are under way at most.
const QUEUE_BYTES: u32 = 64 << 20;

/// Bytes of an encoded command.
const COMMAND_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(
    COMMAND_BYTES_MAX <= wal::PAYLOAD_BYTES_MAX && COMMAND_BYTES_MAX <= QUEUE_BYTES as usize,
    "a command that is let in can be written"
);

/// How long a reader waits for the others to say that they follow, and between two looks at what they have said.
const READ_PATIENCE: Duration = Duration::from_secs(1);
const READ_PAUSE: Duration = Duration::from_millis(1);

/// Those who ask for a checkpoint and wait for their turn.
const CHECKPOINT_REQUESTS: usize = 16;

/// A member of a group that agrees on a log of commands.
///
/// When it is dropped without [`Group::close`], it stops as in a crash.
pub struct Group<M: StateMachine> {
    pub(crate) node: SharedNode,
    commands: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    checkpoints: mpsc::Sender<Request>,
    closing: watch::Sender<bool>,
    condition: watch::Receiver<Condition>,
    lost: watch::Receiver<u64>,
    machine: std::marker::PhantomData<fn() -> M>,
}

impl<M: StateMachine> Group<M> {
    /// Opens the member whose log is in `directory`, or begins one there. `machine` has what its newest checkpoint and its
    /// log say when it returns, as far as that is known to be agreed on; all of it in a group of one. The caller has
    /// locked the directory.
    ///
    /// # Errors
    /// As [`OpenError`] says; `machine` is then to be thrown away.
    pub async fn open(
        env: &Env,
        directory: &Path,
        machine: Arc<M>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let acknowledged = Acknowledged::default();
        let known = Some(acknowledged.clone());
        Self::open_over(env, directory, machine, settings, known, |id, votes_from| {
            transport::Network::new(env, id, acknowledged, votes_from)
        })
        .await
    }

    /// As [`Group::open`], over a network that is told who this member is and when it votes, and tells what is `acknowledged`;
    /// none: it has one message under way to each member, and what Raft tells of that is right.
    pub(crate) async fn open_over<N>(
        env: &Env,
        directory: &Path,
        machine: Arc<M>,
        settings: Settings,
        acknowledged: Option<Acknowledged>,
        network: impl FnOnce(MasterId, Instant) -> N,
    ) -> Result<Self, OpenError>
    where
        N: RaftNetworkFactory<TypeConfig>,
        N::Network: openraft::network::NetSnapshot<TypeConfig, SnapshotData = SnapshotData>,
    {
        let config = Arc::new(open::config(&settings)?);
        let machine = erase(machine);
        let Opened {
            log,
            newest,
            blank,
            alone,
        } = {
            let (env, directory) = (env.clone(), directory.to_owned());
            let (machine, settings) = (Arc::clone(&machine), settings.clone());
            env::blocking(move || open::open(&env, &directory, &*machine, &settings)).await?
        };
        let id = log.meta.member;
        let condition = watch::Sender::new(Condition::Working);
        let machine = Adapter::new(env, directory, &settings, machine, newest, condition.clone())
            .map_err(|bad| OpenError::Settings(bad.to_string()))?;
        let store = LogStore::start(
            log,
            Arc::clone(&env.disk),
            directory.to_owned(),
            condition.clone(),
            settings.log_syncs.clone(),
        );
        let lease = Arc::new(Lease::new(open::lease_time(&config)));
        let votes_from = Instant::now() + Duration::from_millis(config.election_timeout_max);
        let network = network(id, votes_from);
        let start = Raft::new(id.0, Arc::clone(&config), network, store, machine.clone());
        let raft =
            runtime::scope(env.random.u64(), start)
                .await
                .map_err(|fatal| match &*condition.borrow() {
                    Condition::Failed(failure) => failure.clone(),
                    _ => Failure::Raft(fatal.to_string()),
                })?;
        let (checkpoints, requests) = mpsc::channel(CHECKPOINT_REQUESTS);
        let checkpointer = Checkpointer {
            machine: machine.clone(),
            raft: raft.clone(),
            requests,
        };
        tokio::spawn(checkpointer.run());
        let (status, lost) = (watch::Sender::default(), watch::Sender::new(0));
        let group = Self {
            node: Arc::new(Node {
                id,
                env: env.clone(),
                directory: directory.to_owned(),
                raft: raft.clone(),
                status: status.subscribe(),
                lease: Arc::clone(&lease),
                acknowledged: acknowledged.clone(),
                votes_from,
                form: form::State::new(env, id),
                settings,
            }),
            commands: Arc::new(Semaphore::new(QUEUE_COMMANDS)),
            bytes: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            checkpoints,
            closing: watch::Sender::new(false),
            condition: condition.subscribe(),
            lost: lost.subscribe(),
            machine: std::marker::PhantomData,
        };
        let observer = Observer {
            id,
            metrics: raft.metrics(),
            acknowledged,
            raft,
            machine,
            refresh: open::lease_time(&config) / 4,
            offer_time: 4 * Duration::from_millis(config.election_timeout_max),
            lease,
            status,
            lost,
            condition,
            closing: group.closing.subscribe(),
        };
        tokio::spawn(observer.run());
        group.begin(blank, alone).await?;
        // Behind it: a group of one is begun once.
        tokio::spawn(form::tend(Arc::clone(&group.node), group.closing.subscribe()));
        Ok(group)
    }

    /// Begins a group of one where that is wanted. Where there is one, everything in its log is agreed on: it is applied
    /// before this returns.
    async fn begin(&self, blank: bool, alone: bool) -> Result<(), OpenError> {
        let (raft, id) = (&self.node.raft, self.node.id.0);
        let failed = |error: &dyn std::error::Error| self.first_failure(|| error.to_string());
        if blank && self.node.settings.alone() {
            let members: BTreeMap<_, _> = [(id, Address(self.node.settings.address.clone()))].into();
            raft.initialize(members).await.map_err(|error| failed(&error))?;
        } else if !alone {
            return Ok(());
        } else {
            raft.trigger()
                .elect(false)
                .await
                .map_err(|error| failed(&error))?;
        }
        let mut status = self.status();
        let mut condition = self.condition.clone();
        while self.leads().is_none() {
            tokio::select! {
                _ = status.changed() => {}
                _ = condition.wait_for(|condition| !matches!(condition, Condition::Working)) => {
                    return Err(self.first_failure(|| "it was closed".to_owned()).into());
                }
            }
        }
        Ok(())
    }

    /// Who this member is: a random number that was born with its directory.
    #[must_use]
    pub fn id(&self) -> MasterId {
        self.node.id
    }

    /// Returns as soon as this member belongs to a group: begins one with the configured others, or joins theirs. Never
    /// returns when the group is closed before.
    pub async fn form(&self) {
        form::form(&self.node).await;
        if !self.node.status.borrow().formatted() {
            std::future::pending().await
        }
    }

    /// How this member stands to its group, and what it waits for if it belongs to none.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        form::standing(&self.node)
    }

    /// What the other masters ask this one: to be mounted on its gRPC server.
    #[must_use]
    pub fn service(&self) -> Service {
        transport::service(Arc::clone(&self.node))
    }

    /// Lets the master at `address` in, and waits until it has the state, the log, and a vote.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub async fn add(&self, address: &str) -> Result<MasterId, ChangeError> {
        form::add(&self.node, address).await
    }

    /// Removes a member. Where that is this one, it hands over first, and answers [`ChangeError::NotLeader`] with who is to
    /// be asked then.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub async fn remove(&self, id: MasterId) -> Result<(), ChangeError> {
        form::remove(&self.node, id).await
    }

    /// Hands the lead to `to`, or to who is nearest to the end of the log, and answers who leads then.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub async fn transfer(&self, to: Option<MasterId>) -> Result<MasterId, ChangeError> {
        form::transfer(&self.node, to).await
    }

    /// How this member sees itself and the group, and every change of it.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.node.status.clone()
    }

    /// How far the others are, as this member knows when it leads; nothing when it does not.
    #[must_use]
    pub fn followers(&self) -> Vec<Follower> {
        followers::of(&self.node.raft, self.node.id)
    }

    /// The term in which this member leads, if it may answer: nobody else can lead, and all that was ever acknowledged is
    /// applied here. Costs a few reads of memory.
    #[must_use]
    pub fn leads(&self) -> Option<Term> {
        self.node.lease.leads()
    }

    /// After it, the state machine has all that was acknowledged before it was called. Costs as much as
    /// [`Group::leads`] as long as that says yes; else the others are asked.
    ///
    /// # Errors
    /// When this member does not lead, or can not find out.
    pub async fn read_barrier(&self) -> Result<Term, NotLeader> {
        if let Some(term) = self.leads() {
            return Ok(term);
        }
        // Elsewhere, for it is large and rare: every question that waits carries this future.
        let asked = Box::pin(self.ask_the_others());
        asked.await.ok_or_else(|| self.not_leader())
    }

    /// Asks the others whether they follow this member; the term in which they do, when it has applied all that was
    /// acknowledged before.
    async fn ask_the_others(&self) -> Option<Term> {
        let begun = Instant::now();
        self.node
            .raft
            .ensure_linearizable(ReadPolicy::ReadIndex)
            .await
            .ok()?;
        // What the library takes for answers to these questions may be answers to earlier ones: see `acknowledged`.
        let ended = begun + READ_PATIENCE;
        loop {
            let (vote, configs) = {
                let metrics = self.node.raft.metrics();
                let metrics = metrics.borrow_watched();
                let membership = metrics.membership_config.membership();
                (metrics.vote, membership.get_joint_config().clone())
            };
            let (own, now) = (self.node.id, Instant::now());
            if !vote.committed || vote.leader_id.voted_for != own.0 {
                return None;
            }
            let followed = self.node.acknowledged.as_ref().is_none_or(|known| {
                let quorum = known.quorum(own, &vote, &configs, now);
                quorum.is_some_and(|sent| sent >= begun)
            });
            if followed {
                return Some(Term(vote.leader_id.term));
            }
            if now >= ended {
                return None;
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
    }

    /// Proposes a command: it is made durable by a majority, then applied, then answered. Waits while too many are under
    /// way.
    ///
    /// When this future is dropped before it is done, the command may or may not be applied.
    ///
    /// # Errors
    /// As [`ProposeError`] says.
    pub fn propose(
        &self,
        command: M::Command,
    ) -> impl Future<Output = Result<M::Outcome, ProposeError>> + Send + '_ {
        self.submit(Prepared::new(command))
    }

    /// The same, of a command that is encoded already.
    ///
    /// # Errors
    /// As [`ProposeError`] says.
    pub async fn submit(&self, prepared: Prepared<M>) -> Result<M::Outcome, ProposeError> {
        let Prepared {
            op,
            payload,
            proposal,
        } = prepared;
        let bytes = payload.len();
        let Some(share) = u32::try_from(bytes).ok().filter(|_| bytes <= COMMAND_BYTES_MAX) else {
            return Err(ProposeError::TooLarge {
                bytes,
                max: COMMAND_BYTES_MAX,
            });
        };
        proposal.admit(self.room(share).await?);
        let command = Command {
            op,
            payload,
            proposal: Some(Arc::clone(&proposal) as _),
        };
        let mut lost = self.lost.clone();
        lost.mark_unchanged();
        let (responder, answer) = OneshotResponder::new_pair();
        // Elsewhere, for it is large, and over long before the answer is there.
        let sent = Box::pin(self.node.raft.client_write_ff(command, Some(responder)));
        if sent.await.is_err() {
            return Err(self.ended());
        }
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            _ = lost.changed() => return Err(self.unknown(None)),
        };
        match answer {
            Ok(Ok(_)) => match proposal.take_outcome() {
                Some(outcome) if !self.failed_already() => Ok(outcome),
                _ => Err(self.unknown(None)),
            },
            Ok(Err(ClientWriteError::ForwardToLeader(to))) => Err(self.leader_in(&to).into()),
            Ok(Err(ClientWriteError::LogEntryDiscarded(to))) => Err(self.unknown(Some(&to))),
            Ok(Err(_)) => Err(self.unknown(None)),
            Err(_) => Err(self.ended()),
        }
    }

    /// The term that this member is in.
    #[must_use]
    pub fn term(&self) -> Term {
        self.node.status.borrow().term
    }

    /// Writes a checkpoint now, unless nothing was applied since the newest one, and has the log cut behind the one before
    /// it.
    ///
    /// # Errors
    /// As [`CheckpointError`] says. The group goes on.
    pub async fn checkpoint(&self) -> Result<checkpoint::Info, CheckpointError> {
        Ok(self.write_checkpoint().await?.info)
    }

    /// The state as of now, as the bytes of a checkpoint file.
    ///
    /// # Errors
    /// As [`Group::checkpoint`].
    pub async fn backup(&self) -> Result<Backup, CheckpointError> {
        Ok(Backup::new(self.write_checkpoint().await?.checkpoint))
    }

    async fn write_checkpoint(&self) -> Result<Written, CheckpointError> {
        let (request, written) = oneshot::channel();
        let asked = self.checkpoints.send(request).await;
        asked.map_err(|_| CheckpointError::Closed)?;
        written.await.map_err(|_| CheckpointError::Closed)?
    }

    /// Resolves when the group has failed: the process must stop. Never resolves after [`Group::close`].
    pub async fn failed(&self) -> Failure {
        let mut condition = self.condition.clone();
        let ended = condition
            .wait_for(|condition| !matches!(condition, Condition::Working))
            .await
            .map(|condition| condition.clone());
        match ended {
            Ok(Condition::Failed(failure)) => failure,
            Ok(_) => std::future::pending().await,
            Err(_) => Failure::Panicked,
        }
    }

    /// Takes no more commands, finishes those it has, and closes the log.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        // What is under way ends soon, unless nobody is there to agree.
        let idle = self.commands.acquire_many(QUEUE_COMMANDS_U32);
        let _ = tokio::time::timeout(CLOSE_TIME, idle).await;
        self.commands.close();
        self.bytes.close();
        // How it ended is in the condition.
        let _ = self.node.raft.shutdown().await;
        let mut condition = self.condition.clone();
        let _ = condition
            .wait_for(|condition| !matches!(condition, Condition::Working))
            .await;
    }

    async fn room(&self, bytes: u32) -> Result<Room, ProposeError> {
        if *self.closing.borrow() {
            return Err(self.ended());
        }
        let commands = Arc::clone(&self.commands).acquire_owned();
        let commands = commands.await.map_err(|_| self.ended())?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes);
        let bytes = bytes.await.map_err(|_| self.ended())?;
        Ok(Room::new(commands, bytes))
    }

    fn failed_already(&self) -> bool {
        matches!(&*self.condition.borrow(), Condition::Failed(_))
    }

    /// Why nothing is taken any more.
    fn ended(&self) -> ProposeError {
        if *self.closing.borrow() && !self.failed_already() {
            return ProposeError::Closed;
        }
        ProposeError::Failed {
            cause: self.first_failure(|| "its task is gone".to_owned()),
        }
    }

    /// What to say of a command that was taken, and of which no more will be heard.
    fn unknown(&self, to: Option<&ForwardToLeader<TypeConfig>>) -> ProposeError {
        if self.failed_already() {
            return self.ended();
        }
        let leader = to
            .map_or_else(|| self.not_leader(), |to| self.leader_in(to))
            .leader;
        ProposeError::Unknown { leader }
    }

    /// Who leads instead, as far as this member knows.
    fn not_leader(&self) -> NotLeader {
        let status = self.node.status.borrow();
        let other = status.leader.filter(|leader| *leader != self.node.id);
        NotLeader {
            leader: other.and(status.leader_address()).map(str::to_owned),
        }
    }

    fn leader_in(&self, to: &ForwardToLeader<TypeConfig>) -> NotLeader {
        match &to.leader_node {
            Some(address) if to.leader_id != Some(self.node.id.0) => NotLeader {
                leader: Some(address.0.clone()),
            },
            _ => self.not_leader(),
        }
    }

    /// What failed first; what `other` says where only Raft can know.
    fn first_failure(&self, other: impl FnOnce() -> String) -> Failure {
        match &*self.condition.borrow() {
            Condition::Failed(failure) => failure.clone(),
            Condition::Working | Condition::Closed => Failure::Raft(other()),
        }
    }
}

impl<M: StateMachine> Drop for Group<M> {
    fn drop(&mut self) {
        let raft = self.node.raft.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = raft.shutdown().await;
            });
        }
    }
}
