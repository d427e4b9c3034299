//! A master's life: start, run, stop.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Group, OpenError};
use env::Env;
use env::disk::DirLock;
use env::net::{Incoming, TcpListener};
use namespace::{Command, Entry};
use proto::v1::membership_server::MembershipServer;
use proto::v1::namespace_server::NamespaceServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::{Caller, ClusterId};

use crate::core::Core;
use crate::machine::{Logged, Machine};
use crate::service::{MembershipApi, NamespaceApi};
use crate::{Config, InvalidConfig, http, lease, liveness};

/// The largest message that is taken from a datanode or a client.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// How long connections may take to end, once the master is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Why a master does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The directory can not be used.
    #[error("the master's directory {} can not be used: {source}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error(
        "the master's directory {} is in use: {source}. Stop the other process, or use another directory",
        dir.display()
    )]
    InUse {
        /// Which.
        dir: PathBuf,
        /// By whom.
        source: io::Error,
    },
    /// The log can not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The first command of the log could not be written.
    #[error("the master's directory {} could not be formatted: {why}", dir.display())]
    Format {
        /// Which.
        dir: PathBuf,
        /// Why not.
        why: String,
    },
    /// An address can not be listened on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why a running master can not go on: the process has to stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The log failed. What was not acknowledged may or may not be in it.
    #[error("the log failed: {0}")]
    Log(consensus::Failure),
    /// A part of the master ended by itself.
    #[error("the {what} ended unexpectedly: {why}")]
    Ended {
        /// Which part.
        what: &'static str,
        /// What it said.
        why: String,
    },
}

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
        let group = Group::open(&env, &config.dir, Arc::clone(&machine)).await?;
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

fn serve_grpc(core: Arc<Core>, listener: TcpListener, end: watch::Sender<Option<Failure>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<NamespaceServer<NamespaceApi>>().await;
        health.set_serving::<MembershipServer<MembershipApi>>().await;
        let namespace = NamespaceServer::new(NamespaceApi::new(Arc::clone(&core)));
        let membership = MembershipServer::new(MembershipApi::new(Arc::clone(&core)));
        let served = tonic::transport::Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_service(health_service)
            .add_service(namespace.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(membership.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .serve_with_incoming_shutdown(Incoming::new(listener), core.closed())
            .await;
        report_end(
            &core,
            &end,
            "gRPC server",
            served.map_err(|error| error.to_string()),
        );
    })
}

fn serve_http(core: Arc<Core>, listener: TcpListener, end: watch::Sender<Option<Failure>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let closed = {
            let core = Arc::clone(&core);
            async move { core.closed().await }
        };
        let served = axum::serve(http::Listener(listener), http::router(Arc::clone(&core)))
            .with_graceful_shutdown(closed)
            .await;
        report_end(
            &core,
            &end,
            "HTTP server",
            served.map_err(|error| error.to_string()),
        );
    })
}

fn report_end(
    core: &Core,
    end: &watch::Sender<Option<Failure>>,
    what: &'static str,
    served: Result<(), String>,
) {
    if !*core.closing.borrow() {
        let why = served.err().unwrap_or_else(|| "no more connections".to_owned());
        end.send_replace(Some(Failure::Ended { what, why }));
    }
}
