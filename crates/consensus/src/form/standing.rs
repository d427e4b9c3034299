//! Whether a master belongs to a group, and what it waits for if not.

use std::sync::Arc;

use env::Env;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use types::MasterId;

use super::decide::Waiting;
use crate::acknowledged::Acknowledged;
use crate::node::Node;
use crate::transport::Network;

/// How a master stands to its group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is finding out.
    #[default]
    Starting,
    /// It belongs to no group, or not any more, and waits for something.
    Joining(Waiting),
    /// It belongs to a group.
    Member,
}

/// What this part of a member keeps.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) network: Network,
    pub(super) standing: watch::Sender<Standing>,
    /// Held by the change of members that is under way.
    pub(super) changing: Arc<Mutex<()>>,
}

impl State {
    /// The state of a member that has just been opened.
    pub(crate) fn new(env: &Env, id: MasterId) -> Self {
        Self {
            network: Network::new(env, id, Acknowledged::default(), Instant::now()),
            standing: watch::Sender::default(),
            changing: Arc::default(),
        }
    }

    /// Says what is new, once.
    pub(super) fn stands(&self, standing: Standing) {
        self.standing.send_if_modified(|before| {
            if *before == standing {
                return false;
            }
            match &standing {
                Standing::Joining(waiting) => tracing::info!(%waiting, "this master belongs to no group"),
                Standing::Member => tracing::info!("this master belongs to a group"),
                Standing::Starting => {}
            }
            *before = standing;
            true
        });
    }
}

/// How `node` stands to its group, and every change of that.
pub(crate) fn standing(node: &Node) -> watch::Receiver<Standing> {
    node.form.standing.subscribe()
}
