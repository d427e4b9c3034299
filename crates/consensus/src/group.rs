//! The facade, for now over nothing durable: the interface to build on.

use std::path::Path;
use std::sync::Arc;

use env::Env;
use tokio::sync::{mpsc, oneshot, watch};
use types::Term;

use crate::error::{Failure, OpenError, ProposeError};
use crate::machine::StateMachine;

type Proposal<M> = (
    <M as StateMachine>::Command,
    oneshot::Sender<<M as StateMachine>::Outcome>,
);

/// A member of a group that agrees on a log of commands.
pub struct Group<M: StateMachine> {
    proposals: mpsc::Sender<Proposal<M>>,
    failed: watch::Receiver<Option<Failure>>,
    task: tokio::task::JoinHandle<()>,
}

impl<M: StateMachine> Group<M> {
    /// Opens the group whose log is in `dir`.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub async fn open(_env: &Env, _dir: &Path, machine: Arc<M>) -> Result<Self, OpenError> {
        let (proposals, mut queue) = mpsc::channel::<Proposal<M>>(1024);
        let (fail, failed) = watch::channel(None);
        let task = tokio::spawn(async move {
            let _fail = fail;
            let mut index = 0;
            while let Some((command, answer)) = queue.recv().await {
                index += 1;
                let _ = answer.send(machine.apply(index, command));
            }
        });
        Ok(Self {
            proposals,
            failed,
            task,
        })
    }

    /// Proposes a command: it is made durable, then applied, then answered.
    ///
    /// # Errors
    /// As [`ProposeError`] says.
    pub async fn propose(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        let (answer, outcome) = oneshot::channel();
        if self.proposals.send((command, answer)).await.is_err() {
            return Err(ProposeError::Closed);
        }
        outcome.await.map_err(|_| ProposeError::Closed)
    }

    /// The term of this opening: the fencing epoch.
    #[must_use]
    pub const fn term(&self) -> Term {
        Term(1)
    }

    /// Resolves when the log has failed: the process must stop.
    pub async fn failed(&self) -> Failure {
        let mut failed = self.failed.clone();
        match failed
            .wait_for(Option::is_some)
            .await
            .map(|failure| failure.clone())
        {
            Ok(Some(failure)) => failure,
            _ => std::future::pending().await,
        }
    }

    /// Takes no more commands, finishes those it has, and closes the log.
    pub async fn close(self) {
        drop(self.proposals);
        let _ = self.task.await;
    }
}
