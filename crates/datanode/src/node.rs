//! What the parts of a datanode share, and how it is started and stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chunkstore::{ChunkStore, VolumeDir};
use env::Env;
use env::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::{ByteSize, ClusterId, DatanodeId, JobState, PoolId, Term};

use crate::changes::Changes;
use crate::config::Config;
use crate::error::{Failure, StartError};
use crate::fence::Fence;
use crate::identity::Directories;
use crate::jobs::{self, Jobs};
use crate::membership::{Member, Members, Sessions};
use crate::orders::{self, Orders};
use crate::replicas::Replicas;
use crate::scrub;
use crate::telemetry::Telemetry;
use crate::volumes::{self, DirsChange};
use crate::xceiver::{self, Idle, Peers};

/// What the parts of a datanode share.
pub(crate) struct Node {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) id: DatanodeId,
    pub(crate) data_addr: SocketAddr,
    /// Where it listens for programs on its host; none where it does not.
    pub(crate) local_socket: Option<PathBuf>,
    /// Where HTTP is served, if it is.
    pub(crate) http_addr: Option<SocketAddr>,
    /// What others serve there.
    pub(crate) mount: httpd::Mount,
    pub(crate) telemetry: Telemetry,
    pub(crate) changes: Arc<Changes>,
    /// Data transfers that run.
    pub(crate) transfers: AtomicU32,
    /// Connections on which nothing happens.
    pub(crate) idle: Idle,
    /// Connections to other datanodes on which nothing happens.
    pub(crate) peers: Peers,
    /// What the leader ordered and takes time.
    pub(crate) orders: Orders,
    /// What it does by itself.
    pub(crate) jobs: Jobs,
    /// The datanodes of the cluster, as the leader told.
    members: Mutex<Members>,
    /// Keeps out leaders of the past.
    fence: Fence,
    pub(crate) sessions: Sessions,
    pub(crate) directories: Mutex<Directories>,
    /// Keeps two masters from formatting at once.
    formatting: tokio::sync::Mutex<()>,
    /// None until the cluster is known.
    replicas: watch::Sender<Option<Arc<Replicas>>>,
    /// How many masters know this datanode and all of its replicas.
    registered: watch::Sender<usize>,
    failure: watch::Sender<Option<Failure>>,
    closing: watch::Sender<bool>,
}

impl Node {
    pub(crate) fn replicas(&self) -> Option<Arc<Replicas>> {
        self.replicas.borrow().clone()
    }

    pub(crate) const fn registered(&self) -> &watch::Sender<usize> {
        &self.registered
    }

    /// Ends the datanode.
    pub(crate) fn fail(&self, failure: Failure) {
        tracing::error!(%failure, "the datanode stops");
        self.failure.send_if_modified(|first| {
            let none = first.is_none();
            first.get_or_insert(failure);
            none
        });
        self.closing.send_replace(true);
    }

