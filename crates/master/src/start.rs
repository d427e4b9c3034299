//! A master's life: start, run, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Group, Settings};
use env::Env;
use env::disk::DirLock;
use env::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::ClusterId;

use crate::audit::Audit;
use crate::core::Core;
use crate::machine::Machine;
use crate::serve::{serve_grpc, serve_http};
use crate::telemetry::Telemetry;
use crate::{Config, Failure, StartError, leadership, lease, liveness, recovery};

/// How long connections may take to end, once the master is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How long another master may take to take over from one that is told to stop.
const HAND_OVER_TIME: Duration = Duration::from_secs(2);

/// A running master.
///
/// Drop it without [`Master::shutdown`], and it stops as in a crash, only that this process lives on.
pub struct Master {
    core: Arc<Core>,
    grpc: SocketAddr,
    http: SocketAddr,
    servers: Vec<JoinHandle<()>>,
    jobs: Vec<JoinHandle<()>>,
    ended: watch::Receiver<Option<Failure>>,
    lock: Option<Box<dyn DirLock>>,
}

impl Master {
    /// Locks the directory, recovers what is in it, and serves. A master alone leads and has a formatted cluster when this
    /// returns; one of several serves from then on too, and goes on to find the others ([`Master::formed`]).
    ///
    /// # Errors
    /// As [`StartError`] says.
    pub async fn start(env: Env, config: Config) -> Result<Self, StartError> {
        config.check()?;
        let lock = lock(&env, &config).await?;
        let (grpc_listener, grpc) = listen(&env, &config.listen).await?;
        let (http_listener, http) = listen(&env, &config.http).await?;
        let telemetry = Telemetry::new();
        let settings = Settings {
            log_syncs: telemetry.log_syncs.clone(),
            ..settings(&config, grpc)
        };
        let address = settings.address.clone();
        let machine = Arc::new(Machine::new());
        let group = Group::open(&env, &config.dir, Arc::clone(&machine), settings).await?;
        // What was let go in the past is found by the reports of those who still have it.
        machine.take_freed();
        machine.take_touched();

        let audit = Audit::start(&env, config.audit.as_ref());
        let core = Arc::new(Core::new(env, config, machine, address, group, telemetry, audit));
        core.telemetry.watch(&core);
        core.picture.members(&core);
        let (end, ended) = watch::channel(None);
        let servers = vec![
            serve_grpc(Arc::clone(&core), grpc_listener, end.clone()),
            serve_http(Arc::clone(&core), http_listener, end),
        ];
        let master = Self {
            jobs: jobs(&core),
            core,
            grpc,
            http,
            servers,
            ended,
            lock: Some(lock),
        };
        master.begun_alone().await?;
        tracing::info!(%grpc, %http, address = master.core.address, "master serves");
        Ok(master)
    }

    /// Nobody else has to agree to anything in a group of one: it leads before anybody asks.
    async fn begun_alone(&self) -> Result<(), StartError> {
        let Some(group) = self.core.group() else {
            return Ok(());
        };
        let alone = group.status().borrow().members.len() == 1;
        if !alone {
            return Ok(());
        }
        tokio::select! {
            _ = self.core.leadership.begun() => Ok(()),
            failure = group.failed() => Err(StartError::Format {
                dir: self.core.config.dir.clone(),
                why: failure.to_string(),
            }),
        }
    }

    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Where gRPC listens.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where HTTP listens.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Serves `routes` on the HTTP port from now on, behind what the master serves there itself.
    pub fn mount(&self, routes: axum::Router) {
        self.core.mount.set(routes);
    }

