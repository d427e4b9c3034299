//! What all parts of a member share.

use std::path::PathBuf;
use std::sync::Arc;

use env::Env;
use tokio::sync::watch;
use tokio::time::Instant;
use types::MasterId;

use crate::acknowledged::Acknowledged;
use crate::form;
use crate::lease::Lease;
use crate::raft::Raft;
use crate::settings::Settings;
use crate::status::Status;

/// A member that is open.
pub(crate) struct Node {
    /// Who it is. Messages to another one are refused.
    pub(crate) id: MasterId,
    pub(crate) env: Env,
    pub(crate) settings: Settings,
    /// Where the log, the votes and the checkpoints are.
    pub(crate) directory: PathBuf,
    pub(crate) raft: Raft,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) lease: Arc<Lease>,
    /// When the others have answered; none: Raft's own word is right.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// Before this it votes for nobody: it may have followed a leader until just before it was started, who relies on that for
    /// the time of a lease.
    pub(crate) votes_from: Instant,
    /// Its place in the group.
    pub(crate) form: form::State,
}

/// A member that is open, shared.
pub(crate) type SharedNode = Arc<Node>;
