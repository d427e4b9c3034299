//! What all services and background jobs of a master share, and the two gates that every call passes.
//!
//! [`Core::lead`]: this master leads, and what is read has all that was ever acknowledged. [`Core::lead_changes`]: and
//! changes are taken.
//!
//! One lock: the cluster's. It is never held over an `await`, and the namespace needs none.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use consensus::{Group, Prepared, ProposeError};
use env::Env;
use futures_util::FutureExt as _;
use namespace::{Command, Entry, NamespaceError, Outcome};
use proto::v1::ErrorCode;
use tokio::sync::watch;
use types::{Caller, ClusterId, RequestId};

use crate::Config;
use crate::activity::Activity;
use crate::audit::Audit;
use crate::cluster::Cluster;
use crate::desk::Desk;
use crate::jobs::Jobs;
use crate::leadership::{Lead, Leadership};
use crate::lease::Grace;
use crate::machine::{Logged, Machine};
use crate::picture::Picture;
use crate::rejection::Rejection;
use crate::telemetry::Telemetry;

/// How long a call waits for a lead that has just been won to open.
const OPENING_PATIENCE: Duration = Duration::from_secs(1);

/// Touched chunks that are judged before others may have the lock of the cluster.
const TOUCHED_AT_ONCE: usize = 1_000;

/// The shared part of a master.
pub(crate) struct Core {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) machine: Arc<Machine>,
    /// Where others reach this master.
    pub(crate) address: String,
    /// When it started, on the monotonic clock.
    pub(crate) started: Duration,
    pub(crate) leadership: Leadership,
    pub(crate) picture: Picture,
    /// What it does by itself.
    pub(crate) jobs: Jobs,
    /// Recoveries, and what datanodes have to say for them.
    pub(crate) desk: Desk,
    /// Since when leases could be renewed.
    pub(crate) grace: Mutex<Grace>,
    /// What it counts.
    pub(crate) telemetry: Telemetry,
    pub(crate) activity: Activity,
    /// Where changes are told.
    pub(crate) audit: Audit,
    /// What others serve on its HTTP port.
    pub(crate) mount: httpd::Mount,
    /// True from the moment on at which it is told to stop.
    pub(crate) closing: watch::Sender<bool>,
    cluster: Mutex<Cluster>,
    group: ArcSwapOption<Group<Machine>>,
}

impl Core {
    pub(crate) fn new(
        env: Env,
        config: Config,
        machine: Arc<Machine>,
        address: String,
        group: Group<Machine>,
        telemetry: Telemetry,
        audit: Audit,
    ) -> Self {
        Self {
            machine,
            address,
            started: env.clock.monotonic(),
            leadership: Leadership::new(),
            picture: Picture::new(env.clock.wall()),
            jobs: Jobs::new(),
            desk: Desk::new(),
            grace: Mutex::default(),
            telemetry,
            activity: Activity::default(),
            audit,
            mount: httpd::Mount::default(),
            closing: watch::Sender::new(false),
            cluster: Mutex::new(Cluster::new(&config, env.random.u64())),
            group: ArcSwapOption::from_pointee(group),
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

    /// The cluster, as far as this master belongs to one.
    ///
    /// # Errors
    /// `NOT_READY` before.
    pub(crate) fn cluster_id(&self) -> Result<ClusterId, Rejection> {
        self.machine.read().cluster().ok_or_else(|| {
            let why = "this master belongs to no cluster yet: it waits for the other masters, or to be added";
            Rejection::new(ErrorCode::NotReady, why)
        })
    }

    /// The first gate: this master leads, and what is read from now on has all that was acknowledged by now.
    ///
    /// # Errors
    /// `NOT_LEADER`, with the address of the leader when it is known.
    pub(crate) async fn lead(&self) -> Result<Lead, Rejection> {
        let group = self.open_group()?;
        let term = match group.read_barrier().await {
            Ok(term) => term,
            Err(not_leader) => {
                return Err(match group.failed().now_or_never() {
                    Some(cause) => ProposeError::Failed { cause }.into(),
                    None => not_leader.into(),
                });
            }
        };
        match self.leadership.current() {
            Some(lead) if lead.term == term => return Ok(lead),
            _ => {}
        }
        // The group is a moment ahead.
        let begun = Box::pin(tokio::time::timeout(OPENING_PATIENCE, self.leadership.begun()));
        match begun.await {
            Ok(lead) if lead.term == term => Ok(lead),
            _ => Err(self.not_leader()),
        }
    }

    /// The second gate: and changes are taken.
    ///
    /// # Errors
    /// `NOT_LEADER`; `NOT_READY` while the cluster starts; `SAFE_MODE` while an operator wants it so.
    pub(crate) async fn lead_changes(&self) -> Result<Lead, Rejection> {
        let lead = self.lead().await?;
        if self.takes_changes() {
            Ok(lead)
        } else {
            Err(Rejection::safe_mode(&self.safe_mode()))
        }
    }

    /// What a call gets that only a leader can answer.
    pub(crate) fn not_leader(&self) -> Rejection {
        let leader = self.group().and_then(|group| {
            let status = group.status();
            let status = status.borrow();
            status
                .leader
                .filter(|leader| *leader != group.id())
                .and_then(|leader| status.member(leader))
                .map(|member| member.address.clone())
        });
        Rejection::not_leader(leader)
    }

    /// Whether this master leads at this very moment. Only then do orders leave.
    pub(crate) fn leads_now(&self) -> Option<Lead> {
        let lead = self.leadership.current()?;
        let led = self.group()?.leads()?;
        (led == lead.term).then_some(lead)
    }

    /// Where the masters of the group are reached, as far as this one knows.
    pub(crate) fn masters(&self) -> Vec<String> {
        let Some(group) = self.group() else {
            return Vec::new();
        };
        let status = group.status();
        let status = status.borrow();
        let own = group.id();
        let address = |member: &consensus::Member| {
            // Where it was when the group began may be another place than where it is now.
            if member.id == own {
                self.address.clone()
            } else {
                member.address.clone()
            }
        };
        status
            .members
            .iter()
            .map(address)
            .filter(|address| !is_unspecified(address))
            .collect()
    }

    /// Makes a caller's command durable, applies it, and gives the answer.
    pub(crate) fn propose(
        &self,
        caller: Caller,
        request: RequestId,
        command: Command,
    ) -> impl Future<Output = Result<Outcome, Rejection>> + Send + '_ {
        self.log(caller, Some(request), command)
            .map(|logged| Ok(logged??))
    }

    /// The same, with the refusal of the namespace as it is.
    pub(crate) fn log(
        &self,
        caller: Caller,
        request: Option<RequestId>,
        command: Command,
    ) -> impl Future<Output = Result<Result<Outcome, NamespaceError>, Rejection>> + Send + '_ {
        self.submit(Prepared::new(Logged(Entry {
            at: self.env.clock.wall(),
            caller,
            request,
            command,
        })))
    }

