//! A master's life: start, run, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Group, Settings};
use env::Env;
use env::disk::DirLock;
use env::net::TcpListener;
use namespace::{Command, Entry};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::{Caller, ClusterId};

use crate::core::Core;
use crate::machine::{Logged, Machine};
use crate::serve::{serve_grpc, serve_http};
use crate::{Config, Failure, StartError, lease, liveness};

/// How long connections may take to end, once the master is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

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
    /// Locks and opens the directory (formats it when it is empty), recovers the log, and serves.
    ///
    /// # Errors
    /// As [`StartError`] says.
    pub async fn start(env: Env, config: Config) -> Result<Self, StartError> {
        config.check()?;
        let lock = lock(&env, &config).await?;
        let machine = Arc::new(Machine::new());
        let group = Group::open(&env, &config.dir, Arc::clone(&machine), Settings::default()).await?;
        let cluster = format(&env, &config, &machine, &group).await?;
        // What was let go in the past is found by the reports of those who still have it.
        machine.take_freed();

        let (grpc_listener, grpc) = listen(&env, &config.listen).await?;
        let (http_listener, http) = listen(&env, &config.http).await?;
        let core = Arc::new(Core::new(env, config, machine, cluster, group));
        let (end, ended) = watch::channel(None);
        let servers = vec![
            serve_grpc(Arc::clone(&core), grpc_listener, end.clone()),
            serve_http(Arc::clone(&core), http_listener, end),
        ];
        let (a, b) = (Arc::clone(&core), Arc::clone(&core));
        let jobs = vec![
            tokio::spawn(async move { liveness::run(&a).await }),
            tokio::spawn(async move { lease::run(&b).await }),
        ];
        tracing::info!(cluster = %cluster, %grpc, %http, term = %core.term, "master serves");
        Ok(Self {
            core,
            grpc,
            http,
            servers,
            jobs,
            ended,
            lock: Some(lock),
        })
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

    /// The cluster.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.core.cluster_id
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

    /// Stops: answers what is being answered, takes no more, closes the log, unlocks the directory.
    pub async fn shutdown(mut self) {
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

/// The cluster that the log names; a new one when the log is empty.
async fn format(
    env: &Env,
    config: &Config,
    machine: &Machine,
    group: &Group<Machine>,
) -> Result<ClusterId, StartError> {
    if let Some(cluster) = machine.read().cluster() {
        return Ok(cluster);
    }
    let cluster = ClusterId::from_random_bytes(env.random.uuid_bytes());
    let entry = Entry {
        at: env.clock.wall(),
        caller: Caller {
            user: config.superuser.clone(),
            groups: Vec::new(),
            superuser: true,
        },
        request: None,
        command: Command::Format { cluster },
    };
    let failed = |why: String| StartError::Format {
        dir: config.dir.clone(),
        why,
    };
    let outcome = group
        .propose(Logged(entry))
        .await
        .map_err(|error| failed(error.to_string()))?;
    outcome.map_err(|error| failed(error.to_string()))?;
    tracing::info!(%cluster, dir = %config.dir.display(), "formatted a new cluster");
    Ok(cluster)
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
