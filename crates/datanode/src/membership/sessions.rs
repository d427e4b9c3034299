//! The masters that this datanode has sessions with: those that it was started with, and those that these name.
//!
//! Each has a task, a channel and an outbox of its own, so that one that is dead or hangs holds up nobody. Masters that were
//! only heard of are left when the leader no longer names them. One that answers under two names is served under one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::net::channel;
use tokio::task::JoinHandle;

use super::Session;
use crate::changes::Outbox;
use crate::node::Node;

/// More than any cluster has; answers can not make the list grow past it.
const MASTERS_MAX: usize = 32;

#[derive(Default)]
pub(crate) struct Sessions {
    running: Mutex<HashMap<String, Running>>,
    /// The masters that are served, by their id, and under which name.
    served: Mutex<HashMap<u64, String>>,
}

struct Running {
    /// Whether this datanode was started with it.
    configured: bool,
    outbox: Arc<Outbox>,
    task: JoinHandle<()>,
}

/// A master that is served under a name. Dropped when it is no longer.
pub(super) struct Served<'a> {
    sessions: &'a Sessions,
    id: u64,
}

impl Sessions {
    /// Begins a session with each of `addresses`, which this datanode was started with.
    pub(crate) fn start(node: &Arc<Node>, addresses: &[String]) {
        let mut running = node.sessions.running();
        for address in addresses {
            add(&mut running, node, address, true);
        }
    }

    /// Begins sessions with those of `named` that are new. When `all` is said, those that were once heard of and are not
    /// named are left.
    pub(super) fn learn(node: &Arc<Node>, named: &[String], all: bool) {
        let mut running = node.sessions.running();
        for address in named {
            if !running.contains_key(address) && running.len() < MASTERS_MAX {
                add(&mut running, node, address, false);
            }
        }
        if all && !named.is_empty() {
            running.retain(|address, session| {
                let stays = session.configured || named.contains(address);
                if !stays {
                    tracing::info!(master = address, "left a master that is no longer one");
                    session.task.abort();
                    node.changes.remove(&session.outbox);
                }
                stays
            });
        }
    }

    /// Claims the master with this id for the session with `address`; none when another session has it. Id 0 is of masters
    /// that do not say.
    pub(super) fn serve(&self, id: u64, address: &str) -> Option<Served<'_>> {
        let mut served = self.served();
        if id != 0 {
            let name = served.entry(id).or_insert_with(|| address.to_owned());
            if name != address {
                return None;
            }
        }
        Some(Served { sessions: self, id })
    }

    /// Waits for the ends of all sessions.
    pub(crate) async fn ended(&self) {
        let running = std::mem::take(&mut *self.running());
        for (address, session) in running {
            if let Err(error) = session.task.await
                && error.is_panic()
            {
                tracing::error!(master = address, %error, "a session ended by a panic");
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn served(&self) -> MutexGuard<'_, HashMap<u64, String>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(running: &mut HashMap<String, Running>, node: &Arc<Node>, address: &str, configured: bool) {
    if running.contains_key(address) {
        return;
    }
    let channel = match channel(&node.env.net, address) {
        Ok(channel) => channel,
        // Those that it was started with have been checked.
        Err(error) => return tracing::warn!(master = address, %error, "heard of a master with no address"),
    };
    if !configured {
        tracing::info!(master = address, "heard of another master");
    }
    let outbox = node.changes.add();
    let session = Session::new(
        Arc::clone(node),
        address.to_owned(),
        configured,
        channel,
        Arc::clone(&outbox),
    );
    let running_one = Running {
        configured,
        outbox,
        task: tokio::spawn(session.run()),
    };
    running.insert(address.to_owned(), running_one);
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.sessions.served().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_served_under_one_name() {
        let sessions = Sessions::default();
        let first = sessions.serve(7, "a:1");
        assert!(first.is_some());
        assert!(sessions.serve(7, "b:1").is_none());
        assert!(sessions.serve(8, "b:1").is_some());
        drop(first);
        let second = sessions.serve(7, "b:1");
        assert!(second.is_some() && sessions.serve(7, "a:1").is_none());
        let unnamed = (sessions.serve(0, "c:1"), sessions.serve(0, "d:1"));
        assert!(unnamed.0.is_some() && unnamed.1.is_some());
    }
}
