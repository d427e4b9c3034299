//! The facade.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use types::{MasterId, Term};

use crate::error::{Failure, NotLeader, OpenError, ProposeError};
use crate::machine::{LogCommand, StateMachine};
use crate::recovery::{self, Opened};
use crate::status::{Member, Role, Status};
use crate::store::Condition;
use crate::writer::{Proposal, Writer};

/// Commands that wait for the log at most; who comes then waits for room.
const QUEUE_COMMANDS: usize = 1024;

/// Bytes of encoded commands that wait for the log at most.
const QUEUE_BYTES: u32 = 64 << 20;

/// Bytes of an encoded command.
const COMMAND_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(
    COMMAND_BYTES_MAX <= wal::PAYLOAD_BYTES_MAX && COMMAND_BYTES_MAX <= QUEUE_BYTES as usize,
    "a command that is let in can be written"
);

/// The settings of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// A checkpoint is written after so many bytes of log.
    pub checkpoint_log_bytes: u64,
    /// How often a leader says that it is there.
    pub heartbeat: Duration,
    /// When a follower that hears nothing from a leader stands for election: after a random time between these.
    pub election: (Duration, Duration),
    /// Where the others reach this member, as `host:port`.
    pub address: String,
    /// The addresses of all members that begin the group, this one's included. Empty, or this one alone: a group of one.
    pub peers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            checkpoint_log_bytes: 256 << 20,
            heartbeat: Duration::from_millis(50),
            election: (Duration::from_millis(250), Duration::from_millis(500)),
            address: String::new(),
            peers: Vec::new(),
        }
    }
}

/// A member of a group that agrees on a log of commands. For now the group has one member.
pub struct Group<M: StateMachine> {
    term: Term,
    queue: mpsc::Sender<Proposal<M>>,
    room: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    condition: watch::Receiver<Condition>,
    id: MasterId,
    status: watch::Sender<Status>,
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
        let Opened { wal, term } = {
            let (env, directory, machine) = (env.clone(), directory.to_owned(), Arc::clone(&machine));
            env::blocking(move || recovery::open(&env, &directory, &*machine, settings.segment_bytes)).await?
        };
        let (queue, proposals) = mpsc::channel(QUEUE_COMMANDS);
        let (closing, closing_seen) = watch::channel(false);
        let (condition, condition_seen) = watch::channel(Condition::Working);
        let writer = Writer {
            machine,
            term,
            queue: proposals,
            closing: closing_seen,
            condition,
            spare: None,
        };
        tokio::spawn(writer.run(wal));
        let id = MasterId(env.random.u64() | 1);
        let status = Status {
            role: Role::Leader,
            term,
            leader: Some(id),
            members: vec![Member {
                id,
                address: settings.address,
                voter: true,
            }],
            ..Status::default()
        };
        Ok(Self {
            id,
            status: watch::Sender::new(status),
            term,
            queue,
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            closing,
            condition: condition_seen,
        })
    }

    /// Proposes a command: it is made durable, then applied, then answered. Waits while too many are under way.
    ///
    /// When this future is dropped before it is done, the command may or may not be applied.
    ///
    /// # Errors
    /// As [`ProposeError`] says.
    pub async fn propose(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        let mut payload = Vec::new();
        command.encode(&mut payload);
        let bytes = payload.len();
        let too_large = ProposeError::TooLarge {
            bytes,
            max: COMMAND_BYTES_MAX,
        };
        let Some(share) = u32::try_from(bytes).ok().filter(|_| bytes <= COMMAND_BYTES_MAX) else {
            return Err(too_large);
        };
        // The semaphore is never closed.
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(share).await else {
            return Err(self.ended());
        };
        let (answer, outcome) = oneshot::channel();
        let proposal = Proposal {
            op: command.op_code(),
            command,
            payload,
            answer,
            room,
        };
        if self.queue.send(proposal).await.is_err() {
            return Err(self.ended());
        }
        match outcome.await {
            Ok(result) => result,
            Err(_) => Err(self.ended()),
        }
    }

    /// Who this member is: a random number that was born with its directory.
    #[must_use]
    pub const fn id(&self) -> MasterId {
        self.id
    }

    /// Returns as soon as this member belongs to a group: begins one with the configured others, or joins theirs.
    pub async fn form(&self) {}

    /// How this member sees itself and the group, and every change of it.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The term in which this member leads, if it may answer: nobody else can lead, and all that was ever acknowledged is
    /// applied here. Costs two reads of memory.
    #[must_use]
    pub fn leads(&self) -> Option<Term> {
        Some(self.term)
    }

    /// After it, the state machine has all that was acknowledged before it was called. Costs as much as
    /// [`Group::leads`] as long as that says yes; else the others are asked.
    ///
    /// # Errors
    /// When this member does not lead.
    #[expect(clippy::unused_async, reason = "in a group of one there is nobody to ask")]
    pub async fn read_barrier(&self) -> Result<Term, NotLeader> {
        Ok(self.term)
    }

    /// The term of this opening, higher than that of every one before: the fencing epoch.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
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
        let mut condition = self.condition.clone();
        let _ = condition
            .wait_for(|condition| !matches!(condition, Condition::Working))
            .await;
    }

    /// Why the writer takes nothing any more.
    fn ended(&self) -> ProposeError {
        match &*self.condition.borrow() {
            Condition::Failed(failure) => ProposeError::Failed {
                cause: failure.clone(),
            },
            Condition::Working if !*self.closing.borrow() => ProposeError::Failed {
                cause: Failure::Panicked,
            },
            Condition::Working | Condition::Closed => ProposeError::Closed,
        }
    }
}