    async fn submit(
        &self,
        prepared: Prepared<Machine>,
    ) -> Result<Result<Outcome, NamespaceError>, Rejection> {
        let group = self.open_group()?;
        let Some(lead) = self.leadership.current() else {
            return Ok(group.submit(prepared).await?);
        };
        tokio::select! {
            biased;
            outcome = group.submit(prepared) => Ok(outcome?),
            // Cut off, this master may never learn what became of it. The same call at the new leader tells.
            () = self.leadership.ended(lead) => Err(self.not_leader()),
        }
    }

    /// For the master's own commands.
    pub(crate) async fn propose_own(&self, command: Command) -> Result<Outcome, Rejection> {
        let caller = Caller {
            user: self.config.superuser.clone(),
            groups: Vec::new(),
            superuser: true,
        };
        Ok(self.log(caller, None, command).await??)
    }

    /// The group, for as long as it is open.
    pub(crate) fn group(&self) -> Option<Arc<Group<Machine>>> {
        self.group.load_full()
    }

    /// The group.
    ///
    /// # Errors
    /// `NOT_READY` when the master stops.
    pub(crate) fn open_group(&self) -> Result<Arc<Group<Machine>>, Rejection> {
        Ok(self.group().ok_or(ProposeError::Closed)?)
    }

    /// Closes the group to new commands; what runs keeps it for a moment longer.
    pub(crate) fn take_group(&self) -> Option<Arc<Group<Machine>>> {
        self.group.swap(None)
    }

    /// Waits until the master is told to stop.
    pub(crate) async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// How long a datanode may owe a block report before it is asked for it.
    pub(crate) fn report_patience(&self) -> Duration {
        self.config.heartbeat_interval * 2
    }

    /// Brings the picture up to what was published: what no file holds any more is to be deleted, and of what was touched
    /// something else is expected than before.
    pub(crate) fn drain_freed(&self) {
        let (freed, touched) = (self.machine.take_freed(), self.machine.take_touched());
        if freed.is_empty() && touched.is_empty() {
            return;
        }
        {
            let mut cluster = self.cluster();
            for chunk in freed {
                cluster.free(chunk);
            }
        }
        for some in touched.chunks(TOUCHED_AT_ONCE) {
            // The lock first: what is judged last is judged by the newest state.
            let mut cluster = self.cluster();
            let namespace = self.machine.read();
            for &chunk in some {
                cluster.judge(self.now(), &namespace, chunk);
            }
        }
    }
}

/// Whether nobody can reach this address: a wildcard that was listened on.
fn is_unspecified(address: &str) -> bool {
    address
        .parse::<std::net::SocketAddr>()
        .is_ok_and(|address| address.ip().is_unspecified())
}
