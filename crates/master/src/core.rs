//! What all services and background jobs of a master share.
//!
//! Two locks: the namespace's, and the cluster's. Neither is held over an `await`; where both are needed, the namespace is
//! locked first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use consensus::{Group, ProposeError};
use env::Env;
use namespace::{Command, Entry, Outcome};
use tokio::sync::watch;
use types::{Caller, ClusterId, PoolId, RequestId, Term};

use crate::Config;
use crate::cluster::Cluster;
use crate::machine::{Logged, Machine};
use crate::rejection::Rejection;

/// The shared part of a master.
pub(crate) struct Core {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) machine: Arc<Machine>,
    pub(crate) cluster_id: ClusterId,
    pub(crate) pool_id: PoolId,
    pub(crate) term: Term,
    /// When it started, on the monotonic clock.
    pub(crate) started: Duration,
    /// True from the moment on at which it is told to stop.
    pub(crate) closing: watch::Sender<bool>,
    cluster: Mutex<Cluster>,
    group: RwLock<Option<Arc<Group<Machine>>>>,
    settled: AtomicBool,
}

impl Core {
    pub(crate) fn new(
        env: Env,
        config: Config,
        machine: Arc<Machine>,
        cluster_id: ClusterId,
        group: Group<Machine>,
    ) -> Self {
        let mut cluster = Cluster::new(&config, env.random.u64());
        for member in machine.read().members() {
            cluster.view.expect(
                member.id,
                member.host.clone(),
                member.data_port,
                member.rack.clone(),
            );
        }
        Self {
            machine,
            cluster_id,
            pool_id: PoolId::of(cluster_id),
            term: group.term(),
            started: env.clock.monotonic(),
            closing: watch::Sender::new(false),
            cluster: Mutex::new(cluster),
            group: RwLock::new(Some(Arc::new(group))),
            settled: AtomicBool::new(false),
            env,
            config,
        }
    }

    /// The datanodes and replicas.
    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time on the monotonic clock.
    pub(crate) fn now(&self) -> Duration {
        self.env.clock.monotonic()
    }

    /// Makes a caller's command durable, applies it, and gives the answer.
    pub(crate) async fn propose(
        &self,
        caller: Caller,
        request: RequestId,
        command: Command,
    ) -> Result<Outcome, Rejection> {
        self.log(caller, Some(request), command).await
    }

    /// The same for the master's own commands.
    pub(crate) async fn propose_own(&self, command: Command) -> Result<Outcome, Rejection> {
        let caller = Caller {
            user: self.config.superuser.clone(),
            groups: Vec::new(),
            superuser: true,
        };
        self.log(caller, None, command).await
    }

    async fn log(
        &self,
        caller: Caller,
        request: Option<RequestId>,
        command: Command,
    ) -> Result<Outcome, Rejection> {
        let group = self.group.read().unwrap_or_else(PoisonError::into_inner).clone();
        let group = group.ok_or(ProposeError::Closed)?;
        let entry = Entry {
            at: self.env.clock.wall(),
            caller,
            request,
            command,
        };
        Ok(group.propose(Logged(entry)).await??)
    }

    /// The group, for as long as it is open.
    pub(crate) fn group(&self) -> Option<Arc<Group<Machine>>> {
        self.group.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the group to new commands; what runs keeps it for a moment longer.
    pub(crate) fn take_group(&self) -> Option<Arc<Group<Machine>>> {
        self.group.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the master is told to stop.
    pub(crate) async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Whether the picture of the cluster can be relied on: every member has registered and reported, or has had the time
    /// of two heartbeats to do so. Before that, "nobody has it" means "nobody has said so yet".
    pub(crate) fn settled(&self) -> bool {
        if self.settled.load(Ordering::Relaxed) {
            return true;
        }
        let waited = self.now().saturating_sub(self.started) >= self.settle_time();
        let settled = waited || self.cluster().all_have_reported();
        if settled && !self.settled.swap(true, Ordering::Relaxed) {
            self.cluster().wake_all();
        }
        settled
    }

    /// How long after the start members may be missing without anybody wondering.
    pub(crate) fn settle_time(&self) -> Duration {
        self.config.heartbeat_interval * 2
    }

    /// Hands the chunks that no file holds any more to invalidation.
    pub(crate) fn drain_freed(&self) {
        let freed = self.machine.take_freed();
        if !freed.is_empty() {
            let mut cluster = self.cluster();
            for chunk in freed {
                cluster.free(chunk);
            }
        }
    }
}
