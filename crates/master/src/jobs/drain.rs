//! Datanodes that are to leave: when nothing on them is needed any more, that is logged, and they may be switched off.
//!
//! What is copied from them is repair's work. Every master looks how far it is; only a leader says that it is done. It can
//! be given up at any time, and goes on at another leader where it is.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use namespace::Command;
use types::{AdminState, DatanodeId, JobState};

use super::{Job, Journal};
use crate::cluster::Looked;
use crate::core::Core;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module's text.
pub(crate) struct Drain {
    journal: Journal,
}

impl Drain {
    pub(crate) const fn new() -> Self {
        Self {
            journal: Journal::new(),
        }
    }

    async fn look(&self, core: &Core) -> Vec<DatanodeId> {
        // What was begun or finished meanwhile is among the chunks that are being written, or among the replicas.
        core.drain_freed();
        let unfinished = core.desk.unfinished();
        let Some(mut look) = core.cluster().begin_drain_look(unfinished) else {
            return Vec::new();
        };
        loop {
            let seen = {
                let cluster = core.cluster();
                let namespace = core.machine.read();
                cluster.look_on(&namespace, &mut look)
            };
            match seen {
                Looked::InVain => return Vec::new(),
                Looked::AtSome => {}
                Looked::AtAll => return core.cluster().keep_drain_look(look),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn step(&self, core: &Core) {
        let draining: Vec<_> = {
            let namespace = core.machine.read();
            let drains = |admin| matches!(admin, AdminState::Decommissioning { .. });
            let members = namespace.members().filter(|member| drains(member.admin));
            members.map(|member| member.id).collect()
        };
        if draining.is_empty() {
            return self.journal.rest("no datanode is being decommissioned");
        }
        let drained = self.look(core).await;
        let left: u64 = {
            let cluster = core.cluster();
            let left = draining.iter().filter_map(|id| cluster.left_on(*id));
            left.map(|left| left.replicas).sum()
        };
        let detail = format!(
            "{} datanodes are being decommissioned; {left} replicas on them are still needed",
            draining.len()
        );
        self.journal.set(JobState::Running, None, detail);
        if core.leads_now().is_none() || !core.takes_changes() {
            return;
        }
        for id in drained.into_iter().filter(|id| draining.contains(id)) {
            let since = core.env.clock.wall();
            let state = AdminState::Decommissioned { since };
            match core.propose_own(Command::SetMemberState { id, state }).await {
                Ok(_) => tracing::info!(datanode = %id, "datanode is drained; it may be switched off"),
                Err(rejection) => self.journal.fail(since, rejection.0.message),
            }
        }
    }
}

impl Job for Drain {
    fn name(&self) -> &'static str {
        "drain"
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()> {
        async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                self.step(core).await;
            }
        }
        .boxed()
    }
}