    /// The cluster; none as long as this master belongs to no group.
    #[must_use]
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.core.machine.read().cluster()
    }

    /// Waits until this master belongs to a group that has a cluster.
    pub async fn formed(&self) -> ClusterId {
        let status = self.core.group().map(|group| group.status());
        let known = async {
            if let Some(mut status) = status {
                let _ = status.wait_for(|_| self.cluster_id().is_some()).await;
            }
            self.cluster_id()
        };
        match known.await {
            Some(cluster) => cluster,
            // The group is closed: there is nothing to wait for any more, and nobody to tell.
            None => std::future::pending().await,
        }
    }

    /// Waits until this master leads, and may answer.
    pub async fn leads(&self) {
        self.core.leadership.begun().await;
    }

    /// Resolves when the master can not go on.
    pub async fn failed(&self) -> Failure {
        let log = async {
            match self.core.group() {
                Some(group) => Failure::Log(group.failed().await),
                None => std::future::pending().await,
            }
        };
        let mut ended = self.ended.clone();
        let server = async {
            match ended
                .wait_for(Option::is_some)
                .await
                .map(|failure| failure.clone())
            {
                Ok(Some(failure)) => failure,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            failure = log => failure,
            failure = server => failure,
        }
    }

    /// Stops: hands the lead over, answers what is being answered, takes no more, closes the log, unlocks the directory.
    pub async fn shutdown(mut self) {
        hand_over(&self.core).await;
        self.core.closing.send_replace(true);
        for job in self.jobs.drain(..) {
            job.abort();
            let _ = job.await;
        }
        let deadline = tokio::time::Instant::now() + DRAIN_TIME;
        for mut server in self.servers.drain(..) {
            if tokio::time::timeout_at(deadline, &mut server).await.is_err() {
                server.abort();
                let _ = server.await;
            }
        }
        self.core.audit.flush().await;
        if let Some(group) = self.core.take_group() {
            close(group).await;
        }
        drop(self.lock.take());
        tracing::info!("master stopped");
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.core.closing.send_replace(true);
        for task in self.servers.iter().chain(&self.jobs) {
            task.abort();
        }
        self.core.take_group();
    }
}

/// Closes the group as soon as the last call that still runs has let go of it.
async fn close(mut group: Arc<Group<Machine>>) {
    let deadline = tokio::time::Instant::now() + DRAIN_TIME;
    loop {
        match Arc::try_unwrap(group) {
            Ok(group) => return group.close().await,
            Err(_) if tokio::time::Instant::now() >= deadline => {
                return tracing::warn!("calls still run; the log is left to close itself");
            }
            Err(shared) => group = shared,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn lock(env: &Env, config: &Config) -> Result<Box<dyn DirLock>, StartError> {
    let (disk, dir) = (Arc::clone(&env.disk), config.dir.clone());
    let locked = env::blocking(move || {
        disk.create_dir_all(&dir)?;
        disk.lock_dir(&dir)
    });
    locked.await.map_err(|source| {
        let dir = config.dir.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock => StartError::InUse { dir, source },
            _ => StartError::Directory { dir, source },
        }
    })
}

/// The settings of the group, once it is known where this master listens.
fn settings(config: &Config, listens: SocketAddr) -> Settings {
    let listens = if config.masters.is_empty() {
        listens.to_string()
    } else {
        // By the name that it is called by.
        config.listen.clone()
    };
    Settings {
        checkpoint_log_bytes: config.checkpoint_log.0,
        heartbeat: config.raft_heartbeat,
        election: (config.election_timeout, config.election_timeout * 2),
        address: config.advertise.clone().unwrap_or(listens),
        peers: config.masters.clone(),
        ..Settings::default()
    }
}

/// What runs beside the servers.
fn jobs(core: &Arc<Core>) -> Vec<JoinHandle<()>> {
    let [a, b, c, d, e] = std::array::from_fn(|_| Arc::clone(core));
    let mut tasks = vec![
        tokio::spawn(async move { leadership::run(&a).await }),
        tokio::spawn(async move { liveness::run(&b).await }),
        tokio::spawn(async move { lease::run(&c).await }),
        tokio::spawn(async move { recovery::run(&d).await }),
        tokio::spawn(async move { form(&e).await }),
    ];
    tasks.extend(core.jobs.all().into_iter().map(|job| {
        let core = Arc::clone(core);
        tokio::spawn(async move { job.run(&core).await })
    }));
    tasks
}

/// Finds the other masters, and begins a group with them or joins theirs.
async fn form(core: &Core) {
    if let Some(group) = core.group() {
        group.form().await;
        core.picture.members(core);
    }
}

/// A leader that stops in order leaves no gap: another one takes over first.
async fn hand_over(core: &Core) {
    if core.leads_now().is_none() {
        return;
    }
    let Some(group) = core.group() else {
        return;
    };
    let others = group.status().borrow().members.len() > 1;
    if !others {
        return;
    }
    match tokio::time::timeout(HAND_OVER_TIME, group.transfer(None)).await {
        Ok(Ok(to)) => tracing::info!(%to, "another master leads now"),
        Ok(Err(error)) => tracing::warn!(%error, "the lead is not handed over"),
        Err(_) => tracing::warn!("nobody has taken the lead over in time"),
    }
}

async fn listen(env: &Env, address: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        address: address.to_owned(),
        source,
    };
    let listener = env.net.listen(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}