    /// Streams that move data: connections on which nothing happens are none.
    pub(crate) fn busy_streams(&self) -> usize {
        let open = usize::try_from(self.transfers.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        open.saturating_sub(self.idle.count())
    }

    /// Whether the datanode is to end.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits; false, and at once, when the datanode is to end.
    pub(crate) async fn rests(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.closed() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Resolves when the datanode is to end.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // An error would mean that the sender is gone, and it is in `self`.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Notes the term of a master, durably. False when it must not be obeyed: a higher one has been seen.
    pub(crate) async fn see_term(&self, term: Term) -> bool {
        let dirs = {
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            directories.formatted()
        };
        self.fence.admits(term, &self.env.disk, dirs).await
    }

    /// The highest term that any master has shown.
    pub(crate) fn highest_term(&self) -> Term {
        self.fence.highest()
    }

    /// Whether an order of this term may still be carried out: no later leader has been seen.
    pub(crate) fn obeys(&self, term: Term) -> bool {
        self.fence.stands(term)
    }

    /// The datanodes of the cluster, as the leader told.
    pub(crate) fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the directories belong to `cluster`, which the master at `master` leads: formats them when they
    /// belong to none.
    pub(crate) async fn join(
        self: &Arc<Self>,
        master: &str,
        cluster: &str,
        pool: &str,
    ) -> Result<Arc<Replicas>, Failure> {
        let _one_at_a_time = self.formatting.lock().await;
        let wrong = |dir: PathBuf, ours: ClusterId| Failure::WrongCluster {
            dir,
            ours,
            master: master.to_owned(),
            theirs: cluster.to_owned(),
        };
        let known = {
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            let known = directories.cluster();
            known.map(|(ours, pool, dir)| (ours, pool, dir.to_owned()))
        };
        if let Some((ours, _, dir)) = known {
            if ours.to_string() != cluster {
                return Err(wrong(dir, ours));
            }
            if let Some(replicas) = self.replicas() {
                return Ok(replicas);
            }
        }
        let unusable = |why: String| Failure::Format {
            cluster: cluster.parse().unwrap_or(ClusterId::from_random_bytes([0; 16])),
            why,
        };
        let new_cluster: ClusterId = cluster
            .parse()
            .map_err(|error: types::InvalidId| unusable(error.to_string()))?;
        let pool: PoolId = pool
            .parse()
            .map_err(|error: types::InvalidId| unusable(error.to_string()))?;
        let node = Arc::clone(self);
        let replicas = env::blocking(move || node.prepare(new_cluster, &pool))
            .await
            .map_err(|error| unusable(error.to_string()))?;
        Ok(replicas)
    }

    /// Formats what is not formatted, and opens the store; blocks.
    fn prepare(&self, cluster: ClusterId, pool: &PoolId) -> Result<Arc<Replicas>, StartError> {
        let volumes = {
            let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            directories.format(&self.env, cluster, pool)?
        };
        let replicas = Arc::new(self.open_store(pool.clone(), volumes)?);
        tracing::info!(%cluster, replicas = replicas.store.replicas(None, 1).len(), "the chunk store is open");
        self.replicas.send_replace(Some(Arc::clone(&replicas)));
        Ok(replicas)
    }

    fn open_store(&self, pool: PoolId, volumes: Vec<VolumeDir>) -> Result<Replicas, StartError> {
        let options = chunkstore::Options {
            reserve: self.config.reserve,
            packed_max: self.config.packed_max,
            quarantine_retention: self.config.quarantine_retention,
        };
        let (disk, clock) = (Arc::clone(&self.env.disk), Arc::clone(&self.env.clock));
        let (store, report) = ChunkStore::open(disk, clock, pool, volumes, options)?;
        tracing::info!(
            replicas = report.replicas,
            corrupt = report.corrupt,
            temporary_removed = report.temporary_removed,
            findings = report.findings.len() as u64 + report.findings_unlisted,
            "looked through the chunk store"
        );
        let (clock, changes) = (Arc::clone(&self.env.clock), Arc::clone(&self.changes));
        let replicas = Replicas::new(store, clock, changes);
        replicas.adopt();
        Ok(replicas)
    }

    /// Removes the replicas whose writers are gone, destroys what has rested, and empties packs that are mostly of no use,
    /// until the datanode ends.
    async fn sweep(self: Arc<Self>) {
        let timeout = self.config.abandoned_write_timeout;
        let pause = (timeout / 8).clamp(Duration::from_millis(10), Duration::from_secs(5));
        let mut destroyed_in_all = 0;
        while self.rests(pause).await {
            self.peers.expire();
            let Some(replicas) = self.replicas() else { continue };
            let sweeping = Arc::clone(&self);
            let (destroyed, resting) = env::blocking(move || {
                replicas.writing.remove_abandoned(timeout);
                let (destroyed, _) = replicas.store.expire_quarantine();
                if destroyed > 0 {
                    tracing::info!(destroyed, "destroyed replicas that have rested");
                }
                if let Err(error) = replicas.store.compact() {
                    tracing::warn!(%error, "could not empty a pack");
                    let now = sweeping.env.clock.wall();
                    (sweeping.jobs).fail(jobs::QUARANTINE, now, format!("could not empty a pack: {error}"));
                }
                let volumes = replicas.store.volumes().into_iter();
                (destroyed, volumes.map(|volume| volume.quarantined).sum::<u64>())
            })
            .await;
            destroyed_in_all += destroyed;
            let (state, rests) = match resting {
                0 => (JobState::Idle, "nothing rests".to_owned()),
                bytes => (JobState::Running, format!("{} rest", ByteSize(bytes))),
            };
            let detail = format!("{rests}; {destroyed_in_all} replicas destroyed since the start");
            self.jobs.set(jobs::QUARANTINE, state, detail);
        }
    }
}

/// A running datanode. Dropping it without [`Datanode::shutdown`] stops it too, without waiting.
pub struct Datanode {
    node: Arc<Node>,
    tasks: Vec<JoinHandle<()>>,
}

impl Datanode {
    /// Starts a datanode: locks and opens its directories, listens, and begins to look for its masters. It serves reads
    /// before a master has answered, when it knows its cluster; it goes on looking for masters for as long as it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(env: Env, config: Config) -> Result<Self, StartError> {
        if config.masters.is_empty() {
            return Err(StartError::NoMaster);
        }
        if let Some(address) = config
            .masters
            .iter()
            .find(|address| env::net::endpoint(address).is_err())
        {
            return Err(StartError::MasterAddress {
                address: address.clone(),
            });
        }
        let (world, paths) = (env.clone(), config.dirs.clone());
        let (directories, term) = env::blocking(move || {
            let directories = Directories::open(&world, &paths)?;
            let term = directories.term()?;
            Ok::<_, StartError>((directories, term))
        })
        .await?;
        let listen = |source| StartError::Listen {
            address: config.listen.clone(),
            source,
        };
        let listener: TcpListener = env.net.listen(&config.listen).await.map_err(listen)?;
        let data_addr = listener.local_addr().map_err(listen)?;
        let local = xceiver::listen_local(&env, &config);
        let http = match &config.http {
            Some(address) => Some(listen_http(&env, address).await?),
            None => None,
        };
        let telemetry = Telemetry::new();
        let known = directories.cluster().map(|(cluster, pool, _)| (cluster, pool));
        let node = Arc::new(Node {
            id: directories.id(),
            data_addr,
            local_socket: local.as_ref().map(|local| local.path().to_owned()),
            http_addr: http.as_ref().map(|(_, address)| *address),
            mount: httpd::Mount::default(),
            changes: Arc::new(Changes::counting(telemetry.checksum_failures_disk.clone())),
            telemetry,
            transfers: AtomicU32::new(0),
            idle: Idle::default(),
            peers: Peers::default(),
            orders: Orders::new(config.copy_bytes_per_s),
            jobs: Jobs::default(),
            members: Mutex::default(),
            fence: Fence::new(term),
            sessions: Sessions::default(),
            directories: Mutex::new(directories),
            formatting: tokio::sync::Mutex::new(()),
            replicas: watch::channel(None).0,
            registered: watch::channel(0).0,
            failure: watch::channel(None).0,
            closing: watch::channel(false).0,
            env,
            config,
        });
        if let Some((cluster, pool)) = known {
            let opening = Arc::clone(&node);
            env::blocking(move || opening.prepare(cluster, &pool)).await?;
        }
        node.telemetry.watch(&node);
        let mut tasks = vec![
            tokio::spawn(xceiver::accept(Arc::clone(&node), listener, local)),
            tokio::spawn(Arc::clone(&node).sweep()),
            tokio::spawn(orders::run(Arc::clone(&node))),
            tokio::spawn(volumes::watch(Arc::clone(&node))),
            tokio::spawn(volumes::even_out(Arc::clone(&node))),
            tokio::spawn(scrub::run(Arc::clone(&node))),
        ];
        if let Some((listener, _)) = http {
            tasks.push(tokio::spawn(crate::http::serve(Arc::clone(&node), listener)));
        }
        Sessions::start(&node, &node.config.masters);
        tracing::info!(id = %node.id, %data_addr, "the datanode serves");
        Ok(Self { node, tasks })
    }

    /// The address that the data plane listens on.
    #[must_use]
    pub fn data_addr(&self) -> SocketAddr {
        self.node.data_addr
    }

    /// The address that HTTP is served on, if it is.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.node.http_addr
    }

    /// Serves `routes` on the HTTP port from now on, behind what the datanode serves there itself.
    pub fn mount(&self, routes: axum::Router) {
        self.node.mount.set(routes);
    }

    /// The datanode's identity. Of a datanode that was never formatted, it holds only once it is registered.
    #[must_use]
    pub fn id(&self) -> DatanodeId {
        self.node.id
    }

    /// The highest term that any master has shown. Orders of lower ones are not obeyed.
    #[must_use]
    pub fn highest_term(&self) -> Term {
        self.node.highest_term()
    }

    /// The lowest term of the orders that it began to carry out since this was asked last; none: there was no order.
    #[must_use]
    pub fn take_oldest_order(&self) -> Option<Term> {
        self.node.orders.take_oldest()
    }

    /// The datanodes of the cluster, as the leader last told: a view that may be behind. Empty until a leader has told.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.node.members().all()
    }

    /// Uses these directories from now on: those that are new are taken in (and formatted, when they are empty), those that
    /// are not among them are left as they are. The streams on the others go on.
    ///
    /// # Errors
    /// When none is named, or the cluster is not known yet. What is wrong with single directories is in the answer.
    pub async fn set_dirs(&self, dirs: Vec<PathBuf>) -> Result<DirsChange, StartError> {
        let node = Arc::clone(&self.node);
        env::blocking(move || node.set_dirs(&dirs)).await
    }

    /// Waits until at least one master knows this datanode and has its block report.
    pub async fn registered(&self) {
        let mut registered = self.node.registered.subscribe();
        let _ = registered.wait_for(|masters| *masters > 0).await;
    }

    /// Waits until the datanode has stopped by itself; says why.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.node.failure.subscribe();
        loop {
            if let Some(failure) = failure.borrow_and_update().clone() {
                return failure;
            }
            if failure.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Stops: no new connections, every stream ends at its next wait, the directories are unlocked.
    pub async fn shutdown(mut self) {
        self.node.closing.send_replace(true);
        self.node.sessions.ended().await;
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "a part of the datanode ended by a panic");
            }
        }
    }
}

impl Drop for Datanode {
    fn drop(&mut self) {
        self.node.closing.send_replace(true);
    }
}

async fn listen_http(env: &Env, address: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        address: address.to_owned(),
        source,
    };
    let listener = env.net.listen(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}
